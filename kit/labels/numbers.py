"""Labels that are real numbers, one or several, learned on a common scale and answered in their own units.

torch is imported inside functions: see `kit.labels.base`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from kit import metrics
from kit.config import Config
from kit.errors import BadData, listed
from kit.labels import evaluation, missing as missing_answers
from kit.labels.base import Labels, Loss
from kit.labels.classes import ordered_doubt
from kit.labels.evaluation import Followed, NumberAnswers
from kit.labels.parsing import number_fault, numbers
from kit.metrics import Metric, figure

if TYPE_CHECKING:
    import pandas as pd
    import torch

STRATA = 10  # bins of the first target by which folds are balanced


@dataclass(frozen=True)
class Numbers(Labels):
    """A number for each name. Shift and scale are learned inside the training fold.

    `whole`: they are whole, and answers are rounded. `low`, `high`: the range of each, where the organisers state one:
    training values outside are refused, answers are kept inside. `huber`: see `Config.huber`. `log`: learned, predicted and
    averaged as the logarithm of one more (none may be negative), for errors that count by ratio.
    """

    names: tuple[str, ...]
    whole: bool = False
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    huber: float = 0.0
    log: bool = False
    loss: Loss | None = None
    kind: ClassVar[str] = "numbers"
    quantity = "values in the targets' own units"
    class_column = ""
    bounded: ClassVar[bool] = False
    continuous: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if len(self.low) not in (0, len(self.names)) or len(self.high) != len(self.low):
            raise ValueError(f"low and high: a bound for each of {listed(self.names)} is expected, or none")

    @property
    def answers(self) -> str:
        return "grade" if self.whole else "numbers"

    @classmethod
    def constructors(cls) -> dict[str, str]:
        return {"numbers": cls.__name__, "grade": f"{cls.__name__} with whole=True"}

    @property
    def usual_metric(self) -> Metric:
        if len(self.names) > 1:
            return metrics.mcrmse
        return metrics.qwk if self.whole else metrics.rmse

    def doubts(self) -> list[str]:
        return [ordered_doubt(self.names[0])] if self.whole else []

    @property
    def train_columns(self) -> tuple[str, ...]:
        return self.names

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(f"log1p({name})" for name in self.names) if self.log else self.names

    def chosen(self, config: Config) -> Self:
        if self.own_loss is not None and config.huber:
            raise self.unused("huber", config.huber)
        return super().chosen(config).changed(huber=config.huber)

    def bind(self, train: pd.DataFrame) -> Self:
        missing = self.missing(train)[:, : len(self.names)]
        missing_answers.refuse_unknown(train, missing, self.names)
        cells = train[list(self.names)].mask(missing)
        if len(train) > 1 and (cells.nunique() == 1).all():
            same = [cells[name].dropna().iloc[0] for name in self.names]
            raise BadData(f"column {listed(self.names)}: every training row has {listed(same)}; there is nothing to learn.")
        return self

    @property
    def partial(self) -> bool:
        return len(self.names) > 1 and not self.own

    def missing(self, train: pd.DataFrame) -> np.ndarray:
        return missing_answers.no_number(train[list(self.names)])

    def encode(self, train: pd.DataFrame) -> np.ndarray:
        values = numbers(train, self.names, self.missing(train) if self.partial else None)
        wrong = np.zeros(values.shape, bool)
        if self.whole and self.low:
            wrong = (values != np.round(values)) & ~np.isnan(values)
        if self.low:
            wrong |= (values < self.low) | (values > self.high)
        if wrong.any():
            row, j = np.argwhere(wrong)[0]
            kind = "a whole number" if self.whole else "a number"
            raise BadData(
                f"training row {train.index[row]!r}, column {self.names[j]!r}: {train.iloc[row][self.names[j]]!r}"
                f" is not {kind} from {self.low[j]:g} to {self.high[j]:g} ({wrong.any(axis=1).sum()} such rows)."
            )
        if self.log and (values < 0).any():
            row, j = np.argwhere(values < 0)[0]
            raise BadData(f"training row {train.index[row]!r}, column {self.names[j]!r}: {values[row, j]:g} has no logarithm.")
        return (np.log1p(values) if self.log else values).astype(np.float32)

    def certain(self, y: np.ndarray) -> np.ndarray:
        return y.astype(np.float32)

    def prior(self, y: np.ndarray) -> np.ndarray:
        """The medians: a whole number stays one, and no far row moves them."""
        return missing_answers.by_column(np.median, self.certain(y)).astype(np.float32)

    def as_answers(self, predictions: np.ndarray) -> np.ndarray:
        return predictions.astype(np.float32)

    @property
    def decisions(self) -> tuple[str, ...]:
        return ("cuts",) if self.whole and len(self.names) == 1 and not self.reads else ()

    def levels(self, predictions: np.ndarray) -> np.ndarray:
        first = predictions[:, 0].astype(np.float64)
        return np.expm1(first) if self.log else first

    def decided(self, predictions: np.ndarray) -> np.ndarray:
        if self.decision is None:
            return predictions
        moved = self.decision.levels(self.levels(predictions))
        return (np.log1p(moved) if self.log else moved)[:, None]

    def harden(self, predictions: np.ndarray) -> np.ndarray:
        predictions = self.decided(predictions)
        if self.log:
            predictions = np.expm1(predictions.astype(np.float64))
        # In float64: float32 has no room for the half above 2²³, and rounds 0.49999997 up.
        answer = np.floor(predictions.astype(np.float64) + 0.5) if self.whole else predictions
        return np.clip(answer, self.low, self.high).astype(answer.dtype) if self.low else answer

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
        bounds = (min(self.low), max(self.high)) if self.low else (float("-inf"), float("inf"))
        return number_fault(cell, *bounds, whole=self.whole)

    def strata(self, y: np.ndarray) -> np.ndarray:
        first = y[:, 0]
        edges = np.quantile(first[~np.isnan(first)], np.linspace(0, 1, STRATA + 1)[1:-1])
        bins = np.searchsorted(edges, first)  # NaN comes last
        return missing_answers.strata(y[:, : len(self.names)], bins, least=10 * STRATA)

    def scaling(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        wide = y.astype(np.float64)  # the square of 1e30 leaves float32
        shift, spread = (missing_answers.by_column(function, wide) for function in (np.mean, np.std))
        # A column that these rows know nothing of keeps its scale.
        return np.nan_to_num(shift).astype(np.float32), np.where(spread > 0, spread, 1).astype(np.float32)

    def standard_loss(self, logits: torch.Tensor, y: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
        from torch.nn.functional import mse_loss, smooth_l1_loss

        def mean(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return 2 * self.huber * smooth_l1_loss(logits, y, beta=self.huber) if self.huber else mse_loss(logits, y)

        y = y.to(logits.dtype)
        return missing_answers.masked(mean, logits, y) if self.partial else mean(logits, y)

    def right_logits(self, y: np.ndarray) -> np.ndarray:
        return y.astype(np.float32)

    def activation(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.float()

    def tracked(self) -> Followed:
        return evaluation.NUMBER_METRICS

    def report(self, truth: np.ndarray, answer: np.ndarray) -> dict[str, float]:
        """How far answers [n, c] are from the truth, both in the numbers' own units.

        Mean absolute error and R² of each number where there are several; the mean squared error on a scale where each
        range is 1 (`scaled_mse`); the share of rows with every number right (`exact`). Of the answers that are there.
        """
        truth, gap = truth.astype(np.float64), answer.astype(np.float64) - truth
        scores: dict[str, float] = {}
        if len(self.names) > 1:
            spread = np.nansum((truth - missing_answers.by_column(np.mean, truth)) ** 2, axis=0)
            gaps = {name: gap[~np.isnan(gap[:, j]), j] for j, name in enumerate(self.names)}
            scores |= {f"mae {name}": float(abs(own).mean()) for name, own in gaps.items() if len(own)}
            scores |= {
                f"r2 {name}": float(1 - (own**2).sum() / spread[j]) for j, (name, own) in enumerate(gaps.items()) if spread[j]
            }
        if self.low:
            scaled = (gap / np.subtract(self.high, self.low)) ** 2
            scores["scaled_mse"] = float(np.mean(scaled[~np.isnan(gap)] if np.isnan(gap).any() else scaled))
        whole = ~np.isnan(gap).any(axis=1)
        if self.whole and whole.any():
            scores["exact"] = float((gap[whole] == 0).all(axis=1).mean())
        return scores

    @property
    def exported(self) -> tuple[str, ...]:
        return self.names

    @property
    def deviation(self) -> str:
        return "deviations of the (logarithms of the) targets" if self.log else "deviations of the targets"

    def export_notes(self) -> list[str]:
        left = ["rounding"] * self.whole + ["the declared bounds"] * bool(self.low)
        notes = ["Learned as logarithms, given as the numbers themselves."] if self.log else []
        return [*notes, f"Left to the submission: {' and '.join(left)}."] if left else notes

    def spell(self, predictions: np.ndarray) -> list[str]:
        rows = self.harden(predictions)
        cells = [["unknown" if np.isnan(value) else figure(value) for value in row] for row in rows]
        return ["  ".join(f"{name} {cell}" for name, cell in zip(self.names, row, strict=True)) for row in cells]

    def errors(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """The largest error of each row, in standard deviations of the targets."""
        truth = y[:, : len(self.names)].astype(np.float64)
        spread = missing_answers.by_column(np.std, truth)
        gap = np.abs(predictions[:, : len(self.names)] - truth)
        return np.nan_to_num(gap / np.where(spread > 0, spread, 1)).max(axis=1)

    def number_answers(self, y: np.ndarray, predictions: np.ndarray) -> NumberAnswers:
        truth, predicted = self.truth(y), self.harden(predictions)
        return NumberAnswers(self.names, truth.astype(np.float64), predicted.astype(np.float64))

    def fabricate(self, n: int, rng: np.random.Generator) -> dict[str, list[str]]:
        shape = (n, len(self.names))
        drawn = rng.uniform(self.low, self.high, shape) if self.low else rng.normal(10, 3 if not self.whole else 30, shape)
        drawn = np.abs(drawn) if self.log else drawn
        cells = drawn.round().astype(int) if self.whole else drawn.round(3)
        return {name: [str(cell) for cell in cells[:, j]] for j, name in enumerate(self.names)}

    def describe(self) -> str:
        return f"{len(self.names)} numbers" if len(self.names) > 1 else "a number"
