"""Likeness: a second regression on the vectors of texts, by how near each is to those of some training texts.

Logistic (or ridge) regression with a Gaussian kernel, in the span of a part of the training texts, the landmarks (Nyström's
method: Williams & Seeger 2001). Where the regression on n-grams weighs a text's vector linearly, this one bends.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from kit.models.probe.head_fit import Problem

BEND = 1.0  # a likeness is exp(-BEND · squared distance) of unit vectors; half of it is as good for film reviews, twice worse
INVERSE_PENALTY = 32.0  # C, the inverse of the strength of the L2 penalty: half and twice of it are as good
SHARE = 0.3  # of the likeness in the mean of the logits of both regressions: of 0.2 to 0.6 the best
MOST = 1 << 28  # numbers of the matrix of likenesses, of which two are held at a time: 1 GiB each
TINY = 1e-6  # added to the likeness of each landmark with itself, so that two equal ones have a factorisation
STEPS = 3  # times count ** 3 / 3 steps, for each `count` of the rows: what comes after the factorisation
BLOCK = 4096  # texts whose likenesses are held at a time in predictions


class Likeness(nn.Module):
    """Unit vectors float32 [b, size] to logits [b, outputs], by their likeness to `count` landmarks."""

    landmarks: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(self, count: int, size: int, outputs: int):
        super().__init__()
        self.register_buffer("landmarks", torch.zeros(count, size))
        self.register_buffer("weight", torch.zeros(count, outputs))
        self.register_buffer("bias", torch.zeros(outputs))

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.all_at_once(some) for some in points.split(BLOCK)])

    def all_at_once(self, points: torch.Tensor) -> torch.Tensor:
        """As `forward`, with the likenesses of all rows held at a time."""
        return near(points, self.landmarks) @ self.weight + self.bias


def near(points: torch.Tensor, landmarks: torch.Tensor) -> torch.Tensor:
    """The likeness [n, m] of unit vectors [n, d] to unit vectors [m, d], 0 to 1."""
    return torch.exp(2 * BEND * (points @ landmarks.T - 1))


def blank(points: torch.Tensor, count: int, outputs: int) -> Likeness:
    """One that says nothing yet, with at most `count` of these vectors [n, d] as landmarks, evenly spaced."""
    count = max(1, min(count, len(points), MOST // len(points)))
    chosen = torch.from_numpy(np.linspace(0, len(points) - 1, count).round().astype(np.int64))
    model = Likeness(count, points.shape[1], outputs)
    model.landmarks.copy_(points[chosen])
    return model


def fitted(model: Likeness, problem: Problem) -> bool:
    """Fit the weights to the vectors [n, 1, d] of a problem.

    False, and nothing is fitted, where time is too short: all landmarks are factorised first, which tells the pace.
    """
    points, count = problem.x.flatten(0, 1), len(model.landmarks)
    began = time.monotonic()
    own = near(model.landmarks, model.landmarks).double()
    factor = torch.linalg.cholesky(own + TINY * torch.eye(count, dtype=torch.float64)).float()
    spent = time.monotonic() - began
    if began + spent * (1 + STEPS * len(points) / count) > problem.until:
        return False
    factor /= math.sqrt(count)  # columns of a size about 1, as the solver's tolerances are made for
    # In these coordinates the L2 penalty of the weights is the kernel's own norm.
    seen = torch.linalg.solve_triangular(factor, near(points, model.landmarks).T, upper=False).T
    problem = replace(problem, x=seen[:, None])
    head = problem.solved(count / (INVERSE_PENALTY * len(points)), problem.blank())
    model.weight.copy_(torch.linalg.solve_triangular(factor.T, head.weight, upper=True))
    model.bias.copy_(head.bias)
    return True
