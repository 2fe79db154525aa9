"""Number spelling: what is written in any one way is read as it was meant; what is no number stays what it is."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

import kit
from kit.competition import Competition, scaffold
from kit.data.number_spelling import Spellings, plain
from kit.data.spelling_detection import learn, plainly
from kit.inputs import Table
from kit.inputs.cells import Cells
from kit.labels import Numbers, OneOf
from kit.metrics import accuracy, rmse
from kit.storage import frames

SPACES = " \u00a0\u202f\u2009"


def euro(text: str) -> str:
    return text.translate(str.maketrans(",.", ".,"))


WAYS = {
    "thousands": lambda v: f"{v:,.2f}",
    "commas": lambda v: euro(f"{v:,.2f}"),
    "decimal commas": lambda v: f"{v:.2f}".replace(".", ","),
    **{f"space {space!r}": lambda v, space=space: f"{v:,.2f}".replace(",", space) for space in SPACES},
    "apostrophes": lambda v: f"{v:,.2f}".replace(",", "’"),
    "dollars": lambda v: f"{'-' if v < 0 else ''}${abs(v):,.2f}",
    "minus behind": lambda v: f"$-{abs(v):,.2f}" if v < 0 else f"${v:,.2f}",
    "euros": lambda v: euro(f"{v:,.2f} €"),
    "code": lambda v: f"USD {v:,.2f}",
    "per cent": lambda v: f"{v:.2f}%",
    "brackets": lambda v: f"({abs(v):,.2f})" if v < 0 else f"{v:,.2f}",
    "minus": lambda v: f"{v:.2f}".replace("-", "\u2212"),
    "unit": lambda v: f"{v:.2f} km/h",
    "litres": lambda v: f"{v:.2f} l/100km",
}


def tables(train: list[str], test: list[str] | None = None, **more: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    test = train[:1] if test is None else test
    one = pd.DataFrame({"x": train, **more}, dtype=object)
    return one, pd.DataFrame({"x": test, **{name: cells[: len(test)] for name, cells in more.items()}}, dtype=object)


def read(train: list[str], test: list[str] | None = None, decimal: str = "", **more: list[str]) -> list[object] | None:
    """The training cells of the column x; None where they are taken as they are."""
    pair = tables(train, test, **more)
    spellings = learn(*pair, list(pair[0]), decimal=decimal)
    return spellings.read_inputs(pair[0])["x"].tolist() if "x" in spellings.inputs else None


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=30)
@given(values=st.lists(st.integers(-(10**9), 10**9).map(lambda v: v / 100), min_size=1, max_size=9))
def test_amounts_are_read_as_they_were_written(way: str, values: list[float]) -> None:
    written = [WAYS[way](value) for value in [-1234567.25, 0.5, *values]]  # the first two leave no doubt
    assert read(written) == [-1234567.25, 0.5, *values]


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1.5k", "2M", "3B", "7"], [1500, 2e6, 3e9, 7]),
        (["£1.5m", "£300k"], [1.5e6, 3e5]),
        (["1,000+", "10+", "5,000,000+"], [1000, 10, 5e6]),
        (["1,23,456", "12", "1,00,00,000"], [123456, 12, 1e7]),
        (["5 years", "1 year"], [5, 1]),
        (["300 K", "271 K"], [300, 271]),
        (["12:30", "1:05"], [45000, 3900]),
        (["12:30", "1:02:03"], [750, 3723]),
        (["1:30 PM", "12:00 am"], [48600, 0]),
        (["12.5", "1234,5", "7"], [12.5, 1234.5, 7]),
    ],
)
def test_other_ways_are_read(cells: list[str], values: list[float]) -> None:
    assert read(cells) == values


@pytest.mark.parametrize(
    "cells",
    [
        ["B12", "C85"], ["007-12", "001-13"], ["1.2.3", "1.10.2"], ["555 123 456", "555 999 111"], ["555-1234", "555-1111"],
        ["12 kg", "5 lb"], ["$5", "€7"], ["10-20", "20-30"], ["1,2", "1,2,3"], ["5 January", "6 February"],
        ["192.168.1.10", "192.168.1.11"], ["A/5 21171", "PC 17599"], ["5'11\"", "6'2\""], ["1st", "2nd"], ["x", "y"],
        ["1.234", "5.678"], ["1e3", "-7", ""], ["yes", "no"],
    ],
)  # fmt: skip
def test_codes_and_plain_numbers_are_left_as_they_are(cells: list[str]) -> None:
    assert read(cells) is None


def test_all_cells_of_both_tables_decide() -> None:
    assert read(["1,234"] * 500, ["0,5"]) == [1.234] * 500
    assert read(["999"] * 500, ["1,234.5"]) == [999.0] * 500
    assert read(["TRUE", "FALSE"], ["True", "false"]) == [1, 0]
    assert read(["yes", "no"], ["1.0", "0.0"]) == [1, 0]
    typed = tables(["yes", "no"])[0], pd.DataFrame({"x": [1.0, 0.0]})
    assert learn(*typed, ["x"]).inputs["x"].form == "truth"


def test_where_two_readings_fit_other_columns_decide_then_thousands_and_a_question() -> None:
    doubtful = ["1,234", "56,789"]
    assert read(doubtful, y=["0,5", "7,25"]) == [1.234, 56.789]
    assert read(doubtful, y=["0.5", "7.25"]) == read(doubtful) == [1234, 56789]
    assert read(doubtful, decimal=",") == [1.234, 56.789]
    assert read(["1.234", "56.789"], y=["0,5", "7,25"]) == [1234, 56789]
    assert read(["1.234", "56.789"], y=["0,5", "7,25"], z=["1.5", "2"]) is None
    pair = tables(doubtful)
    (question,) = learn(*pair, ["x"]).questions
    assert "'1,234' is read as 1234" in question and 'decimal=","' in question
    assert not learn(*pair, ["x"], decimal=".").questions


def test_cells_that_cannot_be_read_are_kept_named_and_never_read_twice() -> None:
    train, test = tables([f"{i}.5%" for i in range(30)] + ["0.12", "soon", "n/a %"])
    spellings = learn(train, test, ["x"])
    once = spellings.read_inputs(train)
    assert once["x"].tolist()[-3:] == ["0.12 (without %)", "soon", ""]
    assert spellings.read_inputs(once)["x"].tolist() == once["x"].tolist()
    assert Cells(once).stray("x").tolist() == [False] * 30 + [True, True, False]
    assert Spellings.from_json(spellings.json()) == spellings


@given(st.integers(0, 10**7), st.sampled_from(",. '"))
def test_thousands_are_marked_in_threes_or_not_at_all(value: int, group: str) -> None:
    decimal = "," if group == "." else "."
    assert plain(f"{value:,}".replace(",", group), decimal, group) == plain(str(value), decimal, group) == str(value)
    assert plain(f"1{group}{value:02d}"[:4], decimal, group) is None


def test_answers_are_plain_text_and_names_of_classes_are_not_touched() -> None:
    assert plainly(pd.Series(["$1,234.50", "$5", "", "soon"] * 9 + ["$2"] * 200, name="y")).tolist()[:4] == [
        "1234.50", "5", "", "soon",
    ]  # fmt: skip


def folder(path: Path, amount: dict[str, object], n: int = 120) -> Path:
    """A competition whose numbers are written by `amount["input"]` and `amount["answer"]`."""
    rng = np.random.default_rng(0)
    x = rng.uniform(500, 90_000, n)
    table = pd.DataFrame({"id": range(n), "x": [*map(amount["input"], x)], "kind": [f"B{i % 3}" for i in range(n)]})
    table["y"] = [*map(amount["answer"], 3 * x)]
    frames.write_csv(path / "train.csv", table[:90], index=False)
    frames.write_csv(path / "test.csv", table[90:].drop(columns="y"), index=False)
    frames.write_csv(path / "sample_submission.csv", table[90:][["id"]].assign(y=0), index=False)
    return path


def test_a_run_learns_the_same_from_amounts_and_predicts_with_what_it_learned(tmp_path: Path) -> None:
    quick = {"model": "lightgbm", "trees": 5, "folds": 2, "target": "y", "quiet": True}
    ways = {"plain": lambda v: f"{v:.2f}", "money": WAYS["dollars"], "commas": WAYS["commas"]}
    runs = {}
    for name, way in ways.items():
        data = folder(tmp_path / name, {"input": way, "answer": way})
        runs[name] = kit.run("csv", data, out=tmp_path / f"run {name}", **quick)
    texts = {name: (run.path / "submission.csv").read_text() for name, run in runs.items()}
    assert texts["money"] == texts["plain"] == texts["commas"]
    later = pd.DataFrame({"x": ["1.234", "56.789"], "kind": ["B0", "B1"]}, index=["a", "b"])  # thousands, as the run knows
    whole = pd.DataFrame({"x": [1234.0, 56789.0], "kind": ["B0", "B1"]}, index=["a", "b"])
    answers = [runs[name].predict(rows) for name, rows in (("commas", later), ("commas", whole), ("plain", whole))]
    assert all(one.equals(answers[0]) for one in answers)


def test_a_first_adapter_asks_where_the_files_do_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = folder(tmp_path / "data", {"input": lambda v: f"{1000 + v % 800:,.0f}", "answer": lambda v: f"{v:.0f}"})
    _, lines = scaffold.write("odd", data)
    assert [line[0] for line in lines if "'x': '1," in line] == ["?"]


def test_classes_keep_their_names_and_stated_columns_their_kind(tmp_path: Path) -> None:
    data = folder(tmp_path, {"input": lambda v: f"{v:,.0f}", "answer": lambda v: f"{v // 90_000:.0f}%"})
    facts = Competition("odd", "id", Table(categories=("x",)), OneOf("y"), accuracy)
    tables = facts.tables(data)
    assert set(tables.train["y"]) == {"0%", "1%", "2%"} and "," in tables.train["x"].iloc[0]
    amounts = Competition("odd", "id", Table(), Numbers(("y",)), rmse).tables(data)
    assert set(amounts.train["y"]) == {"0", "1", "2"} and amounts.train["x"].dtype == np.float64
