"""What `load` may give: arrays of pictures, pandas frames and lists of texts become what the models take."""

import numpy as np
import pandas as pd
import pytest

from kit.errors import BadData
from kit.inputs.base import Loaded
from kit.inputs.cells import Cells
from kit.inputs.texts import Texts

FRAME = pd.DataFrame(
    {
        "area": [1.5, np.nan, 1e-7, 4.0],
        "count": [3, 4, 5, 6],
        "colour": ["red", None, "blue", "red"],
        "sold": pd.to_datetime(["2020-01-31", "2021-02-28", None, "2020-01-31"]),
        "new": [True, False, True, True],
        "size": pd.Categorical(["s", "m", None, "s"]),
    },
    index=list("abcd"),
)


def test_a_frame_is_a_table_whose_typed_columns_keep_their_values() -> None:
    cells = Loaded(FRAME).rows
    assert isinstance(cells, Cells) and cells.shape == FRAME.shape
    rows = np.arange(4)
    kinds = {name: cells.kind(name, rows) for name in cells.names}
    assert kinds == dict(zip(FRAME, ["number", "number", "category", "date", "category", "category"], strict=True))
    assert np.array_equal(cells.numbers("area"), FRAME["area"], equal_nan=True)
    days = cells.dates("sold", "ymd").astype("datetime64[D]").astype(str).tolist()
    assert days == ["2020-01-31", "2021-02-28", "NaT", "2020-01-31"]
    assert [cells.blank(name).tolist() for name in ("area", "colour", "size")] == [
        [False, True, False, False],
        [False, True, False, False],
        [False, False, True, False],
    ]
    assert len(set(cells.twins())) == 4
    assert "colour –" in cells.shown()[1]  # which is blank


def test_a_list_of_strings_is_texts() -> None:
    texts = Loaded(["A film", "a  FILM", "another"]).rows
    assert isinstance(texts, Texts) and texts[1:] == ["a  FILM", "another"]
    assert texts.twins().tolist() == [0, 0, 1]


def test_grey_pictures_may_lack_their_channel() -> None:
    grey, colour = np.zeros((2, 5, 4), np.uint8), np.zeros((2, 5, 4, 3), np.uint8)
    assert Loaded(grey).rows.shape == (2, 5, 4, 1)
    assert Loaded(colour).rows is colour
    loaded = Loaded(colour, look=grey)
    assert loaded.look is grey


@pytest.mark.parametrize("rows", [np.zeros((2, 5, 4, 3), np.float32), np.zeros((2, 5), np.uint8)])
def test_other_arrays_are_refused(rows: np.ndarray) -> None:
    with pytest.raises(BadData, match=r"`load` gave an array of (float32 \[2, 5, 4, 3\]|uint8 \[2, 5\]); pictures are uint8"):
        Loaded(rows)
