"""Fit: advice on a model that has learned its rows by heart, or was still learning when it ended."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kit.config import KNOBS, flag
from kit.reporting.advice.rule import CLEAR, Advice
from kit.reporting.report.findings import Findings

BY_HEART = 0.5  # of the out-of-fold error: a training error below it is that of a model that has learned rows by heart
FALLING = 0.1  # of the loss: a last epoch that takes more off it was not the last that would have helped
EARLY = 0.6  # of the epochs: a best epoch before it is early


@dataclass(frozen=True)
class Followed:
    """The error by which training is followed, in the last epoch's training rows and out of fold; `noise`: of the latter."""

    name: str
    train: float
    oof: float
    noise: float

    @classmethod
    def of(cls, found: Findings) -> Followed | None:
        """From accuracy or RMSE, whichever the run followed; None where it has neither."""
        rows = found.scores.get("rows", {}).get("train", 0)
        for name in ("accuracy", "rmse"):
            last = [history[f"train_{name}"].dropna() for history in found.histories.values() if f"train_{name}" in history]
            last = [values for values in last if len(values)]
            whole = found.scores.get("extra", {}).get(name)
            if not last or whole is None or not rows:
                continue
            train = float(np.mean([values.iloc[-1] for values in last]))
            if name == "accuracy":
                return cls(name, 1 - train, 1 - whole, float(np.sqrt(whole * (1 - whole) / rows)))
            return cls(name, train, whole, whole / np.sqrt(2 * rows))
        return None

    def shown(self, error: float) -> str:
        """An error as the score that it is of."""
        return f"{1 - error if self.name == 'accuracy' else error:.4g}"

    @property
    def words(self) -> str:
        """Both scores."""
        return f"Training {self.name} is {self.shown(self.train)} in the last epoch, out-of-fold {self.shown(self.oof)}"


def overfit(found: Findings, heeded: Collection[str] = KNOBS) -> Advice | None:
    """Is the model far better on rows that it learned from, or was it better at an earlier epoch?"""
    followed = Followed.of(found)
    if followed is None:
        return None
    best, count, drop = _best_epoch(found, followed.name)
    fell = best <= EARLY * count and drop > CLEAR * followed.noise
    if not fell and not (followed.train < BY_HEART * followed.oof and followed.oof - followed.train > CLEAR * followed.noise):
        return None
    told = f"; validation was best after epoch {best} of {count}, by {drop:.4g}" if fell else ""
    names = [name for name in ("augment", "dropout", "weight_decay") if name in heeded]
    strong = f"Try more of {_flags(names)}, or fewer --epochs." if names else "Try fewer --epochs."
    page = "images.md#augmentation-and-views" if "augment" in heeded else "training-options.md#early-stopping"
    return Advice("overfit", f"{followed.words}{told}: the model learns rows by heart.", strong, (*names, "epochs"), page)


def underfit(found: Findings, heeded: Collection[str] = KNOBS) -> Advice | None:
    """Is the model no better on rows that it learned from, and was it still learning when it ended?"""
    followed, losses = Followed.of(found), _curve(found, "train_loss")
    if followed is None or followed.train < followed.oof or len(losses) < 2 or not losses.iloc[-2] > 0:
        return None
    fell = 1 - losses.iloc[-1] / losses.iloc[-2]
    if fell <= FALLING:
        return None
    best, count, _ = _best_epoch(found, followed.name)
    if best < count:
        return None
    told = f"; the last of {count} epochs was the best" if count and best == count else ""
    shows = f"{followed.words}, and the last epoch took {fell:.0%} off the training loss{told}: it was still learning."
    names = ["epochs", *(name for name in ("width",) if name in heeded)]
    return Advice(
        "underfit", shows, "Try more --epochs, then a larger --model.", (*names, "model"), "training-options.md#recipes"
    )


def _curve(found: Findings, column: str) -> pd.Series:
    """The mean of the folds by epoch, up to the last that all of them have; empty where no fold has it."""
    curves = [history.set_index("epoch")[column].dropna() for history in found.histories.values() if column in history]
    return pd.concat(curves, axis=1, join="inner").mean(axis=1) if curves else pd.Series(dtype=float)


def _best_epoch(found: Findings, name: str) -> tuple[int, int, float]:
    """The epoch of the best validation, counted from 1, the number of epochs, and how much worse the last is; else zeros."""
    curve = _curve(found, f"val_{name}") * (1 if name == "accuracy" else -1)
    if curve.empty:
        return 0, 0, 0.0
    return int(curve.idxmax()), int(curve.index.max()), float(curve.max() - curve.iloc[-1])


def _flags(names: list[str]) -> str:
    return " or ".join(map(flag, names))
