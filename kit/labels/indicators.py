"""Indicators: labels of 0 or 1 for each of several names, independent of each other; what Columns and Tags share.

torch is imported inside functions: see `kit.labels.base`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kit.data.folds import rarest_label
from kit.labels import evaluation, missing as missing_answers
from kit.labels.base import Labels
from kit.labels.evaluation import ClassAnswers, Confidence, Detection, Followed

if TYPE_CHECKING:
    import torch

MISSING = -1  # the answer that the metrics of training leave out


class Indicators(Labels):
    """What Columns and Tags share: independent sigmoids over indicators of 0 and 1, float32 [n, c]."""

    def certain(self, y: np.ndarray) -> np.ndarray:
        return y.astype(np.float32)

    def as_answers(self, predictions: np.ndarray) -> np.ndarray:
        """1 where a column has more than half of the probability."""
        return (predictions > 0.5).astype(np.float32)

    def certainty(self, predictions: np.ndarray) -> np.ndarray:
        """The mean probability that each column is as answered."""
        return np.maximum(predictions, 1 - predictions).mean(axis=1)

    def strata(self, y: np.ndarray) -> np.ndarray:
        if y.shape[1] == 1:
            return y[:, 0].astype(np.int64)
        return missing_answers.strata(y, rarest_label(np.nan_to_num(y)))

    def dealt_by(self, y: np.ndarray) -> np.ndarray:
        if y.shape[1] == 1 or not type(self).strata.__module__.startswith("kit.labels."):  # an adapter's own strata
            return self.strata(y)
        known = ~np.isnan(y)
        return np.nan_to_num(y) if known.all() else np.concatenate([np.nan_to_num(y), known], axis=1)

    def prior(self, y: np.ndarray) -> np.ndarray:
        return missing_answers.by_column(np.mean, self.certain(y))

    def standard_loss(self, logits: torch.Tensor, y: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
        from torch.nn.functional import binary_cross_entropy_with_logits

        y = y.to(logits.dtype) * (1 - smoothing) + smoothing / 2
        if not self.partial:
            return binary_cross_entropy_with_logits(logits, y)
        known = (~y.isnan()).to(logits.dtype)
        loss = binary_cross_entropy_with_logits(logits, y.nan_to_num(), weight=known)
        return loss * (known.numel() / known.sum().clamp(min=1))  # the mean over what is known; to the same bits if all is

    def activation(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.float().sigmoid()

    def tracked(self) -> Followed:
        return evaluation.INDICATOR_METRICS

    def tracked_target(self, y: torch.Tensor) -> torch.Tensor:
        return y.nan_to_num(MISSING).round().long()  # a soft answer counts as the nearer of 0 and 1

    def spell(self, predictions: np.ndarray) -> list[str]:
        """The names whose probability is over one half; of one column, its probability."""
        if len(self.columns) == 1:
            return [f"{self.columns[0]} {row[0]:.3f}" for row in predictions]
        names = np.array(self.columns, dtype=object)
        said = [" ".join(names[row > 0.5]) or f"none of {len(names)}" for row in self.decided(predictions)]
        gone = np.isnan(predictions)
        return [
            f"{words} (unknown: {' '.join(names[row])})" if row.any() else words for words, row in zip(said, gone, strict=True)
        ]

    def errors(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """The mean log loss of each row's columns."""
        return evaluation.binary_log_loss(self.certain(y), predictions)

    def class_answers(self, y: np.ndarray, predictions: np.ndarray) -> ClassAnswers | None:
        """Of a single column, the classes 0 and 1; None where a row may have several."""
        if len(self.columns) > 1:
            return None
        given = self.decided(predictions)[:, 0] > 0.5
        return ClassAnswers(("0", "1"), (y[:, 0] > 0.5).astype(int), given.astype(int))

    def detections(self, y: np.ndarray, predictions: np.ndarray) -> list[Detection]:
        """Of each column, the rows that have an answer there."""
        given = self.decided(predictions) > 0.5
        known = [
            (name, y[rows, j], given[rows, j], predictions[rows, j])
            for j, (name, rows) in enumerate(zip(self.columns, ~np.isnan(y).T, strict=True))
        ]
        return [Detection(name, truth > 0.5, yes, p) for name, truth, yes, p in known]

    def confidence(self, y: np.ndarray, predictions: np.ndarray) -> Confidence:
        truth = self.certain(y).ravel()
        known = ~np.isnan(truth)
        return Confidence("every column", self.calibrated(predictions).ravel()[known], truth[known])
