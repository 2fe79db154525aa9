"""Gaps: how long before a validation block training ends (`--gap`), so that what overlaps in time does not leak (purging)."""

from __future__ import annotations

import contextlib
import re

import numpy as np

from kit.errors import Usage

SECONDS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
TICKS = 1_000_000  # of a second: dates are whole microseconds
DURATION = re.compile(r"(?:\d+(?:\.\d+)?[wdhms])+")


def parsed(text: str) -> tuple[float, bool]:
    """`7`, `0.5`, `7d`, `1d12h` as a number, or as seconds and True. Raises Usage for anything else."""
    with contextlib.suppress(ValueError):
        if 0 <= float(text) < np.inf:
            return float(text), False
    bare = text.strip().lower()
    if not DURATION.fullmatch(bare):
        raise Usage(f"--gap {text}: a number such as 7, or a duration such as 7d, 12h or 2w, is expected.")
    return sum(float(number) * SECONDS[unit] for number, unit in re.findall(r"([\d.]+)([wdhms])", bare)), True


def ticks(text: str, time: np.ndarray, column: str) -> float:
    """The gap in the units of `time`, as `kit.data.dealing.time_column` gives it: numbers, or whole microseconds.

    Raises Usage for a number where times are dates, or a duration where they are numbers.
    """
    amount, lasts = parsed(text)
    dates = time.dtype.kind == "i"
    if amount and dates != lasts:
        holds, wanted = ("dates", "a duration such as 7d") if dates else ("numbers", "a number in their unit, such as 7")
        raise Usage(f"--gap {text}: column {column!r} holds {holds}: give {wanted}.")
    return round(amount * TICKS) if dates else amount


def since(time: np.ndarray, blocks: np.ndarray, fold: np.ndarray, gap: float) -> np.ndarray:
    """The first fold that trains on a row of each time [n]: whose block begins later than `gap` after it.

    `blocks` [b]: the times of rows that are validated, `fold` [b] their folds, which are in the order of time. A row that is
    older than no block gets a fold beyond the last.
    """
    numbers = np.unique(fold)
    begins = np.array([blocks[fold == number].min() for number in numbers])
    return np.append(numbers, numbers[-1] + 1)[np.searchsorted(begins, time + gap, side="right")]
