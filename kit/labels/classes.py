"""Labels with one answer a row: OneOf (names that exclude each other) and Grade (ordered integers)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kit.errors import BadData, listed
from kit.labels.base import Labels, codes, distinct, number_fault, numbers, tracked, unknown

if TYPE_CHECKING:
    import pandas as pd
    import torch


def _answer_column(columns: list[str]) -> str:
    if len(columns) != 1:
        raise BadData(f"the sample submission asks for {listed(columns)}; these labels fill one column.")
    return columns[0]


@dataclass(frozen=True)
class OneOf(Labels):
    """One class name a row; the submission holds names. Classes left out are learned from the training file."""

    column: str
    classes: tuple[str, ...] = ()
    kind: ClassVar[str] = "one class"
    exclusive = True

    @property
    def train_columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def columns(self) -> tuple[str, ...]:
        return self.classes

    def bind(self, train: pd.DataFrame) -> OneOf:
        return self if self.classes else replace(self, classes=distinct(train, self.column))

    def encode(self, train: pd.DataFrame) -> np.ndarray:
        return codes(train, self.column, self.classes)

    def certain(self, y: np.ndarray) -> np.ndarray:
        return np.eye(len(self.classes), dtype=np.float32)[y]

    def harden(self, predictions: np.ndarray) -> np.ndarray:
        return predictions.argmax(axis=1)

    def decode(self, predictions: np.ndarray, columns: list[str]) -> dict[str, Any]:
        return {_answer_column(columns): np.array(self.classes, dtype=object)[self.harden(predictions)]}

    def fault(self, cell: str) -> str:
        if cell in self.classes or not self.classes:
            return ""
        spelled = [name for name in self.classes if cell.strip().lower().removesuffix(".0") == name.lower()]
        return f"{cell!r} is no class" + (f" (it is spelled {spelled[0]!r})" if spelled else "")

    def loss(self, logits: torch.Tensor, y: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
        from torch.nn.functional import cross_entropy

        return cross_entropy(logits, y, label_smoothing=smoothing)

    def activation(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.float().softmax(dim=1)

    def tracked(self) -> dict[str, Any]:
        return tracked(len(self.classes))

    def fabricate(self, n: int, rng: np.random.Generator) -> dict[str, list[str]]:
        names = self.classes or ("cat", "dog")
        return {self.column: [names[i % len(names)] for i in rng.permutation(n)]}

    def describe(self) -> str:
        return f"one of {len(self.classes)}" if self.classes else "one class"


@dataclass(frozen=True)
class Grade(Labels):
    """An ordered grade 0…top a row, by top cumulative outputs P(grade > j) (Frank & Hall 2001); their sum is the grade."""

    column: str
    top: int
    kind: ClassVar[str] = "grade"

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

    def certain(self, y: np.ndarray) -> np.ndarray:
        return (y[:, None] > np.arange(self.top)).astype(np.float32)

    def harden(self, predictions: np.ndarray) -> np.ndarray:
        return np.floor(predictions.sum(axis=1, dtype=np.float64) + 0.5).astype(np.int64)

    def decode(self, predictions: np.ndarray, columns: list[str]) -> dict[str, Any]:
        return {_answer_column(columns): self.harden(predictions)}

    def fault(self, cell: str) -> str:
        return number_fault(cell, 0, self.top, whole=True)

    def loss(self, logits: torch.Tensor, y: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
        import torch

        above = (y[:, None] > torch.arange(self.top, device=y.device)).to(logits.dtype)
        above = above * (1 - smoothing) + smoothing / 2
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, above)

    def activation(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.float().sigmoid()

    def tracked(self) -> dict[str, Any]:
        return {}

    def fabricate(self, n: int, rng: np.random.Generator) -> dict[str, list[str]]:
        return {self.column: [str(i % (self.top + 1)) for i in rng.permutation(n)]}

    def describe(self) -> str:
        return f"grade 0–{self.top}"
