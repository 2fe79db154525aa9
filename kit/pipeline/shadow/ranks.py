"""Ranks: submissions in the order of a public and a private score, and how much the public order means."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np

from kit.metrics import Metric
from kit.pipeline.comparison import paired

Answers = tuple[np.ndarray, np.ndarray]  # truth and answers as the metric takes them


@dataclass(frozen=True)
class Pair:
    """In which share of the splits two submissions are in the same order on both boards; and out of fold and privately."""

    one: str
    other: str
    public: float
    oof: float


@dataclass(frozen=True)
class Meaning:
    """What a public rank means. NaN where there is nothing to say.

    `public`, `private`: the standard error of such a score, of the submission in whose it is largest; `agrees`, `oof_agrees`:
    the mean of `pairs`; `first`, `oof_first`: how often the first by the public (out-of-fold) score is the first privately.
    """

    public: float
    private: float
    agrees: float
    oof_agrees: float
    first: float
    oof_first: float
    pairs: list[Pair]


def ranks(scores: list[float], higher_is_better: bool) -> list[int]:
    """The rank of each score from 1; equal scores share the best; one that is not defined is last."""
    order = [_order(score, higher_is_better) for score in scores]
    return [1 + sum(other > one for other in order) for one in order]


def shake_up(public: list[int], private: list[int]) -> float:
    """The mean change of rank from the public to the private board, as a share of the number of submissions."""
    return float(np.mean(np.abs(np.subtract(public, private))) / len(public)) if len(public) > 1 else math.nan


def meaning(names: list[str], metric: Metric, hidden: list[Answers], oof: list[float], public: int) -> Meaning:
    """From the rows kept back, split into boards anew. `hidden`: each submission's answers on all of them, of which `public`
    make the public board and the others the private one; `oof`: the scores out of fold, of the same rows.

    Both boards of a split have other rows, as Kaggle's have. So submissions that are equally good agree by chance, in half of
    the splits on average. Boards that are each drawn with replacement share rows: there they agree in 60%.
    """
    sign, rows = 1 if metric.higher_is_better else -1, len(hidden[0][0])
    boards = [sign * scores for scores in splits(metric, hidden, public)]
    before = np.broadcast_to(sign * np.array(oof), boards[0].shape)
    pairs = [
        Pair(names[i], names[j], _agree(boards[0], boards[1], i, j), _agree(before, boards[1], i, j))
        for i, j in combinations(range(len(names)), 2)
    ]
    several = len(names) > 1
    return Meaning(
        public=error(metric, hidden, public),
        private=error(metric, hidden, rows - public),
        agrees=_mean([one.public for one in pairs]),
        oof_agrees=_mean([one.oof for one in pairs]),
        first=_first(boards[0], boards[1]) if several else math.nan,
        oof_first=_first(before, boards[1]) if several else math.nan,
        pairs=pairs,
    )


def splits(metric: Metric, hidden: list[Answers], public: int) -> tuple[np.ndarray, np.ndarray]:
    """Public and private scores [splits, k] of k submissions, the rows divided anew for each split."""
    rng, rows = np.random.default_rng(0), len(hidden[0][0])
    found = []
    for _ in range(paired.draws(_cells(hidden))):
        order = rng.permutation(rows)
        found.append([_scores(metric, hidden, some) for some in (order[:public], order[public:])])
    scores = np.array(found)
    return scores[:, 0], scores[:, 1]


def error(metric: Metric, hidden: list[Answers], size: int) -> float:
    """The standard error of the score of so many rows, of the submission in whose it is largest."""
    drawn = paired.bootstrap(partial(_scores, metric, hidden), len(hidden[0][0]), _cells(hidden), size=size)
    known = drawn[np.isfinite(drawn).all(axis=1)]
    return float(known.std(axis=0, ddof=1).max()) if len(known) > 1 else math.nan


def _cells(hidden: list[Answers]) -> int:
    return sum(answer.size for _, answer in hidden)


def _scores(metric: Metric, answers: list[Answers], rows: np.ndarray) -> list[float]:
    return [metric(truth[rows], answer[rows]) for truth, answer in answers]


def _order(score: float, higher_is_better: bool) -> float:
    return -math.inf if not math.isfinite(score) else score if higher_is_better else -score


def _agree(board: np.ndarray, private: np.ndarray, one: int, other: int) -> float:
    """The share of splits in which two submissions are in one order on both boards; a tie counts half."""
    gaps = board[:, one] - board[:, other], private[:, one] - private[:, other]
    same = np.sign(gaps[0]) * np.sign(gaps[1])
    known = same[np.isfinite(same)]
    return float((known + 1).mean() / 2) if len(known) else math.nan


def _first(board: np.ndarray, private: np.ndarray) -> float:
    """The share of splits in which the first of the board is the private first; ties share it."""
    known = np.isfinite(board).all(axis=1) & np.isfinite(private).all(axis=1)
    if not known.any():
        return math.nan
    best = [one[known] == one[known].max(axis=1, keepdims=True) for one in (board, private)]
    chosen, winner = (one / one.sum(axis=1, keepdims=True) for one in best)
    return float((chosen * winner).sum(axis=1).mean())


def _mean(values: list[float]) -> float:
    known = [one for one in values if math.isfinite(one)]
    return float(np.mean(known)) if known else math.nan
