"""Noise: how often does a gate keep what cannot help? Answers and predictions are made so that nothing is to be gained.

    python scripts/bench/noise.py [--sets 20] [--rows 1000] [--gate NAME …]

Each line is a gate on one kind of set: how many of the sets it kept, at most one in twenty being the aim. A set is either of
pure noise (predictions know nothing of the answers) or of predictions that are as good as any decision could make them. Another
gate joins as a function of a set that says whether it was kept: see GATES.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from kit import metrics
from kit.console import table
from kit.inference import blend_weights
from kit.inference.blending import stacking
from kit.inference.decisions import learning
from kit.labels import Columns, Grade, Labels, Numbers, OneOf, Tags
from kit.metrics import Metric
from kit.pipeline.pseudo import gate as pseudo_gate

FOLDS, CLASSES, MEMBERS = 5, 4, 4
EVEN = np.full(CLASSES, 1 / CLASSES)
SKEWED = np.array([0.6, 0.25, 0.1, 0.05])


@dataclass(frozen=True)
class NoiseSet:
    """One set: encoded answers `y`, predictions [n, c] (and those of further members), folds [n]."""

    labels: Labels
    metric: Metric
    y: np.ndarray
    predictions: np.ndarray
    others: list[np.ndarray]
    fold: np.ndarray

    def score(self, rows: np.ndarray, predictions: np.ndarray) -> float:
        """The metric on these rows' predictions; higher is better."""
        value = self.metric(self.labels.truth(self.y[rows]), self.labels.harden(predictions.astype(np.float32)))
        return value if self.metric.higher_is_better else -value


Made = tuple[Labels, Metric, np.ndarray, Callable[[], np.ndarray]]  # labels, metric, answers, what gives predictions
Maker = Callable[[np.random.Generator, int], Made]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities float32 [n, c]."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probabilities float32, each by itself."""
    return (1 / (1 + np.exp(-logits))).astype(np.float32)


def classes(metric: Metric, prior: np.ndarray) -> Maker:
    """Classes, of which predictions know nothing."""

    def make(rng: np.random.Generator, n: int) -> Made:
        labels = OneOf("class", tuple("abcd"))
        return labels, metric, rng.choice(CLASSES, n, p=prior), lambda: softmax(rng.normal(0, 1, (n, CLASSES)) + np.log(prior))

    return make


def fair_classes(metric: Metric) -> Maker:
    """Classes that are drawn from the predictions themselves: no other choice is right more often."""

    def make(rng: np.random.Generator, n: int) -> Made:
        p = softmax(rng.normal(0, 1.5, (n, CLASSES)))
        y = (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=CLASSES - 1)
        return OneOf("class", tuple("abcd")), metric, y, lambda: softmax(np.log(p) + rng.normal(0, 1e-3, p.shape))

    return make


def grades(metric: Metric, whole: bool) -> Maker:
    """Grades, of which predictions know nothing; by a number, or by cumulative probabilities."""

    def make(rng: np.random.Generator, n: int) -> Made:
        y = rng.choice(CLASSES, n, p=SKEWED)
        if whole:
            numbers = Numbers(("grade",), whole=True)
            return numbers, metric, y[:, None].astype(np.float32), lambda: rng.normal(1, 1, (n, 1)).astype(np.float32)
        return Grade("grade", CLASSES - 1), metric, y, lambda: np.sort(sigmoid(rng.normal(-0.5, 1, (n, CLASSES - 1))))[:, ::-1]

    return make


def right_grades(metric: Metric) -> Maker:
    """Grades that rounding meets as well as any cut: whatever is predicted, the nearest grade is right seven times in ten."""

    def make(rng: np.random.Generator, n: int) -> Made:
        amount = rng.uniform(-0.5, CLASSES - 0.5, (n, 1))
        y = np.where(rng.random((n, 1)) < 0.7, np.floor(amount + 0.5), rng.integers(0, CLASSES, (n, 1))).astype(np.float32)
        return Numbers(("grade",), whole=True), metric, y, lambda: (amount + rng.normal(0, 1e-3, (n, 1))).astype(np.float32)

    return make


def tags(labels: Labels, metric: Metric) -> Maker:
    """Names that a row has or not, of which predictions know nothing but how frequent each is."""

    def make(rng: np.random.Generator, n: int) -> Made:
        y = (rng.random((n, len(labels.columns))) < 0.5).astype(np.float32)
        return labels, metric, y, lambda: sigmoid(rng.normal(0, 1, y.shape))

    return make


def fair(labels: Labels, metric: Metric) -> Maker:
    """Names that are as frequent as predicted: no temperature is better than one."""

    def make(rng: np.random.Generator, n: int) -> Made:
        logits = rng.normal(0, 1.5, (n, len(labels.columns)))
        if labels.exclusive:
            p = softmax(logits)
            chosen = (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=p.shape[1] - 1)
            y = np.eye(p.shape[1], dtype=np.float32)[chosen]
            return labels, metric, y, lambda: softmax(logits + rng.normal(0, 1e-3, p.shape))
        p = sigmoid(logits)
        y = (rng.random(p.shape) < p).astype(np.float32)
        return labels, metric, y, lambda: sigmoid(logits + rng.normal(0, 1e-3, p.shape))

    return make


