"""What inputs show: a picture or a text for each row, remarks on the data, and both splits as one to look for twins."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kit.inputs import Inputs, Pixels, Table, Text, remarks as row_remarks
from kit.inputs.base import KEEP_ALL, Keep, Loaded


class Points(Inputs):
    """Inputs of a guest, straight from the base: two numbers a row, no picture."""

    kind = "table"

    def load(self, root: Path, frame: pd.DataFrame, split: str, size: int, keep: Keep = KEEP_ALL) -> Loaded:
        return Loaded(frame[["x", "y"]])

    def fabricate(self, root: Path, ids: list[str], split: str, classes: list[int], rng: np.random.Generator) -> dict[str, Any]:
        return {"x": [str(one) for one in classes], "y": [str(one) for one in classes]}


def frame(**columns: list[Any]) -> pd.DataFrame:
    return pd.DataFrame(columns, index=pd.Index(["r0", "r1"], name="id"), dtype=object)


def pictures(*shades: int) -> pd.DataFrame:
    """A row for each shade, in pixels of that and of the next shade."""
    rows = [[shade, shade, shade, min(shade + i, 255)] for i, shade in enumerate(shades)]
    return pd.DataFrame(rows, columns=[f"pixel{i}" for i in range(4)], index=[f"r{i}" for i in range(len(shades))])


@pytest.mark.parametrize(
    ("inputs", "table", "shown"),
    [
        (Text("review"), frame(review=["good\nfilm", "<b>bad"], title=["a", "b"]), ["good\nfilm", "<b>bad"]),
        (Table(without=("name",)), frame(name=["x", "y"], age=["1", ""], town=["A", "B"]), ["age 1  town A", "age –  town B"]),
        (Points(), frame(x=["1", "2"], y=["3", "4"]), ["x 1  y 3", "x 2  y 4"]),
    ],
)
def test_rows_without_pictures_are_shown_as_text(inputs: Inputs, table: pd.DataFrame, shown: list[str]) -> None:
    assert inputs.show(Path(), table, "train", 0) == shown


def test_pictures_are_shown_as_they_are_loaded() -> None:
    pixels = Pixels(2)
    shown = pixels.show(Path(), pictures(7, 9), "train", 0)
    assert [picture[..., 0].tolist() for picture in shown if not isinstance(picture, str)] == [
        [[7, 7], [7, 7]], [[9, 9], [9, 10]],
    ]  # fmt: skip


def remarks(inputs: Inputs, train: pd.DataFrame, test: pd.DataFrame, size: int = 0) -> list[tuple[str, bool]]:
    loaded = inputs.load(Path(), train, "train", 0), inputs.load(Path(), test, "test", size)
    return list(row_remarks.remarks(*loaded, (train.index, test.index)))


def test_pictures_of_one_colour_and_of_another_size_deserve_attention() -> None:
    assert remarks(Pixels(2), pictures(7, 9), pictures(7, 9)) == [
        ("pictures of 2×2, 1 channels", False),
        ("1 training pictures are of one colour: ids 'r0'", True),
    ]
    assert remarks(Pixels(2), pictures(7, 9), pictures(7, 9), 4)[-1] == (
        "test pictures are 4×4, unlike the training pictures", True,
    )  # fmt: skip


def test_empty_texts_deserve_attention() -> None:
    table = frame(review=["good", " "])
    assert [line for line, warns in remarks(Text("review"), table, table) if warns] == [
        "1 training texts are empty: ids 'r1'",
        "1 test texts are empty: ids 'r1'",
    ]


def test_inputs_of_a_guest_need_no_remarks() -> None:
    table = frame(x=["1", "2"], y=["3", "4"])
    assert remarks(Points(), table, table) == []


@pytest.mark.parametrize(("inputs", "table"), [(Text("review"), frame(review=["good", "bad"])), (Pixels(2), pictures(7, 200))])
def test_a_test_row_that_repeats_a_training_row_is_its_twin(inputs: Inputs, table: pd.DataFrame) -> None:
    train, test = (inputs.load(Path(), table, split, 0) for split in ("train", "test"))
    groups = inputs.twins(row_remarks.joined(train, test))
    assert groups[:2].tolist() == groups[2:].tolist() and groups[0] != groups[1]


@pytest.mark.parametrize("inputs", [Table(), Points()])
def test_tables_of_both_splits_are_compared_as_one(inputs: Inputs) -> None:
    table = frame(x=["1", "2"], y=["3", "4"])
    train, test = (inputs.load(Path(), table, split, 0) for split in ("train", "test"))
    assert row_remarks.joined(train, test).frame["x"].tolist() == ["1", "2", "1", "2"]


def test_pictures_of_two_sizes_are_not_compared() -> None:
    train, test = (Pixels(2).load(Path(), pictures(7), split, size) for split, size in (("train", 0), ("test", 4)))
    assert row_remarks.joined(train, test) is None
