"""Batches of training rows in an order that depends on (seed, fold, epoch) alone, from any position on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import torch

from kit.data.device_copy import sent
from kit.errors import Usage
from kit.models import resident, weighting
from kit.models.batch import Batch, Feed

POOL = 50  # batches' rows that are sorted by length together


class Batches:
    """An iterable of batches for Lightning; each pass is one epoch, and knows where it is.

    `feed`: how the module wants its rows; `y`: the answers of all rows; `rows`: the positions to train on. Every epoch has
    batches of sizes that differ by one at most, so none is a single row (which batch normalisation refuses). Each comes in
    `accumulate` parts whose gradients are added; `steps` counts parts. Where the feed has lengths, so that little is filled
    up, a shuffled epoch is sorted by length POOL batches at a time, and the batches are shuffled once more.
    `strata`: of the `rows`, where an epoch is to hold each stratum equally often: rows of rare ones several times, of frequent
    ones not all. Else it holds each row once. `weights`: of all
    rows' losses, float32 [n]. Several ranks share the parts: see `shared`.
    """

    def __init__(
        self, feed: Feed, y: np.ndarray, rows: np.ndarray, *, seed: int, fold: int, accumulate: int = 1,
        strata: np.ndarray | None = None, weights: np.ndarray | None = None,
    ):  # fmt: skip
        self.feed, self.seed, self.fold = feed, seed, fold
        self.strata = strata if len(rows) > 1 else None
        self.y = torch.from_numpy(y)
        self.answers = self.y if feed.resident is None else self.y.to(feed.resident.device)
        self.weights = None if weights is None else weighting.shares(torch.from_numpy(weights), torch.from_numpy(rows))
        self.rows = rows if len(rows) > 1 or feed.whole else np.repeat(rows, 2)
        self.steps = -(-len(self.rows) // max(feed.batch, 1))
        if len(self.rows) // self.steps < 2:
            self.steps = max(1, len(self.rows) // max(feed.batch, 2))
        self.accumulate = 1 if feed.whole else max(1, min(accumulate, len(self.rows) // self.steps // 2))
        self.steps *= self.accumulate
        self.epoch = self.start = 0
        self.rank, self.ranks = 0, 1

    def shared(self, rank: int, ranks: int) -> Self:
        """These batches, of which this process trains every `ranks`-th part; other ranks train the parts between them.

        Raises Usage where a batch has not the same number of parts for each of them.
        """
        if self.accumulate % ranks:
            raise Usage(f"{ranks} ranks: the batches are too small for so many parts. Use fewer ranks, or a larger --batch.")
        self.rank, self.ranks = rank, ranks
        return self

    def __len__(self) -> int:
        return self.steps // self.ranks

    def done(self, step: int) -> int:
        """How many parts of the epoch are done after this one of this process's own, those of the other ranks too."""
        return step - self.rank + self.ranks

    def order(self, epoch: int) -> list[np.ndarray]:
        """What the random draws of each row go by (`Batch.keys`), for each part of an epoch; see `rows_of`."""
        if self.feed.whole:
            return [self.rows]
        rng = np.random.default_rng([self.seed, self.fold + 1, epoch])
        keys = self.rows
        if self.strata is not None:
            keys = self.rows[balanced(self.strata, rng)]
            keys = keys + len(self.y) * copies(keys)
        keys = rng.permutation(keys)
        return self.cut(keys) if self.feed.lengths is None else self._of_like_length(keys, self.feed.lengths, rng)

    def rows_of(self, keys: np.ndarray) -> np.ndarray:
        """The positions of the rows that these keys stand for."""
        return keys % len(self.y)

    def _of_like_length(self, keys: np.ndarray, lengths: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        pool, lengths = POOL * -(-len(keys) * self.accumulate // self.steps), lengths[self.rows_of(keys)]
        sort = [np.argsort(lengths[i : i + pool], kind="stable") + i for i in range(0, len(keys), pool)]
        parts = self.cut(keys[np.concatenate(sort)])
        sizes = [sum(len(part) for part in parts[i : i + self.accumulate]) for i in range(0, len(parts), self.accumulate)]
        turns = rng.permutation(len(sizes))
        turns = turns[np.argsort([-sizes[i] for i in turns], kind="stable")]  # larger ones first, as `collate` counts
        return [part for i in turns for part in parts[i * self.accumulate : (i + 1) * self.accumulate]]

    def cut(self, keys: np.ndarray) -> list[np.ndarray]:
        """Keys in their order as batches, and these as parts."""
        whole = np.array_split(keys, self.steps // self.accumulate)
        return [part for batch in whole for part in np.array_split(batch, self.accumulate)]

    def __iter__(self) -> Iterator[Batch]:
        # Lightning may ask for an iterator ahead of its epoch, and for none after the last batch: who hands that out moves on.
        epoch, start = self.epoch, self.start
        order = self.order(epoch)
        for step in range(start + self.rank, self.steps, self.ranks):
            batch = self.collate(order[step], epoch, step)
            self.move_on(step)
            yield batch
        if start == self.steps:  # nothing was left of this epoch
            self.move_on(start - self.ranks + self.rank)

    def move_on(self, step: int) -> None:
        """The batch of this step is handed out: go on behind it."""
        done = self.done(step)
        self.epoch, self.start = (self.epoch + 1, 0) if done == self.steps else (self.epoch, done)

    def collate(self, keys: np.ndarray, epoch: int, step: int, x: Any = None) -> Batch:
        """One part of a batch: the rows of these keys, gathered where they are not given as `x`."""
        rows = self.rows_of(keys)
        index = there = torch.from_numpy(rows)
        if self.feed.resident is not None:
            there = sent(index, self.feed.resident.device)
            x = resident.rows(self.feed.resident, there)
        elif x is None:
            x = self.feed.collate(rows)
        many, more = divmod(len(self.rows), self.steps // self.accumulate)
        whole = many + (step // self.accumulate < more)
        share, last = len(keys) * self.accumulate / whole, self.done(step) % self.accumulate == 0
        return Batch(
            x, self.answers[there], index, epoch=epoch, step=step, share=share, last=last, keys=torch.from_numpy(keys),
            weights=None if self.weights is None else self.weights[index],
        )  # fmt: skip


def balanced(strata: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Positions int64 [n] into `strata` int [n]: each stratum has the same share of them, each of its rows the same number.

    Both up to one: where a number is not whole, chance decides which rows come once more (systematic sampling, Madow & Madow
    1944). The positions are not shuffled.
    """
    known, code, count = np.unique(strata, return_inverse=True, return_counts=True)
    mixed = rng.permutation(len(strata))
    rows = mixed[np.argsort(code[mixed], kind="stable")]
    due = np.cumsum(len(strata) / (len(known) * count[code[rows]]))
    due[-1] = len(strata)  # sums of fractions end a little beside it
    ends = np.floor(due + rng.random()).astype(np.int64).clip(max=len(strata))
    return np.repeat(rows, ends - np.r_[0, ends[:-1]])


def copies(rows: np.ndarray) -> np.ndarray:
    """How often each row stood before, int64 [n]: 0 where it stands for the first time."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    found = np.empty(len(rows), np.int64)
    found[order] = np.arange(len(rows)) - np.repeat(starts, np.diff(np.r_[starts, len(rows)]))
    return found
