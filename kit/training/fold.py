"""Fold: which rows one fit trains on and which it validates, with all that the fit needs to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.config import Config
from kit.labels import Labels
from kit.metrics import Metric, defined
from kit.parts import NONE, Parts

if TYPE_CHECKING:
    from kit.models.base import FoldModel


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One fit: which rows of `x` (as the inputs load them) and `y` to train on and to validate.

    `number`: of the fold, -1 for the refit on all rows; `repeat`: of the folds, 0: as they were dealt first; `identity`: of
    the run, which a snapshot must share; `mirror`: may pictures be mirrored? `source`: the module whose backbone this fit
    begins with (`--from`); `parts`: of the adapter. `groups`: of all rows, whole numbers [n], which stay together where
    training rows are split again; None: there are none. `weights`: of all rows' losses, float32 [n]; None: all count alike.
    """

    name: str
    number: int
    folder: Path
    x: Any
    y: np.ndarray
    train: np.ndarray
    valid: np.ndarray
    config: Config
    labels: Labels
    metric: Metric
    identity: str = ""
    repeat: int = 0
    mirror: bool = False
    source: Callable[[], Any] | None = None
    groups: np.ndarray | None = None
    weights: np.ndarray | None = None
    parts: Parts = NONE

    def teach(self, module: FoldModel) -> None:
        """Have a module learn what it learns of these training rows before the first step."""
        module.groups = self.groups
        module.learn(self.x, self.train, self.y)

    @property
    def keeps_best(self) -> bool:
        """Are the best weights by validation kept, rather than the last?"""
        return self.config.checkpoint == "best" or self.config.early_stop > 0

    def score(self, predicted: np.ndarray) -> float:
        """The competition's metric on this fold's validation rows; NaN where it is not defined for them."""
        return self.metric(self.labels.truth(self.y[self.valid]), self.labels.harden(predicted))

    @property
    def scorable(self) -> bool:
        """Is the metric defined for these rows' answers? An AUC is not where all are of one class."""
        nearly = 0.9 * self.labels.certain(self.y[self.valid]) + 0.1 * self.labels.prior(self.y)  # no probability is 0
        return defined(self.score(nearly)) is not None
