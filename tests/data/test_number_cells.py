"""Number cells: what is read at once is what each cell says alone."""

import random

import numpy as np
import pytest

from kit.data import number_cells

ODD = ["", " ", "x", "1-2", "1.2.3", "nan", "3 é", "7 \n8", "--", "1e", "."]


def alone(cell: str) -> list[float] | None:
    """The numbers in a cell, None where something in it is none."""
    for sign in ",;[]()":
        cell = cell.replace(sign, " ")
    try:
        values = [float(np.float32(part)) for part in cell.split()]
    except ValueError:
        return None
    return None if np.isnan(values).any() else values


def read(cells: list[str]) -> list[list[float] | None]:
    rows: list[list[float] | None] = []
    for part, values, counts in number_cells.read(cells):
        assert part.stop - part.start == len(counts) and values.dtype == np.float32
        ends = np.cumsum(np.maximum(counts, 0))
        assert ends[-1] == len(values)
        rows += [
            None if count < 0 else values[end - count : end].tolist() for count, end in zip(counts, ends.tolist(), strict=True)
        ]
    return rows


@pytest.mark.parametrize("seed", range(6))
def test_cells_read_at_once_are_those_read_alone(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_cells, "CHUNK", 7)
    rng = random.Random(seed)

    def cell() -> str:
        if rng.random() < 0.1:
            return rng.choice(ODD)
        numbers = [rng.choice([str(rng.randrange(300)), f"{rng.random():.4f}", f"-{rng.randrange(9)}e2"]) for _ in range(9)]
        before, after = rng.choice([("", ""), ("[", "]"), ("( ", "\n")])
        return before + rng.choice([" ", ",", ", ", "  ", "; "]).join(numbers[: rng.randrange(10)]) + after

    cells = [cell() for _ in range(60)]
    assert read(cells) == [alone(one) for one in cells]
    assert list(number_cells.read([])) == []
