"""Evaluation: predictions beside the truth as data that a report shows: classes, numbers, detections and confidence.

And the metrics that are followed during training. torch is imported inside functions: see `kit.labels.base`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kit.labels.missing import by_row

if TYPE_CHECKING:
    import torch

    from kit.labels.base import Labels

TINY = 1e-7  # a probability is at least this much, so that its logarithm is finite


@dataclass(frozen=True)
class ClassAnswers:
    """Rows that have one class each. `truth`, `predicted`: int [n], positions among `names`."""

    names: Sequence[str]
    truth: np.ndarray
    predicted: np.ndarray


@dataclass(frozen=True)
class NumberAnswers:
    """Rows that have numbers. `truth` (NaN where one is missing), `predicted`: float64 [n, c], in the numbers' own units."""

    names: Sequence[str]
    truth: np.ndarray
    predicted: np.ndarray

    def columns(self) -> list[tuple[str, np.ndarray, np.ndarray]]:
        """Each number with the truth and the prediction [m] of the rows that have it; none that no row has."""
        known = ~np.isnan(self.truth)
        return [
            (name, self.truth[known[:, j], j], self.predicted[known[:, j], j])
            for j, name in enumerate(self.names)
            if known[:, j].any()
        ]


@dataclass(frozen=True)
class Detection:
    """Of one class or column: which rows have it, and which are predicted to, bool [n]; `probability` [n] or None."""

    name: str
    truth: np.ndarray
    predicted: np.ndarray
    probability: np.ndarray | None = None


@dataclass(frozen=True)
class Confidence:
    """Predicted probabilities [m] of `what`, and how far each came true, 0 to 1 or bool [m]."""

    what: str
    probability: np.ndarray
    correct: np.ndarray


@dataclass(frozen=True)
class Transcripts:
    """What was read in each row's picture: its text, how surely (float [n], 0: nothing could be read), its numbers by name."""

    texts: Sequence[str]
    confidence: np.ndarray
    numbers: Mapping[str, np.ndarray]


def likeliest(names: Sequence[str], certain: np.ndarray, predictions: np.ndarray) -> ClassAnswers:
    """The likeliest class of each row, from probabilities [n, c] that sum to one. `certain`: the same for the truth."""
    return ClassAnswers(names, certain.argmax(axis=1), predictions.argmax(axis=1))


def by_class(answers: ClassAnswers, probabilities: np.ndarray | None = None) -> list[Detection]:
    """A detection for each class. `probabilities`: float [n, classes], where there are some."""
    return [
        Detection(name, answers.truth == j, answers.predicted == j, None if probabilities is None else probabilities[:, j])
        for j, name in enumerate(answers.names)
    ]


def confidence_of_likeliest(answers: ClassAnswers, predictions: np.ndarray) -> Confidence:
    """How sure the predicted classes are, and whether they are right (Guo et al. 2017)."""
    return Confidence("the likeliest class", predictions.max(axis=1), answers.truth == answers.predicted)


def log_loss(certain: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """The log loss of each row [n], of probabilities [n, c] that sum to one."""
    return -(certain * np.log(predictions.astype(np.float64).clip(TINY, 1 - TINY))).sum(axis=1)


def binary_log_loss(certain: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """The mean log loss of each row [n], of independent probabilities [n, c]; of the answers that are there."""
    p = predictions.astype(np.float64).clip(TINY, 1 - TINY)
    return -by_row(certain * np.log(p) + (1 - certain) * np.log1p(-p))


def tracked(labels: Labels, predicted: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """The Labels' torchmetrics over all these rows at once (a mean of batch values would be something else).

    Answers that are missing are left out.
    """
    values = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class that these rows do not have
        target = labels.tracked_target(y)
        if predicted.shape[1] == 1 and target.ndim == 2:
            predicted, target = predicted[:, 0], target[:, 0]
        if labels.continuous and labels.partial:
            known = ~target.isnan()
            predicted, target = predicted[known], target[known]
        for name, metric in labels.tracked().items():
            values[name] = float(metric.to(predicted.device)(predicted.contiguous(), target.contiguous()))
    return values
