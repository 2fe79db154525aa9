"""Autotune: a learning rate by a range test and a batch by measurement, on a throw-away module, before the run begins."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from kit.config import Config
from kit.errors import KitError
from kit.models import devices, registry
from kit.models.batch import Batch
from kit.training import training_batches
from kit.training.fold import Fold
from kit.training.loaders import Batches
from kit.training.seeding import seed_of

if TYPE_CHECKING:
    from kit.models.lightning.module import FoldModule

SPAN = 200.0  # learning rates tried: from the preset's divided by it to the preset's times it
MOST, LEAST, SHARE = 100, 30, 0.08  # steps of the test, and their share of all steps of the run
GIVE_UP = 4.0  # times the least loss: the rest of the curve says nothing
SMOOTH = 0.25  # decades: the deviation of the window over the losses, which jump from batch to batch
BATCHES = (32, 64, 128, 256, 512, 1024, 2048, 4096)
ENOUGH = 0.9  # of the best speed; a smaller batch learns more in an epoch
EPOCH = 20  # steps that an epoch must have at least


def learning_rate(fold: Fold, fits: int, around: float) -> tuple[float, np.ndarray]:
    """A peak learning rate, and the curve [n, 3] of rates, losses and smoothed losses.

    Rates rise (Smith 2017) to SPAN times `around` from as far below; see `halfway` for the one that is chosen. From 1e-5 to
    10 whatever the preset, four seeds of 30 steps found 0.0024 to 0.013 for mnist, best 0.03; with this span 0.010 to 0.015.
    Lightning's finder gives all parameter groups one rate, writes its checkpoint where the process runs, and its own
    suggestion has been broken since 2.5.3. Nothing here touches the weights or random numbers of the run.
    """
    config = fold.config.changed(lr=1.0, schedule="constant", warmup=0.0)
    feed = training_batches.for_kind(fold, _kind(fold), config)
    whole = feed.steps // feed.accumulate * config.epochs * fits
    steps = int(min(MOST, max(LEAST, SHARE * whole)))
    rates = np.geomspace(around / SPAN, around * SPAN, steps)
    losses: list[float] = []
    step = _stepper(replace(fold, config=config), feed)
    for rate in rates:
        losses.append(step(rate))
        if not math.isfinite(losses[-1]) or losses[-1] > GIVE_UP * max(min(losses), 0.05):
            losses.pop()
            break
    if len(losses) < 5:
        raise KitError(
            f"--lr auto: the loss diverges at once (from {rates[0]:g} on). Are the inputs finite? Give --lr a number."
        )
    curve = smoothed(rates[: len(losses)], np.array(losses))
    return halfway(rates[: len(losses)], curve), np.c_[rates[: len(losses)], losses, curve]


def smoothed(rates: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Losses averaged over a Gaussian window of log10 rates; straight lines stay straight in its middle."""
    where = np.log10(rates)
    weight = np.exp(-0.5 * ((where[:, None] - where[None, :]) / SMOOTH) ** 2)
    return weight @ losses / weight.sum(axis=1)


def halfway(rates: np.ndarray, losses: np.ndarray) -> float:
    """The rate between where the losses fall fastest against log rate and where they are least: their geometric mean.

    The steepest place alone was a tenth of the best rate for the small net with one-cycle AdamW (digits: 0.0012 of 0.003 to
    0.03, mnist: 0.0011 of 0.02), the least alone seven times too high.
    """
    last = max(int(np.argmin(losses)), 2)
    slope = np.gradient(losses, np.log10(rates))[: last + 1]
    return float(f"{math.sqrt(rates[int(np.argmin(slope))] * rates[last]):.2g}")


def batch(fold: Fold, reference: int) -> tuple[int, float]:
    """Rows per step, and the factor on a learning rate that was tuned for `reference` rows.

    On a CPU the smallest that is almost as fast as the fastest; on a GPU the largest that fits, with its factor: the ratio
    for SGD (Goyal et al. 2017), its root for the others (Malladi et al. 2022).
    """
    config = fold.config
    tried = [one for one in BATCHES if one * EPOCH <= len(fold.train)] or [BATCHES[0]]
    speeds: dict[int, float] = {}
    for rows in tried:
        one = replace(fold, config=config.changed(batch=rows, lr=1e-4))
        feed = training_batches.for_kind(one, _kind(one), one.config)
        try:
            speeds[rows] = _speed(one, feed, rows)
        except torch.OutOfMemoryError:
            break
    best = max(speeds.values(), default=0.0)
    fitting = [rows for rows, speed in speeds.items() if config.devices == "gpu" or speed >= ENOUGH * best]
    chosen = (max if config.devices == "gpu" else min)(fitting, default=tried[0])
    ratio = chosen / reference
    return chosen, ratio if config.optimizer == "sgd" else math.sqrt(ratio)


def _speed(fold: Fold, feed: Batches, rows: int) -> float:
    """Rows a second: the median of four steps after one."""
    seconds, step = [], _stepper(fold, feed)
    for _ in range(5):
        began = time.perf_counter()
        step(fold.config.lr)
        if fold.config.devices == "gpu":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return rows / float(np.median(seconds[1:] or seconds))


def _stepper(fold: Fold, feed: Batches) -> Callable[[float], float]:
    """A function that takes the next batch and a step with a rate as if it were the peak; returns the loss."""
    config, device = fold.config, devices.torch_device(fold.config)
    torch.manual_seed(seed_of(config.seed, fold.number))
    module = _kind(fold).of(config, fold.labels, fold.x, steps=1, mirror=fold.mirror, parts=fold.parts)
    fold.teach(module)
    if fold.source is not None:
        module.adopt(fold.source())
    module.to(device)
    optimizer = module.configure_optimizers()["optimizer"]
    scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")

    def step(rate: float) -> float:
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] / config.lr * rate
        total = 0.0
        optimizer.zero_grad()
        for _ in range(feed.accumulate):
            moved = next(batches).to(device)
            module.on_train_batch_start(moved, 0)
            with devices.autocast(config):
                loss = module.training_step(moved, 0)["loss"] / feed.accumulate
            scaler.scale(loss).backward()
            total += loss.item()
        scaler.step(optimizer)
        scaler.update()
        return total

    batches = _endless(feed)
    return step


def _kind(fold: Fold) -> type[FoldModule]:
    kind = registry.module_class(fold.config, fold.labels, fold.x, fold.parts)
    return cast("type[FoldModule]", kind)  # a model that no Trainer fits has no learning rate to find


def _endless(feed: Batches) -> Iterator[Batch]:
    while True:
        yield from feed


def tuned(fold: Fold, fits: int, preset: Config) -> tuple[Config, list[str], np.ndarray | None]:
    """The fold's Config with numbers for `auto`, what to say of them, and the curve of the range test, if there was one.

    `preset`: whose rate suits its batch; where that is `auto` too, the default's.
    """
    reference, around = preset.batch or Config().batch, preset.lr or Config().lr
    config, said, curve = fold.config, list[str](), None
    if config.batch == 0:
        rows, factor = batch(replace(fold, config=config.changed(batch=reference)), reference)
        lr = config.lr * factor
        config = config.changed(batch=rows, lr=lr)
        said.append(f"--batch auto: {rows} rows" + (f", with the learning rate times {factor:.3g}" if lr else ""))
    if config.lr == 0:
        rate, curve = learning_rate(replace(fold, config=config), fits, around)
        config = config.changed(lr=rate)
        said.append(f"--lr auto: {rate:g}, from the losses of {len(curve)} steps")
    return config, said, curve
