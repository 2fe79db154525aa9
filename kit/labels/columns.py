"""Columns: labels with a probability for each name.

torch is imported inside functions: see `kit.labels.base`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from kit import metrics
from kit.errors import BadData, listed
from kit.labels import answer_spelling, evaluation, missing as missing_answers
from kit.labels.base import Loss
from kit.labels.classes import class_loss
from kit.labels.evaluation import ClassAnswers, Confidence, Detection, Followed
from kit.labels.indicators import Indicators
from kit.labels.parsing import codes, distinct, number_fault, numbers
from kit.metrics import Metric

if TYPE_CHECKING:
    import pandas as pd
    import torch


@dataclass(frozen=True)
class Columns(Indicators):
    """A 0/1 column for each name in the training file and a probability for each in the submission.

    `exclusive`: exactly one of them is 1 (softmax); else they are independent (sigmoid), and a row may lack some of them.
    `column`: the training file has that one column instead, which holds a name; names left out are learned from it. Where
    one name is given, the submission holds its probability in a column called as this one. `prefix`: what names begin with
    in the submission only. A name that the sample does not ask for is left out of the submission; a name of `column` that
    only the sample has gets 0.
    """

    names: tuple[str, ...] = ()
    exclusive: bool = False
    column: str = ""
    prefix: str = ""
    loss: Loss | None = None
    kind: ClassVar[str] = "probabilities"

    def __post_init__(self) -> None:
        if not self.names and not self.column:
            raise ValueError("state names, or the column that holds them")
        object.__setattr__(self, "exclusive", self.exclusive or (bool(self.column) and len(self.names) != 1))

    @property
    def train_columns(self) -> tuple[str, ...]:
        return (self.column,) if self.column else self.names

    @property
    def classes(self) -> tuple[str, ...]:
        """The names as the training file has them."""
        return tuple(name.removeprefix(self.prefix) for name in self.names)

    @property
    def _one(self) -> bool:
        """Is one name of a column asked for?"""
        return bool(self.column) and len(self.names) == 1

    @property
    def usual_metric(self) -> Metric:
        return metrics.log_loss if self.column and self.exclusive else metrics.auc

    def doubts(self) -> list[str]:
        if not self._one:
            return []
        return [
            f"a fraction in the sample is read as the probability of {self.names[0]!r}: if it is of another name, state that"
        ]

    def respelled(self, train: pd.DataFrame, sample: pd.DataFrame) -> dict[str, dict[str, str]]:
        if not self.column:
            return {name: answer_spelling.indicators(train[name].unique()) for name in self.names}
        several = sample.columns if sample.shape[1] > 1 else ()
        asked = self.classes or [str(name).removeprefix(self.prefix) for name in several]
        return {self.column: answer_spelling.respelled(train[self.column].unique(), asked, len(asked) > 1)}

    @property
    def partial(self) -> bool:
        return len(self.names) > 1 and not (self.exclusive or self.column or self.own)

    def missing(self, train: pd.DataFrame) -> np.ndarray:
        return super().missing(train) if self.column else missing_answers.no_number(train[list(self.names)])

    def bind(self, train: pd.DataFrame) -> Self:
        if not self.column:
            missing_answers.refuse_unknown(train, self.missing(train), self.names)
        if self._one and not train[self.column].isin(self.classes).any():
            there = listed(set(train[self.column]))
            raise BadData(f"column {self.column!r}: no training row has {self.classes[0]!r}; the column has {there}.")
        if self.names:
            return self
        return self.changed(names=tuple(self.prefix + name for name in distinct(train, self.column)))

    def as_trained(self, answers: pd.DataFrame) -> pd.DataFrame:
        if not self.column or answers.shape[1] == 1:
            known = super().as_trained(answers)
            certain = {"1": self.classes[0], "1.0": self.classes[0]} if self._one else {}
            return known.map(lambda cell: certain.get(cell, cell))
        given = answers.reindex(columns=list(self.names), fill_value="0").astype(np.float64)
        absent = [name for name in self.names if name not in answers]
        if absent:
            given[absent[0]] = 1 - given.sum(axis=1)  # a class that is not asked for is what is left
        likeliest = given.to_numpy().argmax(axis=1)
        return answers[[]].assign(**{self.column: [self.classes[i] for i in likeliest]})

    @property
    def columns(self) -> tuple[str, ...]:
        return self.names

    @property
    def asked(self) -> tuple[str, ...]:
        return (self.column,) if self._one else self.names

    def encode(self, train: pd.DataFrame) -> np.ndarray:
        if self._one:
            return (train[[self.column]] == self.classes[0]).to_numpy(np.float32, copy=True)
        if self.column:
            return np.eye(len(self.names), dtype=np.float32)[codes(train, self.column, self.classes)]
        y = numbers(train, self.names, self.missing(train) if self.partial else None)
        wrong = (y < 0) | (y > 1)
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            cell = train.iloc[row][self.names[column]]
            raise BadData(f"training row {train.index[row]!r}, column {self.names[column]!r}: {cell!r} is not 0 to 1.")
        if self.exclusive and not np.allclose(y.sum(axis=1), 1):
            row = int(np.flatnonzero(~np.isclose(y.sum(axis=1), 1))[0])
            raise BadData(
                f"training row {train.index[row]!r}: {listed(self.names)} exclude each other but sum to {y[row].sum():g}."
            )
        return y.astype(np.float32)

    def as_answers(self, predictions: np.ndarray) -> np.ndarray:
        if self.exclusive:
            return np.eye(len(self.names), dtype=np.float32)[predictions.argmax(axis=1)]
        return super().as_answers(predictions)

    def certainty(self, predictions: np.ndarray) -> np.ndarray:
        return predictions.max(axis=1) if self.exclusive else super().certainty(predictions)

    @property
    def decisions(self) -> tuple[str, ...]:
        if self.exclusive:
            return ("temperature",)
        return ("temperature", "threshold", *(["thresholds"] if len(self.names) > 1 else []))

    def harden(self, predictions: np.ndarray) -> np.ndarray:
        return self.decided(predictions)

    def decode(self, predictions: np.ndarray, columns: list[str]) -> dict[str, Any]:
        predictions = self.decided(predictions)
        if len(columns) == 1 == len(self.names):
            return {columns[0]: predictions[:, 0]}
        strange, absent = self._unequal(columns)
        alike = {name.strip().casefold() for name in strange} & {name.strip().casefold() for name in absent}
        few = len(self.names) < 2 or 2 * (len(columns) - len(strange)) <= len(columns)
        if few or alike or (strange and not self.column):
            odd = [f"{listed(strange)}: no label"] * bool(strange) + [f"{listed(absent)}: not in the sample"] * bool(absent)
            raise BadData(
                f"the sample submission asks for {listed(columns)}; these labels are {listed(self.names)} ({'; '.join(odd)})."
            )
        none = np.zeros(len(predictions), predictions.dtype)
        return {name: none if name in strange else predictions[:, self.names.index(name)] for name in columns}

    def unequal(self, columns: list[str]) -> list[str]:
        if len(columns) == 1 == len(self.names):
            return []
        strange, absent = self._unequal(columns)
        lines = [f"{listed(absent)}: learned, but the sample does not ask for it, so it is left out of the submission"]
        others = [f"{listed(strange)}: the sample asks for it, but no training row has it, so the submission holds 0 there"]
        return lines * bool(absent) + others * bool(strange)

    def _unequal(self, columns: list[str]) -> tuple[list[str], list[str]]:
        """The columns of a sample that are no names of these labels, and the names that are no columns of it."""
        return [name for name in columns if name not in self.names], [name for name in self.names if name not in columns]

    def fault(self, cell: str) -> str:
        return number_fault(cell, 0, 1)

    def strata(self, y: np.ndarray) -> np.ndarray:
        return y.argmax(axis=1) if self.exclusive else super().strata(y)

    def dealt_by(self, y: np.ndarray) -> np.ndarray:
        return self.strata(y) if self.exclusive else super().dealt_by(y)

    def tracked(self) -> Followed:
        return evaluation.CLASS_METRICS if self.exclusive else super().tracked()

    def tracked_target(self, y: torch.Tensor) -> torch.Tensor:
        return y.argmax(dim=1) if self.exclusive else super().tracked_target(y)

    def standard_loss(self, logits: torch.Tensor, y: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
        if self.exclusive:
            return class_loss(logits, y, smoothing)
        return super().standard_loss(logits, y, smoothing)

    def activation(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.float().softmax(dim=1) if self.exclusive else super().activation(logits)

    def spell(self, predictions: np.ndarray) -> list[str]:
        """The likeliest name where they exclude each other; else those over one half."""
        return [self.names[i] for i in predictions.argmax(axis=1)] if self.exclusive else super().spell(predictions)

    def errors(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        return evaluation.log_loss(y, predictions) if self.exclusive else super().errors(y, predictions)

    def class_answers(self, y: np.ndarray, predictions: np.ndarray) -> ClassAnswers | None:
        return evaluation.likeliest(self.names, y, predictions) if self.exclusive else super().class_answers(y, predictions)

    def detections(self, y: np.ndarray, predictions: np.ndarray) -> list[Detection]:
        if self.exclusive:
            return evaluation.by_class(evaluation.likeliest(self.names, y, predictions), predictions)
        return super().detections(y, predictions)

    def confidence(self, y: np.ndarray, predictions: np.ndarray) -> Confidence:
        if self.exclusive:
            likely = self.calibrated(predictions)
            return evaluation.confidence_of_likeliest(evaluation.likeliest(self.names, y, likely), likely)
        return super().confidence(y, predictions)

    def fabricate(self, n: int, rng: np.random.Generator) -> dict[str, list[str]]:
        if self.column:
            names = (*self.classes, "other") if self._one else self.classes or ("cat", "dog", "owl")
            return {self.column: [names[i % len(names)] for i in rng.permutation(n)]}
        if self.exclusive:
            answers = np.eye(len(self.names), dtype=int)[rng.permutation(n) % len(self.names)]
        else:
            answers = (rng.permuted(np.arange(n)[:, None] + np.arange(len(self.names)), axis=0) % 2).astype(int)
        return {name: [str(cell) for cell in answers[:, j]] for j, name in enumerate(self.names)}

    def describe(self) -> str:
        if not self.names:
            return "a probability a class"
        return f"{len(self.names)} probabilities" if len(self.names) > 1 else "a probability"
