"""Pixel columns: which columns of a table hold pixels, and the values of those that hold all of a picture in one cell.

pandas is imported inside functions: see `kit.inputs.base`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from math import isqrt
from typing import TYPE_CHECKING

import numpy as np

from kit.data import number_cells
from kit.errors import quoted

if TYPE_CHECKING:
    import pandas as pd

TOPS = (1, 15, 16, 63, 255)  # the brightest pixel there can be
DEEPER = (1023, 4095, 65535)  # in one cell, where nothing else is so long
LEAST = 64  # pixels of a picture
MOSTLY = 0.9  # share of the cells that must have as many numbers as a picture
PROBES = 20  # cells that are looked at before all are read


def named(columns: Sequence[str]) -> tuple[str, int, int] | None:
    """The prefix (or the name with braces) of columns that are numbered as the pixels of a square, the first number, the side.

    None where there are none.
    """
    crossed = [match for name in columns if (match := re.fullmatch(r"(.*?)(\d+)(\D+)(\d+)", name))]
    pairs = Counter((match[1], match[3]) for match in crossed)
    for (prefix, between), count in pairs.most_common(1):
        found = {(int(match[2]), int(match[4])) for match in crossed if (match[1], match[3]) == (prefix, between)}
        first, side = min(found)[0], isqrt(count)
        grid = {(first + row, first + column) for row in range(side) for column in range(side)}
        if count >= LEAST and found == grid and "{" not in prefix + between:
            return f"{prefix}{{row}}{between}{{column}}", first, side
    prefixes = Counter(match[1] for name in columns if (match := re.fullmatch(r"(.*?)\d+", name)))
    for prefix, count in prefixes.most_common(1):
        numbers = [name.removeprefix(prefix) for name in columns if re.fullmatch(re.escape(prefix) + r"\d+", name)]
        first, side = min(map(int, numbers)), isqrt(count)
        if count < LEAST or side**2 != count or set(map(int, numbers)) != set(range(first, first + count)) or "{" in prefix:
            continue
        width = len(numbers[0])
        padded = all(len(one) == width for one in numbers) and any(one.startswith("0") and len(one) > 1 for one in numbers)
        return (f"{prefix}{{:0>{width}}}" if padded else prefix), first, side
    return None


def top_of(*tables: pd.DataFrame) -> int:
    """The brightest pixel that columns can have; 0 where they hold no pixels."""
    import pandas as pd

    values = np.concatenate([table.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64) for table in tables])
    greys = (values >= 0).all() and (values <= 1).all() and "pix" in str(tables[0].columns[0]).lower()
    whole = bool((values % 1 == 0).all()) or greys
    return next((top for top in TOPS if whole and ((values >= 0) & (values <= top)).all()), 0)


def in_one_cell(cells: Sequence[str]) -> tuple[int, int] | None:
    """How many numbers most cells have and the brightest there can be, where they can be pictures, else None."""
    probes = cells[:: max(1, len(cells) // PROBES)]
    some = [count for _, _, counts in number_cells.read(probes) for count in counts]
    if np.median(some or [0]) < LEAST:
        return None
    counts, lowest, highest = [], 0.0, 0.0
    for _, values, some_counts in number_cells.read(cells):
        counts += some_counts.tolist()
        lowest, highest = min(lowest, float(values.min(initial=0))), max(highest, float(values.max(initial=0)))
    count, rows = Counter(counts).most_common(1)[0]
    top = next((top for top in (*TOPS, *DEEPER) if highest <= top), 0)
    return (count, top) if count >= LEAST and rows >= MOSTLY * len(cells) and lowest >= 0 and top else None


def likely_width(count: int) -> int:
    """The width of pictures of so many pixels that are no squares: as square as can be, and lying."""
    return next(width for width in range(isqrt(count) + 1, count + 1) if count % width == 0)


def usual_count(cells: Sequence[str]) -> int:
    """How many numbers most cells have."""
    counts = Counter(count for _, _, some in number_cells.read(cells) for count in some.tolist() if count > 0)
    return counts.most_common(1)[0][0] if counts else 0


def read(cells: Sequence[str], count: int, top: int) -> tuple[np.ndarray, dict[int, str]]:
    """The pixels of pictures in one cell each, uint8 [n, count], and what is wrong with which row; that row is blank."""
    pixels = np.zeros((len(cells), count), np.uint8)
    faults: dict[int, str] = {}
    for part, values, counts in number_cells.read(cells):
        good = np.flatnonzero(counts == count)
        table = values[np.repeat(counts == count, np.maximum(counts, 0))].reshape(len(good), count)
        beyond = (table.min(axis=1, initial=0) < 0) | (table.max(axis=1, initial=0) > top)
        pixels[part.start + good[~beyond]] = np.round(table[~beyond] * np.float32(255 / top))
        faults |= {part.start + int(row): f"a value is not from 0 to {top}" for row in good[beyond]}
        for row in np.flatnonzero(counts != count):
            has = (
                f"{counts[row]} numbers"
                if counts[row] >= 0
                else f"something that is no number ({quoted(_strange(cells[part.start + row]))})"
            )
            faults[part.start + int(row)] = f"the cell has {has}; {count} numbers are expected"
    return pixels, dict(sorted(faults.items()))


def _strange(cell: str) -> str:
    """What is no number in a cell."""
    parts = re.split(r"[\s,;\[\]()]+", cell)
    return next((part for part in parts if part and not re.fullmatch(r"[-+]?\d*\.?\d*(e[-+]?\d+)?", part, re.I)), cell)
