"""The kit's models of tables and their blend beside the libraries as they come, on the same folds.

    python scripts/bench/tables.py [--task shelter] [--repeats 3] [--only lightgbm,their-lightgbm]
    python scripts/bench/tables.py --task tall [--rows 500000]       reading alone: the kit beside pandas with typed columns

Whole processes that take turns, from the CSV files to a submission; printed are the median seconds, those of the CPU (which
other work on the machine disturbs less) and the out-of-fold score. Set OMP_NUM_THREADS=1 for one thread on both sides.

mlp, lightgbm, xgboost, catboost: `kit new`, then `kit run --model …`.  default: `kit new`, `kit run`.  blend: `kit blend` of
the default, mlp and catboost. Each needs the folds of a run of `default`, which is made once.
their-lightgbm, their-catboost: the library with its defaults, by pandas, a date as its parts, on the folds of `default`.

The sets are made up, with the traits of well-known competitions: see scripts/bench/table_sets.py.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from contest import alternate, medians, parser
from table_sets import SETS, lay_out

OURS = ("default", "mlp", "lightgbm", "xgboost", "catboost")
THEIRS = ("their-lightgbm", "their-catboost")
CONTENDERS = (*OURS, "blend", *THEIRS)
USUAL = ("default", "mlp", "catboost", "blend", *THEIRS)
READERS = ("typed", "pandas")


def kit_run(name: str, work: Path) -> tuple[float, str]:
    """A run of the kit as a new user has it: a first adapter, nothing edited. Returns the score and the metric's name."""
    import kit
    from kit.competition import scaffold

    os.chdir(work)
    if not Path("competitions/set.py").exists():
        scaffold.write("set", work / "data")
    model = {} if name == "default" else {"model": name}
    run = kit.run("set", work / "data", out=work / name, quiet=True, fresh=True, **model)
    return run.scores["oof"], run.scores["metric"]


def kit_blend(work: Path) -> tuple[float, str]:
    """The blend of the runs before it."""
    import kit
    from kit.inference.blend import blend

    os.chdir(work)
    runs = [kit.load(work / name) for name in ("default", "mlp", "catboost") if (work / name).exists()]
    scores = blend(runs, out=work / "blend", quiet=True, fresh=True).scores
    return scores["oof"], scores["metric"]


def theirs(library: str, work: Path) -> tuple[float, str]:
    """As a notebook does it, scored by the metric of the kit's run."""
    import numpy as np
    import pandas as pd

    run = json.loads((work / "default" / "scores.json").read_text())
    train, test = (pd.read_csv(work / "data" / name, index_col=0) for name in ("train.csv", "test.csv"))
    fold = pd.read_csv(work / "default" / "folds.csv", index_col=0)["fold"]
    fold.index = fold.index.astype(train.index.dtype)
    fold = fold.loc[train.index].to_numpy()
    y = train.pop("answer")
    for table in (train, test):
        if table.index.dtype.kind not in "iu":
            table[str(table.index.name)] = table.index
        for name in [one for one in table if table[one].dtype.kind not in "iuf"]:
            when = pd.to_datetime(table[name], errors="coerce", format="%Y-%m-%d %H:%M:%S")
            if when.notna().mean() > 0.9:
                for part in ("year", "month", "day", "dayofweek", "hour"):
                    table[f"{name} {part}"] = getattr(when.dt, part)
                del table[name]
    words = [name for name in train if train[name].dtype.kind not in "iuf"]
    for name in words:
        for table in (train, test):
            table[name] = table[name].map(str, na_action="ignore")
        kinds = pd.CategoricalDtype(sorted(set(train[name].dropna())))
        for table in (train, test):
            table[name] = table[name].astype(kinds) if library == "lightgbm" else table[name].fillna("none").astype(str)
    amounts = run["metric"] in ("rmse", "rmsle")
    known = y.to_numpy(float) if amounts else np.unique(y.astype(str), return_inverse=True)[1]
    known = np.log1p(known) if run["metric"] == "rmsle" else known
    oof = np.zeros((len(y), 1 if amounts else known.max() + 1))
    answers: Any = 0.0
    for k in np.unique(fold):
        here = fold == k
        model = fitted(library, train[~here], known[~here], amounts, words)
        ask = model.predict if amounts else model.predict_proba
        oof[here] = np.reshape(ask(train[here]), (here.sum(), -1))
        answers = answers + np.asarray(ask(test))
    pd.DataFrame(answers).to_csv(work / "theirs.csv")
    if amounts:
        return float(np.sqrt(np.mean((oof[:, 0] - known) ** 2))), run["metric"]
    if run["metric"] == "accuracy":
        return float(np.mean(oof.argmax(axis=1) == known)), run["metric"]
    return float(-np.mean(np.log(np.clip(oof[np.arange(len(y)), known], 1e-15, 1)))), run["metric"]


def fitted(library: str, x: Any, y: Any, amounts: bool, words: list[str]) -> Any:
    """A model of the library with its defaults."""
    if library == "lightgbm":
        import lightgbm

        kind: Any = lightgbm.LGBMRegressor if amounts else lightgbm.LGBMClassifier
        return kind(n_jobs=1, verbose=-1).fit(x, y)
    import catboost

    kind = catboost.CatBoostRegressor if amounts else catboost.CatBoostClassifier
    return kind(thread_count=1, verbose=0, allow_writing_files=False).fit(x, y, cat_features=words)


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
    words.add_argument("--task", choices=(*SETS, "tall"))
    words.add_argument("--only", default=",".join(USUAL))
    words.add_argument("--rows", type=int, default=500_000)
    words.add_argument("--work", type=Path)
    arguments = words.parse_args()
    if arguments.contender:
        warnings.simplefilter("ignore")
        name, work = arguments.contender, arguments.work
        if name in READERS:
            print(json.dumps(read_tall(name, work / "tall.csv")))
            return
        made = kit_run(name, work) if name in OURS else kit_blend(work) if name == "blend" else theirs(name[6:], work)
        print(json.dumps({"score": made[0], "cpu": time.process_time()}))
        return
    if arguments.task == "tall":
        tall(arguments.rows, arguments.repeats)
        return
    for task in [arguments.task] if arguments.task else SETS:
        with tempfile.TemporaryDirectory() as folder:
            lay_out(task, Path(folder) / "data")
            middle = medians(alternate(arguments.only.split(","), arguments.repeats, lambda name, at=folder: ["--work", at]))
        for name, one in middle.items():
            print(f"{task:10} {name:15} {one['seconds']:6.1f} s  {one['cpu']:6.1f} CPU s  out of fold {one['score']:.4f}")


if __name__ == "__main__":
    main()
