"""Submission: built in the columns, ids and order of the sample; every fault in a file is named.

pandas is imported inside functions: all Kaggle commands load this module, and only those that check a file need it.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kit.competition.sample import Sample
from kit.errors import BadData
from kit.storage import files, frames

if TYPE_CHECKING:
    import pandas as pd

    from kit.labels import Labels

SHOWN = 20
POINT = re.compile(r"(?<=\d)\.0+$")  # of whole numbers that the sample writes as 3.0


def build(sample: Sample | pd.DataFrame, predictions: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """The answers (index: id) for predictions by id. Raises BadData where an id has no prediction."""
    asked = Sample.of(sample)
    missing = asked.index[~asked.index.isin(predictions.index)]
    if len(missing):
        raise BadData(f"{len(missing)} ids of the sample have no prediction, the first {missing[0]!r}.")
    values = predictions.loc[asked.index].to_numpy(np.float32)
    answers = labels.decode(values, list(asked.columns))
    return asked.frame[[]].assign(**answers)[list(asked.columns)]


def write(path: Path, sample: Sample | pd.DataFrame, submission: pd.DataFrame, labels: Labels) -> None:
    """Write answers as the sample's file has them, checked as a file. Raises what `checked` does, and writes nothing then."""
    files.write(path, checked(sample, submission, labels))


def checked(sample: Sample | pd.DataFrame, submission: pd.DataFrame, labels: Labels) -> bytes:
    """Answers as the sample's file has them, after a check as a file. Raises BadData with its faults."""
    asked = Sample.of(sample)
    wrong = _answer_faults(asked, submission)
    text = b"" if wrong else asked.text(submission).encode()
    wrong = wrong or faults(text, asked, labels)
    if wrong:
        raise BadData(f"the submission would be wrong: {'; '.join(wrong[:3])}. Nothing was written.")
    return text


def _answer_faults(sample: Sample, answers: pd.DataFrame) -> list[str]:
    """What is wrong with the ids and columns of answers."""
    header, wanted = ([str(one.index.name), *map(str, one.columns)] for one in (answers, sample))
    wrong = [] if header == wanted else [_header_fault(header, wanted)]
    if answers.index.has_duplicates or not sample.index.isin(answers.index).all() or len(answers) != len(sample):
        missing = sample.index[~sample.index.isin(answers.index)]
        wrong.append(f"{len(answers):,} answers for {len(sample):,} ids, {len(missing):,} of which have none")
    return wrong


def faults(data: bytes, sample: Sample | pd.DataFrame, labels: Labels) -> list[str]:
    """Every fault of a submission file against the sample, each with its line and id; none: it is good."""
    asked = Sample.of(sample)
    wrong = _encoding_faults(data)
    try:
        text = io.StringIO(frames.text_of(data, "the file"), newline="")
        reader = csv.reader(text, strict=True, **asked.form.dialect)
        rows = [(reader.line_num, row) for row in reader]
    except (BadData, csv.Error) as fault:
        return [*wrong, f"cannot be read as CSV: {fault}"]
    header = [str(name) for name in asked.cells.columns]
    if not rows:
        return [*wrong, "the file is empty"]
    if rows[0][1] != header:
        return [*wrong, _header_fault(rows[0][1], header)]
    return wrong + _row_faults(rows[1:], header, asked, labels)


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


def _row_faults(rows: list[tuple[int, list[str]]], header: list[str], sample: Sample, labels: Labels) -> list[str]:
    wrong: list[str] = []
    lines: dict[str, list[int]] = {}
    place = header.index(sample.key) if sample.key else -1
    wanted = Counter(map(str, sample.cells[sample.key] if sample.key else sample.rows))
    decimal = sample.decimal
    checked = [(i, name) for i, name in enumerate(header) if name in sample.filled]
    real = [name for name in sample.filled if any(map(POINT.search, sample.cells[name].unique()))]
    for number, (line, row) in enumerate(rows, start=1):
        row_id = str(number) if place < 0 else row[place] if place < len(row) else ""
        if len(row) != len(header):
            wrong.append(f"line {line}: {len(row)} fields instead of {len(header)}")
            if row_id in wanted:
                lines.setdefault(row_id, []).append(line)
            continue
        seen = lines.setdefault(row_id, [])
        if row_id not in wanted:
            wrong.append(f"line {line}: the id {row_id!r} is not in the sample{_respelled(row_id, wanted)}")
        elif len(seen) >= wanted[row_id]:
            wrong.append(f"line {line}: the id {row_id!r} stands in line {seen[-1]} already")
        seen.append(line)
        for i, column in checked:
            cell = row[i].replace(",", ".") if decimal == "," else row[i]
            fault = labels.fault(cell)
            if fault and not (column in real and not labels.fault(POINT.sub("", cell))):
                wrong.append(f"line {line}, id {row_id!r}, column {column!r}: {fault}")
    return wrong + [f"the id {row_id!r} is missing" for row_id, count in wanted.items() if len(lines.get(row_id, [])) < count]


def _respelled(one: str, known: Container[str]) -> str:
    for guess in (one.strip(), one.removesuffix(".0"), one.lstrip("0")):
        if guess != one and guess in known:
            return f" (it has {guess!r})"
    return ""
