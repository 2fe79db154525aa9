"""Deadline: a fit ends with its share of the time, and its schedule with it."""

from __future__ import annotations

import math
import time
from typing import Any

from kit.models.base import FoldModel
from kit.models.batch import Batch
from kit.training.callbacks.base import Callback, Loop
from kit.training.ranks import exchange, group
from kit.training.state import FitState


class Deadline(Callback):
    """Moves the schedule as the time passes, and stops the fit when it is over."""

    def __init__(self, state: FitState):
        self.state = state

    def on_train_batch_start(self, trainer: Loop, pl_module: FoldModel, batch: Batch, batch_idx: int) -> None:
        if self.state.until < math.inf and batch.step % self.state.batches.accumulate < group.count():
            pl_module.move_to(exchange.agreed(self.position(batch))[0])

    def on_train_batch_end(self, trainer: Loop, pl_module: FoldModel, outputs: Any, batch: Batch, batch_idx: int) -> None:
        if batch.last and self.state.until < math.inf:
            over = exchange.agreed(time.monotonic() >= self.state.until)[0]
            trainer.should_stop = trainer.should_stop or bool(over)

    def position(self, batch: Batch) -> float:
        """How far the schedule is: by the steps, or by the time where that is short (Li, Yumer & Ramanan 2020)."""
        state = self.state
        done = (batch.epoch * state.batches.steps + batch.step) / (state.fold.config.epochs * state.batches.steps)
        spent = (time.monotonic() - state.began) / max(state.until - state.began, 1e-9)
        return max(done, state.position + (1 - state.position) * min(spent, 1.0))
