"""Frames: tables indexed by id (as text). Read strictly, written atomically, averaged by id.

`kit list` loads this file, so pandas is imported only where a table is read: it would take longer than all the rest.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.errors import BadData, did_you_mean, listed
from kit.storage import files

if TYPE_CHECKING:
    import pandas as pd

UTF_16 = (b"\xff\xfe", b"\xfe\xff")
ROWS_AT_ONCE = 50_000  # whose codes are made together: their numbers as float64 take 8 bytes a cell
csv.field_size_limit(1 << 30)  # the default of 128 KB refuses a long text


def text_of(data: bytes, name: str) -> str:
    """UTF-8 (with or without BOM) or UTF-16 bytes as text; raises BadData that names the line otherwise."""
    encoding = "utf-16" if data[:2] in UTF_16 else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as fault:
        line = data[: fault.start].count(b"\n") + 1
        raise BadData(f"{name}, line {line}: not {encoding} text ({fault.reason}). Save the file as UTF-8.") from None
    if "\0" in text:
        raise BadData(f"{name}, line {text[: text.index(chr(0))].count(chr(10)) + 1}: a NUL character. Is it a CSV?")
    return text


def of_text(cells: Any, columns: Any = None, index: Any = None) -> pd.DataFrame:
    """A frame of text cells (rows, columns by name, or one cell for all), which pandas is to take for nothing else."""
    import pandas as pd

    return pd.DataFrame(cells, index=index, columns=columns, dtype=object)


def text_index(values: Iterable[Any], name: str | None = None) -> pd.Index:
    """An index of texts, such as ids, which pandas is to take for nothing else."""
    import pandas as pd

    return pd.Index(values, name=name, dtype=object)


def read_csv(data: bytes, name: str, delimiter: str = ",") -> pd.DataFrame:
    """Every cell as the text that stands in the file (`0001` and `NA` stay what they are); columns as in the header.

    Raises BadData naming the line for a ragged row, an unclosed quote, a doubled or missing column name.
    """
    try:
        header, rows = _rows(data, name, delimiter)
    except (BadData, UnicodeDecodeError):
        text_of(data, name)  # that it is no text is said first
        raise
    return of_text(rows, columns=text_index(header))


def _rows(data: bytes, name: str, delimiter: str) -> tuple[list[str], list[list[str]]]:
    """The header and the rows, decoded piece by piece: as one text a file takes up to four bytes a letter."""
    text: io.TextIOBase = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="")
    if data[:2] in UTF_16 or b"\0" in data:
        text = io.StringIO(text_of(data, name), newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    try:
        header = next(reader, [])
        check_header(header, name)
        for row in reader:
            if len(row) != len(header):
                if not row:
                    continue
                raise ragged(name, reader.line_num, len(row), len(header))
            rows.append(row)
    except csv.Error as fault:
        raise BadData(f"{name}, line {reader.line_num}: {fault}. Is a quote left open?") from None
    return header, rows


def check_header(header: list[str], name: str) -> None:
    """Raise BadData where the first line has no names, one name twice, or names that no comma divides."""
    if not any(header):
        raise BadData(f"{name}, line 1: no column names.")
    other = next((mark for mark in ";\t|" if len(header) == 1 and mark in header[0]), "")
    if other:
        raise BadData(f"{name}, line 1: the columns are divided by {other!r}. Save the file with commas.")
    doubled = sorted({column for column in header if header.count(column) > 1}) if len(set(header)) < len(header) else []
    if doubled:
        raise BadData(f"{name}, line 1: the column {doubled[0]!r} stands there twice. Rename one of them.")


def ragged(name: str, line: int, found: int, wanted: int) -> BadData:
    """The error for a row with more or fewer fields than the header."""
    return BadData(f"{name}, line {line}: {found} fields where the header has {wanted}.")


def need_columns(frame: pd.DataFrame, columns: list[str], name: str) -> None:
    """Raise BadData where a column is missing, with the columns that are there."""
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        near = did_you_mean(missing[0], map(str, frame.columns))
        raise BadData(f"{name}: no column {listed(missing)}; it has {listed(frame.columns, 8)}.{near}")


def index_by(frame: pd.DataFrame, column: str, name: str) -> pd.DataFrame:
    """The frame indexed by its id column. Raises BadData for an id that is blank or there twice, with its line."""
    need_columns(frame, [column], name)
    check_ids(list(frame[column]), f"{name}, column {column!r}")
    return frame.set_index(column)


def read_by(folder: Path, name: str, column: str = "id") -> pd.DataFrame:
    """A CSV file indexed by its id column, every cell as text. Raises what `files.read`, `read_csv` and `index_by` do."""
    return index_by(read_csv(files.read(folder, name), str(folder / name)), column, str(folder / name))


def read_folds(folder: Path, repeat: int = 0) -> pd.Series:
    """The fold of every training row of a run, by id, from its folder; in a further repeat, where there are several.

    Raises BadData where there is no such repeat, and for a file that says something else.
    """
    path, column = folder / "folds.csv", fold_column(repeat)
    table = read_by(folder, path.name)
    need_columns(table, [column], str(path))
    try:
        return table[column].astype(int)
    except ValueError as fault:
        raise BadData(f"{path}: not the folds that were written ({fault}). Start again with --fresh.") from fault


def fold_column(repeat: int) -> str:
    """The column of folds.csv that holds the folds of a repeat, counted from 0."""
    return f"repeat{repeat}" if repeat else "fold"


def check_ids(ids: list[str], where: str) -> None:
    """Raise BadData for a blank or doubled id, naming the first (line 2 holds the first row)."""
    if len(set(ids)) == len(ids) and all(map(str.strip, ids)):  # a fifth of the time of the loop
        return
    seen: dict[str, int] = {}
    for line, one in enumerate(ids, start=2):
        if not one.strip():
            raise BadData(f"{where}, line {line}: the id is blank.")
        if one in seen:
            raise BadData(f"{where}, line {line}: the id {one!r} stands in line {seen[one]} already.")
        seen[one] = line


def by_cell(column: pd.Series, function: Callable[[str], Any]) -> np.ndarray:
    """`function` of each text cell of a column, [n], asked once for each different one: a million rows have few."""
    codes, different = column.astype(object).factorize(use_na_sentinel=False)
    made = np.empty(len(different), object)
    made[:] = [function(cell) for cell in different]
    return made[codes]


def row_codes(frame: pd.DataFrame, numbered: bool = False) -> np.ndarray:
    """What rows are known by, uint64 [n]: equal for rows of equal numbers and texts, else different but by rare accident.

    A number counts by its value as a float64, so that neither other rows nor the kind of a column change a row's code.
    `numbered`: equal rows differ too, by how many of them come before. The codes are those of `pandas.util.hash_pandas_object`,
    whose 64 bits are mixed well enough to be sorted by.
    """
    import pandas as pd

    columns, codes = [frame[column].to_numpy() for column in frame], np.zeros(len(frame), np.uint64)
    if numbered:
        repeated = pd.Series(row_codes(frame))
        columns.append(repeated.groupby(repeated).cumcount().to_numpy())
    for start in range(0, len(frame) if columns else 0, ROWS_AT_ONCE):
        cells = [column[start : start + ROWS_AT_ONCE] for column in columns]
        cells = [cell.astype(np.float64) + 0.0 if cell.dtype.kind in "iuf" else cell for cell in cells]  # 0.0: no minus zero
        piece = pd.DataFrame({place: pd.Series(cell, dtype=cell.dtype, copy=False) for place, cell in enumerate(cells)})
        codes[start : start + ROWS_AT_ONCE] = pd.util.hash_pandas_object(piece, index=False)
    return codes


def write_csv(path: Path, frame: pd.DataFrame, index: bool = True) -> None:
    """Write atomically; floats so that reading gives the same bits, text so that every id survives."""
    files.write(path, csv_text(frame, index))


def csv_text(frame: pd.DataFrame, index: bool = True) -> str:
    """What `write_csv` writes."""
    table = frame.reset_index() if index else frame
    text = table.to_csv(index=False, lineterminator="\n")
    # The csv module leaves a lone carriage return unquoted, and readers take it for the end of a row.
    return table.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_ALL) if "\r" in text else text


def average(parts: list[pd.DataFrame], weights: list[float] | None = None) -> pd.DataFrame:
    """The (weighted) mean by id, in the first frame's order, summed in float64 so that the order of parts is immaterial.

    Raises BadData where the ids or columns differ: nothing is filled in.
    """
    weights = weights or [1.0] * len(parts)
    total = np.zeros(parts[0].shape, np.float64)
    for values, weight in zip(_aligned(parts), weights, strict=True):
        total += weight * values
    like = parts[0]  # values written into a copy would lie column by column: slow, and pandas warns of it from 100 on
    return type(like)((total / sum(weights)).astype(np.float32), index=like.index, columns=like.columns)


def stacked(parts: list[pd.DataFrame]) -> np.ndarray:
    """The values of frames of the same rows, float64 [parts, rows, columns], in the first frame's order.

    Raises BadData where the ids or columns differ: nothing is filled in.
    """
    return np.stack([*_aligned(parts)])


def _aligned(parts: list[pd.DataFrame]) -> Iterator[np.ndarray]:
    """The values float64 [rows, columns] of each frame, one at a time. Raises BadData where the ids or columns differ."""
    first = parts[0]
    for part in parts:
        same = list(part.columns) == list(first.columns) and len(part) == len(first)
        if same and part.index.is_unique and part.index.equals(first.index):
            yield part.to_numpy(np.float64)
            continue
        if not (same and part.index.is_unique and set(part.index) == set(first.index)):
            raise BadData("these predictions do not have the same ids and columns: they can't be averaged.")
        yield part.loc[first.index].to_numpy(np.float64)
