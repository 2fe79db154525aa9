"""Large tables: the fast ways read what the careful ones read, rows are kept back by their contents, a limit stops early."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import kit
from kit import competition as competitions
from kit.config import Config
from kit.data import folds
from kit.metrics import accuracy
from kit.storage import frames
from kit.storage.tables import typed_table

WORDS = {"plain": "red", "quoted": 'a, "b"'}


def written(path: Path, rows: int, word: str = "red", **changes: Any) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    numbers = [f"{value:.2f}" for value in rng.normal(size=rows)]  # 0.10 and the like: numbers do not keep how they are written
    columns = {"x": numbers, "kind": [word if i % 3 else "blue" for i in range(rows)], "n": [str(i % 7) for i in range(rows)]}
    answers = [["no", "yes"][int(one)] for one in rng.integers(0, 2, rows)]
    frame = pd.DataFrame({**columns, "y": answers, **changes}, dtype=object)
    frames.write_csv(path, frame, index=False)
    return frame


def facts_of(path: Path, **knobs: Any) -> kit.Competition:
    return competitions.load("csv").shaped(Config(model="mlp", target="y", **knobs), path).competition


@pytest.mark.parametrize("word", WORDS.values(), ids=WORDS)
@pytest.mark.parametrize("changes", [{}, {"x": ["1.50"] * 240}, {"x": ["red"] * 240, "n": ["low"] * 240}], ids=len)
def test_the_rows_kept_back_do_not_depend_on_ids_order_or_how_the_file_is_read(
    tmp_path: Path, word: str, changes: dict[str, Any]
) -> None:
    frame = written(tmp_path / "all.csv", 240, word, **changes)
    tables = facts_of(tmp_path / "all.csv").tables(tmp_path / "all.csv")
    back = tables.test.index.astype(int).to_numpy() - 1
    assert len(tables.train) + len(tables.test) == 240
    different = len({*map(tuple, frame.drop(columns="y").to_numpy())})
    for answer in ("no", "yes"):
        share = np.mean(np.isin(np.flatnonzero(frame["y"] == answer), back))
        assert 0.15 < share <= 0.2 if different > 120 or len(changes) == 2 else 0 < share < 0.5
    with_ids = frame.assign(id=[f"row {i + 1}" for i in range(240)])[["id", *frame.columns]]
    kept = [*with_ids.iloc[back]["id"]]
    shuffled = with_ids.sample(frac=1, random_state=0) if different > 120 else with_ids  # repeated rows are told apart by place
    (tmp_path / "named").mkdir()
    frames.write_csv(tmp_path / "named" / "train.csv", shuffled, index=False)
    named = facts_of(tmp_path / "named").tables(tmp_path / "named")
    assert sorted(named.test.index) == sorted(kept)


def test_half_as_many_rows_are_kept_back_of_an_answer_that_has_half(tmp_path: Path) -> None:
    content = np.arange(3000, dtype=np.uint64)
    back = folds.kept_back(content, ["a"] * 2000 + ["b"] * 1000)
    assert back[:2000].sum() == 400 and back[2000:].sum() == 200


def test_a_limit_stops_early_and_a_file_without_answers_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    frame = written(path, 60_000)
    path.write_text(path.read_text() + "a row,that,has,no,end\n")
    tables = facts_of(path, limit=2000).tables(path, 2000)
    assert len(tables.train) + len(tables.test) == 50_000 and len(competitions.first(tables, 2000).train) == 2000
    with pytest.raises(kit.BadData, match="line 60002: 5 fields where the header has 4"):
        facts_of(path).tables(path)
    frames.write_csv(path, frame.drop(columns="y"), index=False)
    assert len(facts_of(path, limit=2000).test_tables(path).test) == 60_000


def test_columns_that_nobody_uses_are_numbers_and_the_others_as_they_are_written(tmp_path: Path) -> None:
    rows = [f"{i:04d},1e{i},{i}.50,{i % 2}.0" for i in range(40)]
    (tmp_path / "train.csv").write_text("id,words,spare,y\n" + "\n".join(rows))
    (tmp_path / "test.csv").write_text("id,words,spare\n" + "\n".join(row.rsplit(",", 1)[0] for row in rows))
    (tmp_path / "sample_submission.csv").write_text("id,y\n" + "".join(f"{i:04d},0.0\n" for i in range(40)))
    facts = kit.Competition("x", "id", kit.Text("words"), kit.OneOf("y"), accuracy)
    tables = facts.tables(tmp_path)
    assert list(tables.train.index[:2]) == ["0000", "0001"] and list(tables.train["words"][:2]) == ["1e0", "1e1"]
    assert set(tables.train["y"]) == {"0.0", "1.0"} and tables.train["spare"].dtype == np.float32
    (tmp_path / "train.csv").write_text("id,words,spare,y\n" + "\n".join([*rows, "0040,x,1"]))
    with pytest.raises(kit.BadData, match=r"train\.csv, line 42: 3 fields where the header has 4"):
        facts.tables(tmp_path)


def test_a_column_that_needs_more_room_later_gets_it() -> None:
    pieces = ["1"] * typed_table.ROWS + ["300"] * 5 + ["70000"] + ["2.5"] + ["0.1"]
    data = ("a,b\n" + "".join(f"{one},x\n" for one in pieces)).encode()
    for count, kind in ((typed_table.ROWS, np.int8), (typed_table.ROWS + 5, np.int16), (len(pieces), np.float64)):
        table = typed_table.read(data, "a.csv", limit=count)
        assert table is not None and table["a"].dtype == kind and len(table) == count
        assert np.array_equal(table["a"], np.array(pieces[:count], np.float64))
