"""Indicators: labels of 0 or 1 for each of several names, independent of each other; what Columns and Tags share.

torch and torchmetrics are imported inside functions: see `kit.labels.base`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kit.data.folds import rarest_label
from kit.labels import evaluation
from kit.labels.base import Labels
from kit.labels.evaluation import ClassAnswers, Confidence, Detection

if TYPE_CHECKING:
    import torch


class Indicators(Labels):
    """What Columns and Tags share: independent sigmoids over indicators of 0 and 1, float32 [n, c]."""

    def certain(self, y: np.ndarray) -> np.ndarray:
        return y.astype(np.float32)

    def strata(self, y: np.ndarray) -> np.ndarray:
        return rarest_label(y) if y.shape[1] > 1 else y[:, 0].astype(np.int64)

    def standard_loss(self, logits: torch.Tensor, y: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
        from torch.nn.functional import binary_cross_entropy_with_logits

        return binary_cross_entropy_with_logits(logits, y.to(logits.dtype) * (1 - smoothing) + smoothing / 2)

    def activation(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.float().sigmoid()

    def tracked(self) -> dict[str, Any]:
        from torchmetrics import classification as tm

        if len(self.columns) == 1:
            return {"accuracy": tm.BinaryAccuracy(), "f1": tm.BinaryF1Score(), "auroc": tm.BinaryAUROC()}
        count: dict[str, Any] = {"num_labels": len(self.columns), "validate_args": False}
        return {
            "accuracy": tm.MultilabelAccuracy(**count),
            "f1": tm.MultilabelF1Score(**count),
            "auroc": tm.MultilabelAUROC(**count),
        }

    def tracked_target(self, y: torch.Tensor) -> torch.Tensor:
        return y.round().long()  # a soft answer counts as the nearer of 0 and 1

    def spell(self, predictions: np.ndarray) -> list[str]:
        """The names whose probability is over one half; of one column, its probability."""
        if len(self.columns) == 1:
            return [f"{self.columns[0]} {row[0]:.3f}" for row in predictions]
        names = np.array(self.columns, dtype=object)
        return [" ".join(names[row > 0.5]) or f"none of {len(names)}" for row in predictions]

    def errors(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """The mean log loss of each row's columns."""
        return evaluation.binary_log_loss(self.certain(y), predictions)

    def class_answers(self, y: np.ndarray, predictions: np.ndarray) -> ClassAnswers | None:
        """Of a single column, the classes 0 and 1; None where a row may have several."""
        if len(self.columns) > 1:
            return None
        return ClassAnswers(("0", "1"), (y[:, 0] > 0.5).astype(int), (predictions[:, 0] > 0.5).astype(int))

    def detections(self, y: np.ndarray, predictions: np.ndarray) -> list[Detection]:
        p = predictions
        return [Detection(name, y[:, j] > 0.5, p[:, j] > 0.5, p[:, j]) for j, name in enumerate(self.columns)]

    def confidence(self, y: np.ndarray, predictions: np.ndarray) -> Confidence:
        return Confidence("every column", predictions.ravel(), self.certain(y).ravel())
