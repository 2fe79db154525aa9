"""Inputs, the base class: reading a table, loading its rows as arrays, inventing some.

pandas and scipy are imported inside functions: `kit list` loads every adapter, and no adapter needs them.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from kit.config import Config
from kit.errors import BadData
from kit.inputs.detection import Beginning, Evidence
from kit.inputs.texts import Texts
from kit.storage import array_cache
from kit.storage.tables import delimited_text, table_file, typed_table
from kit.storage.tables.table_file import TableFile, TableFormat

if TYPE_CHECKING:
    import pandas as pd

    from kit.data.number_spelling import Spellings


@dataclass
class Loaded:
    """A split's rows, as `Inputs.load` gives them.

    `rows` may be pictures uint8 [n, h, w, channels] (or [n, h, w], grey), a pandas frame or `Cells` (a table), a list of
    strings or `Texts`, or an object that is indexed like an array of pictures (`Streamed`).
    `look`: the same rows small enough to compare with each other; by default the rows themselves.
    `broken`: what is wrong with the files of some ids. Broken training rows are left out of `rows`, broken test rows are
    blank in it. `notes`: lines about the files. `learned`: what the inputs learned from these rows and need for others, by
    the name of their field. Raises BadData for an array that is none of these.
    """

    rows: Any
    broken: dict[str, str] = field(default_factory=dict)
    look: Any = None
    notes: list[str] = field(default_factory=list)
    learned: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows = _as_inputs(self.rows)
        self.look = self.rows if self.look is None else self.look


def _as_inputs(rows: Any) -> Any:
    """Rows as the models take them: the inputs of an adapter need not know the kit's classes."""
    if isinstance(rows, list):
        return Texts([str(text) for text in rows])
    if not isinstance(rows, np.ndarray):
        from kit.inputs import cells

        return cells.of_frame(rows)
    if rows.dtype != np.uint8 or rows.ndim not in (3, 4):
        raise BadData(
            f"inputs: `load` gave an array of {rows.dtype} {list(rows.shape)}; pictures are uint8 [n, height, width, channels]."
            " Columns of numbers are a pandas frame."
        )
    return rows[..., None] if rows.ndim == 3 else rows


@dataclass(frozen=True)
class Keep:
    """How to keep decoded rows: at most `most` bytes in all (a larger set is decoded on demand); `say` reports progress."""

    most: float = float("inf")
    say: Callable[[str], None] = field(default=lambda text: None)


KEEP_ALL = Keep()
Encode = Callable[["pd.DataFrame"], np.ndarray]  # rows of the training table to their answers, int64 [n] or float32 [n, c]


FIRST = {"table": Config(model="mlp"), "text": Config(model="ngrams", epochs=1)}  # presets by the kind of inputs


def kind_of(rows: Any) -> str:
    """What loaded rows are: what they say (`text`, `table`), else pictures (`images`)."""
    return getattr(rows, "inputs_kind", "images")


