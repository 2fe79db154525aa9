"""Kept back: a competition whose test is some of its training rows (`--kept-back`), so that their answers are known.

pandas is imported inside functions: see `kit.competition.tables`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kit.competition import extra as extra_rows, sources
from kit.competition.facts import Competition
from kit.competition.sample import Sample
from kit.competition.tables import Asked
from kit.errors import BadData, Usage, listed
from kit.storage import files, frames

if TYPE_CHECKING:
    import pandas as pd

TRAIN, PUBLIC, PRIVATE = PARTS = ("train", "public", "private")


def read(source: str | Path) -> pd.Series:
    """The part of each training row, by id. Raises Usage where there is no such file, BadData where it is not right."""
    path = Path(source)
    if not path.is_file():
        raise Usage(f"--kept-back {source}: there is no such file. `kit shadow` writes one.")
    table = frames.read_csv(files.read(path.parent, path.name), str(path))
    frames.need_columns(table, ["id", "part"], str(path))
    part = frames.index_by(table, "id", str(path))["part"]
    wrong = np.flatnonzero(~part.isin(PARTS))
    if len(wrong):
        raise BadData(f"{path}, line {wrong[0] + 2}: the part {part.iloc[wrong[0]]!r} is none of {', '.join(PARTS)}.")
    for name, rows in ((TRAIN, part == TRAIN), ("public or private", part != TRAIN)):
        if not rows.any():
            raise BadData(f"{path}: no row of the part {name}.")
    return part


def answered(facts: Competition, source: str) -> Competition:
    """The competition whose training rows are those of the part `train`, and whose test are those of the other parts.

    These have the columns that the test has, and no answers. Rows that the file does not name are left out.
    """
    return replace(
        facts,
        inputs=facts.inputs.changed(test_split="train"),
        read_train=partial(_train, facts, source),
        read_test=partial(_test, facts, source),
    )


def _train(facts: Competition, source: str, asked: Competition, root: Path) -> tuple[pd.DataFrame, list[str]]:
    if asked.train != facts.train:  # the extra rows, of which none is kept back
        extra = replace(facts, train=asked.train, extra="")
        if facts.read_train:
            return facts.read_train(extra, root)
        return sources.read(extra, root, extra.train, answered=True, prefix=extra_rows.PREFIX)
    train, part, notes = _parts(facts, source, root)
    few = len(train) - len(part)
    more = [f"{few:,} training rows are not in {source}: left out"] if few else []
    return train.loc[train.index.isin(part.index[part == TRAIN])], [*notes, *more]


def _test(facts: Competition, source: str, asked: Competition, root: Path) -> Asked:
    import pandas as pd

    train, part, _ = _parts(facts, source, root)
    whole = facts.test_tables(root)
    used = facts.inputs.used_columns() or ()
    columns = [name for name in train if name in used or (name in whole.test and name not in facts.labels.train_columns)]
    test = train.loc[train.index.isin(part.index[part != TRAIN]), columns]
    cells = whole.sample.frame.to_numpy(dtype=object)
    rows = np.arange(len(test)) % max(len(cells), 1)
    index = pd.Index(test.index, name=whole.sample.index.name, dtype=object)
    return Asked(test, Sample.of(pd.DataFrame(cells[rows], index=index, columns=whole.sample.columns)))


def _parts(facts: Competition, source: str, root: Path) -> tuple[pd.DataFrame, pd.Series, list[str]]:
    """The whole training table, the part of each row that has one, and notes. Raises BadData for ids of no training row."""
    part = read(source)
    train, notes = facts.read_train(facts, root) if facts.read_train else sources.read(facts, root, facts.train, answered=True)
    unknown = part.index[~part.index.isin(train.index)]
    if len(unknown):
        raise BadData(f"{source}: {len(unknown):,} ids are of no training row of {root} ({listed(unknown, 3)}).")
    return train, part, notes
