"""Predictions: frames of float32 by id, saved as arrays inside a fold's folder, as CSV where people look for them."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from kit.errors import BadData, Usage, unreadable
from kit.storage import files, frames
from kit.storage.runs.parts import SEAL
from kit.storage.tables import number_text, typed_table

SUFFIX = ".npz"
LARGE = 1_000_000  # numbers in a CSV; pandas writes 1.1 million a second, and so many more take minutes
BLOCK = 1 << 16  # numbers written together, so that their letters stay in the processor's cache


def save(folder: Path, name: str, frame: pd.DataFrame) -> Path:
    """Write a frame of float32 by id as `NAME.npz` and return its path; undone by `load`.

    It holds `values` float32 [rows, columns] and `about`, the UTF-8 bytes of JSON: the ids, the columns, the index's name.
    """
    about = {"index": frame.index.name, "ids": list(frame.index), "columns": list(frame.columns)}
    arrays = {"values": frame.to_numpy(np.float32), "about": np.frombuffer(json.dumps(about).encode(), np.uint8)}
    path = folder / f"{name}{SUFFIX}"
    files.write(path, lambda file: np.savez(file, **arrays))  # not compressed: 13 s for 100 million, and a tenth is saved
    return path


def find(folder: Path, name: str) -> Path | None:
    """The file of these predictions: the arrays, or the CSV that older runs have in each fold's folder; None without any."""
    paths = (folder / f"{name}{suffix}" for suffix in (SUFFIX, ".csv"))
    return next((path for path in paths if path.exists()), None)


def load(folder: Path, name: str) -> pd.DataFrame:
    """The predictions of this name: float32, by id. Raises BadData where there are none, or their file is damaged."""
    path = find(folder, name) or folder / f"{name}{SUFFIX}"
    return _load_arrays(path) if path.suffix == SUFFIX else read_csv(path)


def _load_arrays(path: Path) -> pd.DataFrame:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:  # a zip: what it holds has checksums
            values, about = stored["values"], json.loads(stored["about"].tobytes())
        index = pd.Index(about["ids"], name=about["index"], dtype=object)
        return pd.DataFrame(values.astype(np.float32, copy=False), index=index, columns=about["columns"])
    except PermissionError as fault:
        raise unreadable(path, fault) from fault
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as fault:
        raise _damaged(path, fault) from fault


def export_csv(run: Path, out: Path) -> list[Path]:
    """Write what each fold (and the refit) of a run has predicted as `out/FOLD-NAME.csv`; returns these paths.

    Raises Usage where no fold has predicted anything.
    """
    stored = {(path.parent, path.stem) for suffix in (SUFFIX, ".csv") for path in run.glob(f"*/*{suffix}")}
    written = []
    for folder, name in sorted(stored):
        if (folder / SEAL).exists() and name.startswith(("oof", "test")):
            written.append(out / f"{folder.name}-{name}.csv")
            write_csv(written[-1], load(folder, name))
    if not written:
        raise Usage(f"{run}: no fold of this run holds predictions.")
    return written


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame of finite float32 by id as CSV: each number is read as the same bits again; undone by `read_csv`."""
    if frame.size < LARGE:
        frames.write_csv(path, frame)
        return
    values, ids = frame.to_numpy(np.float32), [_cell(one) for one in frame.index]
    head = ",".join(_cell(one) for one in (frame.index.name or "", *frame.columns))
    each = max(1, BLOCK // max(1, values.shape[1]))

    def content(file: IO[bytes]) -> None:
        file.write(f"{head}\n".encode())
        for start in range(0, len(values), each):
            file.write(number_text.lines(ids[start : start + each], values[start : start + each]))

    files.write(path, content)


def _cell(text: str) -> str:
    """A cell of a CSV, in quotes where its letters need them."""
    return '"{}"'.format(text.replace('"', '""')) if any(one in text for one in ',"\r\n') else text


def read_csv(path: Path) -> pd.DataFrame:
    """The frame of float32 by id that `write_csv` wrote. Raises BadData where the file is missing or damaged."""
    try:
        data = path.read_bytes()
        frame = _read_fast(data)
        if frame is None:
            frame = frames.read_csv(data, str(path))
        frame = frames.index_by(frame, str(frame.columns[0]), str(path))
        return type(frame)(frame.to_numpy(np.float32), index=frame.index, columns=frame.columns)  # one block: see `average`
    except PermissionError as fault:
        raise unreadable(path, fault) from fault
    except (OSError, ValueError) as fault:
        raise _damaged(path, fault) from fault


def _read_fast(data: bytes) -> pd.DataFrame | None:
    """The table by pandas' own reader; None where it is small, or not plainly a table of numbers: that is read with care."""
    head, _, rest = data.partition(b"\n")
    header, count = next(csv.reader([head.decode()]), []), rest.count(b"\n")
    plain = not any(one in rest for one in (b'"', b"\r", b"\0")) and rest.count(b",") == count * (len(header) - 1)
    if count * len(header) < LARGE or not plain or not all(header) or len(set(header)) < len(header):
        return None
    kinds: Any = {header[0]: "object"} | dict.fromkeys(header[1:], "float32")
    try:
        read = pd.read_csv(
            io.BytesIO(rest), names=header, dtype=kinds, keep_default_na=False, **typed_table.exactly(pd.__version__)
        )  # fmt: skip
    except (ValueError, OverflowError):  # pandas' ParserError is a ValueError
        return None
    return None if np.isnan(read.iloc[:, 1:].to_numpy()).any() else read  # a row that lacks fields is filled up


def _damaged(path: Path, fault: Exception) -> BadData:
    return BadData(
        f"{path}: not the predictions that were written ({fault}). Delete submission.csv and run again: it is made anew."
    )