class Inputs(ABC):
    """How rows become arrays: a subclass has `load`, and `fabricate` to be checked and tried without the data.

    `kind`: "text" or "table" where `load` gives texts or a table; any other kind is one of pictures.
    `channels`: of pictures; 0 where the rows are none. `mirror`: may a picture be mirrored and still have the same answer?
    Not a digit or a text.
    """

    kind: ClassVar[str] = "images"
    channels: int = 0
    mirror: bool = False
    alike: bool = True  # do pictures that are nearly the same count as one?
    unlabelled: str = ""  # the name of a table of further rows without answers
    exact: tuple[str, ...] = ()  # columns that others need as they are written: id, answers, group and time
    test_split: str = "test"  # "train" where training rows that are kept back are the test (`--kept-back`)
    numbered: ClassVar[bool] = False  # have the tables no ids, so that rows are numbered 1, 2, 3, …?

    def changed(self, **values: Any) -> Self:
        """A copy with other values; of a subclass that has an `__init__` of its own, too."""
        copied = copy.copy(self)
        copied.__dict__.update(values)
        return copied

    @classmethod
    def detect(cls, evidence: Evidence) -> Self | None:
        """These inputs where the files of a competition have rows of this kind, else None."""
        return None

    def used_columns(self) -> tuple[str, ...] | None:
        """The columns of the table that the inputs are made of; None: all of them."""
        return None

    def doubts(self) -> list[str]:
        """What may be wrong where these inputs were detected in files, and what to state instead."""
        return []

    def beginning(self, root: Path, train: pd.DataFrame | None, outputs: int = 1, encode: Encode | None = None) -> Beginning:
        """Presets that suit the rows of a competition. `train`: the training table, where it can be read; `outputs`: how many
        numbers answer a row; `encode`: gives the answers of rows of `train` as `Labels.encode` does, None: they are not known.
        """
        first = self.presets()["fast"]
        return Beginning("such inputs", first, first)

    def presets(self) -> dict[str, Config]:
        """The presets of an adapter that states none."""
        return {"fast": FIRST.get(self.kind, Config())}

    def read_table(self, data: bytes, name: str, stated: TableFormat) -> TableFile:
        """A table of the competition, from the bytes of the file `name`: text cells, except columns of pixels.

        Columns that nobody uses may be numbers: of a million rows and twenty columns, text cells take 2 GB.
        """
        form, used = self.form.over(stated), self.used_columns()
        if used is not None and self.exact and table_file.is_text(name) and not (form.quoting or form.encoding):
            delimiter = form.delimiter or delimited_text.likeliest(data, name)
            header = delimited_text.first_line(data).decode(errors="replace").strip().split(delimiter)
            needed = {*used, *self.exact}
            table = typed_table.read(data, name, delimiter, text=needed) if len(header) > len(needed) else None
            if table is not None:
                return TableFile(table, replace(form, delimiter=delimiter))
        return table_file.read(data, name, form)

    def sides(self, root: Path, train: pd.DataFrame) -> list[tuple[int, int]]:
        """Height and width of the pictures of some training rows; none where the rows are no pictures."""
        return []

    def file_facts(self, root: Path, frame: pd.DataFrame, split: str) -> dict[str, np.ndarray]:
        """Facts of the rows' files, float64 [n] each, by name: width, bytes; NaN where there is none. Empty without files."""
        return {}

    @property
    def form(self) -> TableFormat:
        """How the tables are written, where these inputs state it."""
        return TableFormat()

    def from_ids(self, ids: pd.Index) -> dict[str, Any] | None:
        """Columns that are made of the ids of rows; None: none."""
        return None

    def derived(self, table: pd.DataFrame) -> dict[str, Any]:
        """Further columns, made of a table (text cells, indexed by id) and its ids; none where there are none."""
        return self.from_ids(table.index) or {}

    def files(self, root: Path) -> list[Path]:
        """The files besides the tables that hold this input."""
        return []

    def measured(self, train: pd.DataFrame, test: pd.DataFrame) -> list[str]:
        """The columns of both tables that may be numbers, in whatever way they are written."""
        return []

    def stated_kind(self, column: str) -> str:
        """What an adapter states a column of the table to be ("number", "date"), "" where it states nothing."""
        return ""

    def spelled(self, spellings: Spellings) -> Self:
        """These inputs for tables whose columns write numbers as a run learned it."""
        return self

    def beside(self, others: Iterable[str]) -> Self:
        """These inputs where the table has other columns too: id, answers, group and time."""
        return self

    def apart(self, others: Iterable[str]) -> Self:
        """These inputs as an adapter states them; undoes `beside`."""
        return self

    def agree(self, train: pd.DataFrame, test: pd.DataFrame, answers: tuple[str, ...]) -> tuple[pd.DataFrame, list[str]]:
        """The training table without the columns that the test table does not have, and notes on both tables."""
        return train, []

    @abstractmethod
    def load(self, root: Path, frame: pd.DataFrame, split: str, size: int, keep: Keep = KEEP_ALL) -> Loaded:
        """The rows of a frame (index: id). `split`: "train" or "test". `size`: pixels a side of pictures, 0 as the files have.

        Raises BadData naming file, row and id.
        """

    def load_both(
        self, root: Path, train: pd.DataFrame, test: pd.DataFrame, size: int, keep: Keep = KEEP_ALL
    ) -> tuple[Loaded, Loaded]:
        """Training rows, and test rows as the inputs read them with what they learned from the training rows."""
        loaded = self.load(root, train, "train", size, keep)
        inputs = self.changed(**loaded.learned) if loaded.learned else self
        asked = inputs.load(root, test, self.test_split, size, keep)
        asked.notes = [note for note in asked.notes if note not in loaded.notes]
        loaded.learned |= asked.learned
        return loaded, asked

    def show(self, root: Path, frame: pd.DataFrame, split: str, size: int) -> list[np.ndarray | str]:
        """What people see of each row of a frame: its picture, uint8 [h, w, c], or a text. Raises BadData as `load` does."""
        rows = self.load(root, frame, split, size).rows
        return [np.asarray(picture) for picture in rows] if kind_of(rows) == "images" else rows.shown()

    def twins(self, look: Any) -> np.ndarray:
        """A number per row of `Loaded.look`, int64 [n]; rows that repeat each other share one.

        So do pictures that nearly repeat each other, where they count as one (`alike`).
        """
        if not isinstance(look, np.ndarray):
            return look.twins()
        from kit.data import duplicates

        name, find = ("alike", duplicates.groups) if self.alike else ("equal", duplicates.equal)
        return array_cache.beside(look, f"{name}{duplicates.VERSION}", find)

    def lay_out_again(  # noqa: B027 (a table holds most inputs whole)
        self, root: Path, out: Path, known: pd.Series, cells: pd.DataFrame | None
    ) -> None:
        """Write the test rows' files below `out` under other ids: `known` holds the id each has below `root`.

        `cells`: the test table under the new ids, if there is one.
        """

    def example_id(self, split: str, number: int) -> str:
        """An id for an invented row."""
        return f"{split}_{number:04d}"

    @abstractmethod
    def fabricate(
        self, root: Path, ids: list[str], split: str, classes: list[int], rng: np.random.Generator
    ) -> dict[str, list[str]]:
        """Invent the inputs of rows with these ids: write their files below `root`, return their columns as text cells.

        `classes`: a number per row; rows of one class should look alike, so that something can be learned. Inputs that use
        columns which the rows have already (`used_columns` names their id, answer, group or time) get these as `cells`.
        """
