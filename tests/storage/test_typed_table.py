"""Typed table: what is read as numbers is what the careful reader reads as text; whatever is odd is left to that one."""

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

import kit
from kit.competition import Competition
from kit.inputs import Table
from kit.inputs.cells import Cells
from kit.inputs.column_encoding import Encoding
from kit.labels import OneOf
from kit.metrics import accuracy
from kit.storage import frames
from kit.storage.tables import typed_table

NUMBER = st.one_of(
    st.integers(-(10**12), 10**12).map(str), st.floats(-1e9, 1e9).map(repr), st.sampled_from(["", "NA", "0", "-7"])
)
CELL = st.one_of(NUMBER, st.sampled_from(["0001", "x", 'a "word"', "a,b", "1.234", "5.678", "1e5", " 3 ", "TRUE", "ü", "1_0"]))
TABLES = st.integers(1, 6).flatmap(
    lambda n: st.lists(st.lists(st.one_of(NUMBER, CELL), min_size=n, max_size=n), min_size=2, max_size=5)
)


def written(columns: list[list[str]], end: str = "\n") -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator=end).writerows([[f"c{i}" for i in range(len(columns))], *zip(*columns, strict=True)])
    return text.getvalue().encode()


def same(typed: pd.DataFrame, careful: pd.DataFrame) -> bool:
    """Are numbers those of the text, and texts the same?"""
    return list(typed) == list(careful) and all(
        np.array_equal(Cells(typed).raw(name), Cells(careful).raw(name), equal_nan=True)
        and np.array_equal(Cells(typed).blank(name), Cells(careful).blank(name))
        and (typed[name].dtype != object or typed[name].equals(careful[name]))
        for name in careful
    )


@settings(max_examples=150)
@given(TABLES, st.sampled_from(["\n", "\r\n"]))
def test_it_reads_what_the_careful_reader_reads(columns: list[list[str]], end: str) -> None:
    data = written(columns, end)
    typed = typed_table.read(data, "t.csv")
    assert typed is not None and same(typed, frames.read_csv(data, "t.csv"))


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n1\n", "a,b\n1,2,3\n", "a,b\n1\n2,3,4\n", 'a,b\n1,"x\ny"\n', 'a,b\n1,"2\n', 'a,b\n1,x"y\n',
        "a,b\r1,2\r", "a,a\n1,2\n", "a,\n1,2\n", "a\n1\n", "a,b\n1,\0\n", "a,b\n  \n1,2\n",
    ],
)  # fmt: skip
def test_whatever_is_odd_is_left_to_the_careful_reader(text: str) -> None:
    assert typed_table.read(text.encode(), "t.csv") is None
    assert typed_table.read(("a,b\nü,1\n").encode("cp1252"), "t.csv") is None


def test_each_column_takes_the_least_room_and_codes_stay_text() -> None:
    rows = range(60_000)  # more than are read together
    data = "id,small,large,real,code,late,zip\n" + "".join(
        f"{i},{i % 9},{i * 10**6},{i / 7},B{i},{'odd' if i == 59_000 else i},{'0123' if i == 40_000 else 5000 + i}\n"
        for i in rows
    )
    kinds = dict(typed_table.read(data.encode(), "t.csv", text={"id"}).dtypes.astype(str))
    assert kinds == {
        "id": "object", "small": "int8", "large": "int64", "real": "float64", "code": "object", "late": "object",
        "zip": "object",
    }  # fmt: skip


def test_points_that_may_divide_thousands_are_kept_as_text() -> None:
    cells = [f"{i % 900 + 1}.{i % 1000:03d}" for i in range(5000)]
    assert typed_table.read(written([cells, cells]), "t.csv")["c0"].tolist() == cells
    late = ["5", *["7"] * 5000, "1.234"]
    assert typed_table.read(written([late, late]), "t.csv")["c0"].tolist() == late
    sure = ["12.5", *["1.234"] * 5000]
    assert typed_table.read(written([sure, sure]), "t.csv")["c0"].dtype == np.float64


@given(st.integers(1, 12))
def test_of_a_table_the_first_rows_are_read(limit: int) -> None:
    data = written([[str(i) for i in range(10)], [f"a,{i}" for i in range(10)]]).replace(b"\n", b"\n\n")
    assert same(typed_table.read(data, "t.csv", limit=limit), frames.read_csv(data, "t.csv").head(limit))


def tall(n: int = 400) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same table as numbers and as text, some rows twice."""
    rng = np.random.default_rng(0)
    whole = rng.integers(0, 9, n).astype(str)
    real = np.where(rng.random(n) < 0.1, "", rng.normal(size=n).round(4).astype(str))
    shape = rng.choice(["a", "b", "c"], n)
    columns = [list(map(str, part)) for part in (whole, real, shape, ["5"] * n, rng.integers(0, 99, n))]
    columns = [[*column, *column[:9]] for column in columns]
    data = written(columns)
    return typed_table.read(data, "t.csv"), frames.read_csv(data, "t.csv")


def test_cells_of_numbers_mean_what_their_text_means() -> None:
    typed, text = map(Cells, tall())
    rows = np.arange(len(text))
    assert [str(typed.frame[name].dtype) for name in typed.names] == ["int8", "float64", "object", "int8", "int8"]
    assert Encoding.learn(typed, rows) == Encoding.learn(text, rows)
    one = Encoding.learn(text, rows)
    for ours, theirs in zip(one.encode(typed), one.encode(text), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(one.encode(typed, slice(7, 90))[0], one.encode(text)[0][7:90])
    assert typed.shown()[:50] == text.shown()[:50]
    groups = [np.unique(cells.twins(), return_index=True)[1] for cells in (typed, text)]
    assert len(groups[0]) == 400 and set(groups[0]) == set(groups[1])


def test_a_number_is_known_as_the_category_that_its_text_was() -> None:
    learned = Encoding.learn(Cells(pd.DataFrame({"x": ["12", "12", "B7", "B7"]}, dtype=object)), np.arange(4))
    assert learned.encode(Cells(pd.DataFrame({"x": np.array([12, 7], np.int8)})))[1][:, 0].tolist() == [1, 0]
    assert learned.encode(Cells(pd.DataFrame({"x": [12.0, np.nan]})))[1][:, 0].tolist() == [1, 0]


def test_ids_answers_and_stated_categories_stay_exact_text(tmp_path: Path) -> None:
    train = "id,zip,x,y\n" + "".join(f"{i:04d},{1000 + i % 3},{i},{i % 2}.0\n" for i in range(40))
    test = "id,zip,x\n" + "".join(f"{i:04d},{1000 + i % 3},{i}\n" for i in range(40, 50))
    for name, text in (
        ("train", train),
        ("test", test),
        ("sample_submission", "id,y\n" + "".join(f"{i:04d},0.0\n" for i in range(40, 50))),
    ):
        (tmp_path / f"{name}.csv").write_text(text)
    facts = Competition("tall", "id", Table(categories=("zip",)), OneOf("y"), accuracy)
    tables = facts.tables(tmp_path)
    assert tables.train.index[0] == "0000" and set(tables.train["y"]) == {"0.0", "1.0"}
    assert tables.train["zip"].iloc[0] == "1000" and tables.train["x"].dtype == np.int8
    assert len(facts.tables(tmp_path, limit=7).train) == 7
    assert len(facts.tables(tmp_path, limit=1).train) == 40  # one row has no two classes
    run = {"model": "lightgbm", "trees": 3, "folds": 2, "quiet": True, "target": "y"}
    kept = kit.run("csv", tmp_path, out=tmp_path / "run", **run)
    assert list(kept.oof.index[:2]) == ["0000", "0001"]
