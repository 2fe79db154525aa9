"""The fit of one fold: by an engine with the kit's callbacks, resumable at any batch to the same bits."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from kit.console import Progress
from kit.errors import KitError
from kit.models import devices, registry, resident, threads
from kit.models.base import FoldModel
from kit.training import callbacks, engines, training_batches
from kit.training.callbacks.history import Watch
from kit.training.fold import Fold
from kit.training.loggers import Log
from kit.training.profile import Timings
from kit.training.ranks import exchange, group, together
from kit.training.seeding import seed_of
from kit.training.signals import Stop
from kit.training.state import FitState


@dataclass(frozen=True)
class Fitted:
    """A module that was fitted, in eval mode; how far it came; where its metrics were logged, still open."""

    module: FoldModel
    state: FitState
    logs: Log


def fit(
    fold: Fold,
    stop: Stop,
    progress: Progress,
    deadline: Callable[[FoldModel], float] | None = None,
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
    deadline: Callable[[FoldModel], float] | None,
    timings: Timings | None,
    watch: Watch | None,
) -> Fitted:
    config = fold.config
    threads.use_all()
    found = registry.module_class(config, fold.labels, fold.x, fold.parts)
    engine = engines.of(found, config, fold.parts)
    kind = engine.suited(found)
    batches = training_batches.for_kind(fold, kind, config, progress.say).shared(group.number(), group.count())
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
    engine.share(module, fold.x, config)
    if deadline is not None:
        state.until = exchange.moment(deadline(module))
        module.end_by(state.until)
    before = (batches.epoch * batches.steps + batches.start) * len(fold.train) // batches.steps
    progress.fold(fold.name, skipped=before, rows=config.epochs * len(fold.train))
    if batches.epoch < config.epochs:
        following = [
            snapshots, callbacks.Deadline(state), callbacks.Seeds(fold), callbacks.FirstEpoch(state, progress),
            callbacks.History(state), callbacks.FiniteLoss(state), callbacks.Validation(state, stop),
        ]  # fmt: skip
        try:
            engine.train(module, state, following, callbacks.Report(state, progress, logs, watch), timings)
        except BaseException:
            logs.close()
            raise
    module.finish()
    return Fitted(module.eval(), state, logs)
