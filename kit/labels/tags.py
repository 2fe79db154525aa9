"""Tags: labels that are any number of names in one cell."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from kit import metrics
from kit.errors import BadData, listed
from kit.labels import answer_spelling
from kit.labels.answer_spelling import cells_of, words_of
from kit.labels.base import Loss
from kit.labels.indicators import Indicators
from kit.metrics import Metric

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Tags(Indicators):
    """Space-separated names in one cell; a tag is given where its probability is over one half, else the likeliest."""

    column: str
    names: tuple[str, ...] = ()
    loss: Loss | None = None
    kind: ClassVar[str] = "tags"
    named: ClassVar[bool] = True

    @property
    def usual_metric(self) -> Metric:
        return metrics.f1_samples

    def doubts(self) -> list[str]:
        column = json.dumps(self.column, ensure_ascii=False)
        return [f"each word of a cell is read as a tag: if a cell is one name, state OneOf({column})"]

    @property
    def train_columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def columns(self) -> tuple[str, ...]:
        return self.names

    def respelled(self, train: pd.DataFrame, sample: pd.DataFrame) -> dict[str, dict[str, str]]:
        cells = train[self.column].unique()
        asked = self.names or words_of(cells_of(sample))
        changes = answer_spelling.respelled(words_of(cells), asked, bool(self.names))
        return {self.column: answer_spelling.in_words(changes, cells)}

    def bind(self, train: pd.DataFrame) -> Self:
        names = {tag for cell in train[self.column] for tag in cell.split()}
        return self if self.names else self.changed(names=tuple(sorted(names)))

    def encode(self, train: pd.DataFrame) -> np.ndarray:
        position = {name: index for index, name in enumerate(self.names)}
        y = np.zeros((len(train), len(self.names)), np.float32)
        for row, cell in enumerate(train[self.column]):
            for tag in cell.split():
                if tag not in position:
                    raise BadData(f"training row {train.index[row]!r}: the tag {tag!r} is none of {listed(self.names, 10)}.")
                y[row, position[tag]] = 1
        return y

    def as_answers(self, predictions: np.ndarray) -> np.ndarray:
        return self.undecided.harden(predictions).astype(np.float32)

    @property
    def decisions(self) -> tuple[str, ...]:
        return ("threshold", "thresholds", "top")

    def harden(self, predictions: np.ndarray) -> np.ndarray:
        predictions = self.decided(predictions)
        given = predictions > 0.5
        none = ~given.any(axis=1)
        given[none, predictions[none].argmax(axis=1)] = True
        return given.astype(np.int64)

    def decode(self, predictions: np.ndarray, columns: list[str]) -> dict[str, Any]:
        if len(columns) != 1:
            raise BadData(f"the sample submission asks for {listed(columns)}; tags fill one column.")
        names = np.array(self.names, dtype=object)
        return {columns[0]: [" ".join(names[row > 0]) for row in self.harden(predictions)]}

    def fault(self, cell: str) -> str:
        strange = [tag for tag in cell.split(" ") if tag not in self.names] if self.names else []
        return f"{cell!r}: {listed(strange)} is no tag" if strange else ""

    def fabricate(self, n: int, rng: np.random.Generator) -> dict[str, list[str]]:
        names = self.names or ("scab", "rust", "healthy")
        return {
            self.column: [" ".join(sorted({names[i % len(names)], names[i // 2 % len(names)]})) for i in rng.permutation(n)]
        }

    def describe(self) -> str:
        return f"tags of {len(self.names)}" if self.names else "tags"
