"""Cells: a table's columns as text, read as numbers, categories or dates once for all folds.

Loads pandas, so what `kit list` loads imports this file inside functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from kit.data.blanks import BLANK

SHOWN = 12  # columns of a row that are shown
NOTHING = "–"  # how an empty cell is shown
MOSTLY = 0.9  # a column is what so many of its cells are that say something
FEW = 0.5  # share of distinct rows up to which a table repeats itself by chance
MOST = 1e30  # a larger number is as good as infinite; beyond it, squares leave float64's and sums float32's range
ORDERS = {"ymd": "year, month, day", "dmy": "day, month, year", "mdy": "month, day, year"}
DATE = r"^(\d{1,4})[-/.](\d{1,2})[-/.](\d{1,4})(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?(?:Z|[+-]\d{2}:?\d{2})?$"
PARTS = ("days", "year", "month", "day", "weekday", "hour")


class Cells:
    """The cells [n, columns] of a frame indexed by id. `stated`: kinds of columns that need not be detected.

    Cells are text (objects) or, in columns of a numeric dtype, numbers, which are NaN where a cell says nothing. The latter
    stay as they are, for tall tables are made of them; columns of any other dtype become text.
    """

    inputs_kind = "table"
    unit = "rows"

    def __init__(self, frame: pd.DataFrame, stated: dict[str, str] | None = None):
        other = [name for name, dtype in frame.dtypes.items() if dtype.name != "object" and not is_number(dtype)]
        self.frame = frame.assign(**{str(name): _as_text(frame[name]) for name in other}) if other else frame
        self.stated = {str(name): "number" for name, dtype in frame.dtypes.items() if is_number(dtype)} | (stated or {})
        self.shape = frame.shape
        self._read: dict[tuple[str, ...], Any] = {}

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, rows: Any) -> Cells:
        return Cells(self.frame.iloc[rows], self.stated)

    def __add__(self, other: Cells) -> Cells:
        """These rows and the other's below them, in the columns that both have."""
        shared = [name for name in self.names if name in other.names]
        return Cells(pd.concat([self.frame[shared], other.frame[shared]]), self.stated)

    @cached_property
    def names(self) -> list[str]:
        """The columns."""
        return [str(name) for name in self.frame.columns]

    def typed(self, name: str) -> np.ndarray | None:
        """A column of numbers as it is, [n]; None for one of text."""
        column = self.frame[name]
        return column.to_numpy() if is_number(column.dtype) else None

    def codes(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """A column as int64 [n] positions in its different cells, and those (stripped text)."""
        if (name,) not in self._read:
            codes, values = pd.factorize(self.frame[name].to_numpy(), use_na_sentinel=False)
            bare = [_text(value) for value in values]
            again, different = pd.factorize(np.array(bare, dtype=object))
            self._read[(name,)] = (again[codes] if len(codes) else codes, different)
        return self._read[(name,)]

    def _by_value(self, name: str, what: str, read: Any) -> np.ndarray:
        """`read` of the different cells of a column, spread over its rows; kept."""
        if (name, what) not in self._read:
            codes, values = self.codes(name)
            self._read[(name, what)] = read(values)[codes] if len(values) else read(values)
        return self._read[(name, what)]

    def blank(self, name: str) -> np.ndarray:
        """Which cells [n] say nothing."""
        typed = self.typed(name)
        if typed is not None:
            return np.isnan(typed)
        return self._by_value(name, "blank", lambda values: np.array([one.lower() in BLANK for one in values], bool))

    def raw(self, name: str, rows: Any = slice(None)) -> np.ndarray:
        """A column (or some of its rows) as float64 [n]; NaN where a cell is no number."""
        typed = self.typed(name)
        if typed is not None:
            return typed[rows].astype(np.float64)
        return self._by_value(name, "number", _numbers)[rows]

    def numbers(self, name: str, rows: Any = slice(None)) -> np.ndarray:
        """As `raw`, but none beyond ±MOST."""
        return np.clip(self.raw(name, rows), -MOST, MOST)

    def stray(self, name: str) -> np.ndarray:
        """Which cells [n] are text where a number is due."""
        if self.typed(name) is not None:
            return np.zeros(len(self), bool)
        return np.isnan(self.raw(name)) & ~self.blank(name)

    def dates(self, name: str, order: str) -> np.ndarray:
        """A column as datetime64[s] [n]; NaT where a cell is no date. A year that comes first is followed by month and day."""
        if not self._by_value(name, "dated", _dated).any():  # most columns: to read them would take most of a wide table's time
            return np.full(len(self), np.datetime64("NaT"), "datetime64[s]")
        return self._by_value(name, order, lambda values: _dates(values, order))

    def shown(self) -> list[str]:
        """Each row as people read it: the first columns with their names."""
        names = self.names[:SHOWN]
        cells = [[cell if isinstance(cell, str) else _text(cell) for cell in self.frame[name]] for name in names]
        return [
            "  ".join(f"{name} {cell or NOTHING}" for name, cell in zip(names, row, strict=True))
            for row in zip(*cells, strict=True)
        ]

    def remarks(self, name: str, ids: pd.Index) -> Iterator[tuple[str, bool]]:
        """Lines about these rows; what there is to say of columns is said where the table is read."""
        yield from ()

    def twins(self) -> np.ndarray:
        """A number per row, int64 [n]; rows whose cells are all the same share one.

        Where a table has few different rows at all, they repeat each other by chance, and each has its own number.
        """
        texts = {name: self.frame[name].astype(str) for name in self.names if self.typed(name) is None}
        hashed = pd.util.hash_pandas_object(self.frame.assign(**texts), index=False).to_numpy()
        _, same = np.unique(hashed, return_inverse=True)
        return same if same.max(initial=0) + 1 > FEW * len(same) else np.arange(len(same))

    def parts(self, name: str, order: str, rows: Any = slice(None)) -> np.ndarray:
        """What a date tells, float64 [n, PARTS]; NaN where there is none."""
        when = pd.DatetimeIndex(self.dates(name, order)[rows])
        days = when.to_numpy().astype("datetime64[s]").astype(np.int64) / 86400
        table = np.stack([days, when.year, when.month, when.day, when.day_of_week, when.hour], axis=1).astype(np.float64)
        table[np.isnat(when.to_numpy())] = np.nan
        return table

    def order(self, name: str, rows: np.ndarray) -> str:
        """The order in which these rows' dates are written: the one that reads most of them, the first if several do."""
        read = {order: (~np.isnat(self.dates(name, order)[rows])).sum() for order in ORDERS}
        return max(read, key=lambda order: read[order])

    def kind(self, name: str, rows: np.ndarray) -> str:
        """What a column is, by these rows: "number", "category", "date"; "" where it says the same in all of them."""
        said = ~self.blank(name)[rows]
        if not said.any() or self._constant(name, rows):
            return ""
        if name in self.stated:
            return self.stated[name]
        enough = MOSTLY * said.sum()
        if (~np.isnan(self.raw(name)[rows])).sum() >= enough:
            return "number"
        if (~np.isnat(self.dates(name, self.order(name, rows))[rows])).sum() >= enough:
            return "date"
        return "category"

    def is_short(self, name: str) -> bool:
        """Is it a column of numbers that float32 holds exactly?"""
        typed = self.typed(name)
        if typed is None or typed.dtype.kind not in "if":
            return False
        return typed.dtype in (np.int8, np.int16, np.float32) or bool((typed == typed.astype(np.float32)).all())

    def _constant(self, name: str, rows: np.ndarray) -> bool:
        typed = self.typed(name)
        cells = self.codes(name)[0][rows] if typed is None else typed[rows]
        return bool((cells == cells[0]).all())


def is_number(dtype: Any) -> bool:
    """Is it the dtype of a column of numbers?"""
    return isinstance(dtype, np.dtype) and dtype.kind in "iuf"


def of_frame(rows: Any) -> Any:
    """A pandas frame as Cells; anything else as it is."""
    return Cells(rows) if isinstance(rows, pd.DataFrame) else rows


def _text(value: object) -> str:
    """A cell as text; a whole number without a point."""
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else str(value).removesuffix(".0")
    return str(value).strip()


def _as_text(column: pd.Series) -> pd.Series:
    """Cells of a typed column as text, blank where there is none."""
    return column.astype(object).map(str).where(column.notna(), "")


def _numbers(values: np.ndarray) -> np.ndarray:
    return pd.to_numeric(pd.Series(values, dtype=object), errors="coerce").to_numpy(np.float64)


def _dated(values: np.ndarray) -> np.ndarray:
    """Which of these cells are written as a date may be."""
    written = re.compile(DATE).match
    return np.array([written(one) is not None for one in values], bool)


def _dates(values: np.ndarray, order: str) -> np.ndarray:
    """Own reading: pandas' guesses the order cell by cell."""
    found = pd.Series(values, dtype=object).astype(str).str.extract(DATE).apply(pd.to_numeric, errors="coerce")
    first, second, third, *clock = (found[column] for column in found.columns)
    year_first = first >= 1000
    year = first.where(year_first, third).where(lambda one: one.between(1000, 2261))  # two digits say too little
    month, day = (first, second) if order == "mdy" else (second, first)
    if order == "ymd":
        year = year.where(year_first)
    parts = {"year": year, "month": month.where(~year_first, second), "day": day.where(~year_first, third)}
    for name, one, end in zip(("hour", "minute", "second"), clock, (24, 60, 60), strict=True):
        parts[name] = one.fillna(0).where(lambda some, end=end: some < end)  # pandas would go on to the next day
    return pd.to_datetime(pd.DataFrame(parts), errors="coerce").to_numpy().astype("datetime64[s]")
