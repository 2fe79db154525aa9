"""TabM's perceptrons in one beside the perceptron alone and several of it, on the same folds.

    OMP_NUM_THREADS=1 python scripts/bench/members.py [--sets diabetes houses] [--seeds 0 1 2] [--contenders mlp 3xmlp tabm]

`3xmlp`: the average of three seeds; `8xtabm`: TabM of eight members. Each is `kit run csv --model … --folds 3`. Printed are the
mean out-of-fold score of the seeds, its standard deviation, and the CPU seconds of a run without imports; then every score.

The sets: scikit-learn's (diabetes, digits as columns, breast cancer, Friedman's function, Hastie's spheres; 15 % of their rows
are the test) and those of scripts/bench/table_sets.py.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import datasets
from table_sets import SETS, lay_out

import kit
from kit.models.tables import tabm_module

OTHERS = ("diabetes", "digits", "cancer", "friedman", "spheres")
MADE = ("passengers", "houses", "spaceship", "bikes")


def main() -> None:
    """Run every contender on every set with every seed, and print a line for each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=(*OTHERS, *MADE), default=(*OTHERS, *MADE))
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2))
    parser.add_argument("--contenders", nargs="+", default=("mlp", "3xmlp", "tabm"))
    arguments = parser.parse_args()
    for name in arguments.sets:
        with tempfile.TemporaryDirectory() as work:
            os.chdir(work)
            folder = Path(work) / "data"
            lay_out(name, folder) if name in SETS else lay_out_other(name, folder)
            run("mlp", folder, 0, epochs=1)  # imports what is imported late
            results = {one: [run(one, folder, seed) for seed in arguments.seeds] for one in arguments.contenders}
        for one, found in results.items():
            scores, seconds = np.array(found).T
            print(f"{name:10} {one:8} {scores.mean():11.5f} ± {scores.std():<9.5f} {seconds.mean():6.1f} s", flush=True)
            print(f"{'':19} {' '.join(f'{score:.5f}' for score in scores)}", flush=True)


def run(contender: str, folder: Path, seed: int, **knobs: int) -> tuple[float, float]:
    """The out-of-fold score, and the CPU seconds of the run."""
    count, _, model = contender.rpartition("x")
    if model == "tabm":
        tabm_module.MEMBERS = int(count or 16)
    elif count:
        knobs["seeds"] = int(count)
    began = time.process_time()
    done = kit.run("csv", folder, out="run", quiet=True, fresh=True, target="answer", model=model, folds=3, seed=seed, **knobs)
    return done.scores["oof"], time.process_time() - began


def lay_out_other(name: str, folder: Path) -> None:
    """train.csv, test.csv and a sample submission of one of scikit-learn's sets."""
    made = {
        "diabetes": lambda: datasets.load_diabetes(return_X_y=True),
        "digits": lambda: datasets.load_digits(return_X_y=True),
        "cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
        "friedman": lambda: datasets.make_friedman1(2400, noise=1.0, random_state=0),
        "spheres": lambda: datasets.make_hastie_10_2(4800, random_state=0),
    }
    x, y = made[name]()
    table = (
        pd.DataFrame(x).add_prefix("n").assign(answer=y if name in ("diabetes", "friedman") else [f"k{int(one)}" for one in y])
    )
    table.insert(0, "id", range(1, len(table) + 1))
    back = np.random.default_rng(0).random(len(table)) < 0.15
    folder.mkdir(parents=True)
    table[~back].to_csv(folder / "train.csv", index=False)
    table[back].drop(columns="answer").to_csv(folder / "test.csv", index=False)
    table.loc[back, ["id"]].assign(answer=table["answer"].iloc[0]).to_csv(folder / "sample_submission.csv", index=False)


if __name__ == "__main__":
    main()
