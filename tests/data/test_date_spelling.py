"""Date spelling: what is written in any usual way is read as the day that was meant; what is no date stays what it is."""

import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from kit.data.spelling_detection import learn
from kit.inputs.cells import Cells

WAYS = (
    "%b %d, %Y", "%B %d, %Y", "%d %B %Y", "%d-%b-%Y", "%d/%m/%Y", "%m/%d/%Y", "%m.%d.%Y", "%Y%m%dT%H%M%S", "%Y%m%d%H%M%SZ",
    "%m/%d/%Y %I:%M %p", "%a, %d %b %Y %H:%M:%S GMT", "%Y-%b-%d",
)  # fmt: skip


def read(cells: list[str], test: list[str] = (), name: str = "x", dates: tuple[str, ...] = ()) -> list[str]:  # type: ignore[assignment]
    train = pd.DataFrame({name: cells}, dtype=object)
    later = pd.DataFrame({name: [*test, cells[0]]}, dtype=object)
    return learn(train, later, [name], dates=dates).read_inputs(train)[name].tolist()


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=20)
@given(days=st.lists(st.dates(pd.Timestamp("1950-01-01").date(), pd.Timestamp("2050-01-01").date()), max_size=5))
def test_dates_are_read_as_they_were_written(way: str, days: list[object]) -> None:
    moments = [pd.Timestamp("2012-06-15"), pd.Timestamp("1999-12-31"), *map(pd.Timestamp, days)]  # no doubt on the order
    found = Cells(pd.DataFrame({"x": read([one.strftime(way) for one in moments])}, dtype=object)).dates("x", "ymd")
    assert [pd.Timestamp(one) for one in found] == moments


def test_the_order_of_day_and_month_follows_from_all_cells_of_both_tables() -> None:
    doubtful = ["1/2/2020"] * 999
    assert read(doubtful, ["12/31/2020"])[0] == "2020-01-02"
    assert read(doubtful, ["31/12/2020"])[0] == "2020-02-01"
    table = pd.DataFrame({"x": doubtful}, dtype=object)
    (question,) = learn(table, table, ["x"]).questions
    assert "'1/2/2020' is read as 2020-02-01" in question


def test_digits_alone_are_a_date_only_where_the_name_or_an_adapter_says_so() -> None:
    digits = ["20120615", "20130101"]
    assert read(digits) == digits
    assert read(digits, name="sold_date") == read(digits, dates=("x",)) == ["2012-06-15", "2013-01-01"]


@pytest.mark.parametrize("cells", [["2020-01-05", "2020-01-06T10:00:00+02:00"], ["1-1-20", "2-1-20"], ["1234-56", "1234-99"]])
def test_dates_as_iso_has_them_and_what_is_no_date_stay_as_they_are(cells: list[str]) -> None:
    assert read(cells) == cells


def test_months_alone_and_years_of_two_digits_are_read() -> None:
    assert read(["2012-06", "2013-12"]) == ["2012-06-01", "2013-12-01"]
    assert read(["June 2012", "Sept 2013"]) == ["2012-06-01", "2013-09-01"]
    assert read(["05-Jan-20", "06-Feb-99"]) == ["2020-01-05", "1999-02-06"]
    assert read(["30 February 2020", *["1 May 2020"] * 20])[:2] == ["30 February 2020", "2020-05-01"]
