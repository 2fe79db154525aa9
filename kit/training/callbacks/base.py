"""Callback: what follows a fit, whatever takes its steps. Without Lightning, whose Trainer is one of those that call it."""

from __future__ import annotations

from typing import Any, Protocol

from kit.models.batch import Batch


class Loop(Protocol):
    """What takes a fit's steps: it ends once it should stop. `accumulate_grad_batches`: parts by which a loss is divided."""

    should_stop: bool
    accumulate_grad_batches: int


class Callback:
    """One job beside a fit; each method is called at its moment, before the module's own of the same name."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Before the first step of this session."""

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Batch, batch_idx: int) -> None:
        """Before a step."""

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """After a step, with what it returned."""

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """After the last step of an epoch."""

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """After the last epoch."""
