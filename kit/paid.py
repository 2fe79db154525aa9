"""Paid: were the views and the averaged weights worth it? Told from validation rows, by the gate that blends pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit import frames, weights
from kit.labels import Labels
from kit.metrics import Metric

if TYPE_CHECKING:
    import pandas as pd

FILES = {"views": "oof-one-view.csv", "averages": "oof-raw-weights.csv"}  # in a fold's folder: its rows without either


def without(module: Any, predict: Callable[[], np.ndarray]) -> dict[str, np.ndarray]:
    """What `predict` gives where the module uses its first view alone, or the last weights, by the name of the file.

    Only of what the module has: views, an average. It is left as it was.
    """
    found = {}
    if len(getattr(module, "views", ())) > 1:
        with _set(module, "views", module.views[:1]):
            found[FILES["views"]] = predict()
    if getattr(module, "averaged", None) is not None:
        with _set(module, "averaged", None):
            found[FILES["averages"]] = predict()
    return found


def passes(module: Any) -> float:
    """How much longer than the predictions themselves those of `without` take."""
    views = len(getattr(module, "views", ()))
    return (1 / views if views > 1 else 0.0) + (getattr(module, "averaged", None) is not None)


@contextmanager
def _set(module: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def verdicts(
    folders: Sequence[Path], oof: pd.DataFrame, y: np.ndarray, labels: Labels, metric: Metric
) -> dict[str, dict[str, Any]]:
    """What `scores.json` says of each that every fold has kept: its gain (better: above 0), its noise, and did it pay?

    `oof`, `y`: out-of-fold predictions and encoded answers of the same rows. A gain counts above twice its noise.
    """
    import pandas as pd

    truth, sign = labels.truth(y), 1 if metric.higher_is_better else -1

    def score(rows: np.ndarray, answers: np.ndarray) -> float:
        return sign * metric(truth[rows], answers)

    found = {}
    for name, file in FILES.items():
        if all((folder / file).exists() for folder in folders):  # an older run kept none
            plain = pd.concat([frames.read_predictions(folder / file) for folder in folders]).loc[oof.index]
            given, other = (labels.harden(one.to_numpy(np.float32)) for one in (oof, plain))
            more = weights.gained(given, other, score)
            found[name] = {"gain": more.gain, "noise": more.noise, "paid": more.pays}
    return found
