"""Boosters: what one booster is asked for and what it came to, which rows decide when it stops, and when its time is over."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from kit.models.tables.forest import Forest, Tree, joined

AFTER = 2  # times a forest's answers to the training rows, which a fit with a deadline leaves time for: these, valid and test
TIMED = 9  # times the trees of the first round, which tell what each further round adds to the time of an answer
KEPT_BACK = 10  # of so many training rows one decides when to stop
STOPPED = 100  # fewer training rows do not tell when
PATIENCE, RATE = 30, 0.1  # rounds without a gain, at this rate


@dataclass(frozen=True)
class Task:
    """What one booster learns from rows [n, features] and answers [n]. `kind`: "numbers", "chances" or "classes" (0, 1, …).

    `weights` [n]: of the rows; None: all alike. `rounds`: at most. `until`: when it must be over, by `time.monotonic()`.
    `judged`: rows and answers that decide when to stop. `groups` [n]: whose rows decide together or not at all.
    """

    kind: str
    x: np.ndarray
    y: np.ndarray
    outputs: int = 1
    weights: np.ndarray | None = None
    rounds: int = 1
    until: float = math.inf
    judged: tuple[np.ndarray, np.ndarray] | None = None
    groups: np.ndarray | None = None


@dataclass(frozen=True)
class Grown:
    """What a booster came to: its trees, or the library's own `model`; the logits [outputs] that they begin from; the rounds
    that were best."""

    trees: list[Tree]
    baseline: np.ndarray
    rounds: int
    model: bytes = b""


Boosters = list[tuple[list[int], Grown]]  # each with the outputs that it answers


def patience(shrinkage: float) -> int:
    """Rounds without a gain after which a booster ends: more at a lower rate, whose rounds gain less each."""
    return round(PATIENCE * max(1.0, RATE / shrinkage))


class Clock:
    """Tells a booster after each round whether to end. `answering`: seconds that a round's trees will take to answer."""

    def __init__(self, until: float, rows: int):
        self.until, self.rows, self.answering, self.over = until, rows, 0.0, False

    @property
    def limited(self) -> bool:
        """Is there an end at all?"""
        return self.until < math.inf

    def stops(self, rounds: int, trees: Sequence[Tree] = (), x: np.ndarray | None = None) -> bool:
        """Is there no time for another round, `rounds` being done? `trees` and rows `x`: of the first, to be timed."""
        if self.until < math.inf and x is not None:
            one, many = (answering_seconds(list(trees) * times, x) for times in (1, TIMED))
            self.until -= AFTER * one  # which few rows take, however few the trees
            self.answering = AFTER * max(0.0, many - one) / (TIMED - 1)
        self.over = time.monotonic() + (rounds + 1) * self.answering >= self.until
        return self.over


def answering_seconds(trees: list[Tree], x: np.ndarray) -> float:
    """Seconds that a forest of these trees takes to answer rows [n, features]."""
    forest, began = Forest(joined(trees, np.zeros(1 + max(tree.output for tree in trees)))), time.monotonic()
    forest(torch.from_numpy(x))
    return time.monotonic() - began


def kept_back(task: Task, seed: int) -> np.ndarray:
    """Which of a task's rows decide when to stop, bool [n]: a tenth of each class, or of the groups, drawn; none of too few."""
    chosen, rng = np.zeros(len(task.y), bool), np.random.default_rng(seed)
    if len(task.y) < STOPPED:
        return chosen
    if task.groups is not None:
        names, sizes = np.unique(task.groups, return_counts=True)
        order = rng.permutation(len(names))
        enough = np.cumsum(sizes[order]) <= max(len(task.y) // KEPT_BACK, sizes[order[0]])
        chosen = np.isin(task.groups, names[order[enough]])
        left = task.y[~chosen]
        if len(left) and (task.kind == "numbers" or len(np.unique(np.round(left))) == len(np.unique(np.round(task.y)))):
            return chosen
        chosen[:] = False  # a class, or all, would not be learned: single rows decide
    order = rng.permutation(len(task.y))
    if task.kind != "numbers":
        order = order[np.argsort(np.round(task.y[order]), kind="stable")]
    chosen[order[KEPT_BACK // 2 :: KEPT_BACK]] = True
    return chosen
