"""Metrics as Kaggle counts them, in numpy. Each takes what the submission holds, not raw model outputs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray
DECISIONS = ("priors", "weights", "cuts", "threshold", "thresholds", "top", "temperature")


@dataclass(frozen=True)
class Metric:
    """A score: `metric(truth, answer)` is a float; both arrays are as `labels.harden` gives them.

    `scores`: the kinds of answers (`Labels.answers`) that it scores; none: any. `partial`: does it leave out what the truth
    lacks (NaN) by itself, cell by cell or column by column? Else it gets the complete rows only.

    `decides`: the decisions (`kit.labels.decision`) that can raise it: weights (of classes), priors (weights that are
    one power of the classes' frequencies), cuts (of grades), threshold (one for all columns), thresholds (the score is a mean
    over columns, and each has its own), top (answers a row), temperature.
    They are learned after the folds and kept where they pay. `counts`: the score [...] from counts of rows [..., c, c] by true
    class (down) and answer (across), for several sets of answers at once; a decision is found faster with it.
    """

    name: str
    function: Callable[[Array, Array], float]
    higher_is_better: bool = True
    scores: tuple[str, ...] = ()
    partial: bool = False
    decides: tuple[str, ...] = ()
    counts: Callable[[Array], Array] | None = None

    def __post_init__(self) -> None:
        for kind in self.decides:
            if kind not in DECISIONS:
                raise ValueError(f"metric {self.name}: decides {kind!r}, which is none of {', '.join(DECISIONS)}")

    def __call__(self, truth: Array, answer: Array) -> float:
        """The score; NaN where it is not defined, as that of no rows."""
        truth, answer = np.asarray(truth), np.asarray(answer)
        if not self.partial and truth.dtype.kind == "f" and np.isnan(truth).any():
            whole = ~np.isnan(_columns(truth)).any(axis=1)
            truth, answer = truth[whole], answer[whole]
        return float(self.function(truth, answer)) if len(truth) else math.nan

    def better(self, score: float, other: float) -> bool:
        """Is `score` better than `other`? One that is not defined (NaN, infinite) is worse than any that is."""
        if not (math.isfinite(score) and math.isfinite(other)):
            return math.isfinite(score)
        return score > other if self.higher_is_better else score < other


def defined(score: float | None) -> float | None:
    """A score as files hold it: None where it is not defined, as an AUC of rows of one class. JSON knows no NaN."""
    return None if score is None or not math.isfinite(score) else score


def shown(score: float | None) -> str:
    """A score as people read it."""
    return "undefined" if score is None or not math.isfinite(score) else f"{score:.5f}"


def figure(value: float) -> str:
    """An answer as people read it: five digits, and all of those before the point (`1,172,300`)."""
    return f"{value:,.0f}" if 99999.5 <= abs(value) < 1e15 else f"{value:.5g}"


def over_folds(scores: Sequence[float | None]) -> dict[str, Any]:
    """What `scores.json` holds of the folds' scores: each, and the mean and deviation of those that are defined."""
    folds = [defined(one) for one in scores]
    some = [one for one in folds if one is not None]
    mean, std = (float(np.mean(some)), float(np.std(some))) if some else (None, None)
    return {"folds": folds, "mean": mean, "std": std}


def _columns(values: Array) -> Array:
    return values.reshape(len(values), -1)


def _known(truth: Array, answer: Array) -> tuple[Array, Array]:
    """The cells that the truth has, and what was answered there; all as they are where none is missing (NaN)."""
    missing = np.isnan(truth)
    return (truth[~missing], answer[~missing]) if missing.any() else (truth, answer)


def _by_column(score: Callable[[Array, Array], float], truth: Array, answer: Array) -> float:
    """The mean score of the columns that have one."""
    pairs = zip(_columns(truth).T, _columns(answer).T, strict=True)
    scores = [score(*_known(*pair)) for pair in pairs]
    some = [one for one in scores if one == one]
    return float(np.mean(some)) if some else math.nan


def _accuracy(truth: Array, answer: Array) -> float:
    return np.mean((_columns(truth) == _columns(answer)).all(axis=1))


def _column_auc(truth: Array, score: Array) -> float:
    positives = truth > 0.5
    wins = positives.sum() * (~positives).sum()
    if not wins:
        return float("nan")  # one class only: the area is not defined
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[inverse]  # ties share their mean rank
    return (rank[positives].sum() - positives.sum() * (positives.sum() + 1) / 2) / wins


