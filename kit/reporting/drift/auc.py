"""AUC: how surely training rows are told from test rows that a classifier did not learn from, beside rows dealt at random."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from kit.data import folds

FOLDS = 5
TWICE = 2.0  # of two folds each learns from the other: what they share by chance counts twice in the variance (measured: 1.9)
PRIOR = 5.0  # rows that every bin is taken to have more, with the share of all


@dataclass(frozen=True)
class Auc:
    """`value`: the mean of the folds; `noise`: its standard error; `surprise`: how many standard errors of rows that are dealt
    at random it lies above 0.5.
    """

    value: float
    noise: float
    surprise: float


@dataclass(frozen=True)
class Split:
    """Rows [n] to tell apart: `asked` bool: is it a test row? `fold` int: in which fold; `group`: rows of one are alike."""

    asked: np.ndarray
    fold: np.ndarray
    group: np.ndarray

    @classmethod
    def deal(cls, ids: np.ndarray, asked: np.ndarray, group: np.ndarray) -> Split:
        """Folds with as many test rows each; a group's rows share one."""
        return cls(asked, folds.make(ids, FOLDS, strata=asked.astype(int), groups=group).fold, group)

    def by_scores(self, fit: Callable[[np.ndarray], Any]) -> Auc:
        """Of a classifier: `fit(rows)` learns from them and returns a function that scores other rows."""
        values = {}
        for k in np.unique(self.fold):
            rows = np.flatnonzero(self.fold == k)
            if self._has_both(k):
                values[k] = _of_scores(self.asked[rows], fit(np.flatnonzero(self.fold != k))(rows))
        return self._summed(values)

    def by_bins(self, bins: np.ndarray) -> Auc:
        """Of the share of test rows among the other folds' rows of the same bin (int64 [n])."""
        count = int(bins.max()) + 1
        place = (self.fold * 2 + self.asked) * count + bins
        held = np.bincount(place, minlength=FOLDS * 2 * count).reshape(FOLDS, 2, count).astype(np.float64)
        values = {}
        for k in np.unique(self.fold):
            if self._has_both(k):
                train, test = held.sum(axis=0) - held[k]
                prior = PRIOR * test.sum() / (train.sum() + test.sum())
                values[k] = _of_counts(held[k][0], held[k][1], (test + prior) / (train + test + PRIOR))
        return self._summed(values)

    def _has_both(self, k: int) -> bool:
        return len(np.unique(self.asked[self.fold == k])) == len(np.unique(self.asked[self.fold != k])) == 2

    def _summed(self, values: dict[int, float]) -> Auc:
        if not values:
            return Auc(0.5, 0.5, 0.0)
        mean = float(np.mean(list(values.values())))
        sizes = [self._sizes(k) for k in values]
        chance, own = (np.sqrt(TWICE * sum(_variance(one, *size) for size in sizes)) / len(sizes) for one in (0.5, mean))
        spread = np.std(list(values.values()), ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
        return Auc(mean, float(max(own, spread)), float((mean - 0.5) / chance))

    def _sizes(self, k: int) -> tuple[float, float]:
        """How many rows of each kind a fold has, a group of many equal rows counting for one."""
        return _effective(self.group[(self.fold == k) & ~self.asked]), _effective(self.group[(self.fold == k) & self.asked])


def _effective(group: np.ndarray) -> float:
    sizes = np.unique(group, return_counts=True)[1].astype(np.float64)
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def _variance(auc: float, train: float, test: float) -> float:
    """Of the AUC of so many rows (Hanley and McNeil 1982); at 0.5 that of the rank sum."""
    auc = max(auc, 1 - auc)
    first, second = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    return max(0.0, auc * (1 - auc) + (test - 1) * (first - auc**2) + (train - 1) * (second - auc**2)) / (train * test)


def _of_scores(asked: np.ndarray, scores: np.ndarray) -> float:
    test = int(asked.sum())
    return float((rankdata(scores)[asked].sum() - test * (test + 1) / 2) / (test * (len(asked) - test)))


def _of_counts(train: np.ndarray, test: np.ndarray, score: np.ndarray) -> float:
    """As `_of_scores`, of so many rows with each score."""
    _, place = np.unique(score, return_inverse=True)
    train, test = np.bincount(place, train), np.bincount(place, test)
    below = np.cumsum(train) - train
    return float((test * (below + train / 2)).sum() / (train.sum() * test.sum()))
