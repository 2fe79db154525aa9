"""What every kind of Labels offers: answers to numbers and back, and all that follows from their kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kit.config import Config
from kit.errors import BadData, listed, quoted
from kit.storage import frames

if TYPE_CHECKING:
    import pandas as pd
    import torch


LARGEST = 1e30  # of an answer: float32 holds larger ones, but not the sums of them


class Labels(ABC):
    """Answers ↔ numbers. `n` is rows, `c` the columns of a prediction frame.

    Predictions are probabilities or values in the targets' units, float32 [n, c]; never logits.
    """

    kind: ClassVar[str]
    exclusive = False  # is one of the columns the answer?
    bounded = True  # are predictions probabilities?
    reads = False  # is the answer a text that is read in a picture?

    @property
    def answers(self) -> str:
        """What `harden` gives, as `Metric.scores` calls it."""
        return self.kind

    @property
    @abstractmethod
    def train_columns(self) -> tuple[str, ...]:
        """The columns of the training file that hold the answers."""

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The names of the prediction columns, c of them (after `bind`)."""

    @property
    def asked(self) -> tuple[str, ...]:
        """The columns of a submission (after `bind`); a single one may have another name."""
        return self.train_columns

    def bind(self, train: pd.DataFrame) -> Labels:
        """These labels with what only the training file tells (such as the names of the classes)."""
        return self

    def blank(self, train: pd.DataFrame) -> np.ndarray:
        """Which rows [n] have no answer: empty, or not a number where one is due (`nan`)."""
        return (train[list(self.train_columns)].map(str.strip) == "").any(axis=1).to_numpy()

    @abstractmethod
    def encode(self, train: pd.DataFrame) -> np.ndarray:
        """Answers as numbers: int64 [n] or float32 [n, c]. Raises BadData naming the row."""

    @abstractmethod
    def decode(self, predictions: np.ndarray, columns: list[str]) -> dict[str, Any]:
        """What the submission holds, by the sample's columns. Undoes `encode` on certain predictions."""

    def as_trained(self, answers: pd.DataFrame) -> pd.DataFrame:
        """Certain answers in the submission's columns as cells of the training table, for `encode`."""
        return answers.set_axis([self.train_columns[0]], axis=1) if answers.shape[1] == 1 else answers

    @abstractmethod
    def certain(self, y: np.ndarray) -> np.ndarray:
        """The predictions [n, c] of one who knows the answers `y`."""

    @abstractmethod
    def harden(self, predictions: np.ndarray) -> np.ndarray:
        """What the submission will hold, as the metric sees it."""

    def truth(self, y: np.ndarray) -> np.ndarray:
        """`y` in the shape that `harden` gives."""
        return self.harden(self.certain(y))

    @abstractmethod
    def fault(self, cell: str) -> str:
        """What is wrong with a cell of a submission, in words; empty where it is right."""

    def strata(self, y: np.ndarray) -> np.ndarray:
        """A stratum (int) per row, for folds."""
        return y

    def chosen(self, config: Config) -> Labels:
        """These labels with what a Config chooses of their loss."""
        return self

    @property
    def outputs(self) -> int:
        """How many raw outputs a net has for them (a time step, where it reads along the picture)."""
        return len(self.columns)

    def scaling(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Shift and scale [c] of the targets, learned from these (training) rows; 0 and 1 but for Numbers."""
        return np.zeros(len(self.columns), np.float32), np.ones(len(self.columns), np.float32)

    def prior(self, y: np.ndarray) -> np.ndarray:
        """The prediction [c] for a row of which nothing is known."""
        return self.certain(y).mean(axis=0)

    @abstractmethod
    def loss(self, logits: torch.Tensor, y: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
        """The mean loss of raw outputs [n, c] against encoded (and scaled) answers."""

    def right_logits(self, y: np.ndarray) -> np.ndarray:
        """Raw outputs of one who knows the (scaled) answers `y`."""
        return self.certain(y) * 8 - 4

    @abstractmethod
    def activation(self, logits: torch.Tensor) -> torch.Tensor:
        """Raw outputs to predictions, float32 [n, c]; for Numbers still to be scaled back."""

    @abstractmethod
    def tracked(self) -> dict[str, Any]:
        """torchmetrics to follow during training, by name."""

    def report(self, truth: np.ndarray, answer: np.ndarray) -> dict[str, float]:
        """What else `scores.json` tells of answers, both as `harden` gives them."""
        return {}

    def average(self, parts: list[pd.DataFrame], weights: list[float] | None = None) -> pd.DataFrame:
        """One frame of predictions from several of the same rows (folds, the refit): their weighted mean."""
        return frames.average(parts, weights)

    @abstractmethod
    def fabricate(self, n: int, rng: np.random.Generator) -> dict[str, list[str]]:
        """Invented answers for `n` rows, by training column, as text."""

    def describe(self) -> str:
        """A few words for `kit list`."""
        return self.kind


def numbers(train: pd.DataFrame, columns: tuple[str, ...]) -> np.ndarray:
    """Cells as float64 [n, columns]. Raises BadData naming the first that is no number, or one beyond ±LARGEST."""
    try:
        values = train[list(columns)].to_numpy(dtype=np.float64)
    except ValueError:
        values = np.array([[_number(cell) for cell in row] for row in train[list(columns)].to_numpy()])
    wrong = ~(np.abs(values) <= LARGEST)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        cell = train.iloc[row][columns[column]]
        why = "too large a number" if np.isfinite(values[row, column]) else "not a number"
        raise BadData(
            f"training row {train.index[row]!r}, column {columns[column]!r}: {quoted(cell)} is {why}"
            f" ({wrong.any(axis=1).sum():,} such rows). Leave the cell blank to train without the row."
        )
    return values


def distinct(train: pd.DataFrame, column: str) -> tuple[str, ...]:
    """The names in a column, in their natural order. Raises BadData where all are the same."""
    found = tuple(sorted(set(train[column]), key=_natural))
    if len(found) < 2:
        raise BadData(f"column {column!r}: every training row says {listed(found)}; two classes are needed.")
    return found


def _natural(name: str) -> tuple[int, float, str]:
    """Numbers in their order, before names in theirs."""
    return (0, float(name), name) if name.isdecimal() else (1, 0.0, name)


def codes(train: pd.DataFrame, column: str, classes: tuple[str, ...]) -> np.ndarray:
    """The position of each cell among the classes, int64 [n]. Raises BadData naming those that are none."""
    position = {name: index for index, name in enumerate(classes)}
    found = train[column].map(position)
    if found.isna().any():
        raise unknown(train, column, classes)
    return found.to_numpy(dtype=np.int64).copy()  # pandas hands out read-only memory


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def number_fault(cell: str, low: float = float("-inf"), high: float = float("inf"), whole: bool = False) -> str:
    """What is wrong with a cell that should hold a finite number from low to high; empty where it is right."""
    value = _number(cell)
    if not cell.strip():
        return "blank"
    if not np.isfinite(value):
        return f"{cell!r} is not a finite number"
    if cell != cell.strip() or "_" in cell or not cell.isascii():
        return f"{cell!r} is not plainly written"
    if whole and not cell.lstrip("+-").isdigit():
        return f"{cell!r} should be a whole number" + (f" ({int(value)})" if value == int(value) else "")
    return "" if low <= value <= high else f"{cell!r} is not from {low:g} to {high:g}"


def tracked(classes: int) -> dict[str, Any]:
    """torchmetrics of so many classes that exclude each other."""
    from torchmetrics import classification as tm

    count: dict[str, Any] = {"num_classes": classes, "validate_args": False}
    return {
        "accuracy": tm.MulticlassAccuracy(average="micro", **count),
        "f1": tm.MulticlassF1Score(average="macro", **count),
        "auroc": tm.MulticlassAUROC(**count),
    }


def unknown(train: pd.DataFrame, column: str, known: tuple[str, ...]) -> BadData:
    """The error for labels outside the declared classes, with the rows that have them."""
    rows = train[~train[column].isin(known)]
    return BadData(
        f"column {column!r}: {listed(dict.fromkeys(rows[column]))} in training row {listed(rows.index, 3)}"
        f" is none of the classes {listed(known, 10)}."
    )
