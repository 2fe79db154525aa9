"""Evaluation: predictions beside the truth as data that a report shows: classes, numbers, detections and confidence.

And the metrics that are followed during training. torch is imported inside functions: see `kit.labels.base`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
    """The Labels' `tracked` metrics over all these rows at once (a mean of batch values would be something else).

    Answers that are missing are left out.
    """
    target = labels.tracked_target(y)
    if predicted.shape[1] == 1 and target.ndim == 2:
        predicted, target = predicted[:, 0], target[:, 0]
    if labels.continuous and labels.partial:
        known = ~target.isnan()
        predicted, target = predicted[known], target[known]
    metrics = {name: one.to(predicted.device) if hasattr(one, "to") else one for name, one in labels.tracked().items()}
    return {name: float(metric(predicted.contiguous(), target.contiguous())) for name, metric in metrics.items()}


# What `tracked` follows, on the device of the predictions. The values are those of torchmetrics, which takes 2.8 CPU seconds to
# import; a class that no row has counts as it does there.


def right_share(predicted: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Accuracy: the share of rows whose likeliest class, of probabilities [n, c], is the truth int64 [n]."""
    return (predicted.argmax(dim=1) == truth).sum() / len(truth)


def class_f1(predicted: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """The mean F1 of the classes that the truth int64 [n] has or the likeliest of probabilities [n, c] names."""
    classes = predicted.shape[1]
    pairs = (truth * classes + predicted.argmax(dim=1)).bincount(minlength=classes * classes).reshape(classes, classes)
    hits, both = pairs.diagonal(), pairs.sum(dim=0) + pairs.sum(dim=1)
    return (2 * hits / both.clamp(min=1))[both > 0].mean()


def class_auroc(predicted: torch.Tensor, truth: torch.Tensor) -> float:
    """The mean area under the ROC curve of each class against the others, of probabilities [n, c] and classes int64 [n]."""
    return sum(auroc(one, truth == j) for j, one in enumerate(predicted.unbind(dim=1))) / predicted.shape[1]


def indicator_accuracy(predicted: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """The mean over columns of the share of known cells on whose side of a half the prediction is. Both [n] or [n, c]."""
    known, right = truth >= 0, (predicted > 0.5) == (truth > 0)
    return ((right & known).sum(dim=0) / known.sum(dim=0).clamp(min=1)).mean()


def indicator_f1(predicted: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """The mean F1 of the columns, 0 for one that is neither there nor predicted. Both [n] or [n, c]; truth < 0 is unknown."""
    known = truth >= 0
    given, there = (predicted > 0.5) & known, truth > 0
    hits, both = (given & there).sum(dim=0), given.sum(dim=0) + there.sum(dim=0)
    return (2 * hits / both.clamp(min=1)).mean()


def indicator_auroc(predicted: torch.Tensor, truth: torch.Tensor) -> float:
    """The mean area under the ROC curve of the columns. Both [n] or [n, c]; truth < 0 is unknown."""
    columns = [
        (p[t >= 0], t[t >= 0] > 0) for p, t in zip(*(one.reshape(len(one), -1).T for one in (predicted, truth)), strict=True)
    ]
    return sum(auroc(*one) for one in columns) / len(columns)


def auroc(score: torch.Tensor, positive: torch.Tensor) -> float:
    """The share of pairs of a positive and a negative row whose scores [n] are in order; equal ones count half, no pairs 0."""
    wins, losses = int(positive.sum()), int((~positive).sum())
    if not wins * losses:
        return 0.0
    ordered, order = score.sort()
    _, place, count = ordered.unique_consecutive(return_inverse=True, return_counts=True)
    twice_rank = (2 * count.cumsum(dim=0) - count + 1)[place]  # whole numbers: equal scores share their mean rank
    return (int(twice_rank[positive[order]].sum()) - wins * (wins + 1)) / (2 * wins * losses)


def absolute_error(predicted: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """The mean absolute error over all cells."""
    return (predicted - truth).abs().sum() / truth.numel()


def root_squared_error(predicted: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """The root of the mean squared error over all cells."""
    gap = predicted - truth
    return ((gap * gap).sum() / truth.numel()).sqrt()


Followed = Mapping[str, Callable[["torch.Tensor", "torch.Tensor"], Any]]
CLASS_METRICS: Followed = {"accuracy": right_share, "f1": class_f1, "auroc": class_auroc}
INDICATOR_METRICS: Followed = {"accuracy": indicator_accuracy, "f1": indicator_f1, "auroc": indicator_auroc}
NUMBER_METRICS: Followed = {"mae": absolute_error, "rmse": root_squared_error}
