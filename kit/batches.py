"""Batches: training rows in an order that depends on (seed, fold, epoch) alone, from any position on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch


class Batches:
    """An iterable of batches for Lightning; each pass is one epoch, and knows where it is.

    `images`: uint8 [n, h, w, c] of all rows; `y`: their answers; `rows`: the positions to train on.
    A batch is {"images": uint8 [b, c, h, w], "y", "rows", "epoch", "step"}. Every epoch has `steps` batches of
    sizes that differ by one at most, so none is a single row (which batch normalisation refuses).
    """

    def __init__(self, images: Any, y: np.ndarray, rows: np.ndarray, batch: int, seed: int, fold: int):
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2) if isinstance(images, np.ndarray) else images
        self.y = torch.from_numpy(y)
        self.rows = rows if len(rows) > 1 else np.repeat(rows, 2)
        self.seed, self.fold = seed, fold
        self.steps = -(-len(self.rows) // batch)
        if len(self.rows) // self.steps < 2:
            self.steps = max(1, len(self.rows) // max(batch, 2))
        self.epoch = self.start = 0

    def order(self, epoch: int) -> list[np.ndarray]:
        """The row positions of each batch of an epoch."""
        rng = np.random.default_rng([self.seed, self.fold + 1, epoch])
        return np.array_split(rng.permutation(self.rows), self.steps)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        # Lightning may ask for an iterator ahead of its epoch; only a pass that was used up moves to the next.
        for step, rows in enumerate(self.order(self.epoch)):
            if step >= self.start:
                yield self.collate(rows, self.epoch, step)
        self.epoch, self.start = self.epoch + 1, 0

    def collate(self, rows: np.ndarray, epoch: int, step: int, images: torch.Tensor | None = None) -> dict[str, Any]:
        """One batch of these rows."""
        index = torch.from_numpy(rows)
        images = self.images[index] if images is None else images
        return {"images": images, "y": self.y[index], "rows": index, "epoch": epoch, "step": step}


class Named(Batches):
    """Batches that hand on the inputs whole and name their rows, for modules that encode a table once."""

    def collate(self, rows: np.ndarray, epoch: int, step: int, images: torch.Tensor | None = None) -> dict[str, Any]:
        index = torch.from_numpy(rows)
        return {"cells": self.images, "y": self.y[index], "rows": index, "epoch": epoch, "step": step}


class Whole(Batches):
    """One batch an epoch, of all training rows; for modules that hold their own rows."""

    def __init__(self, y: np.ndarray, rows: np.ndarray):
        self.y, self.rows = torch.from_numpy(y), rows
        self.steps, self.epoch, self.start = 1, 0, 0

    def order(self, epoch: int) -> list[np.ndarray]:
        return [self.rows]

    def collate(self, rows: np.ndarray, epoch: int, step: int, images: torch.Tensor | None = None) -> dict[str, Any]:
        index = torch.from_numpy(rows)
        return {"y": self.y[index], "rows": index, "epoch": epoch, "step": step}
