"""Pixels in the table: one cell a picture, or columns called in any of the usual ways; the same picture in each."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kit.competition import Competition
from kit.competition.synthetic import fabricate
from kit.errors import BadData
from kit.inputs import Pixels
from kit.inputs.base import Inputs
from kit.inputs.detection import Evidence
from kit.labels import OneOf
from kit.metrics import accuracy
from kit.storage.tables import table_file
from kit.storage.tables.table_file import TableFormat

SIDE = 9
PICTURES = np.random.default_rng(0).integers(0, 256, (30, SIDE, SIDE), dtype=np.uint8)
PICTURES[0, 0, :2] = 0, 255


def table(columns: dict[str, list[str]]) -> pd.DataFrame:
    return pd.DataFrame(
        {"label": ["a"] * len(PICTURES), **columns}, index=[f"r{i}" for i in range(len(PICTURES))], dtype=object
    )


def cells(write: Callable[[np.ndarray], str]) -> pd.DataFrame:
    return table({"shot": [write(picture.ravel()) for picture in PICTURES]})


def columns(name: Callable[[int, int], str], shade: Callable[[int], str] = str) -> pd.DataFrame:
    places = [(row, column) for row in range(SIDE) for column in range(SIDE)]
    written = {name(*place): [shade(int(one)) for one in PICTURES[:, place[0], place[1]]] for place in places}
    return table({one: written[one] for one in sorted(written)})  # in another order than on the picture


def detected(frame: pd.DataFrame, test: pd.DataFrame | None = None) -> Inputs | None:
    test = frame.iloc[20:].drop(columns="label") if test is None else test
    return Pixels.detect(Evidence(Path(), frame.iloc[:20], test, frozenset(["label"])))


def loaded(inputs: Inputs, frame: pd.DataFrame) -> np.ndarray:
    read = inputs.read_table(table_file.write_text(frame).encode(), "train.csv", TableFormat()).frame.set_axis(frame.index)
    return inputs.load(Path(), read, "train", 0).rows[..., 0]


CELL = Pixels(side=SIDE, column="shot")
WRITTEN = {
    "blanks": (cells(lambda values: " ".join(map(str, values))), CELL),
    "commas in brackets": (cells(lambda values: f"[{', '.join(map(str, values))}]"), CELL),
    "lines": (cells(lambda values: "\n".join(" ".join(map(str, row)) for row in values.reshape(SIDE, SIDE))), CELL),
    "floats to 1": (cells(lambda values: " ".join(f"{value / 255:.5f}" for value in values)), CELL.changed(top=1)),
    "floats to 255": (cells(lambda values: " ".join(f"{value}.0" for value in values)), CELL),
    "twelve bits": (cells(lambda values: " ".join(str(int(value) * 4095 // 255) for value in values)), CELL.changed(top=4095)),
    "from 0": (columns(lambda row, column: f"pixel{row * SIDE + column}"), Pixels(SIDE)),
    "from 1": (columns(lambda row, column: f"pixel{row * SIDE + column + 1}"), Pixels(SIDE, first=1)),
    "from 2": (columns(lambda row, column: f"V{row * SIDE + column + 2}"), Pixels(SIDE, "V", first=2)),
    "padded": (columns(lambda row, column: f"p_{row * SIDE + column:03d}"), Pixels(SIDE, "p_{:0>3}")),
    "crossed": (columns(lambda row, column: f"{row + 1}x{column + 1}"), Pixels(SIDE, "{row}x{column}", first=1)),
    "floats in columns": (
        columns(lambda row, column: f"pixel{row * SIDE + column}", lambda value: f"{value / 255:.5f}"),
        Pixels(SIDE, top=1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_however_pixels_are_written_they_are_found_and_the_same(name: str) -> None:
    frame, wanted = WRITTEN[name]
    inputs = detected(frame)
    assert inputs == wanted
    assert np.abs(loaded(wanted, frame).astype(int) - PICTURES).max() <= (1 if name == "twelve bits" else 0)


@pytest.mark.parametrize(
    "inputs", [*(wanted for _, wanted in WRITTEN.values()), Pixels(column="shot"), Pixels(column="shot", width=5)]
)
def test_what_is_fabricated_is_read_and_found(inputs: Pixels, tmp_path: Path) -> None:
    facts = Competition("shots", "id", inputs, OneOf("label"), accuracy)
    fabricate(facts, tmp_path, 30, 20)
    tables = facts.tables(tmp_path)
    for size in (0, 8):
        rows = [
            inputs.load(tmp_path, part, split, size).rows for part, split in ((tables.train, "train"), (tables.test, "test"))
        ]
        assert [len(one) for one in rows] == [30, 20] and rows[0].std() > 0
        assert rows[0].shape[1:] == (rows[1].shape[1:] if not size else (8, 8, 1))


def test_pictures_that_are_no_squares_are_a_question() -> None:
    frame = table({"shot": [" ".join(map(str, picture.ravel()[:72])) for picture in PICTURES]})
    inputs = detected(frame)
    assert inputs == Pixels(column="shot", width=9) and "9 wide, which is a guess: state width=" in inputs.doubts()[0]
    assert np.array_equal(loaded(inputs, frame), PICTURES[:, :8])
    with pytest.raises(
        BadData, match=r"column 'shot': most cells have 72 numbers, which is no picture of a square: state width="
    ):
        loaded(Pixels(column="shot"), frame)


NO_PIXELS: dict[str, Callable[[int], str]] = {
    "texts": lambda i: "a film of people who travel and " * 12,
    "negative amounts": lambda i: " ".join(str(k - 9) for k in range(81)),
    "series of many lengths": lambda i: " ".join("1" * (70 + i)),
    "few": lambda i: "1 2 3 4",
    "nothing": lambda i: "",
}


@pytest.mark.parametrize("name", NO_PIXELS)
def test_other_cells_are_no_pixels(name: str) -> None:
    assert detected(table({"shot": [NO_PIXELS[name](i) for i in range(len(PICTURES))]})) is None


@pytest.mark.parametrize("cell", [" ".join(["1"] * 80), "", " ".join(["1"] * 80 + ["x7"]), " ".join(["1"] * 80 + ["256"])])
def test_a_cell_that_is_no_picture_is_named_and_the_others_stay(cell: str) -> None:
    frame = WRITTEN["blanks"][0].copy()
    frame.loc["r7", "shot"] = cell
    said = {80: "has 80 numbers; 81 numbers", 0: "has 0 numbers; 81 numbers", 81: "'x7'" if "x7" in cell else "from 0 to 255"}
    for inputs in (CELL, Pixels(column="shot")):
        train, test = (inputs.load(Path(), frame, split, 0) for split in ("train", "test"))
        assert list(train.broken) == ["r7"] and "train row 'r7', column 'shot'" in train.broken["r7"]
        assert said[len(cell.split())] in train.broken["r7"]
        assert np.array_equal(train.rows[..., 0], np.delete(PICTURES, 7, axis=0))
        assert len(test.rows) == len(frame) and not test.rows[7].any() and np.array_equal(test.rows[8, ..., 0], PICTURES[8])
    frame["shot"] = [cell] * 16 + list(frame["shot"][16:])
    with pytest.raises(BadData, match=r"16 of 30 pictures cannot be read; the first: train row 'r0', column 'shot': "):
        CELL.load(Path(), frame, "train", 0)


@pytest.mark.parametrize("stated", [{}, {"width": 3}, {"column": "shot", "side": 3, "width": 3}])
def test_pixels_of_no_size_or_two_are_refused(stated: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="state"):
        Pixels(**stated)  # type: ignore[arg-type]
