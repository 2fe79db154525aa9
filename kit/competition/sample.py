"""Sample: the sample submission, which tells the rows and columns that are asked for, and how a submission is written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.errors import BadData, listed
from kit.storage import frames
from kit.storage.tables import table_file
from kit.storage.tables.table_file import TableFile, TableFormat

if TYPE_CHECKING:
    import pandas as pd

EXCERPT = 10  # a sample of so few rows, the first of a larger test, shows the form only


@dataclass(frozen=True, eq=False)
class Sample:
    """What is asked for, and the file that asks.

    `frame`: the cells to fill, by id and answer column; each id once. `cells`: the file as it stands, in its order of rows
    and columns. `rows`: the id that each line of the file asks for; `parts`: the answer column of each line, where a line
    asks for one of several (long form). `key`: the column of `cells` that names the rows, "" where the lines are counted.
    """

    frame: pd.DataFrame
    cells: pd.DataFrame
    rows: np.ndarray
    key: str
    parts: np.ndarray | None = None
    form: TableFormat = field(default_factory=TableFormat)
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, frame: pd.DataFrame | Sample) -> Sample:
        """A frame of cells to fill, indexed by id, as the sample that is written so."""
        if isinstance(frame, Sample):
            return frame
        name = str(frame.index.name or "id")
        cells = frame.copy()
        cells.insert(0, name, frame.index.astype(object))
        return cls(frame, cells.reset_index(drop=True), frame.index.to_numpy(dtype=object), name)

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, columns: Any) -> Any:
        """Columns of `frame`, as pandas has them."""
        return self.frame[columns]

    @property
    def index(self) -> pd.Index:
        """The ids that are asked for, each once."""
        return self.frame.index

    @property
    def columns(self) -> pd.Index:
        """The answer columns."""
        return self.frame.columns

    @property
    def filled(self) -> list[str]:
        """The columns of the file that answers are written to; the others stay as they are."""
        return [str(self.cells.columns[-1])] if self.parts is not None else [str(name) for name in self.columns]

    @property
    def decimal(self) -> str:
        """How the file writes a fraction: "," where its answers do."""
        cells = [cell for name in self.filled for cell in self.cells[name].unique() if cell.strip()]
        return "," if cells and all(re.fullmatch(r"-?\d+,\d+", cell.strip()) for cell in cells) else "."

    def renamed(self, ids: pd.Index) -> Sample:
        """The sample for other ids, one line each, where an excerpt of it is known."""
        frame = frames.of_text("", index=ids, columns=self.columns)
        cells = frames.of_text(dict.fromkeys(self.cells.columns, ""), index=range(len(ids)))
        cells[self.key] = ids.to_numpy(dtype=object)
        return replace(self, frame=frame, cells=cells, rows=ids.to_numpy(dtype=object))

    def text(self, answers: pd.DataFrame) -> str:
        """The submission file: the sample's own, with these answers (by id and answer column)."""
        written = answers.map(lambda cell: str(cell).replace(".", ",")) if self.decimal == "," else answers
        cells = self.cells.copy()
        place = answers.index.get_indexer(self.rows)
        if self.parts is not None:
            column = answers.columns.get_indexer(self.parts)
            cells[self.filled[0]] = written.to_numpy(dtype=object)[place, column]
        else:
            for name in self.filled:
                cells[name] = written[name].to_numpy()[place]
        return table_file.write_text(cells, self.form)


def read(file: TableFile, name: str, row_id: str, asked: tuple[str, ...], melted: str = "") -> Sample:
    """The sample in a file. `asked`: the answers' columns, as far as the labels know them; see `Competition.melted`.

    Without the column `row_id`, rows are numbered 1, 2, 3, …. Raises BadData where there are no rows, or an id is blank.
    """
    cells = file.frame
    if not len(cells):
        raise BadData(f"{name}: a header and no rows. Download it again.")
    if row_id and row_id not in cells:
        raise BadData(f"{name}: no column {row_id!r}; it has {listed(cells.columns, 8)}.")
    key = row_id if row_id in cells else ""
    ids = cells[key].to_numpy(dtype=object) if key else np.array([str(i + 1) for i in range(len(cells))], dtype=object)
    blank = next((i for i, one in enumerate(ids) if not str(one).strip()), None)
    if blank is not None:
        raise BadData(f"{name}, column {key!r}, line {blank + 2}: the id is blank.")
    if melted:
        rows, parts = split_ids(ids, asked, melted, name)
        frame = frames.of_text("", index=frames.text_index(dict.fromkeys(rows), row_id), columns=list(asked))
        return Sample(frame, cells, rows, key, parts=parts, form=file.form, notes=file.notes)
    others = [str(column) for column in cells if column != key]
    columns = [column for column in others if column in asked] if set(asked) <= set(others) and asked else others
    index = frames.text_index(ids, row_id or "row")
    first = ~index.duplicated()
    frame = cells.loc[first, columns].set_index(index[first])
    twice = int((~first).sum())
    notes = (f"{name}: {twice} lines ask for an id once more: they get the same answer",) if twice else ()
    return Sample(frame, cells, ids, key, form=file.form, notes=(*file.notes, *notes))


def split_ids(ids: np.ndarray, names: tuple[str, ...], mark: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The row and the answer column that each id of the long form (`ID_12_any`) is made of.

    Raises BadData naming one that is not.
    """
    ends = sorted((mark + one for one in names), key=len, reverse=True)
    parts = np.empty(len(ids), object)
    rows = np.empty(len(ids), object)
    for i, one in enumerate(ids):
        end = next((end for end in ends if one.endswith(end)), "")
        if not end:
            raise BadData(f"{name}, line {i + 2}: the id {one!r} ends with none of {listed(ends)}.")
        rows[i], parts[i] = one[: -len(end)], end[len(mark) :]
    return rows, parts