def _auc(truth: Array, answer: Array) -> float:
    return _by_column(_column_auc, truth, answer)


def _binary_log_loss(truth: Array, answer: Array) -> float:
    t, answer = _known(_columns(truth), _columns(answer))
    p = np.clip(answer.astype(np.float64), 1e-15, 1 - 1e-15)
    return float(-np.mean(t * np.log(p) + (1 - t) * np.log1p(-p)))


def _log_loss(truth: Array, answer: Array) -> float:
    if _columns(answer).shape[1] == 1:
        return _binary_log_loss(truth, answer)
    p = np.clip(answer.astype(np.float64), 1e-15, 1)
    p /= p.sum(axis=1, keepdims=True)  # as Kaggle does: rows are rescaled to sum to one
    return float(-np.mean(np.sum(truth * np.log(p), axis=1)))


def _indicators(values: Array) -> Array:
    return _columns(values) > 0.5  # as `_f1_binary` has it: a probability of 0.3 gives no label


def _one_hot(truth: Array, answer: Array) -> tuple[Array, Array]:
    if truth.ndim == 2:
        return _indicators(truth), _indicators(answer) & ~np.isnan(truth)  # a label that is missing counts nowhere
    classes = np.union1d(truth, answer)
    return truth[:, None] == classes, answer[:, None] == classes


def _f1_counts(truth: Array, answer: Array, axis: int | None) -> Array:
    hits, misses = (truth & answer).sum(axis), (truth ^ answer).sum(axis)
    return np.where(2 * hits + misses > 0, 2 * hits / np.maximum(2 * hits + misses, 1), 0.0)


def _f1_binary(truth: Array, answer: Array) -> float:
    truth, answer = _known(truth.ravel(), answer.ravel())
    return float(_f1_counts(truth > 0.5, answer > 0.5, None))


def _f1_macro(truth: Array, answer: Array) -> float:
    return float(np.mean(_f1_counts(*_one_hot(truth, answer), axis=0)))


def _f1_micro(truth: Array, answer: Array) -> float:
    return float(_f1_counts(*_one_hot(truth, answer), axis=None))


def _f1_samples(truth: Array, answer: Array) -> float:
    return float(np.mean(_f1_counts(_indicators(truth), _indicators(answer), axis=1)))


def _rmse(truth: Array, answer: Array) -> float:
    truth, answer = _known(truth, answer)
    return float(np.sqrt(np.mean((truth.astype(np.float64) - answer) ** 2)))


def _mcrmse(truth: Array, answer: Array) -> float:
    if np.isnan(truth).any():
        return _by_column(lambda t, a: _rmse(t, a) if len(t) else math.nan, truth, answer)
    return float(np.mean(np.sqrt(np.mean((_columns(truth).astype(np.float64) - _columns(answer)) ** 2, axis=0))))


def _rmsle(truth: Array, answer: Array) -> float:
    """Negative answers count as zero: the logarithm of a negative price is not defined."""
    return _rmse(np.log1p(truth.astype(np.float64)), np.log1p(np.maximum(answer.astype(np.float64), 0)))


def _mae(truth: Array, answer: Array) -> float:
    truth, answer = _known(truth, answer)
    return float(np.mean(np.abs(truth.astype(np.float64) - answer)))


def _qwk(truth: Array, answer: Array) -> float:
    """Quadratic weighted kappa (Cohen 1968) of integer grades."""
    truth, answer = truth.ravel().astype(int), answer.ravel().astype(int)
    low = min(truth.min(), answer.min())
    size = max(truth.max(), answer.max()) - low + 1
    observed = np.zeros((size, size))
    np.add.at(observed, (truth - low, answer - low), 1)
    weight = np.subtract.outer(np.arange(size), np.arange(size)) ** 2
    expected = np.outer(observed.sum(1), observed.sum(0)) / len(truth)
    chance = (weight * expected).sum()
    return float(1 - (weight * observed).sum() / chance) if chance else 1.0


def _balanced_accuracy(truth: Array, answer: Array) -> float:
    """The mean share of right answers among the rows of each true class."""
    truth, answer = truth.ravel(), answer.ravel()
    return float(np.mean([np.mean(answer[truth == one] == one) for one in np.unique(truth)]))


# The same from counts of rows [..., c, c] by true class and answer.


def _diagonal(counts: Array) -> Array:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _share_right(counts: Array) -> Array:
    return _diagonal(counts).sum(-1) / counts.sum((-2, -1))


def _mean_where(values: Array, there: Array) -> Array:
    return np.where(there, values, 0).sum(-1) / np.maximum(there.sum(-1), 1)


def _f1_macro_of_counts(counts: Array) -> Array:
    both = counts.sum(-1) + counts.sum(-2)  # rows that are, and that are said to be, of each class
    return _mean_where(2 * _diagonal(counts) / np.maximum(both, 1), both > 0)


def _f1_binary_of_counts(counts: Array) -> Array:
    hits = counts[..., 1:, 1:].sum((-2, -1))
    both = counts[..., 1:, :].sum((-2, -1)) + counts[..., 1:].sum((-2, -1))
    return 2 * hits / np.maximum(both, 1)


def _balanced_of_counts(counts: Array) -> Array:
    rows = counts.sum(-1)
    return _mean_where(_diagonal(counts) / np.maximum(rows, 1), rows > 0)


def _distance(counts: Array) -> Array:
    steps = np.arange(counts.shape[-1])
    return np.abs(np.subtract.outer(steps, steps))


def _mae_of_counts(counts: Array) -> Array:
    return (_distance(counts) * counts).sum((-2, -1)) / counts.sum((-2, -1))


def _qwk_of_counts(counts: Array) -> Array:
    weight = _distance(counts) ** 2
    chance = np.einsum("...i,...j,ij->...", counts.sum(-1), counts.sum(-2), weight) / counts.sum((-2, -1))
    return np.where(chance > 0, 1 - (weight * counts).sum((-2, -1)) / np.where(chance > 0, chance, 1), 1.0)


_CLASSES = ("one class", "grade")
_PROBABILITIES = ("probabilities",)
_NUMBERS = ("numbers", "grade", *_PROBABILITIES)
_SETS = ("tags", *_PROBABILITIES)

accuracy = Metric(
    "accuracy", _accuracy, scores=(*_CLASSES, "tags"), decides=("priors", "cuts", "threshold"), counts=_share_right
)
balanced_accuracy = Metric(
    "balanced_accuracy", _balanced_accuracy, scores=_CLASSES, decides=("weights", "cuts"), counts=_balanced_of_counts
)
auc = Metric(
    "auc", _auc, scores=_PROBABILITIES, partial=True
)  # of one column, or the mean over columns; one with one class only is left out
log_loss = Metric(
    "log_loss", _log_loss, False, _PROBABILITIES, decides=("temperature",)
)  # one column: binary; several: exclusive classes
mean_log_loss = Metric(
    "mean_log_loss", _binary_log_loss, False, _PROBABILITIES, partial=True, decides=("temperature",)
)  # of columns that do not exclude each other
f1 = Metric(
    "f1", _f1_binary, scores=(*_CLASSES, *_SETS), partial=True, decides=("weights", "threshold"), counts=_f1_binary_of_counts
)
f1_macro = Metric(
    "f1_macro", _f1_macro, scores=(*_CLASSES, *_SETS), partial=True, counts=_f1_macro_of_counts,
    decides=("weights", "cuts", "threshold", "thresholds"),
)  # fmt: skip
f1_micro = Metric(
    "f1_micro", _f1_micro, scores=(*_CLASSES, *_SETS), partial=True, decides=("priors", "cuts", "threshold"),
    counts=_share_right,
)  # fmt: skip
f1_samples = Metric("f1_samples", _f1_samples, scores=_SETS, decides=("threshold", "top"))
rmse = Metric("rmse", _rmse, False, _NUMBERS, partial=True)
mcrmse = Metric("mcrmse", _mcrmse, False, _NUMBERS, partial=True)
rmsle = Metric("rmsle", _rmsle, False, _NUMBERS, partial=True)
mae = Metric("mae", _mae, False, _NUMBERS, partial=True, decides=("cuts",), counts=_mae_of_counts)
qwk = Metric("qwk", _qwk, scores=_CLASSES, decides=("weights", "cuts"), counts=_qwk_of_counts)
