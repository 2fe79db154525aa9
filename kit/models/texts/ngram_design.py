"""Design: what the regression on n-grams sees of texts, as some training rows give it: columns with weights, and dense columns.

Column j of answer c is weighted by its log-count ratio (Wang & Manning 2012), for numbers by its inverse document frequency
(Spärck Jones 1972), a row by one over the root of its length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from kit.config import Config
from kit.inputs.text import Texts
from kit.labels import Labels
from kit.models.texts.ngram_matrix import RARE, Incidence

SPREAD = 2.5  # a text's vector is of this length: of 1 to 30 the best for film reviews, and 2 to 4 as good
STYLE = 0.7  # the statistics' mean length beside that of the n-grams' columns; half or twice of it are as good
FAR = 4.0  # standard deviations beyond which a statistic counts no further


class Product(torch.autograd.Function):
    """`held.times(weights)` of an Incidence, with its gradient."""

    @staticmethod
    def forward(ctx: Any, held: Incidence, weights: torch.Tensor) -> torch.Tensor:
        ctx.held = held
        return torch.from_numpy(held.times(weights.detach().numpy()))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[None, torch.Tensor]:  # type: ignore[override]
        return None, torch.from_numpy(ctx.held.transposed_times(gradient.numpy()))


@dataclass(frozen=True)
class Design:
    """`ratio` [v, outputs] weights the columns of `held`, `root` [n, 1] the texts, `length` is their mean number of n-grams,
    `dense` [n, d] holds statistics and vectors; `style` [3, d of the statistics] is their `standard`.
    """

    held: Incidence
    ratio: torch.Tensor
    root: torch.Tensor
    length: torch.Tensor
    dense: torch.Tensor
    style: torch.Tensor

    def logits(self, weight: torch.Tensor, direction: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """[n, outputs] of all texts."""
        return Product.apply(self.held, self.ratio * weight) * self.root + self.dense @ direction + bias

    def energy(self, rows: torch.Tensor) -> float:
        """The mean square length of some texts' n-gram columns."""
        return _energy(self.held, self.ratio, self.root, rows)


def of(texts: Texts, held: Incidence, config: Config, labels: Labels, rows: torch.Tensor, y: np.ndarray) -> Design:
    """All that is learned of the training `rows` of the texts and of all answers `y` before the fit."""
    lengths = torch.from_numpy(held.lengths)
    length = lengths[rows].mean()
    root = (length / lengths).sqrt()[:, None]
    ratio = ratios(held, labels, rows, y)
    style = torch.zeros(3, 0)
    if config.statistics:
        energy = _energy(held, ratio, root, rows)
        style = standard(torch.from_numpy(texts.statistics())[rows], STYLE * math.sqrt(energy))
    return Design(held, ratio, root, length, dense(texts, np.arange(len(texts)), style), style)


def standard(statistics: torch.Tensor, length: float) -> torch.Tensor:
    """Mean, one over the deviation, and factor [3, d] that give rows [n, d] on average this `length`."""
    deviation = statistics.std(dim=0, correction=0)
    steady = deviation < 1e-6  # one that never differs says nothing
    inverse = (~steady) / deviation.where(~steady, torch.ones(()))
    return torch.stack([statistics.mean(dim=0), inverse, torch.full_like(inverse, length / math.sqrt(len(inverse)))])


def dense(texts: Texts, rows: np.ndarray, style: torch.Tensor) -> torch.Tensor:
    """The dense columns [rows, d] of some texts: their statistics, where `style` has any, then their vectors."""
    points = torch.from_numpy(texts.points()[rows]) * SPREAD
    if not style.shape[1]:
        return points
    mean, inverse, factor = style
    own = ((torch.from_numpy(texts.statistics()[rows]) - mean) * inverse).clamp(-FAR, FAR) * factor
    return torch.cat([own, points], dim=1)


def ratios(held: Incidence, labels: Labels, rows: torch.Tensor, y: np.ndarray) -> torch.Tensor:
    """[columns, outputs]: log of (share of an answer's rows with the n-gram over the share of the others).

    For numbers, the logarithm of how rare the n-gram is (inverse document frequency), as there are no shares to compare.
    """
    certain = torch.from_numpy(labels.certain(y))
    inside = torch.zeros(len(y), 1)
    inside[rows] = 1
    known = _texts_with(held, inside)
    if labels.continuous:
        rarity = ((1 + len(rows)) / (1 + known)).log() + 1
        return (rarity * (known >= RARE)).expand(-1, certain.shape[1])
    answered = inside
    if certain.isnan().any():  # each answer counts the texts that have it
        answered, certain = inside * ~certain.isnan(), certain.nan_to_num()
        known = _texts_with(held, answered)
    with_it, with_all = _texts_with(held, certain * inside), (certain * inside).sum(dim=0)
    without, without_all = known - with_it, answered.sum(dim=0) - with_all
    ratio = ((with_it + 1) / (with_all + 2)).log() - ((without + 1) / (without_all + 2)).log()
    return ratio * (known >= RARE)


def _texts_with(held: Incidence, counted: torch.Tensor) -> torch.Tensor:
    """For every n-gram, the sum of `counted` [rows, c] over the texts that have it."""
    return torch.from_numpy(held.transposed_times(counted.numpy()))


def _energy(held: Incidence, ratio: torch.Tensor, root: torch.Tensor, rows: torch.Tensor) -> float:
    squares = torch.from_numpy(held.times(ratio.square().numpy())) * root.square()
    return float(squares[rows].mean()) or 1.0
