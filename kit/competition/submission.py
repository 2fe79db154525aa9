"""Submission: built in the columns, ids and order of the sample; every fault in a file is named.

pandas is imported inside functions: all Kaggle commands load this module, and only those that check a file need it.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kit.errors import BadData
from kit.storage import files, frames

if TYPE_CHECKING:
    import pandas as pd

    from kit.labels import Labels

SHOWN = 20
POINT = re.compile(r"(?<=\d)\.0+$")  # of whole numbers that the sample writes as 3.0


def build(sample: pd.DataFrame, predictions: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """The submission (index: id) for predictions by id. Raises BadData where an id has no prediction."""
    missing = sample.index[~sample.index.isin(predictions.index)]
    if len(missing):
        raise BadData(f"{len(missing)} ids of the sample have no prediction, the first {missing[0]!r}.")
    values = predictions.loc[sample.index].to_numpy(np.float32)
    answers = labels.decode(values, list(sample.columns))
    return sample[[]].assign(**answers)[list(sample.columns)]


def write(path: Path, sample: pd.DataFrame, submission: pd.DataFrame, labels: Labels) -> None:
    """Write a submission that was checked as a file; raises BadData with its faults and writes nothing otherwise."""
    text = frames.csv_text(submission).encode()
    wrong = faults(text, sample, labels)
    if wrong:
        raise BadData(f"the submission would be wrong: {'; '.join(wrong[:3])}. Nothing was written.")
    files.write(path, text)


def faults(data: bytes, sample: pd.DataFrame, labels: Labels) -> list[str]:
    """Every fault of a submission file against the sample (index: id), each with its line and id; none: it is good."""
    wrong = _encoding_faults(data)
    try:
        reader = csv.reader(io.StringIO(frames.text_of(data, "the file"), newline=""), strict=True)
        rows = [(reader.line_num, row) for row in reader]
    except (BadData, csv.Error) as fault:
        return [*wrong, f"cannot be read as CSV: {fault}"]
    header = [str(sample.index.name), *map(str, sample.columns)]
    if not rows:
        return [*wrong, "the file is empty"]
    if rows[0][1] != header:
        return [*wrong, _header_fault(rows[0][1], header)]
    return wrong + _row_faults(rows[1:], len(header), sample, labels)


def _encoding_faults(data: bytes) -> list[str]:
    if data[:3] == b"\xef\xbb\xbf":
        return ["begins with a byte-order mark: Kaggle takes it for part of the first column's name"]
    return ["is UTF-16: save it as UTF-8"] if data[:2] in (b"\xff\xfe", b"\xfe\xff") else []


def _header_fault(seen: list[str], wanted: list[str]) -> str:
    words = f"the header is {','.join(seen)!r}, not {','.join(wanted)!r}"
    if seen[1:] == wanted:
        return f"{words}: the first column is a row number; write with index=False"
    if [name.strip().lower() for name in seen] == [name.lower() for name in wanted]:
        return f"{words}: the spelling differs"
    if sorted(seen) == sorted(wanted):
        return f"{words}: the columns are in another order"
    return words


def _row_faults(rows: list[tuple[int, list[str]]], width: int, sample: pd.DataFrame, labels: Labels) -> list[str]:
    wrong: list[str] = []
    lines: dict[str, int] = {}
    known = set(sample.index)
    real = [name for name in sample.columns if any(map(POINT.search, sample[name].unique()))]
    for line, row in rows:
        if len(row) != width:
            wrong.append(f"line {line}: {len(row)} fields instead of {width}")
            if row and row[0] in known:
                lines.setdefault(row[0], line)
            continue
        row_id = row[0]
        if row_id not in known:
            wrong.append(f"line {line}: the id {row_id!r} is not in the sample{_respelled(row_id, known)}")
        elif row_id in lines:
            wrong.append(f"line {line}: the id {row_id!r} stands in line {lines[row_id]} already")
        lines.setdefault(row_id, line)
        for column, cell in zip(sample.columns, row[1:], strict=True):
            fault = labels.fault(cell)
            if fault and not (column in real and not labels.fault(POINT.sub("", cell))):
                wrong.append(f"line {line}, id {row_id!r}, column {column!r}: {fault}")
    return wrong + [f"the id {row_id!r} is missing" for row_id in sample.index if row_id not in lines]


def _respelled(one: str, known: set[str]) -> str:
    for guess in (one.strip(), one.removesuffix(".0"), one.lstrip("0")):
        if guess != one and guess in known:
            return f" (it has {guess!r})"
    return ""
