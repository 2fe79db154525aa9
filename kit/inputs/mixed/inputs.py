"""Mixed: pictures or texts together with columns of the same row, each part read as it would be alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from kit.config import Config
from kit.inputs.base import KEEP_ALL, Encode, Inputs, Keep, Loaded
from kit.inputs.detection import Beginning
from kit.inputs.mixed.rows import AND_TABLE, MixedRows
from kit.inputs.table import FAST, Table
from kit.storage.tables.table_file import TableFile, TableFormat

if TYPE_CHECKING:
    import pandas as pd

    from kit.data.number_spelling import Spellings
    from kit.inputs.texts import Texts

HOW = "write (Images(…), Table(…)) or (Text(…), Table(…))"
OF_FIRST = ("channels", "mirror", "alike", "unlabelled")  # facts that are those of the pictures or texts


def joined(parts: tuple[Any, ...]) -> Mixed:
    """The parts that an adapter states as one. Raises TypeError, with how they are written, for parts that cannot be mixed."""
    tables = [part for part in parts if isinstance(part, Table)]
    others = [part for part in parts if isinstance(part, Inputs) and not isinstance(part, Table)]
    names = ", ".join(type(part).__name__ for part in parts)
    if len(parts) != 2 or len(tables) != 1 or len(others) != 1:
        raise TypeError(f"inputs=({names}): one of pictures or texts goes together with one table: {HOW}")
    kind = next((kind for kind in KINDS if kind.kind == others[0].kind + AND_TABLE), None)
    if kind is None:
        raise TypeError(f"inputs=({names}): {names.partition(',')[0]} cannot be mixed: {HOW}")
    return kind(others[0], tables[0])


class Mixed(Inputs):
    """`first`: the pictures or texts; `table`: the columns beside them.

    Columns that `first` is made of (the text, parts of the names of pictures) are no features, unless `table` states them.
    """

    def __init__(self, first: Inputs, table: Table):
        used = [name for name in first.used_columns() or () if not table.stated_kind(name)]
        self.first, self.table = first, table.beside(used)
        self._follow()

    def _follow(self) -> None:
        self.__dict__.update({name: getattr(self.first, name) for name in OF_FIRST})

    def changed(self, **values: Any) -> Self:
        own = {name: values.pop(name) for name in ("first", "table", "exact") if name in values}
        if values:
            own["first"] = own.get("first", self.first).changed(**values)
        copied = super().changed(**own)
        copied._follow()
        return copied

    # --- as the table has it

    def stated_kind(self, column: str) -> str:
        return self.table.stated_kind(column)

    def measured(self, train: pd.DataFrame, test: pd.DataFrame) -> list[str]:
        return self.table.measured(train, test)

    def spelled(self, spellings: Spellings) -> Self:
        return self.changed(table=self.table.spelled(spellings))

    def beside(self, others: Iterable[str]) -> Self:
        return self.changed(table=self.table.beside(others))

    def apart(self, others: Iterable[str]) -> Self:
        return self.changed(table=self.table.apart(others))

    def from_ids(self, ids: pd.Index) -> dict[str, Any] | None:
        return self.table.from_ids(ids)

    def derived(self, table: pd.DataFrame) -> dict[str, Any]:
        return self.table.derived(table)

    def read_table(self, data: bytes, name: str, stated: TableFormat) -> TableFile:
        return self.table.read_table(data, name, self.form.over(stated))

    def agree(self, train: pd.DataFrame, test: pd.DataFrame, answers: tuple[str, ...]) -> tuple[pd.DataFrame, list[str]]:
        return self.table.agree(train, test, answers)

    # --- as the pictures or texts have it

    @property
    def form(self) -> TableFormat:
        return self.first.form

    def doubts(self) -> list[str]:
        return self.first.doubts()

    def sides(self, root: Path, train: pd.DataFrame) -> list[tuple[int, int]]:
        return self.first.sides(root, train)

    def file_facts(self, root: Path, frame: pd.DataFrame, split: str) -> dict[str, np.ndarray]:
        return self.first.file_facts(root, frame, split)

    def files(self, root: Path) -> list[Path]:
        return self.first.files(root)

    def lay_out_again(self, root: Path, out: Path, known: pd.Series, cells: pd.DataFrame | None) -> None:
        self.first.lay_out_again(root, out, known, cells)

    def example_id(self, split: str, number: int) -> str:
        return self.first.example_id(split, number)

    def beginning(self, root: Path, train: pd.DataFrame | None, outputs: int = 1, encode: Encode | None = None) -> Beginning:
        return self.first.beginning(root, train, outputs, encode)

    def presets(self) -> dict[str, Config]:
        return self.first.presets()

    # --- both

    def load(self, root: Path, frame: pd.DataFrame, split: str, size: int, keep: Keep = KEEP_ALL) -> Loaded:
        """As the base. A training row whose picture is broken is left out of both parts."""
        loaded = self.first.load(root, frame, split, size, keep)
        sound = frame[~frame.index.isin(list(loaded.broken))] if split == "train" and loaded.broken else frame
        cells = self.table.load(root, sound, split, 0).rows
        loaded.rows, loaded.look = MixedRows(loaded.rows, cells), MixedRows(loaded.look, cells)
        return loaded

    def show(self, root: Path, frame: pd.DataFrame, split: str, size: int) -> list[np.ndarray | str]:
        return self.first.show(root, frame, split, size)

    def twins(self, look: MixedRows) -> np.ndarray:
        """Rows whose pictures or texts repeat each other, whatever the columns say; blank texts are no repetition."""
        return self.first.twins(look.first)

    def fabricate(
        self, root: Path, ids: list[str], split: str, classes: list[int], rng: np.random.Generator, **cells: Any
    ) -> dict[str, list[str]]:
        columns = self.table.fabricate(root, ids, split, classes, rng)
        return columns | self.first.fabricate(root, ids, split, classes, rng, **cells)


class PicturesAndTable(Mixed):
    """Pictures in files, and columns."""

    kind: ClassVar[str] = "images" + AND_TABLE


class TextAndTable(Mixed):
    """A column of texts, and other columns."""

    kind: ClassVar[str] = "text" + AND_TABLE

    def further(self, root: Path, stated: TableFormat) -> Texts:
        """As `Text` has it."""
        return self.first.further(root, stated)  # type: ignore[attr-defined]

    def presets(self) -> dict[str, Config]:
        return {"fast": TEXT_AND_TABLE}

    def beginning(self, root: Path, train: pd.DataFrame | None, outputs: int = 1, encode: Encode | None = None) -> Beginning:
        return Beginning("texts and columns", TEXT_AND_TABLE, TEXT_AND_TABLE)

    def show(self, root: Path, frame: pd.DataFrame, split: str, size: int) -> list[np.ndarray | str]:
        return [*self.load(root, frame, split, size).rows.shown()]

    def twins(self, look: MixedRows) -> np.ndarray:
        same = self.first.twins(look.first)
        blank = np.flatnonzero([not text.strip() for text in look.first])
        same[blank] = same.max(initial=0) + 1 + np.arange(len(blank))
        return same


KINDS = (PicturesAndTable, TextAndTable)
TEXT_AND_TABLE = FAST.changed(model="ngrams", inverse_penalty=0.2, vectors=32)
