"""Seeds: every step draws from generators that depend on (seed, fold, epoch, step) alone."""

from __future__ import annotations

from typing import Any

from kit.models.base import FoldModel
from kit.models.batch import Batch
from kit.training.callbacks.base import Callback
from kit.training.fold import Fold
from kit.training.seeding import reseed, seed_of


class Seeds(Callback):
    """Reseeds torch before each step, so that a resumed fit draws what an undisturbed one does."""

    def __init__(self, fold: Fold):
        self.fold = fold

    def on_train_batch_start(self, trainer: Any, pl_module: FoldModel, batch: Batch, batch_idx: int) -> None:
        reseed(seed_of(self.fold.config.seed, self.fold.number, batch.epoch, batch.step), pl_module.device)
