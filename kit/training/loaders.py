"""Batches of training rows in an order that depends on (seed, fold, epoch) alone, from any position on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from kit.models.batch import Batch, Feed

POOL = 50  # batches' rows that are sorted by length together


class Batches:
    """An iterable of batches for Lightning; each pass is one epoch, and knows where it is.

    `feed`: how the module wants its rows; `y`: the answers of all rows; `rows`: the positions to train on. Every epoch has
    batches of sizes that differ by one at most, so none is a single row (which batch normalisation refuses). Each comes in
    `accumulate` parts whose gradients are added; `steps` counts parts. Where the feed has lengths, so that little is filled
    up, a shuffled epoch is sorted by length POOL batches at a time, and the batches are shuffled once more.
    """

    def __init__(self, feed: Feed, y: np.ndarray, rows: np.ndarray, *, seed: int, fold: int, accumulate: int = 1):
        self.feed, self.seed, self.fold = feed, seed, fold
        self.y = torch.from_numpy(y)
        self.rows = rows if len(rows) > 1 or feed.whole else np.repeat(rows, 2)
        self.steps = -(-len(self.rows) // max(feed.batch, 1))
        if len(self.rows) // self.steps < 2:
            self.steps = max(1, len(self.rows) // max(feed.batch, 2))
        self.accumulate = 1 if feed.whole else max(1, min(accumulate, len(self.rows) // self.steps // 2))
        self.steps *= self.accumulate
        self.epoch = self.start = 0

    def __len__(self) -> int:
        return self.steps

    def order(self, epoch: int) -> list[np.ndarray]:
        """The row positions of each part of an epoch."""
        if self.feed.whole:
            return [self.rows]
        rng = np.random.default_rng([self.seed, self.fold + 1, epoch])
        rows = rng.permutation(self.rows)
        return self.cut(rows) if self.feed.lengths is None else self._of_like_length(rows, self.feed.lengths, rng)

    def _of_like_length(self, rows: np.ndarray, lengths: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        pool = POOL * -(-len(rows) * self.accumulate // self.steps)
        sort = [np.argsort(lengths[rows[i : i + pool]], kind="stable") + i for i in range(0, len(rows), pool)]
        parts = self.cut(rows[np.concatenate(sort)])
        sizes = [sum(len(part) for part in parts[i : i + self.accumulate]) for i in range(0, len(parts), self.accumulate)]
        turns = rng.permutation(len(sizes))
        turns = turns[np.argsort([-sizes[i] for i in turns], kind="stable")]  # larger ones first, as `collate` counts
        return [part for i in turns for part in parts[i * self.accumulate : (i + 1) * self.accumulate]]

    def cut(self, rows: np.ndarray) -> list[np.ndarray]:
        """Rows in their order as batches, and these as parts."""
        whole = np.array_split(rows, self.steps // self.accumulate)
        return [part for batch in whole for part in np.array_split(batch, self.accumulate)]

    def __iter__(self) -> Iterator[Batch]:
        # Lightning may ask for an iterator ahead of its epoch, and for none after the last batch: who hands that out moves on.
        epoch, start = self.epoch, self.start
        for step, rows in enumerate(self.order(epoch)):
            if step >= start:
                batch = self.collate(rows, epoch, step, self.feed.collate(rows))
                self.move_on(step)
                yield batch
        if start == self.steps:  # nothing was left of this epoch
            self.move_on(start - 1)

    def move_on(self, step: int) -> None:
        """The batch of this step is handed out: go on behind it."""
        last = step + 1 == self.steps
        self.epoch, self.start = (self.epoch + 1, 0) if last else (self.epoch, step + 1)

    def collate(self, rows: np.ndarray, epoch: int, step: int, x: Any) -> Batch:
        """One part of a batch: these rows, as `x`."""
        index = torch.from_numpy(rows)
        many, more = divmod(len(self.rows), self.steps // self.accumulate)
        whole = many + (step // self.accumulate < more)
        share, last = len(rows) * self.accumulate / whole, (step + 1) % self.accumulate == 0
        return Batch(x, self.y[index], index, epoch=epoch, step=step, share=share, last=last)
