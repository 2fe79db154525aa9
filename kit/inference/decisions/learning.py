"""Learning: decisions from out-of-fold rows, each fold's without its own, kept where they pay, by the gate of blends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kit.errors import Usage
from kit.inference.blend_weights import Gain, gained
from kit.inference.decisions.search import FORMS, Rows
from kit.labels import Labels
from kit.labels.decision import Decision
from kit.metrics import Metric, defined

# What is learned wavers with the rows that teach it, which the noise of the rows that are scored does not tell. On 200 sets of
# noise of 1,000 rows the gain spread 1.1 to 1.3 times as far, and two forms may be tried: by 1.4 up to 3 of 60 sets were kept,
# 2 of the first 20 (`scripts/bench/noise.py`).
WAVERING = 1.6


@dataclass(frozen=True)
class Learned:
    """A decision that was tried on out-of-fold rows, and what came of it.

    `kind`: of the decision; `decision`: learned on all rows, None where it does not pay; `by_fold`: what decides the rows of
    each fold, learned on the rows of the others; `predictions` [n, c]: decided by these where it pays, else as they were.
    `plain`, `nested`: the scores without and with it; `gain`: of the one over the other, by which it pays or not.
    """

    kind: str
    decision: Decision | None
    by_fold: dict[int, Decision]
    predictions: np.ndarray
    plain: float
    nested: float
    gain: Gain

    def json(self) -> dict[str, Any]:
        """What `scores.json` says of it."""
        scores = {"plain": defined(self.plain), "nested": defined(self.nested)}
        gain = {"gain": defined(self.gain.gain), "noise": defined(self.gain.noise)}
        return {"kind": self.kind, "kept": self.decision is not None, **scores, **gain}

    def record(self) -> dict[str, Any]:
        """What `run.json` says of it: `json`, and each fold's decision. That of all rows is in the labels."""
        return {**self.json(), "folds": {str(fold): one.json() for fold, one in self.by_fold.items()}}


def suited(labels: Labels, metric: Metric) -> list[str]:
    """The kinds of decisions that can raise the metric and that the labels follow."""
    return [kind for kind in FORMS if kind in metric.decides and kind in labels.decisions]


def refuse_unsuited(labels: Labels, metric: Metric) -> None:
    """Raise Usage where no decision is known."""
    if not suited(labels, metric):
        raise Usage(
            f"--decide auto: no decision is known for {metric.name} of {labels.describe()}, so nothing can be learned."
            " Leave --decide out."
        )


def learn(labels: Labels, metric: Metric, y: np.ndarray, predictions: np.ndarray, fold: np.ndarray) -> Learned | None:
    """The decision for these out-of-fold predictions [n, c] of rows with encoded answers `y`, in these folds [n].

    Of several forms, the simpler ones are tried first, and another one replaces it where it pays beside it. None where no
    decision is known, or there is one fold only: no other could teach it.
    """
    forms = [form for kind in suited(labels, metric) for form in FORMS[kind]]
    if not forms or len(np.unique(fold)) < 2:
        return None
    labels = labels.undecided
    truth, sign = labels.truth(y), 1 if metric.higher_is_better else -1
    now = first = labels.harden(predictions)

    def score(rows: np.ndarray, answers: np.ndarray) -> float:
        return sign * metric(truth[rows], answers)

    def gain_over(answers: np.ndarray, other: np.ndarray) -> Gain:
        told = gained(answers, other, score)
        return Gain(told.gain, WAVERING * told.noise)

    plain = metric(truth, first)
    kept, nearest = None, None
    for form in forms:
        by_fold, decided = nested(form, labels, metric, y, predictions, fold)
        answers = labels.harden(decided)
        gain = gain_over(answers, now)
        pays = gain.pays
        over_first = gain_over(answers, first) if pays and now is not first else gain
        decision = form(Rows(labels, metric, y, predictions)) if pays and over_first.pays else None
        kind = next(iter(by_fold.values())).kind
        found = Learned(kind, decision, by_fold, decided, plain=plain, nested=metric(truth, answers), gain=over_first)
        if decision is not None:
            kept, now = found, answers
        elif kept is None and (nearest is None or over_first.gain > nearest.gain.gain):
            nearest = found
    if kept is not None:
        return kept
    assert nearest is not None, "every form was tried"
    return replace(nearest, predictions=predictions)


def nested(
    form: Callable[[Rows], Decision], labels: Labels, metric: Metric, y: np.ndarray, predictions: np.ndarray, fold: np.ndarray
) -> tuple[dict[int, Decision], np.ndarray]:
    """Each fold's decision, learned on the rows of the others, and the predictions that these decide."""
    by_fold = {
        int(number): form(Rows(labels, metric, y[fold != number], predictions[fold != number])) for number in np.unique(fold)
    }
    return by_fold, decided_by_fold(labels, predictions, fold, by_fold)


def decided_by_fold(labels: Labels, predictions: np.ndarray, fold: np.ndarray, by_fold: Mapping[int, Decision]) -> np.ndarray:
    """Predictions [n, c], those of each fold's rows changed by its own decision."""
    parts = {number: labels.changed(decision=one).decided(predictions[fold == number]) for number, one in by_fold.items()}
    decided = predictions.astype(np.result_type(predictions, *parts.values()))
    for number, part in parts.items():
        decided[fold == number] = part
    return decided
