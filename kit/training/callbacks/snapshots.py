"""Snapshots: what a killed or stopped fit goes on from, to the same bits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl

from kit.models.base import FoldModule
from kit.models.batch import Batch
from kit.training import checkpoints
from kit.training.signals import Stop
from kit.training.state import Epoch, FitState


class Snapshots(pl.Callback):
    """Restores the newest sound snapshot of this very fold, and writes one now and then, or when the run is to stop.

    A fit is saved and stopped in one place only, before a batch: all before this batch is done, it is still to come.
    """

    def __init__(self, state: FitState, stop: Stop, say: Callable[[str], None]):
        self.state, self.stop, self.say = state, stop, say
        self.saved, self.cost = time.monotonic(), 0.0
        self.waiting: dict[str, Any] | None = None  # the snapshot whose optimizer is still to be loaded

    def restore(self, module: FoldModule) -> bool:
        """Load weights and position from a snapshot, if there is one (and the module's fit is worth resuming)."""
        if not module.resumable:
            return False
        state, fold = self.state, self.state.fold
        found, broken = checkpoints.newest_sound(fold.folder)
        for line in broken:
            self.say(line)
        if found is None or found["identity"] != fold.identity:
            return False
        module.load_state_dict(found["module"])
        state.batches.epoch, state.batches.start = found["epoch"], found["step"] * state.batches.accumulate
        state.epoch, state.position, state.seconds = found["epoch"], found["position"], found["seconds"]
        state.history, state.best = found["history"], found["best"]
        self.waiting = found
        self.say(f"{fold.name}: goes on at epoch {found['epoch'] + 1}, step {found['step'] + 1}")
        return True

    def on_train_start(self, trainer: pl.Trainer, pl_module: FoldModule) -> None:  # type: ignore[override]
        found, self.waiting = self.waiting, None
        if found is not None:
            trainer.optimizers[0].load_state_dict(found["optimizer"])
            trainer.lr_scheduler_configs[0].scheduler.load_state_dict(found["schedule"])
            trainer.precision_plugin.load_state_dict(found["precision"])
            self.state.outputs = Epoch.restored(found["seen"], pl_module.device)
        self.stop.install()
        self.stop.patient = pl_module.resumable  # else there is nothing to save, and a step may take minutes
        self.saved = time.monotonic()

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: FoldModule, batch: Batch, batch_idx: int) -> None:  # type: ignore[override]
        if batch.step % self.state.batches.accumulate:  # gradients that were added up are not saved
            return
        pause = max(self.state.fold.config.snapshot, 20 * self.cost)  # at most a twentieth of the time goes into snapshots
        if self.stop.signum or time.monotonic() - self.saved >= pause:
            self.write(trainer, pl_module, batch)
        if self.stop.signum:
            raise self.stop.error()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.stop.patient = False

    def write(self, trainer: pl.Trainer, module: FoldModule, batch: Batch) -> None:
        """Write all that the rest of the fit depends on; `batch` is the first of the rest."""
        before, state = time.monotonic(), self.state
        content = {
            "identity": state.fold.identity,
            "epoch": batch.epoch,
            "step": batch.step // state.batches.accumulate,  # parts may be smaller when it goes on
            "position": module.position,
            "module": module.state_dict(),
            "optimizer": trainer.optimizers[0].state_dict(),
            "schedule": trainer.lr_scheduler_configs[0].scheduler.state_dict(),
            "precision": trainer.precision_plugin.state_dict(),
            "history": state.history,
            "best": state.best,
            "seen": state.outputs.state_dict(),
            "seconds": state.seconds + before - state.began,
        }
        checkpoints.save_snapshot(state.fold.folder, content, batch.epoch * state.batches.steps + batch.step)
        self.saved = time.monotonic()
        self.cost = self.saved - before
