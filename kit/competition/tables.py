"""Tables: a competition's files as frames indexed by id, made ready for training.

pandas is imported inside functions: `kit list` loads every competition, and none needs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kit.errors import BadData, listed
from kit.labels import Labels, missing
from kit.metrics import Metric
from kit.storage import frames

if TYPE_CHECKING:
    import pandas as pd

    from kit.competition.facts import Competition

SHOWN = 10  # broken files named


@dataclass(frozen=True)
class Tables:
    """A competition's files as read: frames indexed by id (text), the sample in its own order."""

    root: Path
    train: pd.DataFrame
    test: pd.DataFrame
    sample: pd.DataFrame
    labels: Labels
    notes: tuple[str, ...] = ()
    solution: pd.DataFrame | None = None

    def encoded(self) -> np.ndarray:
        """The training rows' answers as numbers: int64 [n] or float32 [n, c], in memory that may be written.

        Raises BadData for labels of an adapter that encode to anything else, and those of `Labels.encode`.
        """
        y = np.array(self.labels.encode(self.train))
        good = (y.dtype == np.int64 and y.ndim == 1) or (y.dtype == np.float32 and y.ndim == 2)
        if not good or len(y) != len(self.train):
            raise BadData(
                f"labels: `encode` gave {y.dtype} {list(y.shape)} for {len(self.train)} rows; int64 [rows] or float32"
                " [rows, columns] is expected."
            )
        return y

    def held_out(self, labels: Labels, metric: Metric, predictions: pd.DataFrame) -> float | None:
        """The score of predictions by id on the test answers, where they are known (a `solution.csv`, say), else None."""
        if self.solution is None:
            return None
        known = labels.encode(labels.as_trained(self.solution))
        answers = predictions.loc[self.solution.index].to_numpy(np.float32)
        return metric(labels.truth(known), labels.harden(answers))


@dataclass(frozen=True)
class Asked:
    """What is to be answered: the test rows, the sample submission (both indexed by id), the answers where known."""

    test: pd.DataFrame
    sample: pd.DataFrame
    solution: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()


def prepare(facts: Competition, root: Path, train: pd.DataFrame, asked: Asked, notes: list[str]) -> Tables:
    """Tables from frames indexed by id: binds the labels and leaves out training rows that have none (noted).

    Raises BadData for a sample whose columns these labels do not fill.
    """
    needed = [*facts.labels.train_columns, *filter(None, (facts.group, facts.time))]
    frames.need_columns(train, needed, facts.train)
    blank = facts.labels.blank(train)
    lacking = list(missing.notes(facts.labels, train, blank, facts.train))
    train, agreement = facts.inputs.agree(train, asked.test, facts.labels.train_columns)
    notes = [*notes, *asked.notes, *agreement, *lacking]
    if blank.any():
        train = train[~blank]
    if not len(train):
        raise BadData(f"{facts.train}: no training rows with an answer.")
    labels = facts.labels.bind(train)
    labels.decode(np.zeros((0, len(labels.columns)), np.float32), list(asked.sample.columns))  # before hours of training
    notes += labels.unequal(list(asked.sample.columns))
    return Tables(
        root=root,
        train=train,
        test=asked.test,
        sample=asked.sample,
        labels=labels,
        notes=tuple(notes),
        solution=asked.solution,
    )


def numbered(table: pd.DataFrame, id_column: str, name: str) -> pd.DataFrame:
    """A table indexed by its id column, or by 1, 2, 3, … where it has none. Raises BadData where it has no rows."""
    import pandas as pd

    if not len(table):
        raise BadData(f"{name}: a header and no rows. Download it again.")
    if id_column in table.columns:
        return frames.index_by(table, id_column, name)
    return table.set_index(pd.Index([str(i) for i in range(1, len(table) + 1)], dtype=object, name=id_column))


def matched(sample: pd.DataFrame, test: pd.DataFrame, facts: Competition) -> pd.DataFrame:
    """The sample, which must ask for the test's ids and no others. Raises BadData naming some that differ."""
    missing = sample.index[~sample.index.isin(test.index)]
    if len(missing):
        raise BadData(f"{facts.sample} asks for ids that {facts.test} does not have: {listed(missing)}.")
    extra = test.index[~test.index.isin(sample.index)]
    if len(extra):
        raise BadData(f"{facts.test} has ids that {facts.sample} does not ask for: {listed(extra)}.")
    return sample


def first(tables: Tables, count: int) -> Tables:
    """The tables with the first `count` training rows only."""
    return replace(tables, train=tables.train.iloc[:count])


def sound(tables: Tables, train_broken: Mapping[str, str], test_broken: Mapping[str, str]) -> tuple[Tables, list[str]]:
    """The tables without the training rows whose files are broken, and lines that name these and the test's."""
    notes = [f"left out of training: {fault}" for fault in list(train_broken.values())[:SHOWN]]
    if len(train_broken) > SHOWN:
        notes.append(f"left out of training: {len(train_broken) - SHOWN} more, {len(train_broken)} in all")
    notes += [f"answered by the training rows' prior: {fault}" for fault in list(test_broken.values())[:SHOWN]]
    if len(test_broken) > SHOWN:
        notes.append(f"answered by the training rows' prior: {len(test_broken) - SHOWN} more, {len(test_broken)} in all")
    kept = ~tables.train.index.isin(list(train_broken))
    return (tables if kept.all() else replace(tables, train=tables.train[kept])), notes
