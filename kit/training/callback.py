"""Keeper: follows the fit of one fold: snapshots, the stop that was asked for, the loss, the history, the best weights."""

from __future__ import annotations

import copy
import math
import time
from typing import Any

import pytorch_lightning as pl
import torch

from kit.console import Progress
from kit.errors import Diverged
from kit.labels.tracking import tracked
from kit.models import prediction
from kit.training import checkpoints, loaders, loggers
from kit.training.fold import Fold
from kit.training.seeding import reseed, seed_of
from kit.training.signals import Stop

FINITE_EVERY = 5  # steps between looks at the loss; each look waits for the GPU


class Keeper(pl.Callback):
    """Follows a fit: snapshots, the stop that was asked for, the loss, the history, the best weights."""

    def __init__(self, fold: Fold, feed: loaders.Batches, stop: Stop, progress: Progress):
        self.fold, self.feed, self.stop, self.progress = fold, feed, stop, progress
        self.saved = self.began = self.epoch_began = time.monotonic()
        self.cost = self.seconds = self.position = 0.0
        self.until = math.inf  # `time.monotonic()` when the fit must be over
        self.done = 0.0  # parts of batches, over all epochs
        self.epoch = feed.epoch
        self.logs = loggers.Log(fold.config, fold.folder, progress.say)  # not `log`: Lightning puts the module's there
        self.state: dict[str, Any] | None = None
        self.best: dict[str, Any] | None = None
        self.seen: dict[str, list[torch.Tensor]] = {"predicted": [], "y": [], "loss": []}

    def restore(self, module: Any) -> bool:
        """Load the newest sound snapshot of this very fold, if there is one (and the module's fit is worth resuming)."""
        if not module.resumable:
            return False
        state, broken = checkpoints.newest_sound(self.fold.folder)
        for line in broken:
            self.progress.say(line)
        if state is None or state["identity"] != self.fold.identity:
            return False
        module.load_state_dict(state["module"])
        self.feed.epoch, self.feed.start = state["epoch"], state["step"] * self.feed.accumulate
        self.position = state["position"]
        self.fold.history, self.best, self.seconds = state["history"], state["best"], state["seconds"]
        self.seen = {name: [value] for name, value in state["seen"].items()} if state["seen"] else self.seen
        self.state = state
        self.progress.say(f"{self.fold.name}: goes on at epoch {state['epoch'] + 1}, step {state['step'] + 1}")
        return True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.state is not None:
            trainer.optimizers[0].load_state_dict(self.state["optimizer"])
            trainer.lr_scheduler_configs[0].scheduler.load_state_dict(self.state["schedule"])
            trainer.precision_plugin.load_state_dict(self.state["precision"])
            self.seen = {name: [part.to(pl_module.device) for part in parts] for name, parts in self.seen.items()}
            self.state = None
        self.logs.start(self.fold.history)
        self.stop.install()
        self.stop.patient = bool(pl_module.resumable)  # else there is nothing to save, and a step may take minutes
        self.began = self.saved = self.epoch_began = time.monotonic()

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        """The one place where a fit may stop or be saved: this batch is still to come, all before it is done."""
        pause = max(self.fold.config.snapshot, 20 * self.cost)  # at most a twentieth of the time goes into snapshots
        whole = batch["step"] % self.feed.accumulate == 0  # gradients that were added up are not saved
        if whole and (self.stop.signum or time.monotonic() - self.saved >= pause):
            self.snapshot(trainer, pl_module, batch)
        if whole and self.stop.signum:
            raise self.stop.error()
        if whole and self.until < math.inf:
            pl_module.position = self.in_time(batch)  # type: ignore[assignment]
        reseed(seed_of(self.fold.config.seed, self.fold.number, batch["epoch"], batch["step"]), pl_module.device)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.seen["predicted"].append(outputs["predicted"])
        self.seen["y"].append(outputs["y"])
        self.seen["loss"].append(outputs["loss"].detach().reshape(1) * (len(batch["rows"]) / batch["share"]))
        if batch["step"] % FINITE_EVERY == FINITE_EVERY - 1 or batch["step"] + 1 == self.feed.steps:
            self.check_finite(outputs["loss"], batch)
        self.progress.batch(len(batch["rows"]), batch["epoch"], self.fold.config.epochs)
        self.epoch, self.done = batch["epoch"], batch["epoch"] * self.feed.steps + batch["step"] + pl_module.part  # type: ignore[operator]
        if batch["last"] and time.monotonic() >= self.until:
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Not at the end of the last batch: callbacks come before the module there, so its average would lack a step.
        self.epoch_end(pl_module, self.epoch, trainer.optimizers[0].param_groups[0]["lr"])
        best, patience = self.best, self.fold.config.early_stop
        if patience and best is not None and (self.epoch + 1 - best["epoch"]) // self.every >= patience:
            trainer.should_stop = True

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.stop.patient = False
        self.seconds += time.monotonic() - self.began
        left = self.fold.config.epochs * self.feed.steps - self.done
        self.progress.skip(int(left) * len(self.fold.train) // self.feed.steps)

    @property
    def epochs(self) -> float:
        """How many were trained; a part of one where the time was over."""
        whole = self.done / self.feed.steps
        return int(whole) if whole == int(whole) else float(f"{whole:.3g}")

    @property
    def every(self) -> int:
        """Epochs between validations; 0: none."""
        return self.fold.config.val_every or int(self.fold.keeps_best)

    def in_time(self, batch: Any) -> float:
        """How far the schedule is: by the steps, or by the time where that is short (Li, Yumer & Ramanan 2020)."""
        steps = self.fold.config.epochs * self.feed.steps
        done = (batch["epoch"] * self.feed.steps + batch["step"]) / steps
        spent = (time.monotonic() - self.began) / max(self.until - self.began, 1e-9)
        return max(done, self.position + (1 - self.position) * min(spent, 1.0))

    def check_finite(self, loss: torch.Tensor, batch: Any) -> None:
        """Raise Diverged where the loss is NaN or infinite."""
        if not torch.isfinite(loss):
            where = f"{self.fold.name}, epoch {batch['epoch'] + 1}, step {batch['step'] + 1}"
            raise Diverged(f"{where}: the loss is {loss.item()}. Try a lower --lr, or --precision fp32.")

    def epoch_end(self, module: Any, epoch: int, rate: float) -> None:
        """Metrics over the whole epoch, validation where it is due, a line of history."""
        config = self.fold.config
        predicted, y, loss = (torch.cat(self.seen[name]) for name in ("predicted", "y", "loss"))
        values = {"loss": float(loss.sum() / len(y)), **tracked(self.fold.labels, predicted, y)}
        now = time.monotonic()
        row = {"epoch": epoch + 1, "lr": rate, **{f"train_{name}": value for name, value in values.items()}}
        row["rows_per_second"] = len(y) / max(now - self.epoch_began, 1e-9)
        if self.every and (epoch + 1) % self.every == 0 and len(self.fold.valid):
            row |= self.validate(module, epoch)
        if hasattr(module, "on_train_epoch_loss"):
            module.on_train_epoch_loss(values["loss"])
        self.fold.history.append(row)
        self.logs.epoch(row)
        self.progress.epoch(epoch, config.epochs, {"loss": values["loss"], **_score_of(row, self.fold.metric.name)})
        self.seen = {"predicted": [], "y": [], "loss": []}
        self.epoch_began = time.monotonic()

    def validate(self, module: Any, epoch: int) -> dict[str, float]:
        """Validation metrics now; keeps the weights where `--checkpoint best` asks for the best."""
        self.stop.patient = False  # nothing is lost by stopping here: the last snapshot stands
        if self.stop.signum:
            raise self.stop.error()
        module.eval()
        predicted = prediction.predict(module, self.fold.x, self.fold.valid, self.fold.config)
        module.train()
        self.stop.patient = True
        score = self.fold.score(predicted)
        if self.fold.keeps_best and (self.best is None or self.fold.metric.better(score, self.best["score"])):
            self.best = {"score": score, "epoch": epoch + 1, "module": copy.deepcopy(module.state_dict())}
        values = tracked(self.fold.labels, torch.from_numpy(predicted), torch.from_numpy(self.fold.y[self.fold.valid]))
        return {f"val_{name}": value for name, value in {**values, self.fold.metric.name: score}.items()}

    def snapshot(self, trainer: pl.Trainer, module: Any, batch: Any) -> None:
        """Write all that the rest of the fit depends on; `batch` is the first of the rest."""
        before = time.monotonic()
        state = {
            "identity": self.fold.identity,
            "epoch": batch["epoch"],
            "step": batch["step"] // self.feed.accumulate,  # parts may be smaller when it goes on
            "position": getattr(module, "position", 0.0),
            "module": module.state_dict(),
            "optimizer": trainer.optimizers[0].state_dict(),
            "schedule": trainer.lr_scheduler_configs[0].scheduler.state_dict(),
            "precision": trainer.precision_plugin.state_dict(),
            "history": self.fold.history,
            "best": self.best,
            "seen": {name: torch.cat(parts) for name, parts in self.seen.items()} if self.seen["y"] else None,
            "seconds": self.seconds + before - self.began,
        }
        checkpoints.save_snapshot(self.fold.folder, state, batch["epoch"] * self.feed.steps + batch["step"])
        self.saved = time.monotonic()
        self.cost = self.saved - before


def _score_of(row: dict[str, float], metric: str) -> dict[str, float]:
    for prefix in ("val_", "train_"):
        if prefix + metric in row:
            return {f"{prefix.rstrip('_')} {metric}": row[prefix + metric]}
    return {}
