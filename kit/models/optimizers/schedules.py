"""Schedules: the share of the peak learning rate in the course of a fit."""

from __future__ import annotations

import math
from typing import Any

import torch

DROP, PATIENCE, BETTER = 0.1, 2, 1e-4  # what a step or plateau multiplies by; epochs of patience; what counts as better


def one_cycle(step: float, steps: int, warmup: float) -> float:
    """Two cosines, up from 1/25 and down to nothing (Smith & Topin 2018).

    torch's OneCycleLR is the same, but divides by zero where the rise is one step long.
    """
    rise = max(warmup * (steps + 1) - 1, 0.0)
    low, high, part = (0.04, 1.0, step / rise) if step < rise else (4e-6, 1.0, (steps - step) / max(steps - rise, 1.0))
    return low + (high - low) * (1 - math.cos(math.pi * min(max(part, 0.0), 1.0))) / 2


def constant(step: float, steps: int, warmup: float) -> float:
    """Straight up from nothing, where there is a warm-up, then level."""
    return min(1.0, (step + 1) / (warmup * steps + 1))


def _left(step: float, steps: int, warmup: float) -> float:
    """The share that is left of what comes after the rise, 1 to 0."""
    rise = warmup * steps
    return min(max((steps - step) / max(steps - rise, 1.0), 0.0), 1.0)


def linear(step: float, steps: int, warmup: float) -> float:
    """Up as `constant`, then straight down to nothing."""
    return constant(step, steps, warmup) if step < warmup * steps else _left(step, steps, warmup)


def cosine(step: float, steps: int, warmup: float) -> float:
    """Up as `constant`, then half a cosine down to nothing (Loshchilov & Hutter 2017)."""
    return constant(step, steps, warmup) if step < warmup * steps else (1 - math.cos(math.pi * _left(step, steps, warmup))) / 2


def step(step: float, steps: int, warmup: float) -> float:
    """Up as `constant`, then a tenth from half of the schedule on, and a hundredth from three quarters (He et al. 2016)."""
    return constant(step, steps, warmup) * DROP ** ((step >= steps / 2) + (step >= 3 * steps / 4))


SHAPES = {
    "one-cycle": one_cycle, "linear": linear, "cosine": cosine, "step": step, "plateau": constant, "constant": constant,
}  # fmt: skip


class Plateau(torch.nn.Module):
    """Counts how often the training loss stopped falling: `drops`. No validation row steers a fit that it judges.

    Its numbers stay in the host's memory: each step reads them.
    """

    best: torch.Tensor
    waited: torch.Tensor
    drops: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("best", torch.tensor(math.inf))
        self.register_buffer("waited", torch.tensor(0))
        self.register_buffer("drops", torch.tensor(0))

    def _apply(self, fn: Any, recurse: bool = True) -> Plateau:  # what `to` and `cuda` go by
        return self

    def epoch(self, loss: float) -> None:
        """An epoch ended with this training loss."""
        if loss < float(self.best) * (1 - BETTER):
            self.best.fill_(loss)
            self.waited.zero_()
            return
        self.waited += 1
        if self.waited > PATIENCE:
            self.drops += 1
            self.waited.zero_()
