"""Rounds: each repeat of the folds, with each seed, predicts every row once, out of fold; their mean is the run's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from kit.labels import Labels
from kit.metrics import defined
from kit.storage import predictions
from kit.storage.run_folder import Run
from kit.storage.runs.parts import RunPart

Round = tuple[int, int]  # the repeat and the seed, each counted from 0


def out_of_fold(run: Run, ids: pd.Index) -> dict[Round, pd.DataFrame]:
    """The out-of-fold predictions of each round, in the order of these ids, of a run all of whose folds are trained."""
    rounds: dict[Round, list[RunPart]] = {}
    for part in run.record.parts:
        if part.fold is not None:
            rounds.setdefault((part.repeat, part.seed), []).append(part)
    return {which: _joined(run, parts, ids) for which, parts in rounds.items()}


def _joined(run: Run, parts: Sequence[RunPart], ids: pd.Index) -> pd.DataFrame:
    oof = pd.concat([predictions.load(run.fold(part), "oof") for part in parts])
    return oof.iloc[np.argsort(ids.get_indexer(oof.index), kind="stable")]


def mean(labels: Labels, rounds: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The mean prediction of several rounds."""
    return rounds[0] if len(rounds) == 1 else labels.average(list(rounds))


def spread(scores: Sequence[float]) -> dict[str, Any]:
    """The score of each round alone, and of those that are defined the mean, its standard error and the deviation of one."""
    some = [one for one in scores if defined(one) is not None]
    deviation = float(np.std(some, ddof=1)) if len(some) > 1 else None
    return {
        "oof": [defined(one) for one in scores],
        "mean": float(np.mean(some)) if some else None,
        "std": deviation,
        "error": None if deviation is None else deviation / len(some) ** 0.5,
    }
