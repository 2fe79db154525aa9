"""Threads: how many compute on the CPU: no more than cores are there for, and one where a net is too small to share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch

from kit import resources
from kit.config import Config
from kit.models.base import FoldModel

# Floating-point operations of a training step, below which one thread is about as fast as two: a step of the digits' preset has
# 0.57 billion, and took 20.8 ms by one thread and 20.0 by two (scripts/bench/threads.py).
SMALL = 1e9
PROBED = 2  # rows whose operations are counted
_most: list[int] = []  # threads that the fits inside `at_most` may use; the last entry counts


def available() -> int:
    """As many as torch takes, but no more than cores that a quota leaves, unless OMP_NUM_THREADS asks for them."""
    taken = torch.get_num_threads()
    return taken if os.environ.get("OMP_NUM_THREADS") else min(taken, resources.core_count())


@contextmanager
def at_most(count: int) -> Iterator[None]:
    """Compute with so many threads inside, and let `suit` choose; as before afterwards."""
    before = torch.get_num_threads()
    _most.append(count)
    torch.set_num_threads(count)
    try:
        yield
    finally:
        _most.pop()
        torch.set_num_threads(before)


@contextmanager
def within_quota() -> Iterator[None]:
    """Compute with as many threads as are `available`; as before afterwards. Decorates functions too."""
    with at_most(available()):
        yield


def keep_to_quota() -> None:
    """Compute with no more threads than are `available` from now on: what comes next is not the kit's to enclose."""
    torch.set_num_threads(available())


def use_all() -> None:
    """Compute with all threads that `at_most` allows: what a fit does before its net is known."""
    if _most:
        torch.set_num_threads(_most[-1])


def suit(module: FoldModel, x: Any, config: Config) -> None:
    """Compute this fit, whose module has learned what comes before the first step, with one thread or with all.

    Threads add up in an order of their own, so their number changes the last bits of a result. It follows from the net and
    the batch alone, not from what else the machine does: a fit that is resumed goes on to the same bits.
    """
    if _most and config.devices == "cpu" and not module.one_step and operations(module, x, config) < SMALL:
        torch.set_num_threads(1)


def operations(module: FoldModel, x: Any, config: Config) -> float:
    """Floating-point operations of a training step, by a forward pass of a few rows; infinity for a module without one.

    A step is three forward passes of its batch: the gradients of weights and of activations take one each.
    """
    from torch.utils.flop_counter import FlopCounterMode  # and triton; a fit of one step counts nothing

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
