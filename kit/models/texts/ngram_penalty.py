"""Penalty: the strength of the L2 penalty that serves rows best which the fit has not seen, found inside the training fold.

The training rows are split again. From the strongest penalty to the weakest, each fit begins where the last one ended.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from kit.data import folds
from kit.models.texts.ngram_design import Design

# Times the mean square length of a text's columns: the best for short and long texts, classes and numbers lay inside.
GRID = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
PARTS = 5  # the rows are split into so many
ENOUGH = 2000  # rows that are left out, over all splits: for more rows a split or two tell as much as five
ITERATIONS = 10  # of L-BFGS from one penalty to the next
WORSE = 2  # penalties in a row beyond the best so far that end the search


@dataclass
class Split:
    """A design of the `inner` rows, the `outer` rows that it is scored on, and its parameters."""

    design: Design
    inner: torch.Tensor
    outer: torch.Tensor
    parameters: list[torch.Tensor]


Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # of logits and of the rows they are of


def splits(rows: np.ndarray, seed: int, groups: np.ndarray | None = None) -> list[tuple[np.ndarray, np.ndarray]]:
    """Inner and outer rows, each rising: several splits where rows are few, as one would tell little.

    `groups`: of all rows that there are; a group's rows stay together.
    """
    parts = parted(rows, seed, groups)
    count = min(len(parts), max(1, ENOUGH * PARTS // max(len(rows), 1)))
    return [(np.sort(np.concatenate(parts[:k] + parts[k + 1 :])), np.sort(parts[k])) for k in range(count)]


def parted(rows: np.ndarray, seed: int, groups: np.ndarray | None = None) -> list[np.ndarray]:
    """The rows in PARTS parts, or as many as there are groups where these are fewer; see `splits`."""
    own = folds.inner_groups(groups, rows)
    if own is None:
        return np.array_split(np.random.default_rng(seed).permutation(rows), PARTS)
    dealt = folds.make(np.arange(len(rows)), min(PARTS, len(np.unique(own))), seed, groups=own)
    return [rows[dealt.fold == k] for k in dealt.numbers]


def chosen(every: list[Split], loss: Loss, energy: float, until: float) -> float:
    """C, the inverse penalty of the least loss on the outer rows; of those tried, where time is over (`time.monotonic()`)."""
    best, least, worse = GRID[0] / energy, math.inf, 0
    for point in GRID:
        inverse = point / energy
        total = 0.0
        for split in every:
            _fit(split, loss, inverse)
            with torch.no_grad():
                total += float(loss(split.design.logits(*split.parameters)[split.outer], split.outer)) * len(split.outer)
        best, least, worse = (inverse, total, 0) if total < least else (best, least, worse + 1)
        if worse == WORSE or time.monotonic() >= until:
            break
    return best


def penalised(loss: torch.Tensor, weight: torch.Tensor, direction: torch.Tensor, inverse: float, count: int) -> torch.Tensor:
    """A mean loss of `count` rows, and the penalty of the parameters."""
    return loss + (weight.square().sum() + direction.square().sum()) / (2 * inverse * count)


def solver(parameters: Any, iterations: int) -> torch.optim.LBFGS:
    """The solver of these regressions; one step is a whole fit."""
    return torch.optim.LBFGS(
        parameters, max_iter=iterations, history_size=6, tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe"
    )


def _fit(split: Split, loss: Loss, inverse: float) -> None:
    optimizer = solver(split.parameters, ITERATIONS)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        weight, direction, bias = split.parameters
        logits = split.design.logits(weight, direction, bias)[split.inner]
        total = penalised(loss(logits, split.inner), weight, direction, inverse, len(split.inner))
        total.backward()
        return total

    optimizer.step(closure)
