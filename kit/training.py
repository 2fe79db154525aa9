"""Training of one fold: a fresh Trainer and a fresh Keeper, resumable at any batch to the same bits."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch

from kit import devices, photos
from kit.config import Config
from kit.keeper import Fold, Keeper, seed_of
from kit.modules import choice
from kit.progress import Progress
from kit.stopping import Stop


def fit(fold: Fold, stop: Stop, progress: Progress) -> tuple[Any, Keeper]:
    """Train, or go on from the newest sound snapshot. The module ends with the weights of the last step."""
    config = fold.config
    feed = photos.make(fold.x, fold.y, fold.train, config, fold.number, fold.mirror, progress.say)
    torch.manual_seed(seed_of(config.seed, fold.number))
    module = choice.make(config, fold.labels, fold.x, fold.mirror, feed.steps // feed.accumulate * config.epochs)
    keeper = Keeper(fold, feed, stop, progress)
    if not keeper.restore(module):
        module.learn(fold.x, fold.train, fold.y)
        if fold.source is not None:
            module.adopt(fold.source())
    progress.fold(fold.name, skipped=(feed.epoch * feed.steps + feed.start) * len(fold.train) // feed.steps)
    if feed.epoch < config.epochs:
        try:
            with quiet_lightning():
                make_trainer(config, keeper).fit(module, train_dataloaders=feed)
        except BaseException:
            keeper.logs.close()
            raise
    module.finish()
    return module.eval(), keeper


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Without Lightning's tips and device lines, and its own use of what torch has deprecated."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")
        warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*before.*optimizer.step.*")  # a resumed fit
        yield
    logger.setLevel(level)


def make_trainer(config: Config, keeper: Keeper) -> pl.Trainer:
    """A Trainer that does nothing but train: the kit keeps, logs and shows by itself."""
    return pl.Trainer(
        accelerator="gpu" if config.devices == "gpu" else "cpu",
        devices=1,
        accumulate_grad_batches=keeper.feed.accumulate,
        precision=devices.LIGHTNING[config.precision],  # type: ignore[arg-type]
        max_epochs=config.epochs - keeper.feed.epoch,
        callbacks=[keeper],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )
