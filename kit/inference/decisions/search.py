"""Search: for each kind of decision, the one that scores best on the rows it is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from kit.labels import Labels
from kit.labels.decision import Decision
from kit.metrics import Metric

SLOW, SLOW_ROUNDS = 12, 2  # sets of answers that are scored one by one, and rounds, by a metric that does not score counts
EDGES = 400  # places where a cut point may lie
MOST_GRADES = 60  # cut points of more would be learned from a few rows each
MOST_CLASSES = 30  # of more, classes get their weight by how frequent they are, and none of its own
ROUNDS = 20  # through all cut points or classes at most
STEPS = (2.0, 0.5)  # by how much the logarithm of a class's weight is changed at most, in one round after another
TOP = 10  # answers a row at most
CELLS = 200_000  # probabilities that tell a temperature; more tell the same
MOST_CELLS = 5_000_000  # probabilities that weights are learned from; of more, those of evenly spaced rows
ODDS = np.linspace(-4, 4, 17)  # logits of thresholds
HEATS = np.linspace(-1.6, 2.4, 11)  # logarithms of temperatures


@dataclass(frozen=True)
class Rows:
    """Rows to learn from: their answers `y` as `encode` gives them, their predictions [n, c]; `labels` without a decision."""

    labels: Labels
    metric: Metric
    y: np.ndarray
    predictions: np.ndarray

    @cached_property
    def truth(self) -> np.ndarray:
        """The answers as the metric takes them."""
        return self.labels.truth(self.y)

    def score(self, decision: Decision) -> float:
        """The metric, higher is better; minus infinity where it is not defined."""
        decided = self.labels.changed(decision=decision)
        return self.comparable(self.metric(self.truth, decided.harden(self.predictions)))

    @property
    def rounds(self) -> int:
        """How often each cut point or class is tried again at most."""
        return ROUNDS if self.metric.counts is not None else SLOW_ROUNDS

    def comparable(self, score: float) -> float:
        """A score of the metric as one that is better if it is higher, whatever it is."""
        return (score if self.metric.higher_is_better else -score) if np.isfinite(score) else -np.inf

    def scores(self, counts: np.ndarray, names: np.ndarray) -> np.ndarray:
        """Comparable scores [g] of counts [g, c, c] by true class and answer; `names` [c]: of the classes, as `truth` has them.

        Where the metric scores no counts, those of SLOW of them, evenly spaced; the others count as not defined.
        """
        if self.metric.counts is not None:
            found = self.metric.counts(counts)
            return np.array([self.comparable(float(one)) for one in found])
        shape = (-1,) if self.truth.ndim == 1 else (-1, 1)
        found = np.full(len(counts), -np.inf)
        for g in np.unique(np.linspace(0, len(counts) - 1, min(SLOW, len(counts))).round().astype(int)):
            many = counts[g].ravel()
            truth, answer = (
                np.repeat(one, many).reshape(shape) for one in (names.repeat(len(names)), np.tile(names, len(names)))
            )
            found[g] = self.comparable(self.metric(truth, answer))
        return found


def spaced(rows: Rows, cells: int) -> Rows:
    """As many evenly spaced rows as have so many probabilities at most."""
    each = max(1, -(-rows.predictions.size // cells))
    return rows if each == 1 else replace(rows, y=rows.y[::each], predictions=rows.predictions[::each])


def middle_of_best(scores: np.ndarray) -> int:
    """Where the best score is; of several that are equally good, in the middle of them: no row is near a step there."""
    best = np.flatnonzero(scores >= scores.max() - 1e-12)
    run = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
    longest = max(run, key=len)
    return int(longest[(len(longest) - 1) // 2])


def refined(score: Callable[[float], float], grid: np.ndarray, rounds: int = 2) -> float:
    """The best point of a grid, then of ever finer ones around it."""
    for _ in range(rounds + 1):
        best = float(grid[middle_of_best(np.array([score(float(one)) for one in grid]))])
        step = (grid[-1] - grid[0]) / (len(grid) - 1)
        grid = np.linspace(best - step, best + step, 9)
    return best


# Class weights


def prior_weights(rows: Rows) -> Decision:
    """Weights that are one power of how frequent the classes are: a single number is learned."""
    rows = spaced(rows, MOST_CELLS)
    p, truth = rows.predictions, rows.truth
    count = p.shape[1]
    names, frequency = np.arange(count), (np.bincount(truth, minlength=count) + 1) / (len(truth) + count)

    def weights(power: float) -> np.ndarray:
        return frequency**-power

    def score(power: float) -> float:
        answer = (p * weights(power).astype(p.dtype)).argmax(axis=1)
        return float(rows.scores(_counts(truth, answer, count)[None], names)[0])

    return _weights(weights(refined(score, np.linspace(-1.0, 1.5, 21), 1)))


def _weights(values: np.ndarray) -> Decision:
    """Weights whose geometric mean is one."""
    scaled = values / np.exp(np.log(values).mean())
    return Decision("weights", tuple(float(one) for one in scaled))


def _counts(truth: np.ndarray, answer: np.ndarray, classes: int) -> np.ndarray:
    return np.bincount(truth * classes + answer, minlength=classes**2).reshape(classes, classes)


def class_weights(rows: Rows) -> Decision:
    """A weight of each class, one after another, from those by frequency on."""
    rows = spaced(rows, MOST_CELLS)
    first = prior_weights(rows)
    count = rows.predictions.shape[1]
    if count > MOST_CLASSES:
        return first
    logits = np.log(np.maximum(rows.predictions.astype(np.float64), np.finfo(np.float32).tiny))
    logits += np.log(first.values)
    moved, truth = np.zeros(count), rows.truth
    best = rows.scores(_counts(truth, logits.argmax(axis=1), count)[None], np.arange(count))[0]
    for step in STEPS:
        for _ in range(min(rows.rounds, ROUNDS // 4)):
            before = best
            for j in range(count):
                shift, best = _best_shift(rows, logits, truth, j, np.linspace(-step, step, 41), best)
                logits[:, j] += shift
                moved[j] += shift
            if not best > before:
                break
    return _weights(np.exp(moved) * first.values)


def _best_shift(
    rows: Rows, logits: np.ndarray, truth: np.ndarray, j: int, shifts: np.ndarray, best: float
) -> tuple[float, float]:
    """By what to raise the logits of class j, and the score then; by nothing where no shift is better than `best`."""
    count = logits.shape[1]
    others = logits.copy()
    others[:, j] = -np.inf
    rival = others.argmax(axis=1)
    margin = others[np.arange(len(others)), rival] - logits[:, j]
    first = np.searchsorted(shifts, margin, side="right")  # the first shift with which j is answered
    cells = (first * count + truth) * count + rival
    by_shift = np.bincount(cells, minlength=(len(shifts) + 1) * count**2).reshape(-1, count, count)
    won = by_shift.cumsum(axis=0)[:-1]
    counts = by_shift.sum(axis=0) - won
    counts[:, :, j] += won.sum(axis=2)
    scores = rows.scores(counts, np.arange(count))
    found = middle_of_best(scores)
    return (float(shifts[found]), float(scores[found])) if scores[found] > best + 1e-12 else (0.0, best)


# Cut points


def cut_points(rows: Rows) -> Decision:
    """Where one grade ends and the next begins: each cut is moved in turn to where it is best."""
    amounts, truth = rows.labels.levels(rows.predictions), rows.truth.ravel().astype(int)
    low, grades = truth.min(), truth.max() - truth.min() + 1
    plain = low + 0.5 + np.arange(grades - 1)
    if not 2 <= grades <= MOST_GRADES:
        return Decision("cuts", tuple(plain if grades > 1 else [low + 0.5]), int(low))
    edges = _edges(amounts, plain)
    cells = np.searchsorted(edges, amounts, side="right") * grades + truth - low
    below = np.bincount(cells, minlength=(len(edges) + 1) * grades).reshape(-1, grades).cumsum(axis=0)[:-1]  # [edge, grade]
    every = np.bincount(truth - low, minlength=grades)
    starts = [np.searchsorted(edges, plain), _by_frequency(below, every)]
    found = [_climbed(rows, below, every, start, low) for start in starts]
    at, _ = max(found, key=lambda one: one[1])
    return Decision("cuts", tuple(float(one) for one in edges[at]), int(low))


def _edges(amounts: np.ndarray, plain: np.ndarray) -> np.ndarray:
    """Where cuts may lie, ascending: between neighbouring amounts, outside of all, and where rounding has them."""
    values = np.unique(amounts)
    if len(values) > EDGES:
        values = np.unique(np.quantile(amounts, np.linspace(0, 1, EDGES)))
    return np.unique(np.concatenate([[values[0] - 1], (values[1:] + values[:-1]) / 2, [values[-1] + 1], plain]))


def _by_frequency(below: np.ndarray, every: np.ndarray) -> np.ndarray:
    """Cuts by which each grade is answered as often as it is true."""
    return np.minimum(np.searchsorted(below.sum(axis=1), np.cumsum(every)[:-1]), len(below) - 1)


def _climbed(rows: Rows, below: np.ndarray, every: np.ndarray, cuts: np.ndarray, low: int) -> tuple[np.ndarray, float]:
    """Cuts, as positions among the edges, and their score. `below` [edges, grades]: rows under each edge by true grade."""
    names, cuts, best = low + np.arange(len(every)), cuts.copy(), -np.inf
    counts = np.diff(np.concatenate([0 * every[None], below[cuts], every[None]]), axis=0).T  # [true, answer]
    for _ in range(rows.rounds):
        before = best
        for k in range(len(cuts)):
            least, most = cuts[k - 1] if k else 0, cuts[k + 1] if k + 1 < len(cuts) else len(below) - 1
            tried = np.repeat(counts[None], most - least + 1, axis=0)
            both = counts[:, k] + counts[:, k + 1]
            tried[:, :, k] = below[least : most + 1] - (below[cuts[k]] - counts[:, k])
            tried[:, :, k + 1] = both - tried[:, :, k]
            scores = rows.scores(tried, names)
            found = middle_of_best(scores)
            if scores[found] > best + 1e-12:
                best, counts, cuts[k] = scores[found], tried[found], least + found
        if not best > before:
            break
    return cuts, float(best)


# Columns and probabilities


def threshold(rows: Rows) -> Decision:
    """One threshold for all columns."""
    return Decision("threshold", (_probability(refined(lambda odds: _at(rows, (_probability(odds),)), ODDS, 1)),))


def _probability(odds: float) -> float:
    return float(1 / (1 + np.exp(-odds)))


def _at(rows: Rows, values: Sequence[float]) -> float:
    return rows.score(Decision("threshold", tuple(values)))


def thresholds(rows: Rows) -> Decision:
    """A threshold for each column, where it is better than the one for all."""
    common, truth, values = threshold(rows).values[0], rows.truth, []

    def score(j: int, odds: float) -> float:
        given = (rows.predictions[:, [j]] > _probability(odds)).astype(np.float64)
        return rows.comparable(rows.metric(truth[:, [j]], given))

    at = float(np.log(common / (1 - common)))
    for j in range(rows.predictions.shape[1]):
        found = refined(lambda odds, j=j: score(j, odds), ODDS, 1)  # type: ignore[misc]
        values.append(_probability(found) if score(j, found) > score(j, at) + 1e-12 else common)
    return Decision("thresholds", tuple(values))


def top(rows: Rows) -> Decision:
    """How many columns of each row count as yes."""
    tried = [Decision("top", (float(k),)) for k in range(1, min(TOP, rows.predictions.shape[1]) + 1)]
    return max(tried, key=rows.score)


def temperature(rows: Rows) -> Decision:
    """What divides the logarithms of odds; of many rows, evenly spaced ones tell it."""
    some = spaced(rows, CELLS)
    return Decision("temperature", (float(np.exp(refined(lambda heat: _heated(some, heat), HEATS))),))


def _heated(rows: Rows, heat: float) -> float:
    return rows.score(Decision("temperature", (float(np.exp(heat)),)))


FORMS: dict[str, tuple[Callable[[Rows], Decision], ...]] = {  # the simpler ones first
    "priors": (prior_weights,),
    "weights": (prior_weights, class_weights),
    "cuts": (cut_points,),
    "threshold": (threshold,),
    "thresholds": (thresholds,),
    "top": (top,),
    "temperature": (temperature,),
}
