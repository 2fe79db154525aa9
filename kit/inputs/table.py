"""Table: numbers, categories and dates in columns; which a column is follows from its cells, or is stated.

`kit.inputs.cells` and what uses it load pandas, so they are imported inside functions: see `kit.inputs.base`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from kit.config import Config
from kit.data.date_spelling import NAMED, are_dates
from kit.errors import BadData, install, listed
from kit.inputs.base import KEEP_ALL, Encode, Inputs, Keep, Loaded
from kit.inputs.detection import IDENTIFIER, Beginning, Evidence
from kit.storage import frames
from kit.storage.tables import delimited_text, table_file, typed_table
from kit.storage.tables.table_file import TableFile, TableFormat

if TYPE_CHECKING:
    import pandas as pd

    from kit.data.number_spelling import Spellings
    from kit.inputs.cells import Cells

FAST = Config(model="mlp", width=64, epochs=20, batch=256, lr=5e-3, weight_decay=0.3, dropout=0.1)
BEST = FAST.changed(width=256, epochs=60, lr=8e-3, dropout=0.2, ema=0.995)
TREES = Config(model="lightgbm", epochs=1)
BEST_TREES = TREES.changed(trees=2000, shrinkage=0.03)
FEW_ANSWERS, ROWS_EACH = 10, 50  # trees want so many rows for each of more classes than this
KINDS = ("number", "category", "date")
MARKS, PARTS, REPEATED = "/|_", 5, 4  # between parts of a cell; parts at most; cells for each value of one part at least
FEWEST, MANY, NEARLY = 20, 2000, 0.98  # different cells that tell whether they have parts; that are looked at; that have them
LOOKED_AT = 500  # ids that tell whether ids are dates


@dataclass(frozen=True)
class Table(Inputs):
    """The columns that train and test share, but for the answers and those named in `without` (names, ticket numbers).

    `numbers`, `categories`, `dates`: columns whose kind is stated; that of the others is found in the training rows. The column
    of ids is learned from where it is among them. `id_parts`: the mark between parts of the ids (`0001_02`: "_") that are
    learned from as columns (`id part 1`, …). `parts`: columns and the mark between parts of cells (`B/12/P`: "/") which are
    learned from too (`Cabin part 1`, …).
    """

    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    id_parts: str = ""
    parts: tuple[tuple[str, str], ...] = ()
    spellings: Spellings | None = field(default=None, repr=False, compare=False)
    kind: ClassVar[str] = "table"
    channels: int = 0
    mirror: bool = False

    @classmethod
    def detect(cls, evidence: Evidence) -> Self | None:
        """The columns that train and test share; those that only name the rows are left out."""
        if not evidence.shared:
            return None
        train = evidence.train
        names = [name for name in evidence.shared if IDENTIFIER.fullmatch(name) and train[name].is_unique]
        dated = all(dated_ids(table.index) for table in (train, evidence.test))
        parts = parted_columns(train[[name for name in evidence.shared if name not in names]])
        return cls(without=tuple(names), dates=(str(train.index.name),) if dated else (), parts=parts)

    def beginning(self, root: Path, train: pd.DataFrame | None, outputs: int = 1, encode: Encode | None = None) -> Beginning:
        """Boosted trees; a perceptron where LightGBM is missing, or where the rows teach it more than trees."""
        few = train is not None and outputs > FEW_ANSWERS and len(train) < ROWS_EACH * outputs
        if few:
            return Beginning(f"tables of fewer than {ROWS_EACH} rows a class, which teach trees little", FAST, BEST)
        if find_spec("lightgbm") is None:
            return Beginning(f"tables where the extra `lightgbm` is missing ({install('lightgbm')})", FAST, BEST)
        if train is not None and encode is not None and self._straight(train, encode):
            return Beginning("tables whose answers a straight line tells better than boosted trees do", FAST, BEST)
        return Beginning("tables", TREES, BEST_TREES)

    def _straight(self, train: pd.DataFrame, encode: Encode) -> bool:
        """Does a straight line tell the answers of some of the rows clearly better than trees? Asked of one number a row."""
        from kit.inputs.columns import straight_line

        rows = train.iloc[:: max(1, len(train) // straight_line.ROWS)].iloc[: straight_line.ROWS]
        y = encode(rows)
        if (y.ndim == 2 and y.shape[1] > 1) or (y.ndim == 1 and y.max(initial=0) > 1):
            return False
        y = y.reshape(-1).astype(np.float64)
        return straight_line.is_better(self._cells(rows[~np.isnan(y)]), y[~np.isnan(y)])

    def from_ids(self, ids: pd.Index) -> dict[str, Any] | None:
        made: dict[str, Any] = {str(ids.name): list(ids)} if ids.name in self.stated else {}
        if self.id_parts:
            parts = [str(one).split(self.id_parts) for one in ids]
            for i in range(max(map(len, parts), default=0)):
                made[f"{ids.name} part {i + 1}"] = [one[i] if i < len(one) else "" for one in parts]
        return made or None

    def derived(self, table: pd.DataFrame) -> dict[str, Any]:
        made = super().derived(table)
        for name, mark in self.parts:
            if name in table:
                split = [str(cell).split(mark) for cell in table[name]]
                for i in range(max(map(len, split), default=0)):
                    made[f"{name} part {i + 1}"] = [one[i] if i < len(one) else "" for one in split]
        return made

    @property
    def stated(self) -> dict[str, str]:
        """The kind of every column of which it is stated."""
        given = zip(KINDS, (self.numbers, self.categories, self.dates), strict=True)
        return {name: kind for kind, names in given for name in names}

    def beside(self, others: Iterable[str]) -> Self:
        return self.changed(without=tuple(dict.fromkeys([*self.without, *others])))

    def apart(self, others: Iterable[str]) -> Self:
        return self.changed(without=tuple(name for name in self.without if name not in others))

    def read_table(self, data: bytes, name: str, stated: TableFormat) -> TableFile:
        """As the base; columns of plain numbers are numbers where the whole file is plain, see `typed_table`."""
        form = stated if stated.delimiter else replace(stated, delimiter=delimited_text.likeliest(data, name))
        header = delimited_text.first_line(data).decode(errors="replace").strip().split(form.delimiter)
        dates = [column for column in header if NAMED.fullmatch(column)]  # 20120615 may be one
        plain = table_file.is_text(name) and not (stated.quoting or stated.encoding)
        text = {*self.without, *self.categories, *self.dates, *dates}
        table = typed_table.read(data, name, form.delimiter, text=text) if plain else None
        return super().read_table(data, name, stated) if table is None else TableFile(table, form)

    def measured(self, train: pd.DataFrame, test: pd.DataFrame) -> list[str]:
        other = {*self.without, *self.categories}
        return [name for name in train.columns if name in test.columns and name not in other]

    def stated_kind(self, column: str) -> str:
        return self.stated.get(column, "")

    def spelled(self, spellings: Spellings) -> Self:
        return self.changed(spellings=spellings)

    def agree(self, train: pd.DataFrame, test: pd.DataFrame, answers: tuple[str, ...]) -> tuple[pd.DataFrame, list[str]]:
        """Drops the columns that the test does not have. Raises BadData where none is left, or all are constant."""
        from kit.inputs.column_encoding import SHOWN, review

        columns = [name for name in train.columns if name not in self.without]
        frames.need_columns(train, [name for name in self.stated if name not in self.without], "the training table")
        lost = [name for name in columns if name not in test.columns]
        notes = [f"columns that the test table does not have are not used: {listed(lost, SHOWN)}"] if lost else []
        for name in lost:
            like = [other for other in test.columns if other.strip().casefold() == name.strip().casefold()]
            notes += [f"the test table's column {like[0]!r} may be {name!r}: give both the same name"] if like else []
        given = [name for name in answers if name in test.columns and (test[name].map(str.strip) != "").any()]
        if given:
            notes.append(f"the test table has the answers' column {listed(given)}: it is not read")
        shared = [name for name in columns if name in test.columns]
        if not shared:
            has = f"train has {listed(columns, SHOWN)}" if columns else "train has no other"
            raise BadData(f"train and test share no column besides ids and answers; {has}.")
        return train.drop(columns=lost), notes + review(self._cells(train[shared]), self._cells(test[shared]))

    def _cells(self, frame: pd.DataFrame) -> Cells:
        from kit.inputs.cells import Cells

        used = frame[[name for name in frame.columns if name not in self.without]]
        return Cells(self.spellings.read_inputs(used) if self.spellings else used, self.stated)

    def load(self, root: Path, frame: pd.DataFrame, split: str, size: int, keep: Keep = KEEP_ALL) -> Loaded:
        return Loaded(self._cells(frame))

    def fabricate(
        self, root: Path, ids: list[str], split: str, classes: list[int], rng: np.random.Generator
    ) -> dict[str, list[str]]:
        usual = {"size": "number", "shape": "category", "seen": "date"}
        stated = self.stated if len(self.stated) > 1 else {**usual, **self.stated}
        return {name: _invented(kind, classes, rng) for name, kind in stated.items()}


def parted_columns(table: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    """The columns whose cells are several in one (`B/12/P`), each with the mark between the parts.

    Nearly all different cells have as many marks, and one part at least has far fewer values than the whole.
    """
    found = []
    for name in table:
        cells = [one for one in dict.fromkeys(map(str, table[name].iloc[:: max(1, len(table) // MANY)])) if one.strip()]
        for mark in MARKS if len(cells) >= FEWEST and not are_dates(cells) else ():
            split = [one.split(mark) for one in cells]
            many = Counter(map(len, split)).most_common(1)[0][0]
            whole = [one for one in split if len(one) == many and all(one)]
            values = [len(set(part)) for part in zip(*whole, strict=True)]
            if 1 < many <= PARTS and len(whole) >= NEARLY * len(split) and REPEATED * min(values) <= len(whole):
                found.append((str(name), mark))
                break
    return tuple(found)


def dated_ids(ids: Any) -> bool:
    """Are the ids of a table dates? They are learned from then. Some of them are looked at."""
    return are_dates(ids[:: max(1, len(ids) // LOOKED_AT)])


def _invented(kind: str, classes: list[int], rng: np.random.Generator) -> list[str]:
    """Cells that tell something of the class, a tenth of them blank."""
    blank = rng.random(len(classes)) < 0.1
    if kind == "number":
        cells = [f"{one + rng.normal(0, 0.5):.3f}" for one in classes]
    elif kind == "date":
        cells = [f"20{one % 20 + 10:02d}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}" for one in classes]
    else:
        cells = ["abcdefgh"[(one + int(rng.random() < 0.2)) % 8] for one in classes]
    return ["" if none else cell for cell, none in zip(cells, blank, strict=True)]
