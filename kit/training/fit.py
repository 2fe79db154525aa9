"""The fit of one fold: a fresh Trainer with the kit's callbacks, resumable at any batch to the same bits."""

from __future__ import annotations

import copy
import gc
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from kit.config import Config
from kit.console import Progress
from kit.errors import KitError, Usage
from kit.models import devices, registry, resident, threads
from kit.models.base import FoldModule, FoldTrainer
from kit.training import callbacks, trainer_options
from kit.training.callbacks.history import Watch
from kit.training.datamodule import FoldData
from kit.training.fold import Fold
from kit.training.loggers import Log
from kit.training.profile import Timings
from kit.training.ranks import exchange, group, together
from kit.training.ranks.together import Together
from kit.training.seeding import seed_of
from kit.training.signals import Stop
from kit.training.state import FitState


@dataclass(frozen=True)
class Fitted:
    """A module that was fitted, in eval mode; how far it came; where its metrics were logged, still open."""

    module: FoldModule
    state: FitState
    logs: Log


def fit(
    fold: Fold,
    stop: Stop,
    progress: Progress,
    deadline: Callable[[FoldModule], float] | None = None,
    timings: Timings | None = None,
    watch: Watch | None = None,
) -> Fitted:
    """Train, or go on from the newest sound snapshot. The module ends with the weights of the last step.

    `deadline`: when the fit of this module must be over. `watch`: looks at the history when training begins and after each
    epoch; what it raises ends the fit. Where the memory does not suffice, batches go through the model
    in twice as many parts, from the newest snapshot on. Raises KitError where two rows are too many, and where the memory of
    one of several ranks does not suffice.
    """
    fold = together.shared_out(fold)
    while True:
        said = ""
        try:
            return _fit(fold, stop, progress, deadline, timings, watch)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as fault:
            if not devices.out_of_memory(fault):
                raise
            said = str(fault).splitlines()[0][:120].rstrip(".") if str(fault) else "out of memory"
        gc.collect()  # only here: the exception held the tensors of the step
        resident.clear()
        torch.cuda.empty_cache()
        parts = 2 * fold.config.accumulate
        if group.count() > 1:  # the others are in the middle of a step
            raise KitError(f"{fold.name}, rank {group.number()}: {said}. The same command goes on with --accumulate {parts}.")
        if fold.config.batch < 2 * parts:
            raise KitError(f"{fold.name}: out of memory, even in parts of a few rows. Use a smaller --size or --model.")
        progress.say(f"{fold.name}: {said}. Goes on with each batch in {parts} parts (--accumulate {parts})")
        fold = replace(fold, config=fold.config.changed(accumulate=parts))


def _fit(
    fold: Fold,
    stop: Stop,
    progress: Progress,
    deadline: Callable[[FoldModule], float] | None,
    timings: Timings | None,
    watch: Watch | None,
) -> Fitted:
    config = fold.config
    threads.use_all()
    kind = registry.module_class(config, fold.labels, fold.x, fold.parts)
    batches = FoldData(fold, module=kind, tell=progress.say).train_dataloader().shared(group.number(), group.count())
    group.post({"fold": fold.number, "repeat": fold.repeat, "config": config.json()})
    torch.manual_seed(seed_of(config.seed, fold.number))
    steps = batches.steps // batches.accumulate * config.epochs
    module = kind.of(config, fold.labels, fold.x, steps=steps, mirror=fold.mirror, parts=fold.parts)
    state, logs = FitState(fold=fold, batches=batches), Log(config, fold.folder, progress.say)
    snapshots = callbacks.Snapshots(state, stop, progress.say)
    if not snapshots.restore(module):
        fold.teach(module)
        if fold.source is not None:
            module.adopt(fold.source())
    together.begin_alike(module)
    threads.suit(module, fold.x, config)
    if deadline is not None:
        state.until = exchange.moment(deadline(module))
        module.end_by(state.until)
    before = (batches.epoch * batches.steps + batches.start) * len(fold.train) // batches.steps
    progress.fold(fold.name, skipped=before, rows=config.epochs * len(fold.train))
    own = trainer_options.checked(copy.deepcopy(fold.parts.callbacks))
    logged = callbacks.LastValues() if own or fold.parts.modules else None
    if batches.epoch < config.epochs:
        following = [
            *([Together(state)] if group.count() > 1 else []),
            snapshots, callbacks.Deadline(state), callbacks.Seeds(fold), callbacks.FirstEpoch(state, progress),
            callbacks.History(state), callbacks.FiniteLoss(state),
            callbacks.Validation(state, stop), *own, callbacks.Report(state, progress, logs, logged, watch),
        ]  # fmt: skip
        try:
            with quiet_lightning(), devices.deterministic(config):
                trainer = make_trainer(config, state, following, logged)
                trainer.fit(module, train_dataloaders=batches)
        except BaseException:
            logs.close()
            raise
        if timings is not None and config.profile:
            timings.add(trainer.profiler)  # type: ignore[attr-defined]
        release(trainer)
    module.finish()
    return Fitted(module.eval(), state, logs)


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
    config: Config, state: FitState, following: list[pl.Callback], logger: callbacks.LastValues | None = None
) -> FoldTrainer:
    """A Trainer that does nothing but train: the kit's callbacks keep, log and show. `logger`: for an adapter's own parts."""
    further = {"log_every_n_steps": max(1, min(50, len(state.batches))), **trainer_options.options(config)}
    further.pop(trainer_options.ROWS, None)
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
