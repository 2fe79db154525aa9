"""Step threads: one thread where the steps of a net are too small to share, all where they are not."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from kit.config import Config
from kit.models import threads
from kit.models.base import FoldModel

# Floating-point operations of a training step, below which one thread is about as fast as two: a step of the digits' preset has
# 0.57 billion, and took 20.8 ms by one thread and 20.0 by two (scripts/bench/threads.py).
SMALL = 1e9
PROBED = 2  # rows whose operations are counted


def share(module: FoldModel, x: Any, config: Config) -> None:
    """Compute this fit, whose module has learned what comes before the first step, with one thread or with all.

    Threads add up in an order of their own, so their number changes the last bits of a result. It follows from the net and
    the batch alone, not from what else the machine does: a fit that is resumed goes on to the same bits.
    """
    if threads.enclosed() and config.devices == "cpu" and not module.one_step and operations(module, x, config) < SMALL:
        torch.set_num_threads(1)


def operations(module: FoldModel, x: Any, config: Config) -> float:
    """Floating-point operations of a training step, by a forward pass of a few rows; infinity for a module without one.

    A step is three forward passes of its batch: the gradients of weights and of activations take one each.
    """
    training = [(part, part.training) for part in module.modules()]
    views = module.one_view() if module.views else nullcontext()
    rows = np.arange(min(PROBED, len(x)))
    try:
        with torch.random.fork_rng(devices=[]), torch.inference_mode(), views, FlopCounterMode(display=False) as counter:
            module.eval().predict_step(module.gather(x, rows))
    except (AttributeError, NotImplementedError):  # a guest's module that is not complete: its fit says what is missing
        return float("inf")
    finally:
        for part, was in training:
            part.training = was
    return 3.0 * config.batch * counter.get_total_flops() / len(rows)
