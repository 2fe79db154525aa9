"""Batches: training rows in an order that depends on (seed, fold, epoch) alone, from any position on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from kit.data.tokenization import Tokens


class Batches:
    """An iterable of batches for Lightning; each pass is one epoch, and knows where it is.

    `images`: uint8 [n, h, w, c] of all rows; `y`: their answers; `rows`: the positions to train on.
    A batch is {"images": uint8 [b, c, h, w], "y", "rows", "epoch", "step", "share", "last"}. Every epoch has batches of
    sizes that differ by one at most, so none is a single row (which batch normalisation refuses). Each comes in
    `accumulate` parts whose gradients are added: `steps` counts parts, `share` is a part's size over the mean part's,
    `last` says that the optimizer steps after it.
    """

    def __init__(self, images: Any, y: np.ndarray, rows: np.ndarray, batch: int, seed: int, fold: int, accumulate: int = 1):
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2) if isinstance(images, np.ndarray) else images
        self.y = torch.from_numpy(y)
        self.rows = rows if len(rows) > 1 else np.repeat(rows, 2)
        self.seed, self.fold = seed, fold
        self.steps = -(-len(self.rows) // batch)
        if len(self.rows) // self.steps < 2:
            self.steps = max(1, len(self.rows) // max(batch, 2))
        self.accumulate = max(1, min(accumulate, len(self.rows) // self.steps // 2))
        self.steps *= self.accumulate
        self.epoch = self.start = 0

    def order(self, epoch: int) -> list[np.ndarray]:
        """The row positions of each part of an epoch."""
        return self.cut(np.random.default_rng([self.seed, self.fold + 1, epoch]).permutation(self.rows))

    def cut(self, rows: np.ndarray) -> list[np.ndarray]:
        """Rows in their order as batches, and these as parts."""
        whole = np.array_split(rows, self.steps // self.accumulate)
        return [part for one in whole for part in np.array_split(one, self.accumulate)]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        # Lightning may ask for an iterator ahead of its epoch; only a pass that was used up moves to the next.
        for step, rows in enumerate(self.order(self.epoch)):
            if step >= self.start:
                yield self.collate(rows, self.epoch, step)
        self.epoch, self.start = self.epoch + 1, 0

    def collate(self, rows: np.ndarray, epoch: int, step: int, images: torch.Tensor | None = None) -> dict[str, Any]:
        """One batch of these rows."""
        images = self.images[torch.from_numpy(rows)] if images is None else images
        return {"images": images, **self.about(rows, epoch, step)}

    def about(self, rows: np.ndarray, epoch: int, step: int) -> dict[str, Any]:
        """What every batch holds besides its inputs."""
        index = torch.from_numpy(rows)
        many, more = divmod(len(self.rows), self.steps // self.accumulate)
        whole = many + (step // self.accumulate < more)
        share, last = len(rows) * self.accumulate / whole, (step + 1) % self.accumulate == 0
        return {"y": self.y[index], "rows": index, "epoch": epoch, "step": step, "share": share, "last": last}


class Named(Batches):
    """Batches that hand on the inputs whole and name their rows, for modules that encode a table once."""

    def collate(self, rows: np.ndarray, epoch: int, step: int, images: torch.Tensor | None = None) -> dict[str, Any]:
        return {"cells": self.images, **self.about(rows, epoch, step)}


class Whole(Batches):
    """One batch an epoch, of all training rows; for modules that hold their own rows."""

    def __init__(self, y: np.ndarray, rows: np.ndarray):
        self.y, self.rows = torch.from_numpy(y), rows
        self.steps, self.accumulate, self.epoch, self.start = 1, 1, 0, 0

    def order(self, epoch: int) -> list[np.ndarray]:
        return [self.rows]

    def collate(self, rows: np.ndarray, epoch: int, step: int, images: torch.Tensor | None = None) -> dict[str, Any]:
        return self.about(rows, epoch, step)


class TextBatches(Batches):
    """Batches of texts of like length, so that little is filled up: {"ids": int64 [b, longest], "mask": bool, …}.

    A shuffled epoch is sorted by length POOL batches at a time, and the batches are shuffled once more.
    """

    POOL = 50

    def __init__(self, tokens: Tokens, most: int, y: np.ndarray, rows: np.ndarray, *plain: Any):
        super().__init__(None, y, rows, *plain)
        self.tokens, self.most = tokens, most
        self.lengths = tokens.lengths(most)

    def order(self, epoch: int) -> list[np.ndarray]:
        rng = np.random.default_rng([self.seed, self.fold + 1, epoch])
        rows = rng.permutation(self.rows)
        pool = self.POOL * -(-len(rows) * self.accumulate // self.steps)
        sort = [np.argsort(self.lengths[rows[i : i + pool]], kind="stable") + i for i in range(0, len(rows), pool)]
        parts = self.cut(rows[np.concatenate(sort)])
        sizes = [sum(len(one) for one in parts[i : i + self.accumulate]) for i in range(0, len(parts), self.accumulate)]
        turns = rng.permutation(len(sizes))
        turns = turns[np.argsort([-sizes[i] for i in turns], kind="stable")]  # larger ones first, as `about` counts
        return [part for i in turns for part in parts[i * self.accumulate : (i + 1) * self.accumulate]]

    def collate(self, rows: np.ndarray, epoch: int, step: int, images: torch.Tensor | None = None) -> dict[str, Any]:
        ids, mask = self.tokens.batch(rows, self.most)
        return {"ids": torch.from_numpy(ids), "mask": torch.from_numpy(mask), **self.about(rows, epoch, step)}
