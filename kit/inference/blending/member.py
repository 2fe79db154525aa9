"""Member: the predictions of a run, or those of another program, as they are combined with others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from kit import competition as competitions
from kit.errors import BadData, listed, quoted
from kit.inference import blend_weights
from kit.inference.loaded_run import LoadedRun
from kit.labels import Labels
from kit.labels.parsing import LARGEST
from kit.storage import frames
from kit.storage.run_folder import Run
from kit.storage.runs.blend_members import PREDICTIONS, checksum

SLACK = 1e-3  # by which a probability from elsewhere may miss 0 and 1


@dataclass(frozen=True)
class Member:
    """One that is blended: predictions by id of the training rows and of the test, and what they are known by."""

    name: str
    oof: pd.DataFrame
    test: pd.DataFrame
    sums: tuple[str, str]


def of_run(run: Run, like: Run) -> Member:
    """A run as a member, its rows in the order of another's."""
    oof, test = run.oof.loc[like.oof.index], run.test.loc[like.test.index]
    first, second = (checksum(run.path / name) for name in PREDICTIONS)
    return Member(str(run.path), oof, test, (first, second))


def of_files(oof: Path, test: Path, whole: LoadedRun, like: Run, stacked: bool = False) -> Member:
    """Predictions from elsewhere: an id and a column per answer, for the rows of a run. Raises BadData naming what differs.

    A stack takes probabilities only, where weights may take any scale for a metric that heeds the order alone.
    """
    read = [outside_frame(path, wanted, whole.labels) for path, wanted in ((oof, like.oof), (test, like.test))]
    if (stacked or by(whole.facts) == "mean") and whole.labels.bounded:
        for path, values in zip((oof, test), read, strict=True):
            refuse_other_scale(path, values)
    return Member(str(oof), read[0], read[1], (checksum(oof), checksum(test)))


def outside_frame(path: Path, like: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """A CSV of predictions with the ids and columns of `like`; numbers that are learned as logarithms may be plain ones."""
    if not path.is_file():
        raise BadData(f"{path}: no such file.")
    table = frames.read_csv(path.read_bytes(), str(path))
    table = frames.index_by(table, str(table.columns[0]), str(path))
    plain = dict(zip(labels.train_columns, labels.columns, strict=False)) if labels.log else {}
    if len(table.columns) == 1 == len(like.columns) and table.columns[0] not in plain:
        table.columns = like.columns
    odd = sorted(set(table.index) ^ set(like.index))
    if odd:
        raise BadData(f"{path}: {len(odd)} ids differ from those of the run, such as {listed(odd, 3)}.")
    values = table.apply(pd.to_numeric, errors="coerce").astype(np.float64)
    wrong = ~(np.abs(values.to_numpy()) <= LARGEST)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        cell = quoted(table.iat[row, column])
        raise BadData(f"{path}, id {table.index[row]!r}: {cell} is not a finite number up to {LARGEST:g}.")
    for name in [name for name in values.columns if name in plain]:
        values[plain[name]] = np.log1p(values.pop(name))
    frames.need_columns(values, [str(name) for name in like.columns], str(path))
    return values.loc[like.index, list(like.columns)].astype(np.float32)


def refuse_other_scale(path: Path, values: pd.DataFrame) -> None:
    """Raise BadData for what is no probability: beside probabilities, logits would have a weight of their own."""
    wrong = (values.to_numpy() < -SLACK) | (values.to_numpy() > 1 + SLACK)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        where = f"{path}, id {values.index[row]!r}, column {values.columns[column]!r}"
        raise BadData(f"{where}: {values.iat[row, column]:g} is no probability (from 0 to 1; {wrong.sum():,} such cells).")


def by(facts: competitions.Competition) -> str:
    """How predictions are averaged: by rank where the metric heeds the order alone, else as they are."""
    return "rank" if facts.metric.name == "auc" else "mean"


def scaled(member: Member | Run, values: pd.DataFrame, kind: str) -> np.ndarray:
    """A member's predictions [n, c] as they are averaged: as they are, or by rank among its out-of-fold ones."""
    plain = values.to_numpy(np.float64)
    return blend_weights.ranked(member.oof.to_numpy(np.float64), plain) if kind == "rank" else plain
