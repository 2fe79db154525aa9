"""The kit's perceptron, boosting and their blend beside scikit-learn's HistGradientBoosting, on the same folds.

    python scripts/bench/tables.py [--task rowsum] [--repeats 3]

Whole processes that take turns, from the CSV files to a submission; printed are the median seconds, those of the CPU (which
other work on the machine disturbs less) and the out-of-fold score.

mlp, boosting: `kit run csv`.  blend: `kit blend` of the two.
sklearn: pandas, HistGradientBoosting with its defaults (categories by dtype), the folds of the kit's run.

Tasks: rowsum (21,000 × 42 whole numbers: is the sum above zero?), mixed (20,000 rows of made-up numbers, categories and
blanks; two classes), cancer (569 × 30 real numbers, two classes), diabetes (442 × 10 real numbers; an amount).
"""

from __future__ import annotations

import json
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from contest import alternate, medians, parser

CONTENDERS = ("mlp", "boosting", "blend", "sklearn")
TASKS = ("rowsum", "mixed", "cancer", "diabetes")


def lay_out(task: str, folder: Path) -> None:
    """train.csv, test.csv with the column `answer`; every fifth row is the test."""
    import numpy as np
    import pandas as pd
    from sklearn import datasets

    rng = np.random.default_rng(0)
    if task == "rowsum":
        table = pd.DataFrame(rng.integers(-100, 101, (21_000, 42))).add_prefix("n")
        table["answer"] = (table.sum(axis=1) > 0).map({True: "yes", False: "no"})
    elif task == "mixed":
        table = pd.DataFrame(rng.normal(size=(20_000, 8)).round(4)).add_prefix("n")
        for name, many in (("shop", 60), ("kind", 5)):
            table[name] = rng.integers(0, many, len(table))
        worth = {name: rng.normal(size=60) for name in ("shop", "kind")}
        logit = table["n0"] * table["n1"] + np.sin(3 * table["n2"]) + table["n3"] + rng.logistic(size=len(table))
        logit += sum(worth[name][table[name]] for name in worth)
        table["answer"] = (logit > 0).map({True: "yes", False: "no"})
        table = table.astype({"shop": str, "kind": str}).assign(
            shop="s" + table["shop"].astype(str), kind="k" + table["kind"].astype(str)
        )
        table = table.mask(rng.random(table.shape) < np.array([0.1] * (table.shape[1] - 1) + [0]))
    else:
        data = datasets.load_breast_cancer() if task == "cancer" else datasets.load_diabetes(scaled=False)
        table = pd.DataFrame(data.data, columns=[f"n{i}" for i in range(data.data.shape[1])]).assign(answer=data.target)
        table = table.sample(frac=1, random_state=0).reset_index(drop=True)
    table.insert(0, "id", range(1, len(table) + 1))
    folder.mkdir(parents=True)
    back = table["id"] % 5 == 0
    table[~back].to_csv(folder / "train.csv", index=False)
    table[back].drop(columns="answer").to_csv(folder / "test.csv", index=False)


def kit_run(model: str, work: Path) -> float:
    """A run of the kit through its front door."""
    import kit

    run = kit.run("csv", work / "data", out=work / model, quiet=True, fresh=True, target="answer", model=model)
    return run.scores["oof"]


def kit_blend(work: Path) -> float:
    """The blend of the two runs before it."""
    import kit
    from kit.inference.blend import blend

    return blend([kit.load(work / "mlp"), kit.load(work / "boosting")], out=work / "blend", quiet=True, fresh=True).scores[
        "oof"
    ]


def scikit_learn(work: Path) -> float:
    """As a notebook does it."""
    import numpy as np
    import pandas as pd
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    train, test = (pd.read_csv(work / "data" / name, index_col="id") for name in ("train.csv", "test.csv"))
    fold = pd.read_csv(work / "mlp" / "folds.csv", index_col="id")["fold"].loc[train.index].to_numpy()
    y = train.pop("answer")
    for name in train.columns:
        if train[name].dtype.kind not in "if":
            kinds = pd.CategoricalDtype(sorted(set(train[name].dropna())))
            train[name], test[name] = train[name].astype(kinds), test[name].astype(kinds)
    amounts = y.dtype.kind in "if" and y.nunique() > 20
    oof: Any = np.zeros(len(y)) if amounts else np.empty(len(y), dtype=object)
    answers = []
    for k in np.unique(fold):
        kind: Any = HistGradientBoostingRegressor if amounts else HistGradientBoostingClassifier
        model = kind(categorical_features="from_dtype", random_state=0).fit(train[fold != k], y[fold != k])
        oof[fold == k] = model.predict(train[fold == k])
        answers.append(model.predict(test) if amounts else model.predict_proba(test))
    mean = np.mean(answers, axis=0)
    pd.DataFrame({"id": test.index, "answer": mean if amounts else model.classes_[mean.argmax(axis=1)]}).to_csv(work / "s.csv")
    return float(np.sqrt(np.mean((oof - y) ** 2)) if amounts else np.mean(oof == y))


def main() -> None:
    """Alternate the contenders on each task and print the medians."""
    words = parser(__doc__, CONTENDERS, data=False)
    words.add_argument("--task", choices=TASKS)
    words.add_argument("--work", type=Path)
    arguments = words.parse_args()
    if arguments.contender:
        warnings.simplefilter("ignore")
        name, work = arguments.contender, arguments.work
        score = {"blend": kit_blend, "sklearn": scikit_learn}.get(name, lambda work: kit_run(name, work))(work)
        print(json.dumps({"score": score, "cpu": time.process_time()}))
        return
    for task in [arguments.task] if arguments.task else TASKS:
        with tempfile.TemporaryDirectory() as folder:
            lay_out(task, Path(folder) / "data")
            middle = medians(alternate(CONTENDERS, arguments.repeats, lambda name, folder=folder: ["--work", folder]))
        kind = "rmse" if task == "diabetes" else "accuracy"
        for name, one in middle.items():
            print(
                f"{task:10} {name:10} {one['seconds']:6.1f} s  {one['cpu']:6.1f} CPU s  out-of-fold {kind} {one['score']:.4f}"
            )


if __name__ == "__main__":
    main()
