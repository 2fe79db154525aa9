"""MixedRows: the rows of two parts side by side: pictures or texts, and the cells of the same rows."""

from __future__ import annotations

from typing import Any

from kit.data.joined_pictures import joined
from kit.errors import BadData
from kit.inputs.base import kind_of
from kit.inputs.texts import Texts

AND_TABLE = " and table"  # ends the kind of mixed rows: "images and table", "text and table"


class MixedRows:
    """`first`: pictures uint8 [n, h, w, c] (or streamed ones) or `Texts`; `table`: the `Cells` of the same n rows.

    Raises BadData where the two have not the same number of rows.
    """

    unit = "rows"

    def __init__(self, first: Any, table: Any):
        if len(first) != len(table):
            kind = kind_of(first)
            raise BadData(f"inputs: {len(first):,} rows of {kind} and {len(table):,} of the table: they are not the same rows.")
        self.first, self.table = first, table
        self.inputs_kind = kind_of(first) + AND_TABLE
        self.shape = first.shape

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, rows: Any) -> MixedRows:
        some = self.first[rows]
        return MixedRows(Texts(some) if isinstance(self.first, Texts) else some, self.table[rows])

    def __add__(self, other: MixedRows) -> MixedRows:
        """These rows, and the other's after them."""
        first = self.first + other.first if isinstance(self.first, Texts) else joined(self.first, other.first)
        return MixedRows(first, self.table + other.table)

    @property
    def vectors(self) -> Any:
        """Of the texts, where the run has some."""
        return getattr(self.first, "vectors", None)

    @vectors.setter
    def vectors(self, vectors: Any) -> None:
        self.first.vectors = vectors

    def shown(self) -> list[str]:
        """Each row of texts as people read it: the text, and below it the columns."""
        return [f"{text}\n{cells}" for text, cells in zip(self.first.shown(), self.table.shown(), strict=True)]


def first_part(rows: Any) -> Any:
    """The pictures or texts of mixed rows; other rows as they are."""
    return rows.first if isinstance(rows, MixedRows) else rows


def parts(rows: Any) -> tuple[Any, ...]:
    """The parts of mixed rows; other rows are one part."""
    return (rows.first, rows.table) if isinstance(rows, MixedRows) else (rows,)
