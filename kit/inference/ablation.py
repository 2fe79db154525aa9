"""Paid: were the views and the averaged weights worth it? Told from validation rows, by the gate that blends pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kit.inference import blend_weights
from kit.labels import Labels
from kit.metrics import Metric
from kit.models.base import FoldModel
from kit.storage.predictions import find, load

FILES = {"views": "oof-one-view", "averages": "oof-raw-weights"}  # predictions in a fold's folder: its rows without either


def without(module: FoldModel) -> dict[str, Callable[[], AbstractContextManager[None]]]:
    """Contexts in which the module uses its first view alone, and that view with the last weights, by name in FILES.

    Only of what the module has: views, an average. Each leaves it as it was.
    """

    @contextmanager
    def last_weights() -> Iterator[None]:
        with module.one_view(), module.last_weights():
            yield

    views = {FILES["views"]: module.one_view} if len(module.views) > 1 else {}
    return {**views, **({FILES["averages"]: last_weights} if module.averages else {})}


def passes(module: FoldModel) -> float:
    """How much longer than the predictions themselves those of `without` take."""
    views = max(1, len(module.views))
    return ((views > 1) + module.averages) / views


def verdicts(
    folders: Sequence[Path], oof: pd.DataFrame, y: np.ndarray, labels: Labels, metric: Metric
) -> dict[str, dict[str, Any]]:
    """What `scores.json` says of each that every fold has kept: its gain (better: above 0), its noise, and did it pay?

    `oof`, `y`: out-of-fold predictions and encoded answers of the same rows. A gain counts above twice its noise. That of
    averaged weights is told from the first view alone, where there are several: a view is a fraction of their time. Nothing
    is said of a gain that is not defined, as the metric is not.
    """
    truth, sign = labels.truth(y), 1 if metric.higher_is_better else -1

    def score(rows: np.ndarray, answers: np.ndarray) -> float:
        return sign * metric(truth[rows], answers)

    held = {
        name: labels.harden(pd.concat([load(folder, file) for folder in folders]).loc[oof.index].to_numpy(np.float32))
        for name, file in FILES.items()
        if all(find(folder, file) for folder in folders)  # an older run kept none
    }
    whole, found = labels.harden(oof.to_numpy(np.float32)), {}
    for name, other in held.items():
        more = blend_weights.gained(held.get("views", whole) if name == "averages" else whole, other, score)
        if more.defined:
            found[name] = {"gain": more.gain, "noise": more.noise, "paid": more.pays}
    return found
