"""Typed table: a table of plain numbers read as numbers, at a few bytes a cell; whatever is odd is left to who reads text.

pandas is imported inside functions: see `kit.storage.frames`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.storage.tables.delimited_text import first_line

if TYPE_CHECKING:
    import pandas as pd

PIECE = 1 << 18  # bytes looked at together: what is made of them, ten times their size, stays in a core's cache
ROWS = 50_000  # read together, before each column takes the least room
SOME = 300  # lines from all over the file that tell which columns are no numbers
MISSING = ("", "NA", "N/A", "n/a", "na", "NaN", "nan", "Nan", "NAN", "NULL", "null", "Null", "None", "none", "NaT", "?", "-")
PLAIN = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
THOUSANDS = re.compile(r"-?[1-9]\d{0,2}(\.\d{3})+")  # where the comma divides decimals
NEWLINE, ZERO, TEN = ord("\n"), ord("0"), 10


def read(
    data: bytes, name: str, delimiter: str = ",", text: Collection[str] = frozenset(), limit: int = 0
) -> pd.DataFrame | None:
    """The table in the bytes of the file `name`. A column is the least kind of number that holds it (int8 … int64, float32,
    float64), NaN where a cell says nothing. Columns in `text`, and those with a cell that is no plain number (`0001`, `x`; or
    `1.234` in all rows), are objects: each cell as its text. `limit`: so many rows, 0: all.

    None where anything needs a careful look: a row with more or fewer fields than the header, quotes within cells, odd line
    ends or letters, column names that are blank or there twice.
    """
    data = data.removeprefix(b"\xef\xbb\xbf")
    lone = b"\r" in data and data.count(b"\r") != data.count(b"\r\n")
    if lone or b"\0" in data or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return None
    data = first_rows(data, limit) if limit else data
    try:
        header = next(csv.reader([first_line(data).decode().rstrip("\r\n")], delimiter=delimiter))
        if len(header) < 2 or len(set(header)) < len(header) or any(not column or column[0].isspace() for column in header):
            return None  # blanks after the delimiters may be part of the format
        exact, sure = _looked_at(data, delimiter, len(header))
        exact |= {i for i, column in enumerate(header) if column in text}
        proved = {header[i] for i in sure}
        with ThreadPoolExecutor(1) as pool:  # the check takes a quarter of the time: it is done beside the reading
            checking = pool.submit(_padded, data, delimiter, len(header))
            table = _columns(data, delimiter, header, {header[i] for i in exact}, proved)
            padded = checking.result()
        if padded is None:
            return None
        return table if padded <= exact else _columns(data, delimiter, header, {header[i] for i in exact | padded}, proved)
    except (ValueError, OverflowError, csv.Error):  # UnicodeDecodeError is a ValueError
        return None


def first_rows(data: bytes, count: int) -> bytes:
    """The header and the first rows of a table; all of it where a quote is open at their end."""
    end = -1
    count += 1
    while count:
        begin, end = end + 1, data.find(b"\n", end + 1)
        if end < 0:
            return data
        count -= bool(data[begin:end].strip())
    return data if data.count(b'"', 0, end) % 2 else data[: end + 1]


def _pieces(data: bytes, delimiter: str) -> Iterator[bytes]:
    """The file in pieces of whole lines, its quotes left out where they stand around whole cells."""
    mark = re.escape(delimiter.encode())
    quoted = re.compile(rb'(?:(?<=[\n%b])|^)"((?:[^"\n\r]|"")*)"(?=[\r\n%b]|\Z)' % (mark, mark))
    begin = 0
    while begin < len(data):
        end = data.find(b"\n", begin + PIECE) + 1 or len(data)
        piece = data[begin:end]
        piece = quoted.sub(_bare, piece) if b'"' in piece else piece
        yield piece if piece.endswith(b"\n") else piece + b"\n"
        begin = end


def _bare(match: re.Match[bytes]) -> bytes:
    """A quoted cell without letters that divide: of a text, any."""
    return match[1] if match[1].isdigit() else b"x"


def _padded(data: bytes, delimiter: str, width: int) -> set[int] | None:
    """The columns with a number such as `0001`; None where a row has more or fewer fields than the header, or an odd quote."""
    found: set[int] = set()
    for piece in _pieces(data, delimiter):
        if b'"' in piece:
            return None
        letters = np.frombuffer(piece, np.uint8)
        ends, divides = np.flatnonzero(letters == NEWLINE), letters == ord(delimiter)
        begins = np.concatenate([[0], ends[:-1] + 1])
        fields = np.add.reduceat(divides.view(np.uint8), begins, dtype=np.int64) + 1
        blank = (ends == begins) | ((ends == begins + 1) & (letters[begins] == ord("\r")))
        if ((fields != width) & ~blank).any():
            return None
        zeros = letters[:-1] == ZERO
        zeros &= letters[1:] - np.uint8(ZERO) < TEN
        zeros[1:] &= divides[:-2] | (letters[:-2] == NEWLINE)
        places = np.flatnonzero(zeros)
        if len(places):
            marks = np.flatnonzero(divides)
            first = np.searchsorted(marks, begins)
            found |= set(np.unique(np.searchsorted(marks, places) - first[np.searchsorted(ends, places)]).tolist())
    return found


def _looked_at(data: bytes, delimiter: str, width: int) -> tuple[set[int], set[int]]:
    """By some lines: the columns that are no numbers, and those whose points surely divide decimals."""
    exact: set[int] = set()
    sure: set[int] = set()
    dotted: set[int] = set()
    for place in np.linspace(data.find(b"\n"), len(data), SOME, endpoint=False).astype(int):
        begin = data.find(b"\n", place) + 1
        line = data[begin : data.find(b"\n", begin) + 1 or None].decode().rstrip("\r\n")
        row = next(csv.reader([line], delimiter=delimiter), []) if begin and line else []
        for i, cell in enumerate(row if len(row) == width else ()):
            if cell not in MISSING and not PLAIN.fullmatch(cell):
                exact.add(i)
            elif "." in cell:
                (dotted if THOUSANDS.fullmatch(cell) else sure).add(i)
    return exact | (dotted - sure), sure


def _columns(data: bytes, delimiter: str, header: list[str], exact: set[str], sure: set[str]) -> pd.DataFrame:
    """The columns: those in `exact` as text, others as numbers where all cells are; of `sure` ones, points divide decimals."""
    import pandas as pd

    arrays = _arrays(data, delimiter, header, exact)
    other = {column for column in header if column not in exact and arrays[column].dtype.kind not in "iuf"}
    doubtful = {column for column in header if column not in exact | sure | other and _may_be_thousands(arrays[column])}
    texts = _arrays(data, delimiter, header, other | doubtful, only=True) if other | doubtful else {}
    wrong = {column for column in doubtful if all(THOUSANDS.fullmatch(cell) for cell in texts[column] if "." in cell)}
    arrays |= {column: texts[column] for column in other | wrong}
    columns = {column: pd.Series(arrays[column], dtype=arrays.pop(column).dtype, copy=False) for column in header}
    return pd.DataFrame(columns, columns=pd.Index(header, dtype=object), copy=False)


def _arrays(data: bytes, delimiter: str, header: list[str], exact: set[str], only: bool = False) -> dict[str, np.ndarray]:
    """The cells of each column (or `only` those in `exact`) as an array."""
    import pandas as pd

    wanted = [column for column in header if column in exact or not only]
    pieces = pd.read_csv(
        io.BytesIO(data), sep=delimiter, names=header, header=0, index_col=False, usecols=wanted, chunksize=ROWS,
        dtype=dict.fromkeys(exact, object), na_values={column: list(MISSING) for column in wanted if column not in exact},
        keep_default_na=False, low_memory=False, **exactly(pd.__version__),
    )  # fmt: skip
    most, count = data.count(b"\n") + 1, 0
    arrays: dict[str, np.ndarray] = {}
    with pieces:
        for piece in pieces:
            for column in wanted:
                arrays[column] = _filled(arrays.get(column), most, count, _least(piece[column].to_numpy()))
            count += len(piece)
    return {column: arrays[column][:count] if count else np.zeros(0, object) for column in wanted}


def _filled(array: np.ndarray | None, most: int, start: int, values: np.ndarray) -> np.ndarray:
    """The array [most] with more values from `start` on, of the kind that holds both; a new one where there is none yet.

    Pieces that are joined at the end take twice the memory: what is freed of them does not go back to the system.
    """
    kind = values.dtype if array is None else np.result_type(array.dtype, values.dtype)
    if array is None or array.dtype != kind:
        larger = np.empty(most, kind)
        larger[:start] = [] if array is None else array[:start]
        array = larger
    array[start : start + len(values)] = values
    return array


def exactly(version: str) -> dict[str, Any]:
    """What makes pandas read each decimal as the nearest float; newer ones do by themselves, and warn of the option."""
    return {} if tuple(map(int, version.split(".")[:2])) >= (3, 1) else {"float_precision": "round_trip"}


def _least(values: np.ndarray) -> np.ndarray:
    """Numbers as the least kind that holds each of them exactly."""
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):
            short = values.astype(np.float32)
        return short if np.array_equal(short, values, equal_nan=True) else values
    if values.dtype.kind == "i" and len(values):
        low, high = values.min(), values.max()
        kinds = (np.int8, np.int16, np.int32, np.int64)
        return values.astype(next(one for one in kinds if np.iinfo(one).min <= low and high <= np.iinfo(one).max))
    return values


def _may_be_thousands(values: np.ndarray) -> bool:
    """May `1.234` be a thousand and more in a column of numbers, wherever it has a point?"""
    values = values[values % 1 != 0].astype(np.float64) if values.dtype.kind == "f" else values[:0]
    values = np.abs(values[np.isfinite(values)])
    return bool(len(values)) and bool(((values >= 1) & (values < 1000) & (np.round(values, 3) == values)).all())
