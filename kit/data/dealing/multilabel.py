"""Multi-label: folds that each hold their share of every label, of rows that may have several; groups stay whole.

After iterative stratification (Sechidis, Tsoumakas & Vlahavas 2011): rows of the rarest labels are dealt first, each to where
it is missed most. That looks at the rarest label only; here all labels of a row count, by how far each fold's share of them is
off, and so one pass serves single rows and groups alike.
"""

from __future__ import annotations

import numpy as np


def deal(labels: np.ndarray, groups: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """The fold of each row, int64 [n]. `labels` [n, c]: which each row has (or how much of it); `groups` [n]: 0, 1, 2, …

    Big groups come first. Sizes differ by one row at most where no group has more than one.
    """
    count, sizes = len(labels), np.bincount(groups)
    amounts = labels if len(sizes) == count else _summed(labels, groups, len(sizes))
    total = labels.sum(axis=0, dtype=np.float64)
    share = np.maximum(total / k, 1.0)
    unit, column = np.nonzero(amounts)
    amount = amounts[unit, column].astype(np.float64)
    starts = np.searchsorted(unit, np.arange(len(sizes) + 1))
    # Squared deviations from the share, relative to it: what a unit adds to them in a fold grows with what the fold holds.
    held, size = np.zeros((k, len(total))), np.zeros(k, np.int64)
    cost = amount / share[column] ** 2
    fold = np.zeros(len(sizes), np.int64)
    room = np.full(k, count)
    by_size = 1.0 / max(count / k, 1.0) ** 2
    ordered = _order(sizes, total, unit, column, rng)
    for place, one in enumerate(ordered):
        if sizes[one] == 1 and (place == 0 or sizes[ordered[place - 1]] > 1):
            room = _rooms(size, len(ordered) - place)
        own = slice(starts[one], starts[one + 1])
        columns = column[own]
        crowding = held[:, columns] @ cost[own] + size * (sizes[one] * by_size)
        crowding[room <= 0] = np.inf
        target = int(crowding.argmin())
        fold[one] = target
        held[target, columns] += amount[own]
        size[target] += sizes[one]
        room[target] -= sizes[one] == 1
    return fold[groups]


def deviation(labels: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """How far each label's share is off, [folds, c]: 0.1 where a fold has a tenth more or less of it than its rows are due.

    Labels that no row has are 0.
    """
    numbers = np.unique(fold)
    held = np.stack([labels[fold == number].sum(axis=0, dtype=np.float64) for number in numbers])
    due = labels.sum(axis=0, dtype=np.float64) * np.array([[np.mean(fold == number)] for number in numbers])
    return np.abs(held - due) / np.where(due > 0, due, 1.0)


def _summed(labels: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    found = np.zeros((count, labels.shape[1]))
    np.add.at(found, groups, labels)
    return found


def _order(sizes: np.ndarray, total: np.ndarray, unit: np.ndarray, column: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Large groups first; of equal size those of the rarest labels; else by chance. Rows without a label come last."""
    rarity = np.full(len(sizes), np.inf)
    np.minimum.at(rarity, unit, total[column])
    return np.lexsort((rng.permutation(len(sizes)), rarity, -sizes))


def _rooms(size: np.ndarray, count: int) -> np.ndarray:
    """How many of `count` single rows each fold takes, so that in the end sizes are as even as groups allow."""
    levels = size[:, None] + np.arange(count)[None, :]
    return np.bincount(np.argsort(levels, axis=None, kind="stable")[:count] // count, minlength=len(size))
