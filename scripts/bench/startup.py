"""How long what should be instant takes: `kit --help`, completion, the rerun of a complete run; and a small table of numbers.

    python scripts/bench/startup.py [--rounds 7]

Medians of fresh processes: wall time, and seconds of a core, which a busy machine changes less. The table is made up, 2,000
rows of 8 numbers and two classes; beside the kit stands LightGBM's own `cv` on it, from the files to a submission.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from contest import processor

KIT = [sys.executable, "-m", "kit"]
LIGHTGBM = """
import lightgbm, numpy as np, pandas as pd

train, test = (pd.read_csv(f"table/{name}.csv") for name in ("train", "test"))
drawn = {"feature_fraction": 0.8, "bagging_fraction": 0.8, "bagging_freq": 1}
settings = {"objective": "binary", "num_leaves": 15, "verbosity": -1, **drawn}
data = lightgbm.Dataset(train.drop(columns=["id", "label"]), train.label)
stop = [lightgbm.early_stopping(30, verbose=False)]
found = lightgbm.cv(settings, data, 300, nfold=5, seed=0, callbacks=stop, return_cvbooster=True)["cvbooster"]
answers = np.mean(found.predict(test.drop(columns="id")), axis=0) > 0.5
pd.DataFrame({"id": test.id, "label": answers.astype(int)}).to_csv("own.csv", index=False)
"""


def seconds(command: Sequence[str], folder: str, more: Mapping[str, str], rounds: int) -> str:
    """The median wall time and core seconds of a command."""
    taken, used = [], []
    for _ in range(rounds):
        began, before = time.perf_counter(), processor()
        subprocess.run(command, cwd=folder, check=True, capture_output=True, env={**os.environ, **more})
        taken.append(time.perf_counter() - began)
        used.append(processor() - before)
    return f"{statistics.median(taken):.3f} s, {statistics.median(used):.3f} s of a core"


def completing(line: str) -> dict[str, str]:
    """What argcomplete's function in the shell sets at the key TAB after this line."""
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
    return {**asked, "_ARGCOMPLETE_SHELL": "bash", "_ARGCOMPLETE_STDOUT_FILENAME": os.devnull}


def lay_out_table(folder: Path) -> None:
    """Write the small table, with 500 rows to answer."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(2500, 8))
    rows = pd.DataFrame(numbers, columns=[f"f{j}" for j in range(8)])
    rows.insert(0, "id", range(len(rows)))
    label = (numbers[:, 0] + numbers[:, 1] * numbers[:, 2] + 0.5 * rng.normal(size=len(rows)) > 0).astype(int)
    folder.mkdir()
    rows[:2000].assign(label=label[:2000]).to_csv(folder / "train.csv", index=False)
    rows[2000:].to_csv(folder / "test.csv", index=False)
    rows[2000:][["id"]].assign(label=0).to_csv(folder / "sample_submission.csv", index=False)


def table_commands() -> list[list[str]]:
    """What is done with the small table, one after the other."""
    run = ["run", "csv", "--data", "table", "--fresh", "--model"]
    return [
        [*run, "lightgbm", "--out", "one"], [*run, "lightgbm", "--seed", "1", "--out", "two"],
        [*run, "mlp", "--epochs", "2", "--out", "net"], ["predict", "one", "--data", "table", "--out", "answers"],
        ["blend", "one", "two", "--out", "both"], ["compare", "one", "two"], ["report", "one"],
        ["check", "csv", "--data", "table"],
    ]  # fmt: skip


def main() -> None:
    """Time each command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        rerun = ["run", "digits", "--epochs", "1", "--width", "4"]
        subprocess.run([*KIT, *rerun], cwd=folder, check=True, capture_output=True)
        for words in (["--help"], ["list"], rerun):
            print(f"kit {' '.join(words):66} {seconds([*KIT, *words], folder, {}, rounds)}", flush=True)
        for line in ("kit ru", "kit run ", "kit run digits --"):
            print(f"{line + '<TAB>':70} {seconds(KIT, folder, completing(line), rounds)}", flush=True)
        lay_out_table(Path(folder) / "table")
        for words in table_commands():
            print(f"kit {' '.join(words):66} {seconds([*KIT, *words], folder, {}, rounds)}", flush=True)
        print(f"{'LightGBM alone':70} {seconds([sys.executable, '-c', LIGHTGBM], folder, {}, rounds)}")


if __name__ == "__main__":
    main()
