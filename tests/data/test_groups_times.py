"""What folds are dealt by: groups from a column, groups that are linked either way, and times from numbers or dates."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

import kit
from kit.data import duplicates, folds
from kit.data.dealing import time_column
from kit.errors import BadData

PAIRS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=40)


@given(st.lists(st.text(max_size=3), min_size=1))
def test_codes_are_equal_where_the_values_are(values: list[str]) -> None:
    values = [value.rstrip("\0") for value in values]  # numpy does not keep them
    codes = folds.codes(values)
    assert codes.dtype.kind == "i"
    assert all((codes[i] == codes[j]) == (values[i] == values[j]) for i in range(len(values)) for j in range(i))


@given(PAIRS)
def test_joined_groups_are_the_smallest_that_hold_both(pairs: list[tuple[int, int]]) -> None:
    one, other = (np.array(column) for column in zip(*pairs, strict=True))
    group = duplicates.joined(one, other)
    for parts in (one, other):
        assert all(len(set(group[parts == part])) == 1 for part in parts)
    reached = {0}  # what can be reached from the first row by equal numbers in either column
    while more := {j for i in reached for j in range(len(one)) if one[i] == one[j] or other[i] == other[j]} - reached:
        reached |= more
    assert set(np.flatnonzero(group == group[0])) == reached


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 3)), min_size=1, max_size=40))
def test_parted_groups_are_those_with_rows_in_two_blocks(rows: list[tuple[int, int]]) -> None:
    groups, fold = (np.array(column) for column in zip(*rows, strict=True))
    assert folds.Folds(fold, by_time=True).parted(groups) == sum(len(set(fold[groups == one])) > 1 for one in set(groups))


ADAPTER = """
from kit.competition import Competition
from kit.config import Config
from kit.inputs import Table
from kit.labels import OneOf
from kit.metrics import accuracy

competition = Competition("shop", id="id", inputs=Table(numbers=("n",)), labels=OneOf("sold", ("0", "1")), metric=accuracy,
                          group="who", time="when")
presets = {"fast": Config(model="mlp", epochs=1, folds=2)}
"""


@pytest.mark.parametrize(("split", "said"), [("auto", True), ("plain", False)])
def test_groups_that_time_parts_are_counted(split: str, said: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shop.py").write_text(ADAPTER)
    rows = [f"{i},{i * 7 % 5},{i % 2},{'ann' if i % 3 else 'bob'},{i}\n" for i in range(30)]  # and one who was there only once
    (tmp_path / "train.csv").write_text("id,n,sold,who,when\n" + "".join(rows) + "30,2,1,eve,30\n")
    (tmp_path / "test.csv").write_text("id,n,who,when\n31,1,ann,31\n")
    (tmp_path / "sample_submission.csv").write_text("id,sold\n31,0\n")
    kit.run(str(tmp_path / "shop.py"), tmp_path, out=tmp_path / "r", split=split)
    assert ("older rows of 2 'who' train" in capsys.readouterr().err) == said


def table(cells: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"when": cells}, index=[f"id{i}" for i in range(len(cells))], dtype=object)


@pytest.mark.parametrize(
    "cells",
    [
        ["-1", "0", "0.5", "3", "10", "1e3"],
        ["2019-12-31", "2020-01-01", "2020-01-01 00:00:01", "2020-02-01T12:00:00", "2021-01-01T00:00:00Z"],
        ["2020-01-01T00:00:00+02:00", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00-02:00"],
    ],
)
def test_times_sort_as_they_follow_each_other(cells: list[str]) -> None:
    values = time_column.times(table(cells), "when")
    assert (np.diff(values) > 0).all()
    assert len(np.unique(time_column.times(table([cells[0], cells[0]]), "when"))) == 1


@pytest.mark.parametrize("cells", [["2020-01-01", "soon"], ["1", ""], ["1", "nan"], ["2020-01-01", "2020-13-45"]])
def test_what_is_no_time_is_named_with_its_row(cells: list[str]) -> None:
    with pytest.raises(BadData, match=r"training row 'id1', column 'when': .* is neither a number nor a date"):
        time_column.times(table(cells), "when")
