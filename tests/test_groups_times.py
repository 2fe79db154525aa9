"""What folds are dealt by: groups from a column, groups that are linked either way, and times from numbers or dates."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from kit import folds
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
    group = folds.joined(one, other)
    for parts in (one, other):
        assert all(len(set(group[parts == part])) == 1 for part in parts)
    reached = {0}  # what can be reached from the first row by equal numbers in either column
    while more := {j for i in reached for j in range(len(one)) if one[i] == one[j] or other[i] == other[j]} - reached:
        reached |= more
    assert set(np.flatnonzero(group == group[0])) == reached


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
    values = folds.times(table(cells), "when")
    assert (np.diff(values) > 0).all()
    assert len(np.unique(folds.times(table([cells[0], cells[0]]), "when"))) == 1


@pytest.mark.parametrize("cells", [["2020-01-01", "soon"], ["1", ""], ["1", "nan"], ["2020-01-01", "2020-13-45"]])
def test_what_is_no_time_is_named_with_its_row(cells: list[str]) -> None:
    with pytest.raises(BadData, match=r"training row 'id1', column 'when': .* is neither a number nor a date"):
        folds.times(table(cells), "when")
