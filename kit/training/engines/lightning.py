"""Lightning: a fresh Trainer takes the steps of a fit, and the kit's callbacks follow it."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from kit.config import Config
from kit.errors import Usage
from kit.models import devices
from kit.models.batch import Batch
from kit.models.lightning.module import FoldModule, FoldTrainer, fitted_by_trainer
from kit.models.lightning.step_threads import share
from kit.training.callbacks.base import Callback
from kit.training.engines import trainer_options
from kit.training.engines.gradients import SharedGradients
from kit.training.profile import Timings
from kit.training.ranks import group
from kit.training.state import FitState
from kit.training.training_batches import ROWS

__all__ = ["share", "suited", "train"]
suited = fitted_by_trainer  # the class of the modules that it fits, for a class of models


def train(
    module: FoldModule, state: FitState, following: Sequence[Callback], report: Callback, timings: Timings | None
) -> None:
    """Train to the end of the schedule, or until a callback stops it. `report`: follows an adapter's own callbacks."""
    config, parts = state.fold.config, state.fold.parts
    own = trainer_options.checked(copy.deepcopy(parts.callbacks))
    logged = LastValues(state.logged) if own or parts.modules else None
    shared = [SharedGradients(state)] if group.count() > 1 else []
    every = [*shared, *map(Followed, following), *own, Followed(report)]
    with quiet_lightning(), devices.deterministic(config):
        trainer = make_trainer(config, state, every, logged)
        trainer.fit(module, train_dataloaders=state.batches)
    if timings is not None and config.profile:
        timings.add(trainer.profiler)  # type: ignore[attr-defined]
    release(trainer)


class Followed(pl.Callback):
    """A callback of the kit's, as a Trainer calls it."""

    def __init__(self, callback: Callback):
        self.callback = callback

    @property
    def state_key(self) -> str:
        """What the profiler calls it."""
        return type(self.callback).__name__

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.callback.on_train_start(trainer, pl_module)

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int) -> None:
        self.callback.on_train_batch_start(trainer, pl_module, batch, batch_idx)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        self.callback.on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.callback.on_train_epoch_end(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.callback.on_train_end(trainer, pl_module)


class LastValues(Logger):
    """What an adapter's callbacks and module log by Lightning's ways, the last values of which go to `values`."""

    name, version = "kit", ""

    def __init__(self, values: dict[str, float]) -> None:
        super().__init__()
        self.values = values

    def log_hyperparams(self, *params: Any, **more: Any) -> None:
        """Nothing: `run.json` has them."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.values.update({name: float(value) for name, value in metrics.items() if name != "epoch"})


def release(trainer: pl.Trainer) -> None:
    """Let go of what only training needs: predictions come next, and trainer and module hold each other until collected."""
    for optimizer in trainer.optimizers:
        optimizer.state.clear()
        optimizer.zero_grad()


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Without Lightning's tips and device lines, and its own use of what torch has deprecated."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")
        warnings.filterwarnings("ignore", message="The AccumulateGrad node's stream.*")  # of gradients that CUDA graphs give
        warnings.filterwarnings("ignore", message="You defined a `validation_step`.*")  # the kit's Validation runs instead
        warnings.filterwarnings("ignore", message="The `srun` command is available.*")  # on a machine of a cluster
        warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*before.*optimizer.step.*")  # a resumed fit
        yield
    logger.setLevel(level)


def make_trainer(
    config: Config, state: FitState, following: list[pl.Callback], logger: LastValues | None = None
) -> FoldTrainer:
    """A Trainer that does nothing but train: the kit's callbacks keep, log and show. `logger`: for an adapter's own parts."""
    further = {"log_every_n_steps": max(1, min(50, len(state.batches))), **trainer_options.options(config)}
    further.pop(ROWS, None)
    try:
        return FoldTrainer(
            accelerator="gpu" if config.devices == "gpu" else "cpu",
            devices=1,
            accumulate_grad_batches=state.batches.accumulate // state.batches.ranks,
            gradient_clip_val=config.clip or None,
            precision=devices.LIGHTNING[config.precision],  # type: ignore[arg-type]
            max_epochs=config.epochs - state.batches.epoch,
            callbacks=following,
            plugins=[LightningEnvironment()],  # Slurm's tasks, its `srun` and its requeueing signals are not Lightning's
            profiler="simple" if config.profile else None,
            logger=logger or False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            limit_val_batches=0,
            **further,
        )
    except (MisconfigurationException, TypeError, ValueError) as fault:
        if not config.trainer:
            raise
        raise Usage(f"--trainer {config.trainer}: Lightning refuses it ({str(fault)[:200]}).") from fault