SEVERAL, ONE, EXCLUSIVE = Columns(tuple("abcd")), Columns(("a",)), Columns(tuple("abcd"), exclusive=True)
SETS: dict[str, Maker] = {
    "noise: accuracy of classes": classes(metrics.accuracy, EVEN),
    "noise: F1 macro of classes": classes(metrics.f1_macro, EVEN),
    "noise: balanced accuracy of classes": classes(metrics.balanced_accuracy, EVEN),
    "noise: QWK of grades": grades(metrics.qwk, whole=False),
    "noise: QWK of whole numbers": grades(metrics.qwk, whole=True),
    "fair: accuracy of classes": fair_classes(metrics.accuracy),
    "fair: accuracy of whole numbers": right_grades(metrics.accuracy),
    "fair: log loss of classes": fair(EXCLUSIVE, metrics.log_loss),
    "fair: log loss of one column": fair(ONE, metrics.log_loss),
    "fair: mean log loss of columns": fair(SEVERAL, metrics.mean_log_loss),
    "fair: accuracy of tags": fair(Tags("tags", tuple("abcd")), metrics.accuracy),
}


def decision(one: NoiseSet) -> bool:
    """Is a decision kept?"""
    learned = learning.learn(one.labels, one.metric, one.y, one.predictions, one.fold)
    return learned is not None and learned.decision is not None


def blend(one: NoiseSet) -> bool:
    """Is any member blended with the best one?"""
    parts = np.stack([one.predictions, *one.others]).astype(np.float64)
    return blend_weights.choose(parts, one.score, one.fold).kept


def stack(one: NoiseSet) -> bool:
    """Does a stack take the place of the weights?"""
    parts = np.stack([one.predictions, *one.others]).astype(np.float64)
    chosen = blend_weights.choose(parts, one.score, one.fold)
    rivals, groups = (chosen.nested, parts[chosen.best]), [[i] for i in range(len(parts))]
    none = stacking.Columns.none(len(one.y))
    return stacking.choose(one.labels, one.y, parts, one.fold, one.score, rivals, groups, none).kept


def pseudo(one: NoiseSet) -> bool:
    """Do pseudo-labels pay? The last third of the rows is the test; the model is ridge regression on all predictions."""
    count, x = 2 * len(one.y) // 3, np.concatenate([one.predictions, *one.others], axis=1)
    known, test, y, fold = x[:count], x[count:], one.y[:count], one.fold[:count]
    before, now = (np.empty((count, one.predictions.shape[1]), np.float32) for _ in range(2))
    for number in range(FOLDS):
        train, valid = fold != number, fold == number
        both = np.concatenate([known[valid], test])
        before[valid], answered = np.split(ridge(one.labels, known[train], y[train], both), [valid.sum()])
        answers = np.concatenate([y[train], one.labels.as_answers(answered)])
        now[valid] = ridge(one.labels, np.concatenate([known[train], test]), answers, known[valid])
    return pseudo_gate.gained(one.labels, one.metric, y, before, now).pays


def ridge(labels: Labels, x: np.ndarray, y: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Predictions for the rows asked for, by ridge regression (penalty 1) on rows [n, p] with encoded answers."""
    middle, targets = x.mean(axis=0), labels.certain(y)
    level = targets.mean(axis=0)
    slopes = np.linalg.solve((x - middle).T @ (x - middle) + np.eye(x.shape[1]), (x - middle).T @ (targets - level))
    found = level + (asked - middle) @ slopes
    if labels.bounded:
        found = np.clip(found, 1e-3, 1 - 1e-3)
        found = found / found.sum(axis=1, keepdims=True) if labels.exclusive else found
    return found.astype(np.float32)


GATES: Mapping[str, Callable[[NoiseSet], bool]] = {"decision": decision, "blend": blend, "stack": stack, "pseudo": pseudo}


def made(maker: Maker, seed: int, rows: int) -> NoiseSet:
    """A set from its seed."""
    rng = np.random.default_rng(seed)
    labels, metric, y, predict = maker(rng, rows)
    first, *others = (predict() for _ in range(MEMBERS))
    return NoiseSet(labels, metric, y, first, others, rng.integers(0, FOLDS, rows))


def main() -> None:
    """A line for each gate on each kind of set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=20)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--gate", nargs="+", choices=GATES, default=list(GATES))
    arguments = parser.parse_args()
    lines = []
    for gate in arguments.gate:
        for name, maker in SETS.items():
            kept = sum(GATES[gate](made(maker, seed, arguments.rows)) for seed in range(arguments.sets))
            lines.append([gate, name, f"{kept} of {arguments.sets}"])
            print(*lines[-1], flush=True)
    print(table(["gate", "set", "kept"], lines))


if __name__ == "__main__":
    main()
