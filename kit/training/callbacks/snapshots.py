"""Snapshots: what a killed or stopped fit goes on from, to the same bits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from kit.models.base import FoldModel
from kit.models.batch import Batch
from kit.training import checkpoints
from kit.training.callbacks.base import Callback
from kit.training.ranks import exchange, group
from kit.training.signals import Stop
from kit.training.state import Epoch, FitState

LAST = 1 / 3  # of the pause between snapshots: what a fit's end may have lost since the last one


class Snapshots(Callback):
    """Restores the newest sound snapshot of this very fold, and writes one now and then, or when the run is to stop.

    A fit is saved and stopped before a batch: all before this batch is done, it is still to come. It is saved once more at its
    end, where that took a while, so that predictions that fail or are killed do not cost the training.
    """

    def __init__(self, state: FitState, stop: Stop, say: Callable[[str], None]):
        self.state, self.stop, self.say = state, stop, say
        self.saved, self.cost = time.monotonic(), 0.0
        self.waiting: dict[str, Any] | None = None  # the snapshot whose optimizer is still to be loaded

    def restore(self, module: FoldModel) -> bool:
        """Load weights and position from a snapshot, if there is one (and the module's fit is worth resuming)."""
        if not module.resumable:
            return False
        state, fold = self.state, self.state.fold
        found = exchange.from_leader(self.newest() if group.number() == 0 else None)
        if found is None:
            return False
        module.load_state_dict(found["module"])
        state.batches.epoch, state.batches.start = found["epoch"], found["step"] * state.batches.accumulate
        state.epoch, state.position, state.seconds = found["epoch"], found["position"], found["seconds"]
        state.history, state.best = found["history"], found["best"]
        if found.get("done"):  # it was over
            state.done, state.batches.epoch = found["done"], fold.config.epochs
            self.say(f"{fold.name}: is trained; its predictions come next")
            return True
        self.waiting = found
        self.say(f"{fold.name}: goes on at epoch {found['epoch'] + 1}, step {found['step'] + 1}")
        return True

    def newest(self) -> dict[str, Any] | None:
        """The newest sound snapshot of this very fold, if there is one."""
        found, broken = checkpoints.newest_sound(self.state.fold.folder)
        for line in broken:
            self.say(line)
        return found if found is not None and found["identity"] == self.state.fold.identity else None

    def on_train_start(self, trainer: Any, pl_module: FoldModel) -> None:
        found, self.waiting = self.waiting, None
        if found is not None:
            trainer.optimizers[0].load_state_dict(found["optimizer"])
            trainer.lr_scheduler_configs[0].scheduler.load_state_dict(found["schedule"])
            trainer.precision_plugin.load_state_dict(found["precision"])
            if group.number() == 0:  # whose snapshot has what all ranks did
                self.state.outputs = Epoch.restored(found["seen"], pl_module.device)
        self.stop.install()
        self.stop.patient = pl_module.resumable  # else there is nothing to save, and a step may take minutes
        self.saved = time.monotonic()

    def on_train_batch_start(self, trainer: Any, pl_module: FoldModel, batch: Batch, batch_idx: int) -> None:
        if batch.step % self.state.batches.accumulate >= group.count():  # gradients that were added up are not saved
            return
        late = group.number() == 0 and time.monotonic() - self.saved >= self.pause
        signum, due = exchange.agreed(self.stop.signum, late)
        if (signum or due) and pl_module.resumable:
            self.state.bring_home()
            self.write(trainer, pl_module, batch.epoch, batch.step)
        if signum:
            self.stop.signum = int(signum)
            raise self.stop.error()

    def on_train_end(self, trainer: Any, pl_module: FoldModel) -> None:
        if pl_module.resumable and time.monotonic() - self.saved >= self.pause * LAST:
            self.write(trainer, pl_module, self.state.epoch, self.state.batches.steps, done=self.state.done)
        self.stop.patient = False

    @property
    def pause(self) -> float:
        """Seconds between snapshots: at most a twentieth of the time goes into them."""
        return max(self.state.fold.config.snapshot, 20 * self.cost)

    def write(self, trainer: Any, module: FoldModel, epoch: int, step: int, done: float = 0.0) -> None:
        """Write all that the rest of the fit depends on; it begins with this batch. `done`: the steps of a fit that is over.

        Of several ranks only the first writes.
        """
        if group.number():
            return
        before, state = time.monotonic(), self.state
        content = {
            "identity": state.fold.identity,
            "epoch": epoch,
            "step": step // state.batches.accumulate,  # parts may be smaller when it goes on
            "done": done,
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
        checkpoints.save_snapshot(state.fold.folder, content, epoch * state.batches.steps + step)
        self.saved = time.monotonic()
        self.cost = self.saved - before
