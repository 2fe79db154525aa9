"""History: the loss and metrics of each epoch; FiniteLoss: a loss that is none; Report: where people look meanwhile."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import torch

from kit.console import Progress
from kit.errors import Diverged
from kit.labels.evaluation import tracked
from kit.models.base import FoldModel, StepOutput
from kit.models.batch import Batch
from kit.models.prediction import Arriving
from kit.training.callbacks.base import Callback, Loop
from kit.training.loggers import Log
from kit.training.state import Epoch, FitState

Watch = Callable[[list[dict[str, Any]]], None]  # looks at the rows of history
FINITE_EVERY = 5  # steps between looks at the loss


class History(Callback):
    """Collects what the steps return, and makes a row of history of each epoch: loss, metrics, rate, speed."""

    def __init__(self, state: FitState):
        self.state = state
        self.epoch_began = time.monotonic()

    def on_train_start(self, trainer: Any, pl_module: FoldModel) -> None:
        self.state.began = self.epoch_began = time.monotonic()

    def on_train_batch_end(
        self, trainer: Loop, pl_module: FoldModel, outputs: StepOutput, batch: Batch, batch_idx: int
    ) -> None:
        state = self.state
        state.outputs.add(batch, outputs, trainer.accumulate_grad_batches)
        before = batch.epoch * state.batches.steps + state.batches.done(batch.step) - 1
        state.epoch, state.done = batch.epoch, before + pl_module.part

    def on_train_epoch_end(self, trainer: Any, pl_module: FoldModel) -> None:
        # Not at the end of the last batch: callbacks come before the module there, so its average would lack a step.
        state, outputs = self.state, self.state.outputs
        count = int(torch.cat(outputs.count).sum())
        loss = float(torch.cat(outputs.loss).sum() / count)
        metrics = tracked(state.fold.labels, torch.cat(outputs.predicted), torch.cat(outputs.y)) if outputs.y else {}
        row = {"epoch": state.epoch + 1, "lr": pl_module.learning_rate}
        row |= {f"train_{name}": value for name, value in {"loss": loss, **metrics}.items()}
        row |= pl_module.noted
        row["rows_per_second"] = count / max(time.monotonic() - self.epoch_began, 1e-9)
        pl_module.on_train_epoch_loss(loss)
        state.history.append(row)
        state.outputs = Epoch()
        self.epoch_began = time.monotonic()

    def on_train_end(self, trainer: Any, pl_module: FoldModel) -> None:
        self.state.seconds += time.monotonic() - self.state.began


class FiniteLoss(Callback):
    """Raises Diverged within FINITE_EVERY steps of a loss that is NaN or infinite; on a GPU once that loss has arrived.

    The host does not wait for it: by then it may have asked for a few steps more, which nobody keeps.
    """

    def __init__(self, state: FitState):
        self.state = state
        self.arriving: deque[tuple[Arriving, Batch]] = deque()

    def on_train_batch_end(self, trainer: Any, pl_module: FoldModel, outputs: StepOutput, batch: Batch, batch_idx: int) -> None:
        done = self.state.batches.done(batch.step)
        last = done == self.state.batches.steps
        if last or done % FINITE_EVERY == 0:
            self.arriving.append((Arriving(outputs["loss"].detach().reshape(1)), batch))
        while self.arriving and (last or self.arriving[0][0].ready):
            loss, of = self.arriving.popleft()
            self.check(float(loss.numpy()[0]), of)

    def check(self, loss: float, batch: Batch) -> None:
        """Raise Diverged where the loss is NaN or infinite."""
        if not math.isfinite(loss):
            where = f"{self.state.fold.name}, epoch {batch.epoch + 1}, step {batch.step + 1}"
            advice = "Try a lower --lr, or --precision fp32."
            if batch.y is not None and batch.y.isnan().any():
                advice += " Some answers are missing (NaN in y): a loss of a module of your own must leave them out."
            raise Diverged(f"{where}: the loss is {loss}. {advice}")


class Report(Callback):
    """Hands steps and epochs on to the progress on the terminal and to the loggers (`--logger`).

    What an adapter's callbacks and module logged joins the row of history.
    """

    def __init__(self, state: FitState, progress: Progress, logs: Log, watch: Watch | None = None):
        self.state, self.progress, self.logs, self.watch = state, progress, logs, watch

    def on_train_start(self, trainer: Any, pl_module: FoldModel) -> None:
        self.logs.start(self.state.history)
        if self.watch is not None:  # a fit that was killed between its snapshot and this look
            self.watch(self.state.history)

    def on_train_batch_end(self, trainer: Any, pl_module: FoldModel, outputs: Any, batch: Batch, batch_idx: int) -> None:
        self.progress.batch(len(batch) * self.state.batches.ranks, batch.epoch, self.state.fold.config.epochs)

    def on_train_epoch_end(self, trainer: Any, pl_module: FoldModel) -> None:
        row, metric = self.state.history[-1], self.state.fold.metric.name
        row.update({name: value for name, value in self.state.logged.items() if name not in row})
        self.logs.epoch(row)
        scores = {f"{split} {metric}": row[f"{split}_{metric}"] for split in ("val", "train") if f"{split}_{metric}" in row}
        first = {name: score for name, score in [*scores.items()][:1] if score == score}  # a score may not be defined
        self.progress.epoch(self.state.epoch, self.state.fold.config.epochs, {"loss": row["train_loss"], **first})
        if self.watch is not None:
            self.watch(self.state.history)

    def on_train_end(self, trainer: Any, pl_module: FoldModel) -> None:
        state = self.state
        left = state.fold.config.epochs * state.batches.steps - state.done
        self.progress.skip(int(left) * len(state.fold.train) // state.batches.steps)
