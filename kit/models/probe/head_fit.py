"""Fit of a head: a linear layer by L-BFGS, whose L2 penalty some of the rows choose that it is then fitted to."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch

from kit.models.weighting import weighted

PENALTIES = [10 ** (1 - k / 2) for k in range(13)]  # from the strongest, 10, to 1e-5; of the mean loss of a row
USUAL = 0.1  # the penalty where there is no time to choose one
WORSE = 2  # weaker penalties in a row that do not do better: no weaker one is tried
ITERATIONS, STEP = 60, 10  # of L-BFGS at most, and between looks at the time
Criterion = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # of logits [n, c] and answers, a scalar


class Head(NamedTuple):
    """A linear layer: `weight` [d, c], `bias` [c]."""

    weight: torch.Tensor
    bias: torch.Tensor


@dataclass(frozen=True)
class Problem:
    """Features [n, views, d] and answers [n, …] to fit a head to by a criterion.

    Every view of a row counts as a row of its own. `intercept`: may the head have a bias? `until`: when all must be over
    (`time.monotonic()`), after STEP iterations of each fit at the soonest. `weights`: of the rows' losses, float32 [n].
    """

    x: torch.Tensor
    y: torch.Tensor
    criterion: Criterion
    outputs: int
    intercept: bool
    until: float
    weights: torch.Tensor | None = None

    def loss(self, head: Head) -> torch.Tensor:
        """The mean loss of a head over all rows and views."""
        answers = self.y.repeat_interleave(self.x.shape[1], dim=0)
        weights = None if self.weights is None else self.weights.repeat_interleave(self.x.shape[1])
        return weighted(self.criterion, self.x.flatten(0, 1) @ head.weight + head.bias, answers, weights)

    def of(self, rows: torch.Tensor) -> Problem:
        """The same of some rows."""
        weights = None if self.weights is None else self.weights[rows.cpu()]
        return replace(self, x=self.x[rows], y=self.y[rows], weights=weights)

    def blank(self) -> Head:
        """A head that says nothing."""
        return Head(self.x.new_zeros(self.x.shape[2], self.outputs), self.x.new_zeros(self.outputs))

    def solved(self, penalty: float, begin: Head) -> Head:
        """The head that minimises the loss and penalty / 2 times the squared weights, from another one on."""
        weight, bias = (part.clone().requires_grad_() for part in begin)
        learned = [weight, bias] if self.intercept else [weight]
        solver = torch.optim.LBFGS(
            learned, max_iter=STEP, history_size=10, tolerance_grad=1e-5, tolerance_change=1e-7, line_search_fn="strong_wolfe"
        )

        def closure() -> torch.Tensor:
            solver.zero_grad()
            loss = self.loss(Head(weight, bias)) + penalty / 2 * weight.square().sum()
            loss.backward()
            return loss

        for done in range(STEP, ITERATIONS + 1, STEP):
            solver.step(closure)
            if solver.state[weight]["n_iter"] < done or time.monotonic() >= self.until:
                break
        return Head(weight.detach(), bias.detach())


class Choice(NamedTuple):
    """A penalty, the mean loss that it had on rows kept back, and the heads fitted to the others."""

    penalty: float
    loss: float
    heads: list[Head]


def chosen(problem: Problem, parts: list[torch.Tensor]) -> Choice:
    """The penalty of the least loss on each of these `parts` of the rows (positions), by fits to the rows outside it."""
    if time.monotonic() >= problem.until:
        return Choice(USUAL, math.nan, [problem.blank()])
    every = torch.arange(len(problem.x))
    splits = [(problem.of(every[~torch.isin(every, part)]), problem.of(part)) for part in parts]
    heads, best, worse = [inside.blank() for inside, _ in splits], None, 0
    for penalty in PENALTIES:
        heads = [inside.solved(penalty, head) for (inside, _), head in zip(splits, heads, strict=True)]
        with torch.no_grad():
            loss = sum(float(kept.loss(head)) for (_, kept), head in zip(splits, heads, strict=True)) / len(splits)
        if best is None or loss < best.loss:
            best, worse = Choice(penalty, loss, heads), 0
        else:
            worse += 1
        if worse == WORSE or time.monotonic() >= problem.until:
            break
    assert best is not None
    return best


def fitted(problem: Problem, parts: list[torch.Tensor]) -> tuple[Head, Choice]:
    """The head for features as they are, fitted to all rows with the penalty that `parts` of them choose; and that choice.

    The features are brought to zero mean and unit deviation first (in place), which the head then undoes. The penalty is
    of the sum over the rows, so that with more rows it weighs less.
    """
    x = problem.x
    flat = x.view(-1, x.shape[2])
    mean = flat.mean(dim=0) if problem.intercept else flat.new_zeros(flat.shape[1])
    deviation = flat.std(dim=0, correction=0)
    deviation = torch.where(deviation > 1e-6 * deviation.max(), deviation, 1.0)
    x.sub_(mean).div_(deviation)
    choice = chosen(problem, parts)
    share = 1 - sum(map(len, parts)) / len(parts) / len(x)
    head = problem.solved(choice.penalty * share, choice.heads[0])
    weight = head.weight / deviation[:, None]
    return Head(weight, head.bias - mean @ weight), choice
