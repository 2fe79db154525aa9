"""Number cells: the many numbers in each cell of a column, read at once.

pandas is imported inside functions: see `kit.inputs.base`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import numpy as np

CHUNK = 2048  # cells that are read at a time
PARTS = b" ,;\t\r\n[]()"
LINES = bytes.maketrans(PARTS, b"\n" * len(PARTS))  # a number a line: pandas reads these ten times as fast as numpy
KINDS = np.zeros(256, np.uint8)  # of bytes: 0 has no number, 1 parts numbers, 2 is a sign of numbers
KINDS[list(PARTS)] = 1
KINDS[list(b"0123456789.eE+-")] = 2


def read(cells: Sequence[str]) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Parts of the cells with their numbers, float32 [numbers], and how many each cell has, int64 [cells].

    Blanks, commas and brackets part the numbers. A cell with anything else has -1 numbers, and none among these.
    """
    for start in range(0, len(cells), CHUNK):
        some = [" ".join(cell.splitlines()) if "\n" in cell or "\r" in cell else cell for cell in cells[start : start + CHUNK]]
        yield slice(start, start + len(some)), *_numbers(some)


def _numbers(cells: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of some cells, and how many each has."""
    counts = _counts("\n".join(cells))
    values = _parsed("\n".join([cell for cell, count in zip(cells, counts.tolist(), strict=True) if count >= 0]))
    if len(values) == counts[counts > 0].sum():
        return values, counts
    alone = [_parsed(cell) for cell in cells]  # signs of numbers that make none, as 1-2
    counts = np.array([len(one) if len(one) == count else -1 for one, count in zip(alone, counts, strict=True)], np.int64)
    return np.concatenate([one for one, count in zip(alone, counts, strict=True) if count >= 0] or [values[:0]]), counts


def _counts(lines: str) -> np.ndarray:
    """How many numbers each line has, int64 [lines]; -1 where there is a sign that no number has."""
    data = np.frombuffer(lines.encode("utf-8", "surrogatepass"), np.uint8)
    kinds = KINDS[data]
    number = kinds == 2
    first = np.flatnonzero(number & ~np.concatenate([[False], number[:-1]]))
    ends = np.append(np.flatnonzero(data == ord("\n")), len(data))
    counts = np.diff(np.searchsorted(first, ends), prepend=0)
    counts[np.unique(np.searchsorted(ends, np.flatnonzero(kinds == 0)))] = -1
    return counts


def _parsed(text: str) -> np.ndarray:
    """The numbers in a text, float32; none at all where something in it is no number."""
    import pandas as pd

    data = text.encode("utf-8", "surrogatepass").translate(LINES)
    if not data.strip():
        return np.zeros(0, np.float32)
    try:
        table = pd.read_csv(io.BytesIO(data), header=None, dtype=np.float32, keep_default_na=False, engine="c")
    except ValueError:
        return np.zeros(0, np.float32)
    return table.to_numpy(np.float32).ravel()
