"""Labels at the doors: answers that are none are refused by row in training files and by cell in submissions."""

import numpy as np
import pandas as pd
import pytest

from kit.errors import BadData
from kit.labels import Columns, Grade, Labels, Numbers, OneOf, Tags


def table(columns: dict[str, list[str]]) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    return pd.DataFrame(columns, index=[f"id{i}" for i in range(n)], dtype=object)


@pytest.mark.parametrize(
    ("labels", "columns", "words"),
    [
        (OneOf("y", ("a", "b")), {"y": ["a", "A"]}, "'A' in training row 'id1' is none of the classes 'a', 'b'"),
        (OneOf("y", ("0", "1")), {"y": ["0", "1.0"]}, "'1.0' in training row 'id1'"),
        (Grade("y", 4), {"y": ["3.0", "5"]}, "'5' in training row 'id1' is none of the classes"),
        (Grade("y", 4), {"y": ["2.5", "-1"]}, "'2.5', '-1' in training row 'id0', 'id1'"),
        (Grade("y", 4), {"y": ["0", "x"]}, "training row 'id1', column 'y': 'x' is not a number"),
        (Columns(("a", "b")), {"a": ["0", "1"], "b": ["1", "1.5"]}, "training row 'id1', column 'b': '1.5' is not 0 to 1"),
        (Columns(("a", "b"), True), {"a": ["0", ""], "b": ["1", "1"]}, "training row 'id1', column 'a': '' is not a number"),
        (Columns(("a", "b"), True), {"a": ["1", "1"], "b": ["0", "1"]}, "training row 'id1': .* exclude each other .* 2"),
        (Tags("y", ("a", "b")), {"y": ["a b", "a c"]}, "training row 'id1': the tag 'c' is none of 'a', 'b'"),
        (Numbers(("v",)), {"v": ["1", "two"]}, "training row 'id1', column 'v': 'two' is not a number"),
        (Numbers(("v",)), {"v": ["1", "inf"]}, "'inf' is not a number"),
        (Numbers(("v",)), {"v": ["1", "nan"]}, "training row 'id1', column 'v': 'nan'"),
        (Numbers(("v", "w")), {"v": ["1", "-inf"], "w": ["nan", "inf"]}, "'-inf' is not a number. Leave .* without the answer"),
        (Numbers(("v",)), {"v": ["1e400", "inf"]}, "'1e400' is not a number \\(2 such rows: 'id0', 'id1'\\)"),
    ],
)
def test_an_answer_that_is_none_is_refused_by_its_row(labels: Labels, columns: dict[str, list[str]], words: str) -> None:
    with pytest.raises(BadData, match=words):
        labels.encode(table(columns))


@pytest.mark.parametrize(
    ("labels", "columns", "blank"),
    [
        (OneOf("y"), {"y": ["a", "", " ", "NA", "nan"]}, [1, 2]),
        (Grade("y", 2), {"y": ["0", "", "1"]}, [1]),
        (Columns(("a", "b")), {"a": ["0", "", " "], "b": ["0", "1", "nan"]}, [2]),
        (Columns(("a", "b"), True), {"a": ["0", "", "1"], "b": ["0", "1", " "]}, [1, 2]),
        (Tags("y"), {"y": ["a b", "", "None"]}, [1]),
        (Numbers(("v",)), {"v": ["1", "NaN", "2", "", "n/a", " - ", "NULL"]}, [1, 3, 4, 5, 6]),
        (Numbers(("v", "w")), {"v": ["1", "NaN", "2", "NA"], "w": ["1", "2", "", " "]}, [3]),
    ],
)
def test_blank_answers_are_told_from_names_such_as_na(labels: Labels, columns: dict[str, list[str]], blank: list[int]) -> None:
    assert list(np.flatnonzero(labels.blank(table(columns)))) == blank


DIGITS = OneOf("y", tuple("0123456789"))
PROBABILITY, WHOLE = Columns(("p",)), Numbers(("v",), whole=True)


@pytest.mark.parametrize(
    ("labels", "cell", "words"),
    [
        (DIGITS, "3.0", "'3.0' is no class (it is spelled '3')"),
        (DIGITS, " 3", "spelled '3'"),
        (DIGITS, "10", "'10' is no class"),
        (DIGITS, "", "'' is no class"),
        (OneOf("y", ("cat", "dog")), "Cat", "spelled 'cat'"),
        (OneOf("y", ("Cat", "dog")), "cat ", "spelled 'Cat'"),
        (Grade("y", 4), "3.0", "should be a whole number (3)"),
        (Grade("y", 4), "2.5", "should be a whole number"),
        (Grade("y", 4), "5", "not from 0 to 4"),
        (Grade("y", 4), "-1", "not from 0 to 4"),
        (Grade("y", 4), "nan", "not a finite number"),
        (PROBABILITY, "1.0001", "not from 0 to 1"),
        (PROBABILITY, "-0.1", "not from 0 to 1"),
        (PROBABILITY, "NaN", "not a finite number"),
        (PROBABILITY, "inf", "not a finite number"),
        (PROBABILITY, "", "blank"),
        (PROBABILITY, "0,5", "not a finite number"),
        (PROBABILITY, "0_1", "not plainly written"),
        (PROBABILITY, " 0.5", "not plainly written"),
        (PROBABILITY, "٠", "not plainly written"),
        (WHOLE, "3.5", "should be a whole number"),
        (WHOLE, "3.0", "should be a whole number (3)"),
        (WHOLE, "1e3", "should be a whole number (1000)"),
        (WHOLE, "-inf", "not a finite number"),
        (Numbers(("v",)), "1e999", "not a finite number"),
        (Numbers(("v",)), "0x1F", "not a finite number"),
        (Tags("y", ("a", "b")), "a c", "'c' is no tag"),
        (Tags("y", ("a", "b")), "", "is no tag"),
        (Tags("y", ("a", "b")), "a  b", "is no tag"),
        (Tags("y", ("a", "b")), "a,b", "is no tag"),
    ],
)  # fmt: skip
def test_a_wrong_cell_is_named_with_what_it_should_be(labels: Labels, cell: str, words: str) -> None:
    assert words in labels.fault(cell)


@pytest.mark.parametrize(
    ("labels", "cells"),
    [
        (DIGITS, list("0123456789")),
        (OneOf("y", ("NA", "None", "null", "a b")), ["NA", "None", "null", "a b"]),
        (Grade("y", 4), ["0", "4"]),
        (PROBABILITY, ["0", "1", "0.5", "1e-05", "1.0", "9.999999e-1"]),
        (WHOLE, ["0", "-3", "+3", "792"]),
        (Numbers(("v",)), ["-1.5", "1e5", "3"]),
        (Tags("y", ("a", "b")), ["a", "b a"]),
    ],
)
def test_right_cells_pass(labels: Labels, cells: list[str]) -> None:
    assert [labels.fault(cell) for cell in cells] == [""] * len(cells)
