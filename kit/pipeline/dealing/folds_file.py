"""Folds file: the folds of another run, or of a table of ids and folds (`--folds-from`), checked against the training rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from kit.data.folds import ALWAYS_TRAIN, Folds
from kit.errors import BadData, Usage, listed
from kit.storage import files, frames
from kit.storage.tables import table_file


def path_of(source: str) -> Path:
    """The file that `--folds-from` means: itself, or the `folds.csv` of a run. Raises Usage where there is none."""
    path = Path(source)
    path = path / "folds.csv" if path.is_dir() else path
    if not path.is_file():
        raise Usage(f"--folds-from {source}: there is no {'folds.csv in it' if Path(source).is_dir() else 'such file'}.")
    return path


def read(source: str, repeat: int = 0) -> pd.Series:
    """The fold of each row, int64 by id (text), in a repeat: in the column `fold`, `repeat1`, `repeat2`, … as in `folds.csv`.
    -1: the row is trained on by every fold (by time: by all) and never validated.

    Folds that count from 1 are counted from 0. Raises BadData for ids that are blank or doubled, for a fold that is no whole
    number, and for one fold only.
    """
    path = path_of(source)
    return _fold(_table(path), path, repeat)


def _table(path: Path) -> pd.DataFrame:
    return table_file.read(files.read(path.parent, path.name), str(path)).frame


def _fold(table: pd.DataFrame, path: Path, repeat: int) -> pd.Series:
    """The column of a repeat as `read` gives it."""
    column = frames.fold_column(repeat)
    frames.need_columns(table, [column], str(path))
    dealt = {frames.fold_column(number) for number in range(len(table.columns))}
    others = [str(name) for name in table.columns if name not in dealt]
    if not others:
        raise BadData(f"{path}: no column of ids beside {column!r}.")
    ids = "id" if "id" in others else others[0]
    table = frames.index_by(table.astype(str), ids, str(path))
    number = pd.to_numeric(table[column], errors="coerce")
    wrong = ~((number >= ALWAYS_TRAIN) & (number == number.round()) & (number < 1e6)).to_numpy()
    if wrong.any():
        line = int(wrong.argmax())
        raise BadData(f"{path}, line {line + 2}: the {column} {table[column].iloc[line]!r} is no whole number from 0 (or -1).")
    fold = number.astype(np.int64)
    if fold.nunique() < 2:
        raise BadData(f"{path}, column {column!r}: all rows are in one fold, so that there is nothing to train on.")
    known = sorted(fold.unique())
    return fold - 1 if known[0] == 1 and known == list(range(1, len(known) + 1)) else fold


def count(source: str, repeats: int = 1) -> int:
    """How many folds it holds: the last one's number, and one.

    Raises Usage where it does not deal the rows so many times, BadData where repeats have not as many folds, or do not validate
    the same rows.
    """
    path = path_of(source)
    table = _table(path)
    wanted = [frames.fold_column(repeat) for repeat in range(repeats)]
    lacking = [name for name in wanted if name not in table]
    if lacking and repeats > 1:
        raise Usage(
            f"--repeats {repeats}: {path} has no column {listed(lacking)}, which would deal the rows again. Name a file that"
            " has it, or use --seeds."
        )
    each = [_fold(table, path, repeat) for repeat in range(repeats)]
    counts = [int(fold.max()) + 1 for fold in each]
    if len({*counts}) > 1:
        raise BadData(f"{path}: the columns {listed(wanted)} have {listed(counts)} folds. The same number in each is expected.")
    if any(not fold.eq(ALWAYS_TRAIN).equals(each[0].eq(ALWAYS_TRAIN)) for fold in each[1:]):
        raise BadData(f"{path}: the columns {listed(wanted)} have -1 in other rows. The same rows in each are expected.")
    return counts[0]


def dealt(
    source: str, ids: pd.Index, others: pd.Index | None, when: np.ndarray | None, *, by_time: bool, repeat: int = 0
) -> Folds:
    """The folds of the training rows `ids`, as the file has them for a repeat.

    `others`: ids that are left out of training, which the file may name too; None: it may name any, as these are the first
    training rows only (`--limit`). `when`: the times of the rows, where folds are by time: they are where the file's blocks
    follow each other in time, and with `by_time` they must. Raises BadData for ids that are missing or unknown.
    """
    path, fold = path_of(source), read(source, repeat)
    missing = ids[~ids.isin(fold.index)]
    if len(missing):
        raise BadData(f"{path}: {len(missing):,} training rows have no fold in it (ids {listed(missing, 3)}).")
    unknown = fold.index[:0] if others is None else fold.index[~fold.index.isin(ids.append(others))]
    if len(unknown):
        raise BadData(f"{path}: {len(unknown):,} ids are of no training row ({listed(unknown, 3)}).")
    own = fold.reindex(ids).to_numpy()
    if len(np.unique(own)) < 2:
        raise BadData(f"{path}: all of these training rows are in one fold, so that there is nothing to train on.")
    ordered = when is not None and in_order(when, own)
    if by_time and not ordered:
        raise BadData(f"{path}: its folds do not follow each other in time. Use --split plain.")
    return Folds(own, by_time=ordered)


def in_order(when: np.ndarray, fold: np.ndarray) -> bool:
    """Do the folds follow each other in time, after rows that are only trained on?"""
    times = pd.Series(when).groupby(fold).agg(["min", "max"])
    return ALWAYS_TRAIN in times.index and bool((times["max"].to_numpy()[:-1] < times["min"].to_numpy()[1:]).all())
