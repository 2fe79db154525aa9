"""Extra rows: which rows of `Competition(extra=…)` train which fold, so that none gives an answer away.

An extra row that repeats a training row trains only where that one trains; one of a group only where the group does not
validate; by time only where it is older than the validation rows, by more than `--gap`. One that repeats a test row is left
out: its answer would be looked up there, and no fold could tell how well others are answered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from kit import competition as competitions
from kit.config import Config
from kit.data import folds
from kit.data.dealing import gaps, time_column
from kit.data.folds import Folds
from kit.errors import BadData, listed
from kit.inputs import remarks
from kit.inputs.base import Loaded
from kit.inputs.texts import Texts
from kit.storage import files, frames
from kit.storage.run_folder import Run

FILE = "extra.csv"


@dataclass(frozen=True)
class Twins:
    """A number per training [n], extra [m] and test row; rows that repeat each other share one."""

    train: np.ndarray
    extra: np.ndarray
    test: np.ndarray

    @property
    def repeats(self) -> np.ndarray:
        """Which extra rows repeat a training row."""
        return np.isin(self.extra, self.train)

    @property
    def leaks(self) -> np.ndarray:
        """Which extra rows repeat a test row."""
        return np.isin(self.extra, self.test)

    def notes(self, ids: pd.Index) -> list[str]:
        """Lines on both kinds; `ids` of the extra rows."""
        said = []
        if self.leaks.any():
            some = listed(ids[self.leaks], 3)
            said.append(f"{self.leaks.sum():,} extra rows repeat test rows, whose answers they give: left out (ids {some})")
        again = self.repeats & ~self.leaks
        if again.any():
            said.append(f"{again.sum():,} extra rows repeat training rows: each trains only where its twin trains")
        return said


def own_part(look: Any, count: int) -> Any:
    """The first `count` rows of `Loaded.look`: those of the training table."""
    return look if len(look) == count else Texts(look[:count]) if isinstance(look, Texts) else look[:count]


def twins(facts: competitions.Competition, train: Loaded, test: Loaded, count: int) -> Twins:
    """Which rows repeat each other; the first `count` of `train` are the training table's, the others are extra."""
    both = remarks.joined(train, test)
    same = facts.inputs.twins(train.look if both is None else both)
    return Twins(same[:count], same[count : len(train.look)], same[len(train.look) :])


def dealt(
    known: Folds, facts: competitions.Competition, tables: competitions.Tables, config: Config, same: Twins
) -> tuple[Folds, list[str]]:
    """The folds with their extra rows, and what there is to say of these. Raises BadData where none is left."""
    assert tables.extra is not None
    ids, count = tables.extra.index, len(tables.train)
    numbers = range(max(known.numbers) + 1)
    trains = np.ones((len(numbers) + 1, len(ids)), bool)
    links = [(same.train, same.extra)]
    notes = [f"{len(ids):,} extra rows ({competitions.first_of(facts.extra)}) train, and never validate", *same.notes(ids)]
    if known.by_time:
        trains[:-1] = older(known, facts, tables, config)[None, :] <= np.array(numbers)[:, None]
        if late := (~trains[:-1].any(axis=0)).sum():
            notes.append(f"{late:,} extra rows are older than no validation row: no fold trains on them")
    elif facts.group:
        group = folds.codes(tables.rows[facts.group])
        links.append((group[:count], group[count:]))
    for number in numbers:
        rest = ~known.trains(number)
        for own, other in links:
            trains[number] &= ~np.isin(other, own[rest])
    trains &= ~same.leaks
    if not trains.any():
        raise BadData(f"{competitions.first_of(facts.extra)}: all extra rows repeat test rows, so that none may train.")
    return replace(known, extra=trains), notes


def older(known: Folds, facts: competitions.Competition, tables: competitions.Tables, config: Config) -> np.ndarray:
    """By time, the first fold that each extra row trains [m]."""
    assert facts.time is not None
    when, count = time_column.times(tables.rows, facts.time), len(tables.train)
    own = known.fold != folds.ALWAYS_TRAIN
    return gaps.since(when[count:], when[:count][own], known.fold[own], gaps.ticks(config.gap, when, facts.time))


def keep(run: Run, ids: pd.Index, known: Folds) -> None:
    """Write which folds train on which extra row (0 or 1), and in the last column whether it is trained on at all."""
    names = [*(f"fold{number}" for number in range(len(known.extra) - 1)), "refit"]
    frame = pd.DataFrame(known.extra.T.astype(int), index=pd.Index(ids, name="id"), columns=names)
    frames.write_csv(run.path / FILE, frame)


def kept(run: Run, ids: pd.Index) -> np.ndarray:
    """Undoes `keep`: bool [folds + 1, m]."""
    return frames.read_by(run.path, FILE).loc[ids].to_numpy().astype(int).T.astype(bool)


def checksum(run: Run) -> str:
    """Of what `keep` wrote; empty where it did not."""
    path = run.path / FILE
    return files.checksum(path) if path.exists() else ""
