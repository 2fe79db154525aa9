"""The kit's perceptron, boosting and their blend beside scikit-learn's HistGradientBoosting, on the same folds.

    python scripts/bench/tables.py [--task rowsum] [--repeats 3]
    python scripts/bench/tables.py --task tall [--rows 500000]       reading alone: the kit beside pandas with typed columns

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
READERS = ("typed", "pandas")


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


def lay_out_tall(folder: Path, rows: int) -> None:
    """tall.csv: 54 columns of small whole numbers, an id and one of seven classes."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    table = pd.DataFrame({f"n{i}": rng.integers(0, 3000 if i < 10 else 2, rows) for i in range(54)})
    table.insert(0, "id", range(rows))
    table.assign(answer=table["n0"] % 7).to_csv(folder / "tall.csv", index=False)


def peak() -> int:
    """The most bytes that this process has held (on Linux; a child's `ru_maxrss` begins at its parent's)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def read_tall(reader: str, path: Path) -> dict[str, float]:
    """Seconds that reading takes, and the bytes a row at its peak (beyond what was there before, and the file's own)."""
    import pandas as pd

    from kit.inputs import Table
    from kit.storage.tables.table_file import TableFormat

    names = list(pd.read_csv(path, nrows=1).columns)
    before, began = peak(), time.perf_counter()
    if reader == "typed":
        table = Table(without=("id", "answer")).read_table(path.read_bytes(), path.name, TableFormat()).frame
    else:
        table = pd.read_csv(path, dtype={name: str if name in ("id", "answer") else "int64" for name in names})
    seconds = time.perf_counter() - began
    return {"score": seconds, "cpu": time.process_time(), "each": (peak() - before - path.stat().st_size) / len(table)}


def tall(rows: int, repeats: int) -> None:
    """Print the median seconds of both readers and the bytes a row beyond those of the file."""
    with tempfile.TemporaryDirectory() as folder:
        lay_out_tall(Path(folder), rows)
        middle = medians(alternate(READERS, repeats, lambda name: ["--work", folder]))
    for name, one in middle.items():
        print(f"tall       {name:10} {one['score']:6.2f} s to read  {one['each']:7.0f} bytes a row beyond the file's own")


def main() -> None:
    """Alternate the contenders on each task and print the medians."""
    words = parser(__doc__, (*CONTENDERS, *READERS), data=False)
    words.add_argument("--task", choices=(*TASKS, "tall"))
    words.add_argument("--rows", type=int, default=500_000)
    words.add_argument("--work", type=Path)
    arguments = words.parse_args()
    if arguments.contender:
        warnings.simplefilter("ignore")
        name, work = arguments.contender, arguments.work
        if name in READERS:
            print(json.dumps(read_tall(name, work / "tall.csv")))
            return
        score = {"blend": kit_blend, "sklearn": scikit_learn}.get(name, lambda work: kit_run(name, work))(work)
        print(json.dumps({"score": score, "cpu": time.process_time()}))
        return
    if arguments.task == "tall":
        tall(arguments.rows, arguments.repeats)
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
