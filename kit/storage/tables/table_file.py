"""Table file: a competition's table as text cells, whatever file holds it: delimited text, Parquet, Feather, JSON lines."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from kit.errors import BadData, Usage, install
from kit.storage import frames
from kit.storage.tables import delimited_text
from kit.storage.tables.delimited_text import NAMES, TableFormat, write_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NAMES", "SUFFIXES", "TableFile", "TableFormat", "is_text", "read", "write_text", "written"]

TEXTS, COLUMNAR, LINES = (".csv", ".tsv", ".tab", ".txt"), (".parquet", ".feather"), (".jsonl", ".ndjson", ".json")
SUFFIXES = (*TEXTS[:3], *COLUMNAR, *LINES)  # of files that are tables; a .txt may be anything


@dataclass(frozen=True)
class TableFile:
    """A table as it was read: every cell as text; how its file is written; notes, and questions that begin with "?"."""

    frame: pd.DataFrame
    form: TableFormat = field(default_factory=TableFormat)
    notes: tuple[str, ...] = ()


def read(data: bytes, name: str, stated: TableFormat | None = None, most: int = 0) -> TableFile:
    """The table in the bytes of the file `name`. `most`: about so many cells of a text are read at most.

    Raises BadData naming the line that cannot be read, Usage where a package for this kind of file is missing.
    """
    suffix = PurePosixPath(name.lower()).suffix
    if suffix in COLUMNAR:
        return TableFile(_columnar(data, name, suffix))
    if suffix in LINES:
        return TableFile(_json_lines(data, name))
    frame, form, notes = delimited_text.read(data, name, stated or TableFormat(), most)
    return TableFile(frame, form, tuple(notes))


def is_text(name: str) -> bool:
    """Is the file `name` delimited text?"""
    return PurePosixPath(name.lower()).suffix not in (*COLUMNAR, *LINES)


def written(frame: pd.DataFrame, name: str, form: TableFormat | None = None) -> bytes:
    """A table of text cells as the bytes of the file `name`; undoes `read`."""
    suffix = PurePosixPath(name.lower()).suffix
    if suffix in COLUMNAR:
        buffer = io.BytesIO()
        (frame.to_parquet if suffix == ".parquet" else frame.to_feather)(buffer)
        return buffer.getvalue()
    if suffix in LINES:
        return "".join(json.dumps(row) + "\n" for row in frame.astype(str).to_dict("records")).encode()
    return write_text(frame, form).encode()


def _columnar(data: bytes, name: str, suffix: str) -> pd.DataFrame:
    """Parquet or Feather, with cells as a CSV of them would have them."""
    import pandas as pd

    try:
        import pyarrow
    except ImportError:
        raise Usage(f"{name}: this kind of file needs the extra `parquet` ({install('parquet')}).") from None
    read_file = pd.read_parquet if suffix == ".parquet" else pd.read_feather
    try:
        frame = read_file(io.BytesIO(data), dtype_backend="numpy_nullable")
    except (ValueError, OSError, pyarrow.ArrowException) as fault:
        raise BadData(f"{name}: not a readable {suffix[1:]} file ({str(fault).splitlines()[0]}). Download it again.") from None
    frame = frame.reset_index() if frame.index.names != [None] else frame
    cells = {str(column): [_text(value) for value in frame[column].astype(object)] for column in frame}
    return frames.of_text(cells)


def _json_lines(data: bytes, name: str) -> pd.DataFrame:
    """An object a line, or one list of objects; a key that an object lacks is a blank cell."""
    text = data.decode("utf-8-sig", "replace").strip()
    rows: list[dict[str, Any]] = []
    try:
        if text.startswith("["):
            rows = json.loads(text)
        for number, line in enumerate(text.split("\n") if not rows else (), start=1):
            where = f", line {number}"
            rows += [json.loads(line)] if line.strip() else []
    except ValueError as fault:
        raise BadData(f"{name}{'' if text.startswith('[') else where}: no JSON ({fault}).") from None
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise BadData(f'{name}: an object a row is expected, as {{"id": 1, "text": "…"}}.')
    names = list(dict.fromkeys(key for row in rows for key in row))
    return frames.of_text({key: [_text(row.get(key)) for row in rows] for key in names})


def _text(value: Any) -> str:
    """A value as a cell of a CSV has it."""
    if value is None or str(value) in ("<NA>", "nan", "NaT"):
        return ""
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value) if isinstance(value, list | dict) else str(value)
