"""Encoding: what a table's columns are, learned from the training rows alone; and any rows as numbers and codes by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kit.errors import BadData, listed, quoted
from kit.inputs.cells import MOST, ORDERS, PARTS, Cells
from kit.storage import frames

RARE = 2  # a category of fewer training rows says nothing of others; all such share code 0 with what was never seen
CATEGORIES = 254  # the most frequent ones of a column
SHOWN = 8  # columns named
EXAMPLES, LOOKED_AT = 3, 1000  # cells that cannot be read: so many are named, the first different ones of so many


@dataclass(frozen=True)
class Encoding:
    """`numbers`: columns read as numbers; `dates`: columns and the order of their parts; `categories`: columns and their
    categories, of codes 1, 2, …, the most frequent first.
    """

    numbers: tuple[str, ...]
    dates: tuple[tuple[str, str], ...]
    categories: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def learn(cls, cells: Cells, rows: np.ndarray, most: int = CATEGORIES) -> Encoding:
        """From these rows of `cells`; at `most` so many categories of a column.

        Columns that are blank or the same in all of them are left out.
        """
        kinds = {name: cells.kind(name, rows) for name in cells.names}
        numbers = tuple(name for name in cells.names if kinds[name] == "number")
        dates = tuple((name, cells.order(name, rows)) for name in cells.names if kinds[name] == "date")
        found = [(name, _frequent(cells, name, rows, most)) for name in cells.names if kinds[name] == "category"]
        return cls(numbers, dates, tuple((name, known) for name, known in found if known))

    @property
    def columns(self) -> list[str]:
        """The columns of the table that are read."""
        return [*self.numbers, *(name for name, _ in self.dates), *(name for name, _ in self.categories)]

    @property
    def width(self) -> int:
        """How many numbers a row has; one at least."""
        return max(1, len(self.numbers) + len(PARTS) * len(self.dates))

    @property
    def sizes(self) -> list[int]:
        """How many codes each category column has, the 0 of rare and unseen ones among them."""
        return [1 + len(known) for _, known in self.categories]

    def encode(self, cells: Cells, rows: Any = slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """Numbers float64 [n, width], NaN where there is none, and codes int64 [n, categories]; of all rows, or a slice.

        Raises BadData where a column is missing.
        """
        numbers = np.zeros((len(range(len(cells))[rows]), self.width))
        self.fill(numbers, cells, rows)
        codes = list(self.codes_of(cells, rows))
        return numbers, np.stack(codes, axis=1) if codes else np.zeros((len(numbers), 0), np.int64)

    def fill(self, numbers: np.ndarray, cells: Cells, rows: Any = slice(None)) -> None:
        """Write the numbers that `encode` gives into an array [n, width] of zeros. Raises what that does."""
        frames.need_columns(cells.frame, self.columns, "the table to predict")
        for j, values in enumerate(self.columns_of(cells, rows)):
            numbers[:, j] = values

    def columns_of(self, cells: Cells, rows: Any = slice(None)) -> Iterator[np.ndarray]:
        """The columns [n] of the numbers that `encode` gives, one at a time; none where the table has no numbers."""
        for name in self.numbers:
            yield cells.numbers(name, rows)
        for name, order in self.dates:
            yield from cells.parts(name, order, rows).T

    def codes_of(self, cells: Cells, rows: Any = slice(None)) -> Iterator[np.ndarray]:
        """The columns [n] of the codes that `encode` gives, one at a time."""
        for name, known in self.categories:
            yield _coded(cells, name, known)[rows]

    def is_short(self, cells: Cells) -> bool:
        """Does float32 hold all its numbers exactly?"""
        return not self.dates and all(cells.is_short(name) for name in self.numbers)

    def odd(self, cells: Cells, where: str) -> list[str]:
        """Lines on the cells of the `where` table that cannot be read as what their column is. Raises what `encode` does."""
        frames.need_columns(cells.frame, self.columns, "the table to predict")
        notes = []
        for name in self.numbers:
            notes += _odd(cells, name, cells.stray(name), f"{where} cells are no numbers and are taken as missing")
            far = np.abs(cells.raw(name)) > MOST
            notes += _odd(cells, name, far, f"{where} cells are beyond ±{MOST:g} and are taken as that")
        for name, order in self.dates:
            wrong = np.isnat(cells.dates(name, order)) & ~cells.blank(name)
            notes += _odd(cells, name, wrong, f"{where} cells are no dates ({ORDERS[order]}) and are taken as missing")
        return notes

    def new(self, cells: Cells, where: str) -> list[str]:
        """A line on the cells of the `where` table that say what no two rows of those learned from did, if there are any."""
        count = {name: int((_coded(cells, name, known) == 0).sum()) for name, known in self.categories}
        names = [name for name in count if count[name]]
        what = f"{sum(count.values()):,} {where} cells are of new or rare categories, which count as one"
        return [f"{what}: in {listed(names, SHOWN)}"] if names else []

    def json(self) -> dict[str, Any]:
        """Plain values, as a checkpoint holds them."""
        return {
            "numbers": list(self.numbers),
            "dates": [list(one) for one in self.dates],
            "categories": [[name, list(known)] for name, known in self.categories],
        }

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Encoding:
        """Undoes `json`."""
        categories = tuple((name, tuple(known)) for name, known in plain["categories"])
        return cls(tuple(plain["numbers"]), tuple((name, order) for name, order in plain["dates"]), categories)


def _frequent(cells: Cells, name: str, rows: np.ndarray, most: int) -> tuple[str, ...]:
    """The categories of a column with RARE rows at least, the most frequent first; none where that leaves one code only."""
    codes, values = cells.codes(name)
    count = np.bincount(codes[rows], minlength=len(values))
    often = np.flatnonzero(count >= RARE)
    order = often[np.lexsort((values[often].astype(str), -count[often]))[:most]]  # ties by name, whatever the rows' order
    known = [str(values[one]) for one in order]
    whole = count[order].sum() == len(rows)
    return () if len(known) + (not whole) < 2 else tuple(known)


def _coded(cells: Cells, name: str, known: tuple[str, ...]) -> np.ndarray:
    codes, values = cells.codes(name)
    place = {value: code for code, value in enumerate(known, start=1)}
    table = np.array([place.get(str(value), 0) for value in values], np.int64)
    return table[codes]


def _odd(cells: Cells, name: str, wrong: np.ndarray, what: str) -> list[str]:
    """A line on cells that are `wrong` (bool [n]), with the rows of the first few that differ."""
    rows = np.flatnonzero(wrong)
    if not len(rows):
        return []
    index, column = cells.frame.index, cells.frame[name]
    examples: dict[str, str] = {}
    for row in rows[:LOOKED_AT]:
        examples.setdefault(str(column.iloc[row]), f"row {index[row]!r}: {quoted(column.iloc[row])}")
    return [f"column {name!r}: {len(rows):,} {what} ({'; '.join(list(examples.values())[:EXAMPLES])})"]


def review(train: Cells, test: Cells) -> list[str]:
    """Lines on what each column was taken for, and on the cells that could not be read as such.

    Raises BadData where no column can be learned from.
    """
    every = np.arange(len(train))
    encoding = Encoding.learn(train, every)
    dates, categories = [name for name, _ in encoding.dates], [name for name, _ in encoding.categories]
    left = [name for name in train.names if name not in encoding.columns]
    alike = [name for name in left if not train.kind(name, every)]
    other = [name for name in left if name not in alike]
    if not encoding.columns:
        where = "is blank or the same in all training rows" if not other else "is blank, or holds texts that hardly repeat"
        more = "\n`kit run csv --text COLUMN` learns from texts." if other else ""
        raise BadData(f"every column {where} ({listed(train.names)}): nothing to learn.{more}")
    by_kind = {"numbers": encoding.numbers, "categories": categories, "dates": dates}
    notes = [
        "columns: " + "; ".join(f"{len(names)} {kind} ({listed(names, SHOWN)})" for kind, names in by_kind.items() if names)
    ]
    if alike:
        notes.append(f"columns that are blank or constant in the training table are not used: {listed(alike, SHOWN)}")
    if other:
        notes.append(f"columns of text that hardly repeats in the training table are not used: {listed(other, SHOWN)}")
    blank = [name for name in encoding.columns if test.blank(name).all()]
    if blank:
        notes.append(f"columns that are blank in the whole test table: {listed(blank, SHOWN)}")
    return notes + encoding.odd(train, "training") + encoding.odd(test, "test") + encoding.new(test, "test")
