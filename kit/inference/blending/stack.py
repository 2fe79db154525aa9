"""Stack: a regression whose inputs are the predictions of several runs, and columns of the table; as values that predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kit.labels import Labels

TINY = 1e-6  # a probability is at least this much, so that no logarithm outweighs all other rows
RIDGE, LOGISTIC, MULTINOMIAL = "ridge regression", "logistic regression", "multinomial logistic regression"


def form_of(labels: Labels) -> str:
    """The regression that suits: of numbers, of probabilities each by itself, or of those that sum to one."""
    return RIDGE if not labels.bounded else MULTINOMIAL if labels.exclusive else LOGISTIC


@dataclass(frozen=True)
class Stack:
    """A fitted regression. `weights` [r, c]: of each of the r groups of runs, by prediction column; `slopes` [k, c]: of each
    of the `columns` of the table, whose numbers are counted in deviations (`spread` [k]) from their mean (`middle` [k]);
    `intercepts` [c]. `groups`: the positions of the members whose mean is one input.

    Probabilities enter as logarithms of odds, those that sum to one as logarithms, with one weight for all classes.
    """

    form: str
    penalty: float
    weights: np.ndarray
    intercepts: np.ndarray
    slopes: np.ndarray
    groups: tuple[tuple[int, ...], ...] = ()
    columns: tuple[str, ...] = ()
    middle: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Stack:
        """Undoes `json`."""
        arrays: dict[str, Any] = {name: np.array(plain[name], float) for name in ("weights", "intercepts", "slopes")}
        arrays["slopes"] = arrays["slopes"].reshape(-1, len(arrays["intercepts"]))
        tuples: dict[str, Any] = {name: tuple(plain[name]) for name in ("columns", "middle", "spread")}
        return cls(plain["form"], plain["penalty"], groups=tuple(map(tuple, plain["groups"])), **arrays, **tuples)

    def json(self) -> dict[str, Any]:
        """Plain values, as `run.json` holds them."""
        arrays = {name: getattr(self, name).tolist() for name in ("weights", "intercepts", "slopes")}
        tuples = {name: list(getattr(self, name)) for name in ("columns", "middle", "spread")}
        groups = [list(group) for group in self.groups]
        return {"form": self.form, "penalty": self.penalty, "groups": groups, **arrays, **tuples}

    def of_members(self, count: int) -> np.ndarray:
        """The coefficient [count] of each member: its share of its group's, the mean over the columns."""
        each = np.zeros(count)
        for weight, group in zip(self.weights.mean(axis=1), self.groups, strict=True):
            each[list(group)] = weight / len(group)
        return each

    def predict(self, parts: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Predictions [n, c] from those of the groups [r, n, c] and the columns' numbers [n, k], NaN where one is missing."""
        raw = np.einsum("rnc,rc->nc", linked(self.form, parts), self.weights) + self.intercepts
        return unlinked(self.form, raw + standard(cells, self.middle, self.spread) @ self.slopes)


def linked(form: str, predictions: np.ndarray) -> np.ndarray:
    """Predictions [..., c] as a regression takes them, float64."""
    plain = predictions.astype(np.float64)
    if form == RIDGE:
        return plain
    p = plain.clip(TINY, 1 - TINY)
    return np.log(p) if form == MULTINOMIAL else np.log(p) - np.log1p(-p)


def unlinked(form: str, raw: np.ndarray) -> np.ndarray:
    """What a regression gives [n, c] as predictions."""
    if form == RIDGE:
        return raw
    if form == LOGISTIC:
        return 1 / (1 + np.exp(-raw.clip(-50, 50)))
    powers = np.exp(raw - raw.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def standard(cells: np.ndarray, middle: Sequence[float], spread: Sequence[float]) -> np.ndarray:
    """Numbers [n, k] in deviations from their mean; a missing one is as the mean."""
    return np.nan_to_num((cells - np.array(middle)) / np.array(spread))
