"""Labels with one answer a row: OneOf (names that exclude each other) and Grade (ordered integers).

torch is imported inside functions: see `kit.labels.base`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from kit import metrics
from kit.errors import BadData, listed
from kit.labels import answer_spelling, evaluation
from kit.labels.answer_spelling import cells_of
from kit.labels.base import Labels, Loss
from kit.labels.evaluation import ClassAnswers, Confidence, Detection, Followed
from kit.labels.parsing import codes, distinct, number_fault, numbers, unknown
from kit.metrics import Metric

if TYPE_CHECKING:
    import pandas as pd
    import torch


def _answer_column(columns: list[str]) -> str:
    if len(columns) != 1:
        raise BadData(f"the sample submission asks for {listed(columns)}; these labels fill one column.")
    return columns[0]


def ordered_doubt(column: str) -> str:
    """What may be wrong where whole numbers were taken for an ordered scale."""
    return f"whole numbers are read as grades: if they have no order, state OneOf({json.dumps(column, ensure_ascii=False)})"


def class_loss(logits: torch.Tensor, y: torch.Tensor, smoothing: float) -> torch.Tensor:
    """The mean cross-entropy of logits [n, c] against classes int64 [n] or their probabilities [n, c]."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(logits, y, label_smoothing=smoothing)


