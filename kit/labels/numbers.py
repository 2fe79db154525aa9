"""Labels that are real numbers, one or several, learned on a common scale and answered in their own units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kit.errors import BadData, listed
from kit.labels.base import Labels, number_fault, numbers

if TYPE_CHECKING:
    import pandas as pd
    import torch

STRATA = 10  # bins of the first target by which folds are balanced


@dataclass(frozen=True)
class Numbers(Labels):
    """A number for each name. Shift and scale are learned inside the training fold. `whole`: the answer is rounded.

    `log`: learned, predicted and averaged as the logarithm of one more (none may be negative), for errors that count by ratio.
    """

    names: tuple[str, ...]
    whole: bool = False
    log: bool = False
    kind: ClassVar[str] = "numbers"

    @property
    def train_columns(self) -> tuple[str, ...]:
        return self.names

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(f"log1p({name})" for name in self.names) if self.log else self.names

    def blank(self, train: pd.DataFrame) -> np.ndarray:
        cells = train[list(self.names)].map(lambda cell: cell.strip().lower())
        return cells.isin(["", "nan"]).any(axis=1).to_numpy()

    def encode(self, train: pd.DataFrame) -> np.ndarray:
        values = numbers(train, self.names)
        if self.log and (values < 0).any():
            row, column = np.argwhere(values < 0)[0]
            raise BadData(
                f"training row {train.index[row]!r}, column {self.names[column]!r}: {values[row, column]:g} has no logarithm."
            )
        return (np.log1p(values) if self.log else values).astype(np.float32)

    def certain(self, y: np.ndarray) -> np.ndarray:
        return y.astype(np.float32)

    def harden(self, predictions: np.ndarray) -> np.ndarray:
        if self.log:
            predictions = np.expm1(predictions.astype(np.float64))
        # In float64: float32 has no room for the half above 2²³, and rounds 0.49999997 up.
        return np.floor(predictions.astype(np.float64) + 0.5) if self.whole else predictions

    def decode(self, predictions: np.ndarray, columns: list[str]) -> dict[str, Any]:
        if len(columns) == 1 == len(self.names):
            columns, names = columns, dict.fromkeys(columns, 0)
        elif set(columns) == set(self.names):
            names = {name: self.names.index(name) for name in columns}
        else:
            raise BadData(f"the sample submission asks for {listed(columns)}; these labels are {listed(self.names)}.")
        answer = self.harden(predictions)
        return {name: answer[:, j].astype(np.int64) if self.whole else answer[:, j] for name, j in names.items()}

    def fault(self, cell: str) -> str:
        return number_fault(cell, whole=self.whole)

    def strata(self, y: np.ndarray) -> np.ndarray:
        edges = np.quantile(y[:, 0], np.linspace(0, 1, STRATA + 1)[1:-1])
        return np.searchsorted(edges, y[:, 0])

    def scaling(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        wide = y.astype(np.float64)  # the square of 1e30 leaves float32
        spread = wide.std(axis=0)
        return wide.mean(axis=0).astype(np.float32), np.where(spread > 0, spread, 1).astype(np.float32)

    def loss(self, logits: torch.Tensor, y: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
        from torch.nn.functional import mse_loss

        return mse_loss(logits, y.to(logits.dtype))

    def activation(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.float()

    def tracked(self) -> dict[str, Any]:
        from torchmetrics import regression as tm

        return {"mae": tm.MeanAbsoluteError(), "rmse": tm.MeanSquaredError(squared=False)}

    def fabricate(self, n: int, rng: np.random.Generator) -> dict[str, list[str]]:
        draw = rng.integers(-50, 50, (n, len(self.names))) if self.whole else rng.normal(10, 3, (n, len(self.names))).round(3)
        draw = np.abs(draw) if self.log else draw
        return {name: [str(cell) for cell in draw[:, j]] for j, name in enumerate(self.names)}

    def describe(self) -> str:
        return f"{len(self.names)} numbers" if len(self.names) > 1 else "a number"
