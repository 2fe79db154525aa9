"""Direct: takes the steps of a model that needs no optimizer, and so no Lightning, as each of them is a whole fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kit.config import Config
from kit.models.base import FoldModel
from kit.training.callbacks.base import Callback
from kit.training.profile import Timings
from kit.training.state import FitState


@dataclass
class Loop:
    """What callbacks see of it."""

    should_stop: bool = False
    accumulate_grad_batches: int = 1


def suited(kind: type[FoldModel]) -> type[FoldModel]:
    """The class of the modules that it fits: any that needs no Trainer."""
    return kind


def share(module: FoldModel, x: Any, config: Config) -> None:
    """All threads compute: the libraries share them as they like."""


def train(module: FoldModel, state: FitState, following: Sequence[Callback], report: Callback, timings: Timings | None) -> None:
    """Train to the end of the schedule, or until a callback stops it; they are called as Lightning's Trainer calls them."""
    loop, every = Loop(), [*following, report]
    for callback in every:
        callback.on_train_start(loop, module)
    while state.batches.epoch < state.fold.config.epochs and not loop.should_stop:
        for index, batch in enumerate(state.batches):
            for callback in every:
                callback.on_train_batch_start(loop, module, batch, index)
            outputs = module.training_step(batch, index)
            for callback in every:
                callback.on_train_batch_end(loop, module, outputs, batch, index)
        for callback in every:
            callback.on_train_epoch_end(loop, module)
    for callback in every:
        callback.on_train_end(loop, module)
