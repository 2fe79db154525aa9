"""Weights: of predictions to be averaged, climbed to on out-of-fold rows, and kept only where they beat their noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Score = Callable[[np.ndarray, np.ndarray], float]  # of these rows' predictions; higher is better; NaN: not defined

SHARES = (0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02)  # what a step may give to one member
STEPS = 20
BLOCKS = 50  # parts of the rows, each left out once
NOISES = 2.0  # a gain counts where it is more than so many times its noise


@dataclass(frozen=True)
class Gain:
    """How much better one prediction scores than another, and the standard error of that; NaN where it is not defined."""

    gain: float
    noise: float

    @property
    def defined(self) -> bool:
        """Can it be told at all? Not where the metric is not defined, as an AUC of rows of one class."""
        return math.isfinite(self.gain) and math.isfinite(self.noise)

    @property
    def pays(self) -> bool:
        """Is it more than noise?"""
        return self.defined and self.gain > 0 and self.gain > NOISES * self.noise


@dataclass(frozen=True)
class Choice:
    """`weights` [r], not negative, their sum 1; `nested`: float64 [n, c], each row blended by weights chosen without its fold.

    `gain`, `noise`: nested, over the best member alone; where none was added to it, of the one that came nearest.
    """

    weights: np.ndarray
    nested: np.ndarray
    best: int
    gain: float
    noise: float

    @property
    def kept(self) -> bool:
        """Is it more than the best single member?"""
        return int((self.weights > 0).sum()) > 1


def climb(parts: np.ndarray, score: Score, rows: np.ndarray) -> np.ndarray:
    """Weights [r] of parts [r, n, c] by greedy steps from the best one, as seen on these rows (Caruana et al. 2004)."""
    seen, score = parts[:, rows], _comparable(score)
    alone = [score(rows, one) for one in seen]
    weights = np.eye(len(parts))[int(np.argmax(alone))]
    best, now = max(alone), seen[int(np.argmax(alone))]
    for _ in range(STEPS):
        tried = [(score(rows, now + share * (one - now)), -i, share) for i, one in enumerate(seen) for share in SHARES]
        value, minus, share = max(tried)
        if not value > best:
            break
        best, now = value, now + share * (seen[-minus] - now)
        weights = weights * (1 - share) + share * np.eye(len(parts))[-minus]
    return weights


def _comparable(score: Score) -> Score:
    """The score; one that is not defined is less than any other."""

    def value(rows: np.ndarray, predictions: np.ndarray) -> float:
        known = score(rows, predictions)
        return known if known == known else -math.inf

    return value


def nested(parts: np.ndarray, score: Score, fold: np.ndarray) -> np.ndarray:
    """Blended predictions [n, c]; the weights of a fold's rows are climbed to on all the others."""
    blended = np.empty(parts.shape[1:])
    for number in np.unique(fold):
        weights = climb(parts, score, np.flatnonzero(fold != number))
        blended[fold == number] = np.tensordot(weights, parts[:, fold == number], axes=1)
    return blended


def noise(one: np.ndarray, other: np.ndarray, score: Score, seed: int = 0) -> float:
    """The standard error of how much better `one` scores than `other`, by leaving out blocks of rows (the jackknife).

    NaN where hardly any of these gains is defined.
    """
    order = np.random.default_rng(seed).permutation(len(one))
    blocks = np.array_split(order, min(BLOCKS, len(order)))
    gains = []
    for block in blocks:
        rows = np.delete(np.arange(len(one)), block)
        gains.append(score(rows, one[rows]) - score(rows, other[rows]))
    told = [gain for gain in gains if math.isfinite(gain)]
    return float(np.sqrt((len(blocks) - 1) * np.nanvar(gains))) if len(told) > 1 else math.nan


def gained(one: np.ndarray, other: np.ndarray, score: Score) -> Gain:
    """By how much predictions `one` [n, …] of these rows score better than `other`."""
    every = np.arange(len(one))
    return Gain(score(every, one) - score(every, other), noise(one, other, score))


def choose(parts: np.ndarray, score: Score, fold: np.ndarray) -> Choice:
    """Weights for parts [r, n, c] of rows in these folds [n]: from the best one, a member is added while that pays.

    It pays where the nested score gains more than NOISES times its noise. A member that does not has no weight at all.
    """
    every, value = np.arange(parts.shape[1]), _comparable(score)
    alone = [value(every, one) for one in parts]
    members = [int(np.argmax(alone))]
    now = first = parts[members[0]]
    over_first = Gain(0.0, 0.0)
    while len(members) < len(parts):
        tried = {i: nested(parts[[*members, i]], score, fold) for i in range(len(parts)) if i not in members}
        _, minus = max((value(every, one), -i) for i, one in tried.items())
        pays = gained(tried[-minus], now, score).pays
        if pays or now is first:
            over_first = gained(tried[-minus], first, score)
        if not pays:
            break
        members, now = [*members, -minus], tried[-minus]
    weights = np.zeros(len(parts))
    weights[members] = climb(parts[members], score, every)
    return Choice(weights, now, members[0], over_first.gain, over_first.noise)


def ranked(among: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The share [m, c] of `among` [n, c] that is smaller than each of `values` [m, c], ties counted half."""
    ordered = np.sort(among, axis=0)
    shares = [
        (np.searchsorted(ordered[:, j], values[:, j], "left") + np.searchsorted(ordered[:, j], values[:, j], "right")) / 2
        for j in range(among.shape[1])
    ]
    return np.stack(shares, axis=1) / len(among)
