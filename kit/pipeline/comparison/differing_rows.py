"""Differing rows: on which rows one run is right and another wrong, by class or by a column of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from kit.errors import Usage, did_you_mean
from kit.inputs.cells import Cells
from kit.pipeline.comparison.judged import Judged

ROWS = 6  # shown of each run
GROUPS = 12
PARTS = 4  # of a column of numbers


@dataclass(frozen=True)
class Row:
    """A row's id, its true answer, and what two runs say; `gain`: how much smaller the first one's error is."""

    id: str
    truth: str
    better: str
    other: str
    gain: float


@dataclass(frozen=True)
class Group:
    """Rows that have something in common: how many, both runs' scores of them (share of right answers, of a class), and how
    many one run alone has right."""

    name: str
    rows: int
    better: float
    other: float
    better_alone: int | None
    other_alone: int | None


def right(one: Judged) -> np.ndarray | None:
    """Which rows [n] are answered right, where a row has one class."""
    answers = one.labels.class_answers(one.y, one.decided)
    return None if answers is None else answers.truth == answers.predicted


def largest(better: Judged, other: Judged) -> list[Row]:
    """The rows whose errors differ most, in which the one, then in which the other is nearer to the truth."""
    labels = better.labels
    gain = labels.errors(other.y, other.decided) - labels.errors(better.y, better.decided)
    order = np.argsort(-gain, kind="stable")
    rows = np.concatenate([order[:ROWS], order[::-1][:ROWS]])
    rows = rows[np.concatenate([gain[order[:ROWS]] > 0, gain[order[::-1][:ROWS]] < 0])]
    spelled = [labels.spell(values[rows]) for values in (labels.certain(better.y), better.decided, other.decided)]
    if labels.exclusive:
        spelled[1:] = [
            [f"{answer} ({values[i].max():.1%})" for answer, i in zip(answers, rows, strict=True)]
            for answers, values in zip(spelled[1:], (better.decided, other.decided), strict=True)
        ]
    return [
        Row(str(better.ids[i]), true, mine, theirs, float(gain[i]))
        for i, true, mine, theirs in zip(rows, *spelled, strict=True)
    ]


def by_class(better: Judged, other: Judged) -> list[Group]:
    """A group for each true class, those in which the runs differ most first; none where a row has not one class."""
    answers = better.labels.class_answers(better.y, better.decided)
    both = right(better), right(other)
    if answers is None or both[0] is None or both[1] is None:
        return []
    found = []
    for j, name in enumerate(answers.names):
        rows = answers.truth == j
        if rows.any():
            shares = [float(one[rows].mean()) for one in both if one is not None]
            found.append(_group(str(name), rows, shares, both))
    return sorted(found, key=lambda one: -abs(one.better - one.other))[:GROUPS]


def by_column(better: Judged, other: Judged, table: pd.DataFrame, column: str) -> list[Group]:
    """A group for each cell of a column, the largest first; numbers of many values in quarters.

    Raises Usage where the table does not have the column.
    """
    if column not in table.columns:
        raise Usage(f"--by {column}: no such column in the training table.{did_you_mean(column, map(str, table.columns))}")
    names = _named(Cells(table.loc[better.ids, [column]]), column)
    both = right(better), right(other)
    found = []
    for name in pd.unique(names):
        rows = names == name
        found.append(_group(str(name), rows, [one.score(rows) for one in (better, other)], both))
    return sorted(found, key=lambda one: -one.rows)[:GROUPS]


def _group(name: str, rows: np.ndarray, scores: Sequence[float], both: tuple[np.ndarray | None, ...]) -> Group:
    (mine, theirs), (score, other) = both, scores
    alone: tuple[int | None, int | None] = (None, None)
    if mine is not None and theirs is not None:
        alone = int((mine & ~theirs)[rows].sum()), int((theirs & ~mine)[rows].sum())
    return Group(name, int(rows.sum()), score, other, *alone)


def _named(cells: Cells, column: str) -> np.ndarray:
    """Each row's group: its cell, or the quarter that its number is in."""
    codes, texts = cells.codes(column)
    if len(texts) <= GROUPS or cells.stray(column).any():
        return np.array([str(text) or "(empty)" for text in texts], dtype=object)[codes]
    values = cells.numbers(column)
    edges = np.unique(np.nanquantile(values, np.linspace(0, 1, PARTS + 1)))
    edges = np.repeat(edges, 2) if len(edges) == 1 else edges
    place = np.searchsorted(edges[1:-1], values, side="right")
    titles = [f"{low:g} to {high:g}" for low, high in pairwise(edges)]
    return np.where(np.isnan(values), "(empty)", np.array(titles, dtype=object)[place])
