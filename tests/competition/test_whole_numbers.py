"""Whole numbers: classes are told from amounts by their names, by the rows that each has, and by those of its neighbours."""

import numpy as np
import pandas as pd
import pytest

from kit.competition.detection.labels import of_column, of_task
from kit.errors import Usage
from kit.labels import Columns, Grade, Labels, Numbers, OneOf, Tags

RNG = np.random.default_rng(7)


def weighed(classes: int, rows: int) -> np.ndarray:
    """Rows of classes of very different sizes."""
    weights = 1 / np.arange(1, classes + 1)
    return RNG.choice(classes, rows, p=RNG.permutation(weights / weights.sum()))


CLASSES = {
    "as many rows each": ("y", np.arange(645) % 43),
    "three rows each": ("y", np.arange(3_000) % 1_000),
    "with gaps": ("y", 17 * (np.arange(400) % 80) + 5),
    "from one": ("target", np.arange(600) % 60 + 1),
    "drawn evenly": ("target", RNG.integers(0, 43, 900)),
    "of all sizes": ("y", weighed(100, 4_000)),
    "of all sizes, named": ("ClassId", weighed(43, 900)),
    "two rows each, with gaps": ("category_id", RNG.permutation(5_000)[np.arange(400) % 200]),
    "few": ("y", RNG.integers(0, 15, 200)),
    "signs": ("y", RNG.integers(-1, 2, 200)),
}
AMOUNTS = {
    "ages": ("y", RNG.normal(40, 14, 2_000).clip(18, 90).round()),
    "ages, named and even": ("Age", np.arange(900) % 60 + 18),
    "counts": ("y", RNG.poisson(30, 1_000)),
    "counts with a tail": ("y", RNG.geometric(0.05, 1_000)),
    "few, named": ("room_count", RNG.integers(1, 9, 300)),
    "years": ("year", np.arange(400) % 20 + 1990),
    "prices": ("y", np.exp(RNG.normal(6, 1, 1_000)).round()),
    "below zero": ("label", np.arange(400) % 40 - 20),
    "huge": ("label", (np.arange(400) % 40 + 1) * 10**8),
    "each once": ("label", RNG.permutation(800)),
    "fractions": ("label", np.arange(400) % 40 + 0.5),
}


def found(name: str, values: np.ndarray, answer: str = "0") -> Labels:
    cells = [f"{value:g}" if value % 1 else f"{value:.0f}" for value in values]
    return of_column(pd.Series(cells, name=name, dtype=object), pd.Series([answer], dtype=object))


@pytest.mark.parametrize("case", CLASSES)
def test_classes_are_found(case: str) -> None:
    assert found(*CLASSES[case]) == OneOf(CLASSES[case][0])


@pytest.mark.parametrize("case", AMOUNTS)
def test_amounts_are_found(case: str) -> None:
    assert found(*AMOUNTS[case]) == Numbers((AMOUNTS[case][0],))


def test_a_sample_of_fractions_asks_for_amounts() -> None:
    for case in ("as many rows each", "few"):
        assert isinstance(found(*CLASSES[case], answer="12.5"), Numbers)
        assert isinstance(found(*CLASSES[case], answer="nan"), OneOf)


TASKS: list[tuple[str, list[str], Labels]] = [
    ("classes", ["1.5", "2.5"], OneOf("y")),
    ("numbers", ["0", "1"], Numbers(("y",))),
    ("tags", ["a", "b"], Tags("y")),
    ("grades", ["0", "3"], Grade("y", 3)),
    ("grades", ["1", "5", "2"], Numbers(("y",), True, (1,), (5,))),
    ("probability", ["0", "1"], Columns(("y",))),
    ("probability", ["True", "False"], Columns(("y",))),
    ("probability", ["dead", "alive"], Columns(("dead",), column="y")),
]


@pytest.mark.parametrize(("task", "cells", "labels"), TASKS)
def test_a_task_decides(task: str, cells: list[str], labels: Labels) -> None:
    assert of_task(task, pd.Series(cells, name="y", dtype=object)) == labels


@pytest.mark.parametrize(("task", "cells"), [("grades", ["a", "b"]), ("grades", ["1", "1"]), ("probability", ["a", "b", "c"])])
def test_a_task_that_cannot_be_is_refused(task: str, cells: list[str]) -> None:
    with pytest.raises(Usage, match=f"--task {task}: 'y' has '"):
        of_task(task, pd.Series(cells, name="y", dtype=object))
