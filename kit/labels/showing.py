"""Showing: what a report and a model card say of labels and their predictions; each kind of labels answers for itself."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from kit.labels.evaluation import ClassAnswers, Confidence, Detection, NumberAnswers, Transcripts
from kit.metrics import figure


class Showing(ABC):
    """How labels are shown, and what of them that needs.

    In all methods, `y` are encoded answers and `predictions` [n, c] are those of the same rows.
    """

    quantity = "probabilities"  # what predictions are, in a model card

    @property
    @abstractmethod
    def train_columns(self) -> tuple[str, ...]:
        """The columns of the training file that hold the answers."""

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The names of the prediction columns, c of them (after `bind`)."""

    @abstractmethod
    def certain(self, y: np.ndarray) -> np.ndarray:
        """The predictions [n, c] of one who knows the answers `y`."""

    @abstractmethod
    def harden(self, predictions: np.ndarray) -> np.ndarray:
        """What the submission will hold, as the metric sees it."""

    @property
    def exported(self) -> tuple[str, ...]:
        """The names of what an exported model gives."""
        return self.columns

    @property
    def deviation(self) -> str:
        """What a difference between predictions is counted in; empty for probabilities."""
        return ""

    def export_notes(self) -> list[str]:
        """Sentences on what an exported model does, or leaves to the submission."""
        return []

    @property
    def class_column(self) -> str:
        """The training column whose cells name classes worth counting; empty where there is none."""
        return self.train_columns[0] if len(self.train_columns) == 1 else ""

    def spell(self, predictions: np.ndarray) -> list[str]:
        """Each row's prediction as text."""
        rows = self.harden(predictions).reshape(len(predictions), -1)
        if rows.shape[1] != len(self.columns):
            return ["  ".join(figure(value) for value in row) for row in rows]
        return ["  ".join(f"{name} {figure(value)}" for name, value in zip(self.columns, row, strict=True)) for row in rows]

    def errors(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """How wrong each row's prediction is, float64 [n]: the largest difference from the certain prediction."""
        return np.abs(predictions.astype(np.float64) - self.certain(y)).max(axis=1)

    def class_answers(self, y: np.ndarray, predictions: np.ndarray) -> ClassAnswers | None:
        """True and predicted class of each row; None where a row has not one class."""
        return None

    def number_answers(self, y: np.ndarray, predictions: np.ndarray) -> NumberAnswers | None:
        """True and predicted numbers of each row; None where answers are no numbers."""
        return None

    def detections(self, y: np.ndarray, predictions: np.ndarray) -> list[Detection]:
        """For each class or column: which rows have it, and which are predicted to; none where answers are numbers."""
        return []

    def confidence(self, y: np.ndarray, predictions: np.ndarray) -> Confidence | None:
        """Predicted probabilities and whether they came true; None where predictions hold no probability."""
        return None

    def transcripts(self, predictions: np.ndarray) -> Transcripts | None:
        """What was read in each row's picture; None where no text is read."""
        return None
