"""Decision: how predictions become answers, where that was learned on out-of-fold rows (`kit.inference.decisions`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

TINY = 1e-7  # a probability is at least this much, so that its logarithm is finite
TITLES = {
    "weights": "class weights",
    "cuts": "cut points",
    "threshold": "threshold",
    "thresholds": "thresholds by column",
    "temperature": "temperature",
    "top": "answers a row",
}


@dataclass(frozen=True)
class Decision:
    """A change of predictions, after which they become answers in the plain way: the likeliest class, the rounded number, what
    is over one half.

    `kind` and `values`: `weights`, the factor of each class's probability · `cuts`, where one grade ends and the next begins,
    `low` being the first grade · `threshold`, or `thresholds` of each column, from which a probability counts as yes · `top`,
    how many columns of a row count as yes · `temperature`, which divides the logarithms of odds.
    """

    kind: str
    values: tuple[float, ...]
    low: int = 0

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Decision:
        """Undoes `json`."""
        return cls(plain["kind"], tuple(plain["values"]), plain.get("low", 0))

    def json(self) -> dict[str, Any]:
        """Plain values, as `run.json` holds them."""
        return {"kind": self.kind, "values": list(self.values), **({"low": self.low} if self.kind == "cuts" else {})}

    @property
    def title(self) -> str:
        """What people call it."""
        return TITLES[self.kind]

    def __str__(self) -> str:
        return f"{self.title} {', '.join(f'{value:.4g}' for value in self.values)}"

    @property
    def calibrates(self) -> bool:
        """Does it make probabilities truer, rather than choose by them?"""
        return self.kind == "temperature"

    def levels(self, amounts: np.ndarray) -> np.ndarray:
        """Amounts [n] moved so that each is rounded to the grade between whose cut points it lies; float64 [n]."""
        cuts = np.array(self.values)
        at = np.concatenate([cuts[:1] - 1, cuts, cuts[-1:] + 1])
        halves = self.low + 0.5 + np.arange(len(cuts))
        return np.interp(amounts, at, np.concatenate([[self.low], halves, [self.low + len(cuts)]]))

    def probabilities(self, predictions: np.ndarray, exclusive: bool) -> np.ndarray:
        """Probabilities [n, c] changed, in their dtype; `exclusive`: do those of a row sum to one?"""
        values = np.array(self.values)
        if self.kind == "weights":
            changed = predictions * values.astype(predictions.dtype)
            return changed / np.maximum(changed.sum(axis=1, keepdims=True), TINY)
        p = predictions.astype(np.float64)
        if self.kind in ("threshold", "thresholds"):
            yes, no = p * (1 - values), (1 - p) * values
            changed = yes / np.maximum(yes + no, np.finfo(float).tiny)
        elif self.kind == "top":
            first = np.argsort(np.argsort(-p, axis=1, kind="stable"), axis=1) < int(values[0])
            changed = np.where(first, 0.5 + p / 2, p / 2)
        else:
            changed = tempered(p, float(values[0]), exclusive)
        return changed.astype(predictions.dtype)


def tempered(p: np.ndarray, temperature: float, exclusive: bool) -> np.ndarray:
    """Probabilities [n, c] by their logits divided by a temperature (Guo et al. 2017)."""
    logits = np.log(np.clip(p, TINY, 1 - TINY))
    if not exclusive:
        return 1 / (1 + np.exp((np.log1p(-np.clip(p, TINY, 1 - TINY)) - logits) / temperature))
    powers = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    return powers / powers.sum(axis=1, keepdims=True)
