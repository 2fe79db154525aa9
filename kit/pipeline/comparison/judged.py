"""Judged: a run's out-of-fold answers beside the truth, as its score has them: each fold's rows decided by the other folds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from kit.competition import Competition
from kit.errors import BadData, Usage, listed
from kit.inference.loaded_run import load_run
from kit.labels import Labels
from kit.reporting.report import findings
from kit.storage import frames
from kit.storage.run_folder import Run


@dataclass(frozen=True)
class Judged:
    """One run. `decided` [n, c]: its out-of-fold predictions as its score takes them; `y`: the answers as `encode` gives them;
    `fold` [n]. All in the order of `ids`; `labels` decide nothing more."""

    run: Run
    facts: Competition
    labels: Labels
    ids: pd.Index
    decided: np.ndarray
    y: np.ndarray
    fold: np.ndarray

    @property
    def name(self) -> str:
        return str(self.run.path)

    def of(self, ids: pd.Index) -> Judged:
        """The same of some rows, in their order."""
        rows = self.ids.get_indexer(ids)
        return replace(self, ids=ids, decided=self.decided[rows], y=self.y[rows], fold=self.fold[rows])

    def score(self, rows: np.ndarray | slice = slice(None)) -> float:
        """The competition's metric of all rows, or of some."""
        truth, answers = self.labels.truth(self.y[rows]), self.labels.harden(self.decided[rows])
        return self.facts.metric(truth, answers)


def read(run: Run) -> Judged:
    """A complete run. Raises Usage where it is not complete, BadData where it does not hold its answers."""
    whole = load_run(run.finished(), needed=False)
    oof, labels = run.oof, whole.labels.undecided
    y = findings.truth(run, labels, oof)
    if y is None:
        raise BadData(f"{run.path}: no truth.csv with the answers of its rows. Run it again with --fresh.")
    fold = frames.read_folds(run.path).reindex(oof.index, fill_value=-1).to_numpy()
    decided = findings.decided(run, oof, fold).astype(np.float32)
    return Judged(run, whole.facts, labels, oof.index, decided=decided, y=y, fold=fold)


def together(runs: list[Run]) -> tuple[list[Judged], list[str]]:
    """Runs of one competition, on the rows that all of them have, and notes on rows that are left out.

    Raises Usage for a single run, and for runs that cannot be compared; BadData where their answers differ.
    """
    if len({run.path.resolve() for run in runs}) < max(2, len(runs)):
        raise Usage("two runs at least are compared, each named once.")
    first, *others = [read(run) for run in runs]
    ids = first.ids
    for one in others:
        ours, theirs = first.run.record.name, one.run.record.name
        if ours != theirs:
            raise Usage(f"{first.name} and {one.name} cannot be compared (competition: {ours} → {theirs}).")
        if list(first.run.oof.columns) != list(one.run.oof.columns):
            columns = f"{listed(first.run.oof.columns)} → {listed(one.run.oof.columns)}"
            raise Usage(f"{first.name} and {one.name} cannot be compared (answers: {columns}).")
        ids = ids[ids.isin(one.ids)]
    if not len(ids):
        raise Usage(f"{first.name} and {listed(one.name for one in others)} have no training row in common.")
    same = [one.of(ids) for one in (first, *others)]
    for one in same[1:]:
        if not np.array_equal(one.y, same[0].y, equal_nan=one.y.dtype.kind == "f"):
            raise BadData(f"{first.name} and {one.name} have other answers for the same ids. Are they of the same data?")
    most = max(len(first.ids), *(len(one.ids) for one in others))
    return same, [f"compared on the {len(ids):,} rows that all runs have; the largest has {most:,}"] if most > len(ids) else []