@dataclass(frozen=True)
class OneOf(Labels):
    """One class name a row; the submission holds names. Without `classes`, their names come from the training file.

    `encode` gives int64 [n], positions in `classes`.
    """

    column: str
    classes: tuple[str, ...] = ()
    loss: Loss | None = None
    kind: ClassVar[str] = "one class"
    named: ClassVar[bool] = True
    exclusive = True

    @property
    def train_columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def columns(self) -> tuple[str, ...]:
        return self.classes

    def doubts(self) -> list[str]:
        column = json.dumps(self.column, ensure_ascii=False)
        numbers = {name.strip().removesuffix(".0") for name in self.classes}
        if numbers == {"0", "1"}:
            return [
                f"the sample has 0 or 1: if the page asks for a probability, state Columns(({column},)) and, say, auc"
                " (--task probability)"
            ]
        if numbers and all(name.removeprefix("-").isdecimal() for name in numbers):
            return [
                f"whole numbers are read as {len(self.classes)} classes: if they are amounts, or near is better than far, state"
                f" Numbers(({column},), True) (--task numbers)"
            ]
        return []

    def respelled(self, train: pd.DataFrame, sample: pd.DataFrame) -> dict[str, dict[str, str]]:
        asked = self.classes or cells_of(sample)
        return {self.column: answer_spelling.respelled(train[self.column].unique(), asked, bool(self.classes))}

    def bind(self, train: pd.DataFrame) -> Self:
        return self if self.classes else self.changed(classes=distinct(train, self.column))

    def encode(self, train: pd.DataFrame) -> np.ndarray:
        return codes(train, self.column, self.classes)

    def restored(self, table: np.ndarray) -> np.ndarray:
        return table[:, 0].astype(np.int64)

    def certain(self, y: np.ndarray) -> np.ndarray:
        return np.eye(len(self.classes), dtype=np.float32)[y]

    def as_answers(self, predictions: np.ndarray) -> np.ndarray:
        return predictions.argmax(axis=1)

    def certainty(self, predictions: np.ndarray) -> np.ndarray:
        return predictions.max(axis=1)

    @property
    def decisions(self) -> tuple[str, ...]:
        return ("priors", "weights")

    def harden(self, predictions: np.ndarray) -> np.ndarray:
        return self.decided(predictions).argmax(axis=1)

    def decode(self, predictions: np.ndarray, columns: list[str]) -> dict[str, Any]:
        return {_answer_column(columns): np.array(self.classes, dtype=object)[self.harden(predictions)]}

    def fault(self, cell: str) -> str:
        if cell in self.classes or not self.classes:
            return ""
        spelled = [name for name in self.classes if cell.strip().lower().removesuffix(".0") == name.lower()]
        return f"{cell!r} is no class" + (f" (it is spelled {spelled[0]!r})" if spelled else "")

    def standard_loss(self, logits: torch.Tensor, y: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
        return class_loss(logits, y, smoothing)

    def activation(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.float().softmax(dim=1)

    def tracked(self) -> Followed:
        return evaluation.CLASS_METRICS

    def spell(self, predictions: np.ndarray) -> list[str]:
        return [self.classes[i] for i in self.harden(predictions)]

    def errors(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """The log loss of each row."""
        return evaluation.log_loss(self.certain(y), predictions)

    def class_answers(self, y: np.ndarray, predictions: np.ndarray) -> ClassAnswers:
        return evaluation.likeliest(self.classes, self.certain(y), self.decided(predictions))

    def detections(self, y: np.ndarray, predictions: np.ndarray) -> list[Detection]:
        return evaluation.by_class(self.class_answers(y, predictions), predictions)

    def confidence(self, y: np.ndarray, predictions: np.ndarray) -> Confidence:
        return evaluation.confidence_of_likeliest(self.undecided.class_answers(y, predictions), predictions)

    def fabricate(self, n: int, rng: np.random.Generator) -> dict[str, list[str]]:
        names = self.classes or ("cat", "dog")
        return {self.column: [names[i % len(names)] for i in rng.permutation(n)]}

    def describe(self) -> str:
        return f"one of {len(self.classes)}" if self.classes else "one class"


@dataclass(frozen=True)
class Grade(Labels):
    """An ordered grade 0…top a row, by `top` cumulative outputs P(grade > j) (Frank & Hall 2001); their sum is the grade.

    `encode` gives int64 [n], the grades.
    """

    column: str
    top: int
    loss: Loss | None = None
    kind: ClassVar[str] = "grade"

    @property
    def usual_metric(self) -> Metric:
        return metrics.qwk

    def doubts(self) -> list[str]:
        return [ordered_doubt(self.column)]

    @property
    def train_columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(f"{self.column}>{j}" for j in range(self.top))

    def encode(self, train: pd.DataFrame) -> np.ndarray:
        grades = numbers(train, self.train_columns)[:, 0]
        wrong = (grades != np.round(grades)) | (grades < 0) | (grades > self.top)
        if wrong.any():
            raise unknown(train[wrong], self.column, tuple(str(g) for g in range(self.top + 1)))
        return grades.astype(np.int64)

    def restored(self, table: np.ndarray) -> np.ndarray:
        return table[:, 0].astype(np.int64)

    def certain(self, y: np.ndarray) -> np.ndarray:
        return (y[:, None] > np.arange(self.top)).astype(np.float32)

    def as_answers(self, predictions: np.ndarray) -> np.ndarray:
        return self.undecided.harden(predictions)

    def certainty(self, predictions: np.ndarray) -> np.ndarray:
        """The mean probability that a grade is on the side of each step where it is taken to be."""
        return np.maximum(predictions, 1 - predictions).mean(axis=1)

    @property
    def decisions(self) -> tuple[str, ...]:
        return ("cuts",)

    def levels(self, predictions: np.ndarray) -> np.ndarray:
        return predictions.sum(axis=1, dtype=np.float64)

    def decided(self, predictions: np.ndarray) -> np.ndarray:
        if self.decision is None:
            return predictions
        return np.clip(self.decision.levels(self.levels(predictions))[:, None] - np.arange(self.top), 0, 1)

    def harden(self, predictions: np.ndarray) -> np.ndarray:
        return np.floor(self.levels(self.decided(predictions)) + 0.5).astype(np.int64)

    def decode(self, predictions: np.ndarray, columns: list[str]) -> dict[str, Any]:
        return {_answer_column(columns): self.harden(predictions)}

    def fault(self, cell: str) -> str:
        return number_fault(cell, 0, self.top, whole=True)

    def standard_loss(self, logits: torch.Tensor, y: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
        import torch

        above = (y[:, None] > torch.arange(self.top, device=y.device)).to(logits.dtype)
        above = above * (1 - smoothing) + smoothing / 2
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, above)

    def activation(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.float().sigmoid()

    def spell(self, predictions: np.ndarray) -> list[str]:
        return [str(grade) for grade in self.harden(predictions)]

    def errors(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """The distance of each row's grade from the true one."""
        return np.abs(predictions.astype(np.float64).sum(axis=1) - y)

    def class_answers(self, y: np.ndarray, predictions: np.ndarray) -> ClassAnswers:
        return ClassAnswers([str(grade) for grade in range(self.top + 1)], y, self.harden(predictions).clip(0, self.top))

    def detections(self, y: np.ndarray, predictions: np.ndarray) -> list[Detection]:
        return evaluation.by_class(self.class_answers(y, predictions))

    def confidence(self, y: np.ndarray, predictions: np.ndarray) -> Confidence:
        return Confidence("every column", predictions.ravel(), self.certain(y).ravel() > 0.5)

    def fabricate(self, n: int, rng: np.random.Generator) -> dict[str, list[str]]:
        return {self.column: [str(i % (self.top + 1)) for i in rng.permutation(n)]}

    def describe(self) -> str:
        return f"grade 0–{self.top}"
