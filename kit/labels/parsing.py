"""Parsing of answers: cells as numbers or class names, and what is wrong with a cell of a submission."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kit.errors import BadData, listed, quoted

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 1e30  # of an answer: float32 holds larger numbers, but not their sums


def numbers(train: pd.DataFrame, columns: tuple[str, ...], missing: np.ndarray | None = None) -> np.ndarray:
    """Cells as float64 [n, columns], NaN for those that are known to be `missing` (bool [n, columns]).

    Raises BadData naming rows whose cells are no numbers, or beyond ±LARGEST.
    """
    try:
        values = train[list(columns)].to_numpy(dtype=np.float64)
    except ValueError:
        values = np.array([[_number(cell) for cell in row] for row in train[list(columns)].to_numpy()], np.float64)
    wrong = ~(np.abs(values) <= LARGEST)
    if missing is not None:
        wrong &= ~missing
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        cell = train.iloc[row][columns[column]]
        why = "too large a number" if np.isfinite(values[row, column]) else "not a number"
        rows = train.index[wrong.any(axis=1)]
        others = f" ({len(rows):,} such rows: {listed(rows, 3)})" if len(rows) > 1 else ""
        raise BadData(
            f"training row {train.index[row]!r}, column {columns[column]!r}: {quoted(cell)} is {why}{others}."
            f" Leave the cell blank to train without {'the answer' if missing is not None else 'the row'}."
        )
    return values


def distinct(train: pd.DataFrame, column: str) -> tuple[str, ...]:
    """The names in a column, in their natural order. Raises BadData where all are the same."""
    names = tuple(sorted(set(train[column]), key=_natural))
    if len(names) < 2:
        raise BadData(f"column {column!r}: every training row has {listed(names)}; two classes are needed.")
    return names


def _natural(name: str) -> tuple[int, float, str]:
    """Numbers in their order, before names in theirs."""
    return (0, float(name), name) if name.isdecimal() else (1, 0.0, name)


def codes(train: pd.DataFrame, column: str, classes: tuple[str, ...]) -> np.ndarray:
    """The position of each cell among the classes, int64 [n]. Raises BadData naming those that are none."""
    position = {name: index for index, name in enumerate(classes)}
    positions = train[column].map(position)
    if positions.isna().any():
        raise unknown(train, column, classes)
    return positions.to_numpy(dtype=np.int64).copy()  # pandas hands out read-only memory


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def number_fault(cell: str, low: float = float("-inf"), high: float = float("inf"), whole: bool = False) -> str:
    """What is wrong with a cell that should hold a finite number from low to high; empty where it is right."""
    value = _number(cell)
    if not cell.strip():
        return "blank"
    if not np.isfinite(value):
        return f"{cell!r} is not a finite number"
    if cell != cell.strip() or "_" in cell or not cell.isascii():
        return f"{cell!r} is not plainly written"
    if whole and not cell.lstrip("+-").isdigit():
        return f"{cell!r} should be a whole number" + (f" ({int(value)})" if value == int(value) else "")
    return "" if low <= value <= high else f"{cell!r} is not from {low:g} to {high:g}"


def unknown(train: pd.DataFrame, column: str, classes: tuple[str, ...]) -> BadData:
    """The error for labels outside the declared classes, with the rows that have them."""
    rows = train[~train[column].isin(classes)]
    return BadData(
        f"column {column!r}: {listed(dict.fromkeys(rows[column]))} in training row {listed(rows.index, 3)}"
        f" is none of the classes {listed(classes, 10)}."
    )
