"""Batches: training rows in an order that depends on (seed, fold, epoch) alone, from any position on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from kit import augment
from kit.errors import BadData


class Batches:
    """An iterable of batches for Lightning; each pass is one epoch, and knows where it is.

    `images`: uint8 [n, h, w, c] of all rows; `y`: their answers; `rows`: the positions to train on.
    A batch is {"images": uint8 [b, c, h, w], "y", "rows", "epoch", "step"}. Every epoch has `steps` batches of
    sizes that differ by one at most, so none is a single row (which batch normalisation refuses).
    """

    def __init__(self, images: np.ndarray, y: np.ndarray, rows: np.ndarray, batch: int, seed: int, fold: int):
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2)
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

    def collate(self, rows: np.ndarray, epoch: int, step: int) -> dict[str, Any]:
        """One batch of these rows."""
        index = torch.from_numpy(rows)
        return {"images": self.images[index], "y": self.y[index], "rows": index, "epoch": epoch, "step": step}


class PhotoBatches(Batches):
    """Batches whose images pass through albumentations, one by one, in `workers` processes."""

    def __init__(self, *args: Any, workers: int = 0, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.workers = workers

    def __iter__(self) -> Iterator[dict[str, Any]]:
        order = self.order(self.epoch)[self.start :]
        pictures = _Pictures(self.images, self.seed, self.epoch)
        loader = torch.utils.data.DataLoader(
            pictures,
            batch_sampler=[rows.tolist() for rows in order],
            num_workers=self.workers,
            collate_fn=torch.stack,
            multiprocessing_context="fork" if self.workers else None,
            generator=torch.Generator(),  # its own: a draw from the global one would shift dropout in a resumed epoch
        )
        for step, (rows, images) in enumerate(zip(order, loader, strict=True), start=self.start):
            yield {**super().collate(rows, self.epoch, step), "images": images}
        self.epoch, self.start = self.epoch + 1, 0


class _Pictures(torch.utils.data.Dataset):
    """One augmented image a row. Reseeded for each, as albumentations 2.0.8 repeats itself in fresh workers."""

    def __init__(self, images: torch.Tensor, seed: int, epoch: int):
        self.images, self.seed, self.epoch = images, seed, epoch
        self.change = augment.photo((images.shape[2], images.shape[3]))

    def __getitem__(self, row: int) -> torch.Tensor:
        draw = augment.draws(self.seed, self.epoch, np.array([row]), 1)[0, 0]
        self.change.set_random_seed(int(draw * (1 << 24)))
        image = self.images[row].permute(1, 2, 0).numpy()
        changed = self.change(image=np.ascontiguousarray(image))["image"]
        return torch.from_numpy(changed.reshape(image.shape)).permute(2, 0, 1)


def make(images: np.ndarray, y: np.ndarray, rows: np.ndarray, config: Any, fold: int) -> Batches:
    """The feed that a Config asks for."""
    if config.augment == "photo":
        if images.shape[-1] != 3:
            raise BadData("--augment photo: is for colour images; these are grey. Try medium.")
        return PhotoBatches(images, y, rows, config.batch, config.seed, fold, workers=config.workers)
    return Batches(images, y, rows, config.batch, config.seed, fold)
