"""Cells: a table's columns as text, read as numbers, categories or dates once for all folds.

Loads pandas, so what `kit list` loads imports this file inside functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from kit.data.blanks import BLANK

SHOWN = 12  # columns of a row that are shown
MOSTLY = 0.9  # a column is what so many of its cells are that say something
FEW = 0.5  # share of distinct rows up to which a table repeats itself by chance
MOST = 1e30  # a larger number is as good as infinite; beyond it, squares leave float64's and sums float32's range
ORDERS = {"ymd": "year, month, day", "dmy": "day, month, year", "mdy": "month, day, year"}
DATE = r"^(\d{1,4})[-/.](\d{1,2})[-/.](\d{1,4})(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?(?:Z|[+-]\d{2}:?\d{2})?$"
PARTS = ("days", "year", "month", "day", "weekday", "hour")


class Cells:
    """The cells [n, columns] of a frame indexed by id, as text. `stated`: kinds of columns that need not be detected.

    Columns of another dtype than object become text; a column of numbers is stated to be one.
    """

    inputs_kind = "table"
    unit = "rows"

    def __init__(self, frame: pd.DataFrame, stated: dict[str, str] | None = None):
        typed = {name: dtype for name, dtype in frame.dtypes.items() if dtype.name != "object"}
        numbers = {str(name): "number" for name, dtype in typed.items() if dtype.kind in "iuf"}
        self.frame = frame.assign(**{str(name): _as_text(frame[name]) for name in typed}) if typed else frame
        self.stated = numbers | (stated or {})
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

    def codes(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """A column as int64 [n] positions in its different cells, and those (stripped text)."""
        if (name,) not in self._read:
            codes, values = pd.factorize(self.frame[name].to_numpy(dtype=object), use_na_sentinel=False)
            bare = [str(value).strip() for value in values]
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
        return self._by_value(name, "blank", lambda values: np.array([one.lower() in BLANK for one in values], bool))

    def raw(self, name: str) -> np.ndarray:
        """A column as float64 [n]; NaN where a cell is no number."""
        return self._by_value(name, "number", _numbers)

    def numbers(self, name: str) -> np.ndarray:
        """As `raw`, but none beyond ±MOST."""
        return np.clip(self.raw(name), -MOST, MOST)

    def stray(self, name: str) -> np.ndarray:
        """Which cells [n] are text where a number is due."""
        return np.isnan(self.raw(name)) & ~self.blank(name)

    def dates(self, name: str, order: str) -> np.ndarray:
        """A column as datetime64[s] [n]; NaT where a cell is no date. A year that comes first is followed by month and day."""
        return self._by_value(name, order, lambda values: _dates(values, order))

    def shown(self) -> list[str]:
        """Each row as people read it: the first columns with their names."""
        names = self.names[:SHOWN]
        rows = self.frame.iloc[:, : len(names)].to_numpy()
        return ["  ".join(f"{name} {cell}" for name, cell in zip(names, row, strict=True)) for row in rows]

    def remarks(self, name: str, ids: pd.Index) -> Iterator[tuple[str, bool]]:
        """Lines about these rows; what there is to say of columns is said where the table is read."""
        yield from ()

    def twins(self) -> np.ndarray:
        """A number per row, int64 [n]; rows whose cells are all the same share one.

        Where a table has few different rows at all, they repeat each other by chance, and each has its own number.
        """
        hashed = pd.util.hash_pandas_object(self.frame.astype(str), index=False).to_numpy()
        _, same = np.unique(hashed, return_inverse=True)
        return same if same.max(initial=0) + 1 > FEW * len(same) else np.arange(len(same))

    def parts(self, name: str, order: str) -> np.ndarray:
        """What a date tells, float64 [n, PARTS]; NaN where there is none."""
        when = pd.DatetimeIndex(self.dates(name, order))
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
        codes = self.codes(name)[0][rows]
        said = ~self.blank(name)[rows]
        if not said.any() or (codes == codes[0]).all():
            return ""
        if name in self.stated:
            return self.stated[name]
        enough = MOSTLY * said.sum()
        if (~np.isnan(self.raw(name)[rows])).sum() >= enough:
            return "number"
        if (~np.isnat(self.dates(name, self.order(name, rows))[rows])).sum() >= enough:
            return "date"
        return "category"


def of_frame(rows: Any) -> Any:
    """A pandas frame as Cells; anything else as it is."""
    return Cells(rows) if isinstance(rows, pd.DataFrame) else rows


def _as_text(column: pd.Series) -> pd.Series:
    """Cells of a typed column as text, blank where there is none."""
    return column.astype(object).map(str).where(column.notna(), "")


def _numbers(values: np.ndarray) -> np.ndarray:
    return pd.to_numeric(pd.Series(values, dtype=object), errors="coerce").to_numpy(np.float64)


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
