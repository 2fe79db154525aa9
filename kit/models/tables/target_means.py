"""TargetMeans: categories as the mean answer of the training rows that have them, smoothed, without a row's own answer.

After Micci-Barreca 2001. The training rows are dealt into parts; a part's numbers are learned from the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PARTS = 5
SMOOTH = 10.0  # rows that the mean of all answers counts for


@dataclass(frozen=True)
class TargetMeans:
    """`columns`: which columns of codes are encoded; `sizes`: how many codes each of them has."""

    columns: tuple[int, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, sizes: list[int], least: int) -> TargetMeans:
        """Of the columns that have so many codes at least; of none where `least` is 0."""
        columns = tuple(j for j, size in enumerate(sizes) if least and size > least)
        return cls(columns, tuple(sizes[j] for j in columns))

    def width(self, outputs: int) -> int:
        """How many numbers a row has more."""
        return len(self.columns) * outputs

    def learn(self, codes: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """The means float64 [sum of sizes, outputs] of answers [n, outputs], NaN where missing, of rows with codes
        int64 [n, columns]; [0, 0] where nothing is encoded."""
        if not self.columns:
            return np.zeros((0, 0))
        known = ~np.isnan(wanted)
        answers = np.where(known, wanted, 0.0).astype(np.float64)
        prior = answers.sum(axis=0) / np.maximum(1, known.sum(axis=0))
        tables = []
        for j, size in zip(self.columns, self.sizes, strict=True):
            total = np.stack([np.bincount(codes[:, j], one, size) for one in answers.T], axis=1)
            count = np.stack([np.bincount(codes[:, j], one, size) for one in known.T], axis=1)
            tables.append((total + SMOOTH * prior) / (count + SMOOTH))
        return np.concatenate(tables)

    def of_codes(self, codes: np.ndarray, means: np.ndarray) -> np.ndarray:
        """Codes int64 [n, columns] as float64 [n, width]."""
        begins = np.cumsum([0, *self.sizes])
        return np.concatenate([means[codes[:, j] + begin] for j, begin in zip(self.columns, begins, strict=False)], axis=1)

    def without_own(self, codes: np.ndarray, wanted: np.ndarray, seed: int, groups: np.ndarray | None = None) -> np.ndarray:
        """The training rows as float64 [n, width], each by the means of the parts that it is not in, nor its group [n]."""
        units = len(codes) if groups is None else int(groups.max()) + 1
        part = np.random.default_rng(seed).permutation(units) % PARTS
        part = part if groups is None else part[groups]
        found = np.zeros((len(codes), self.width(wanted.shape[1])))
        for k in range(PARTS):
            found[part == k] = self.of_codes(codes[part == k], self.learn(codes[part != k], wanted[part != k]))
        return found
