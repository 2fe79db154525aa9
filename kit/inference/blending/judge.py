"""Judge: the answers and folds of the rows that are combined, and what predictions of them are worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from kit import competition as competitions
from kit.inference.decisions import learning
from kit.inference.loaded_run import LoadedRun
from kit.labels import Labels
from kit.metrics import defined, over_folds
from kit.storage import frames


@dataclass(frozen=True)
class Judge:
    """What members are judged by: the answers `y` of the rows [n] that all of them predict, and the folds of these."""

    facts: competitions.Competition
    tables: competitions.Tables
    labels: Labels
    y: np.ndarray
    fold: np.ndarray

    def __call__(self, rows: np.ndarray, predictions: np.ndarray) -> float:
        """The competition's metric on these rows' predictions."""
        truth = self.labels.truth(self.y[rows])
        return self.facts.metric(truth, self.labels.harden(predictions.astype(np.float32)))

    def learned(self, oof: pd.DataFrame) -> learning.Learned | None:
        """What these rows teach of how predictions become answers."""
        return learning.learn(self.labels, self.facts.metric, self.y, oof.to_numpy(np.float32), self.fold)

    def scores(self, values: np.ndarray, test: pd.DataFrame, labels: Labels) -> dict[str, Any]:
        """What `scores.json` holds, but for the seconds; of out-of-fold predictions [n, c], decided where a decision is kept,
        and of the test's, which `labels` decide."""
        each = [np.flatnonzero(self.fold == k) for k in np.unique(self.fold)]
        folds = over_folds([self(rows, values[rows]) for rows in each])
        held_out = self.tables.held_out(labels, self.facts.metric, test)
        extra = {} if held_out is None else {"held_out": defined(held_out)}
        return {
            "metric": self.facts.metric.name,
            "higher_is_better": self.facts.metric.higher_is_better,
            "oof": defined(self(np.arange(len(values)), values)),
            **folds,
            "extra": extra,
            "rows": {"train": len(values), "test": len(test), "broken_test": 0},
        }


def the_judge(whole: LoadedRun, ids: pd.Index) -> Judge:
    """The answers and folds of these rows."""
    tables, labels = whole.facts.tables(whole.root), whole.labels.undecided
    fold = frames.read_folds(whole.run.path).loc[ids].to_numpy()
    return Judge(whole.facts, tables, labels, labels.encode(tables.train.loc[ids]), fold)
