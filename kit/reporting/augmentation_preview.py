"""Augmentation preview: what a model sees of some training pictures, augmented or as test-time views, to look at first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kit.competition import Tables
from kit.config import Config
from kit.data import augmentation, tta
from kit.models.images.image_module import ImageModule
from kit.reporting import contact_sheet
from kit.training.loaders import Batches
from kit.training.workers import WorkerBatches

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS, COLUMNS = 8, 9  # pictures; augmentations of each, or views


def augmented(images: Any, tables: Tables, config: Config, mirror: bool) -> Figure:
    """A row a picture: as it is, then as eight epochs show it to the model."""
    rows = _varied(tables, len(images))
    strips = [np.asarray(images[rows])]
    for epoch in range(COLUMNS - 1):
        strips.append(_numpy(_epoch(images, rows, config, epoch, mirror)))
    heads = ["as it is", *(f"epoch {epoch + 1}" for epoch in range(COLUMNS - 1))]
    return contact_sheet.sheet(strips, _names(tables, rows), heads)


def viewed(images: Any, tables: Tables, config: Config, mirror: bool) -> Figure:
    """A row a picture: the first views of the preset's kind, which `--views` averages."""
    rows = _varied(tables, len(images))
    batch = torch.from_numpy(np.asarray(images[rows])).permute(0, 3, 1, 2)
    views = tta.available(images.shape[1], mirror, config.view_kind)[:COLUMNS]
    strips = [_numpy(view.do(batch)) for view in views]
    return contact_sheet.sheet(strips, _names(tables, rows), [f"{i + 1} {view.name}" for i, view in enumerate(views)])


def _varied(tables: Tables, count: int) -> np.ndarray:
    """Training rows of as many different strata as there are, in their order."""
    strata = tables.labels.strata(tables.labels.encode(tables.train))[:count]
    turn = np.zeros(len(strata), int)  # how often a row's stratum came before
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        turn[members] = np.arange(len(members))
    return np.sort(np.argsort(turn, kind="stable")[:ROWS])


def _names(tables: Tables, rows: np.ndarray) -> list[str]:
    """The answers of these training rows."""
    return tables.labels.spell(tables.labels.certain(tables.labels.encode(tables.train.iloc[rows])))


def _epoch(images: Any, rows: np.ndarray, config: Config, epoch: int, mirror: bool) -> torch.Tensor:
    """The pictures as the batch of an epoch has them when they reach the net."""
    feed = replace(ImageModule.feed(images, config, len(rows), mirror=mirror), batch=len(rows))
    options: dict[str, Any] = {"seed": config.seed, "fold": 0}
    y = np.zeros(len(images), int)
    plain = feed.pictures is None
    batches = Batches(feed, y, rows, **options) if plain else WorkerBatches(feed, y, rows, workers=0, **options)
    batches.epoch = epoch
    batch = next(iter(batches))
    changed = augmentation.apply(config.augment, batch.x, config.seed, epoch, batch.rows, mirror)
    changed, _, _ = augmentation.mix(config.augment, changed, config.seed, epoch, 0)
    return changed[torch.argsort(batch.rows)]


def _numpy(images: torch.Tensor) -> np.ndarray:
    return images.float().round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
