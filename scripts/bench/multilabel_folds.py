"""How far each label's share of a fold is off, of rows that may have several labels: the kit's folds beside two others.

    python scripts/bench/multilabel_folds.py [--rows 100000] [--labels 100]

The others: strata by the rarest label that a row has (the kit's until version 0.1), and iterative stratification (Sechidis et
al. 2011) as published. Labels are made up: they come together, and some are rare. Five folds; mean and largest relative
deviation over labels and folds, and CPU seconds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from kit.data import folds
from kit.data.dealing import multilabel

K = 5


def invented(rows: int, labels: int, seed: int) -> np.ndarray:
    """Labels float32 [rows, labels], of which the rarest have about 50 rows."""
    rng = np.random.default_rng(seed)
    often = np.exp(rng.uniform(np.log(50 / rows), np.log(0.3), labels))
    return (rng.random((rows, labels)) < often * (0.3 + 1.4 * rng.random((rows, 1)))).astype(np.float32)


def by_rarest(has: np.ndarray) -> np.ndarray:
    """Strata by the rarest label of a row."""
    return folds.make([f"{row:07d}" for row in range(len(has))], K, strata=folds.rarest_label(has)).fold


def as_published(has: np.ndarray) -> np.ndarray:
    """Iterative stratification: the label with the fewest rows left goes, row by row, where it is missed most."""
    fold, left = np.full(len(has), -1), has.sum(axis=0)
    room, missed = np.full(K, len(has) / K), np.tile(left / K, (K, 1))
    while (left > 0).any():
        label = int(np.where(left > 0, left, np.inf).argmin())
        for row in np.flatnonzero((has[:, label] > 0) & (fold < 0)):
            best = int(np.lexsort((-room, -missed[:, label]))[0])
            own = np.flatnonzero(has[row])
            fold[row] = best
            room[best] -= 1
            missed[best, own] -= 1
            left[own] -= 1
        left[label] = 0
    for row in np.flatnonzero(fold < 0):
        fold[row] = room.argmax()
        room[fold[row]] -= 1
    return fold


def ours(has: np.ndarray) -> np.ndarray:
    """The kit's."""
    return folds.make([f"{row:07d}" for row in range(len(has))], K, strata=has).fold


def main() -> None:
    """Deal each set three ways, and print how well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--labels", type=int, default=100)
    arguments = parser.parse_args()
    ways: dict[str, Callable[[np.ndarray], np.ndarray]] = {"kit": ours, "published": as_published, "rarest label": by_rarest}
    for seed in range(3):
        has = invented(arguments.rows, arguments.labels, seed)
        for name, deal in ways.items():
            began = time.process_time()
            fold = deal(has)
            seconds, off = time.process_time() - began, multilabel.deviation(has, fold)
            print(f"seed {seed}  {name:12}  mean {off.mean():.4f}  largest {off.max():.3f}  {seconds:.2f} s")


if __name__ == "__main__":
    main()
