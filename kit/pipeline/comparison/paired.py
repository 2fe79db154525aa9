"""Paired: the difference of two runs' scores, its noise by drawing rows again (the bootstrap) and by folds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

DRAWS, FEWEST = 200, 100
CELLS = 400_000_000  # answers that are scored in all at most, as long as there are FEWEST draws
Scorer = Callable[[np.ndarray], list[float]]  # the scores of several predictions on these rows


def bootstrap(score: Scorer, rows: int, cells: int, seed: int = 0, size: int | None = None) -> np.ndarray:
    """Scores [draws, k] of k predictions, each draw of `size` rows (None: of as many as there are) with replacement.

    `cells`: that all rows have, of all predictions."""
    rng = np.random.default_rng(seed)
    return np.array([score(rng.integers(0, rows, rows if size is None else size)) for _ in range(draws(cells))])


def draws(cells: int) -> int:
    """How often to draw where one draw scores so many cells."""
    return min(DRAWS, max(FEWEST, CELLS // max(cells, 1)))


@dataclass(frozen=True)
class Difference:
    """How much better one is than another: `gain` of all rows, `noise` (its standard error), and the probability that it is
    better at all; NaN where a score is not defined."""

    gain: float
    noise: float
    probability: float

    @classmethod
    def of(cls, gain: float, drawn: np.ndarray) -> Difference:
        """From the gains of the draws; one of exactly 0 counts half."""
        known = drawn[np.isfinite(drawn)]
        if len(known) < 2 or not math.isfinite(gain):
            return cls(gain, math.nan, math.nan)
        return cls(gain, float(known.std(ddof=1)), float((known > 0).mean() + (known == 0).mean() / 2))


@dataclass(frozen=True)
class ByFold:
    """The gains of the folds [k], their mean and its standard error; `won`: in how many it is better."""

    gains: tuple[float, ...]

    @property
    def won(self) -> int:
        return sum(one > 0 for one in self.gains)

    @property
    def mean(self) -> float:
        return float(np.mean(self.gains)) if self.gains else math.nan

    @property
    def noise(self) -> float:
        count = len(self.gains)
        return float(np.std(self.gains, ddof=1) / math.sqrt(count)) if count > 1 else math.nan


def by_fold(folds: Sequence[np.ndarray], score: Scorer, better: int, other: int, sign: int) -> ByFold:
    """The gain of one over another in each fold (its rows) where both have a score."""
    scores = [score(rows) for rows in folds]
    gains = [sign * (one[better] - one[other]) for one in scores]
    return ByFold(tuple(gain for gain in gains if math.isfinite(gain)))
