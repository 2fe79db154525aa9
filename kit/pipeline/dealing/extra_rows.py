"""Extra rows: which rows of `Competition(extra=…)` train which fold, so that none gives an answer away.

An extra row that repeats a training row trains only where that one trains; one of a group only where the group does not
validate; by time only where it is older than the validation rows, by more than `--gap`. One that repeats a test row is left
out: its answer would be looked up there, and no fold could tell how well others are answered.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from kit.storage.runs.parts import RunPart

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
    """The folds of every repeat with their extra rows, and what there is to say of these. Raises BadData where none is left."""
    assert tables.extra is not None
    ids, count = tables.extra.index, len(tables.train)
    notes = [f"{len(ids):,} extra rows ({competitions.first_of(facts.extra)}) train, and never validate", *same.notes(ids)]
    first = None
    links = [(same.train, same.extra)]
    if known.by_time:
        first = older(known, facts, tables, config)
        if late := (first > max(known.numbers)).sum():
            notes.append(f"{late:,} extra rows are older than no validation row: no fold trains on them")
    elif facts.group:
        group = folds.codes(tables.rows[facts.group])
        links.append((group[:count], group[count:]))
    if same.leaks.all():
        raise BadData(f"{competitions.first_of(facts.extra)}: all extra rows repeat test rows, so that none may train.")
    return with_extra(known, [trained_by(one, links, first) & ~same.leaks for one in known.repeats]), notes


def trained_by(known: Folds, links: Sequence[tuple[np.ndarray, np.ndarray]], first: np.ndarray | None) -> np.ndarray:
    """Which fold trains on which extra row, bool [folds + 1, m]; the last row says which are trained on at all.

    `links`: numbers of the training rows [n] and of the extra ones [m], which are equal where the second trains only where the
    first does; `first`: the first fold that may train on each extra row [m], where folds are by time.
    """
    numbers = range(max(known.numbers) + 1)
    trains = np.ones((len(numbers) + 1, len(links[0][1])), bool)
    if first is not None:
        trains[:-1] = first[None, :] <= np.array(numbers)[:, None]
    for number in numbers:
        rest = ~known.trains(number)
        for own, other in links:
            trains[number] &= ~np.isin(other, own[rest])
    return trains


def with_extra(known: Folds, each: Sequence[np.ndarray]) -> Folds:
    """The folds with what they train on of extra rows, repeat by repeat."""
    own, *further = (replace(one, extra=extra) for one, extra in zip(known.repeats, each, strict=True))
    return replace(own, further=tuple(further))


def older(known: Folds, facts: competitions.Competition, tables: competitions.Tables, config: Config) -> np.ndarray:
    """By time, the first fold that each extra row trains [m]."""
    assert facts.time is not None
    when, count = time_column.times(tables.rows, facts.time), len(tables.train)
    own = known.fold != folds.ALWAYS_TRAIN
    return gaps.since(when[count:], when[:count][own], known.fold[own], gaps.ticks(config.gap, when, facts.time))


def keep(run: Run, ids: pd.Index, known: Folds) -> None:
    """Write which folds train on which extra row (0 or 1), and in the last column whether it is trained on at all."""
    named = {
        str(RunPart(number, repeat)): one.extra[number]
        for repeat, one in enumerate(known.repeats)
        for number in range(len(one.extra) - 1)
    } | {str(RunPart(None)): known.extra[-1]}
    frames.write_csv(run.path / FILE, pd.DataFrame(named, index=pd.Index(ids, name="id")).astype(int))


def kept(run: Run, ids: pd.Index, known: Folds) -> Folds:
    """These folds with what `keep` wrote of them."""
    frame = frames.read_by(run.path, FILE).loc[ids].astype(int).astype(bool)
    each: list[list[str]] = [[] for _ in known.repeats]
    for name in frame:
        part = RunPart.of(str(name))
        if part.fold is not None:
            each[part.repeat].append(str(name))
    return with_extra(known, [frame[[*names, str(RunPart(None))]].to_numpy().T for names in each])


def checksum(run: Run) -> str:
    """Of what `keep` wrote; empty where it did not."""
    path = run.path / FILE
    return files.checksum(path) if path.exists() else ""
