"""Compare: how long a stack, a comparison and a shadow leaderboard take on so many rows of ten classes, made up.

    python scripts/bench/compare.py [--rows 42000]

Three members share most of their errors, as models of one competition do. Times are wall-clock seconds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from kit import metrics
from kit.inference import blend_weights
from kit.inference.blending import stacking
from kit.labels import OneOf
from kit.metrics import Metric
from kit.pipeline.comparison import paired
from kit.pipeline.shadow import ranks

CLASSES, MEMBERS, FOLDS = 10, 3, 5


def members(rng: np.random.Generator, y: np.ndarray) -> np.ndarray:
    """Probabilities [members, n, classes]."""
    shape = (len(y), CLASSES)
    shared = rng.normal(0, 1.2, shape) + 5 * np.eye(CLASSES)[y]
    powers = [np.exp(shared + rng.normal(0, 0.8, shape)) for _ in range(MEMBERS)]
    return np.stack([one / one.sum(axis=1, keepdims=True) for one in powers])


def timed(name: str, work: Callable[[], Any]) -> Any:
    """What the work gives; its seconds are printed."""
    began = time.perf_counter()
    made = work()
    print(f"{name}  {time.perf_counter() - began:.1f} s", flush=True)
    return made


def main() -> None:
    """A line for each step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=42_000)
    rows, rng = parser.parse_args().rows, np.random.default_rng(0)
    y, fold, labels = rng.integers(0, CLASSES, rows), rng.integers(0, FOLDS, rows), OneOf("digit", tuple("0123456789"))
    parts, certain = members(rng, y), np.eye(CLASSES, dtype=np.float32)[y]

    def score(some: np.ndarray, values: np.ndarray) -> float:
        return metrics.accuracy(y[some], values.argmax(axis=1))

    chosen = timed("weights", lambda: blend_weights.choose(parts, score, fold))
    rivals, groups = (chosen.nested, parts[chosen.best]), [[i] for i in range(MEMBERS)]
    none = stacking.Columns.none(rows)
    timed("stack", lambda: stacking.choose(labels, y, parts, fold, score, rivals, groups, none))
    cases: list[tuple[Metric, np.ndarray, list[np.ndarray]]] = [
        (metrics.accuracy, y, [one.argmax(axis=1) for one in parts]),
        (metrics.log_loss, certain, list(parts)),
        (metrics.auc, certain, list(parts)),
    ]
    for metric, truth, answers in cases:
        cells = sum(one.size for one in answers)

        def drawn(
            some: np.ndarray, metric: Metric = metric, truth: np.ndarray = truth, answers: list[np.ndarray] = answers
        ) -> list[float]:
            return [metric(truth[some], one[some]) for one in answers]

        timed(f"comparison by {metric.name}", lambda drawn=drawn, cells=cells: paired.bootstrap(drawn, rows, cells))  # type: ignore[misc]
        hidden = [(truth[: rows // 5], one[: rows // 5]) for one in answers]
        names = [str(i) for i in range(MEMBERS)]
        timed(
            f"shadow leaderboard by {metric.name}",
            lambda names=names, metric=metric, hidden=hidden: ranks.meaning(  # type: ignore[misc]
                names, metric, hidden, oof=[0.0] * MEMBERS, public=rows // 15
            ),
        )


if __name__ == "__main__":
    main()
