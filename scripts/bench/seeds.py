"""Is the average of three models a fold, which differ by seed alone, better than the best of the three?

    python scripts/bench/seeds.py [NAME] [--data DIR] [--seeds 12] [--triples 10] [--out RUN]

One run trains all seeds on the same folds. Triples of them are drawn, no two alike; printed are the out-of-fold score of each
seed of a triple and of their average, and the mean over triples of both on the held-out rows, where there are answers of them.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import kit
from kit.inference import rounds
from kit.inference.loaded_run import load_run
from kit.storage import predictions
from kit.storage.run_folder import Run


def main() -> None:
    """Run, or go on, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default="digits")
    parser.add_argument("--data")
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--triples", type=int, default=10)
    parser.add_argument("--out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = kit.run(arguments.name, arguments.data, out=arguments.out or Path(folder) / "run", seeds=arguments.seeds)
        show(run, arguments.triples)


def show(run: Run, count: int) -> None:
    """Print the scores of so many triples of a run's seeds."""
    whole = load_run(run)
    labels, metric, tables = whole.labels, whole.facts.metric, whole.facts.tables(whole.root)
    each = list(rounds.out_of_fold(run, tables.train.index).values())
    tests = [labels.average([predictions.load(run.fold(part), "test") for part in some]) for some in by_seed(run)]
    truth = labels.truth(labels.encode(tables.train.loc[each[0].index]))

    def score(oof: pd.DataFrame) -> float:
        return metric(truth, labels.harden(oof.to_numpy(np.float32)))

    alone, held = [score(one) for one in each], [tables.held_out(labels, metric, one) for one in tests]
    every = list(itertools.combinations(range(len(each)), 3))
    sign, good, gains = 1 if metric.higher_is_better else -1, 0, []
    for pick in np.random.default_rng(0).choice(len(every), count, replace=False):
        triple = every[pick]
        mean = score(rounds.mean(labels, [each[i] for i in triple]))
        best = max(sign * alone[i] for i in triple)
        good += sign * mean >= best
        seen = tables.held_out(labels, metric, labels.average([tests[i] for i in triple]))
        gains.append(
            (mean - np.mean([alone[i] for i in triple]), 0.0 if seen is None else seen - np.mean([held[i] for i in triple]))
        )
        print(f"seeds {triple}: {'  '.join(f'{alone[i]:.5f}' for i in triple)}   average {mean:.5f}   best {sign * best:.5f}")
    out_of_fold, held_out = np.mean(gains, axis=0)
    print(f"not worse than the best of three: {good} of {count}")
    print(f"over the mean of three: out-of-fold {out_of_fold:+.5f}, held-out {held_out:+.5f}")


def by_seed(run: Run) -> list[list]:
    """The parts of each seed that predict the test."""
    return [[part for part in run.record.parts if part.seed == seed] for seed in range(run.record.settings["seeds"])]


if __name__ == "__main__":
    main()
