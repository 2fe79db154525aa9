"""Frames: what was written is read back to the byte and bit, and what is no table is refused by its line."""

import random
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings, strategies as st

from kit.errors import BadData
from kit.storage import frames
from kit.storage.predictions import read_csv

AWKWARD = ["0001", "1e5", "00e12345", "12345678901234567890", "a\nb", "a,b", 'a"b', "a\rb", "a\r\nb", "é漢🙂", "NA", "None",
           "null", " x ", "1.0", "-0", "'", "#", "=1+1", "\ufeff", "True", "nan", "\t", "\\"]  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def table(ids: list[str], **columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame(columns, index=pd.Index(ids, dtype=object, name="id"))


def round_trip(frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    frames.write_csv(folder / "a.csv", frame)
    return frames.read_csv((folder / "a.csv").read_bytes(), "a.csv")


@settings(max_examples=60)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5))
@example([(one, one) for one in AWKWARD])
def test_text_survives_to_the_byte(tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]]) -> None:
    ids, texts = map(list, zip(*cells, strict=True))
    seen = round_trip(table(ids, text=texts), tmp_path_factory.getbasetemp())
    assert list(seen.columns) == ["id", "text"]
    assert list(seen["id"]) == ids
    assert list(seen["text"]) == texts


@pytest.mark.parametrize("one", AWKWARD)
def test_an_awkward_id_survives_beside_numbers_and_alone(one: str, tmp_path: Path) -> None:
    frames.write_csv(tmp_path / "p.csv", table([one, "other"], p=np.array([0.25, 0.5], np.float32)))
    if one.strip():
        assert list(read_csv(tmp_path / "p.csv").index) == [one, "other"]
    assert list(round_trip(table([one]), tmp_path)["id"]) == [one]


@given(TEXT.filter(lambda name: name not in ("", "id")))
@example("a\rb")
@settings(max_examples=30)
def test_column_names_survive_too(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    seen = round_trip(table(["1"], **{name: ["x"]}), tmp_path_factory.getbasetemp())
    assert list(seen.columns) == ["id", name]


@settings(max_examples=40)
@given(st.lists(FLOATS, min_size=1, max_size=9))
def test_float32_survives_to_the_bit(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    path = tmp_path_factory.getbasetemp() / "p.csv"
    frame = table([str(i) for i in range(len(values))], p=np.array(values, np.float32))
    frames.write_csv(path, frame)
    assert read_csv(path)["p"].to_numpy().tobytes() == frame["p"].to_numpy().tobytes()


def test_a_hundred_thousand_random_bit_patterns_survive(tmp_path: Path) -> None:
    bits = np.random.default_rng(0).integers(0, 1 << 32, 100_000, dtype=np.uint32).view(np.float32)
    values = bits[np.isfinite(bits)]
    frames.write_csv(tmp_path / "p.csv", table([str(i) for i in range(len(values))], p=values))
    assert (read_csv(tmp_path / "p.csv")["p"].to_numpy().view(np.uint32) == values.view(np.uint32)).all()


REFUSED = [
    (b"a,b\n1,2\n3\n", "line 3: 1 fields where the header has 2"),
    (b"a,b\n1,2\n3,4,5\n", "line 3: 3 fields"),
    (b"a,b\n1,2,\n3,4,\n", "line 2: 3 fields"),
    (b'a,b\n1,2\n"3,4\n5,6\n', "line 4: .*quote left open"),
    (b'a,b\n1,"2"x\n', "line 2: "),
    (b"a;b;c\n1,5;2;3\n", "line 1: the columns are divided by ';'. Save the file with commas"),
    (b"a,b,a\n1,2,3\n", "line 1: the column 'a' stands there twice"),
    (b"\n1,2\n", "line 1: no column names"),
    (b",\n1,2\n", "line 1: no column names"),
    ("a,b\n1,é\n".encode("latin-1"), "line 2: not utf-8.* text"),
    (b"a,b\n1,2\n3,\0\n", "line 3: a NUL"),
    (b"\xff\xfea\0,\0b\0\n\0x", "utf-16 text"),
    ("a,b\n".encode("utf-32"), "NUL"),
]


@pytest.mark.parametrize(("data", "words"), REFUSED)
def test_what_is_no_table_is_refused_by_file_and_line(data: bytes, words: str) -> None:
    with pytest.raises(BadData, match=f"t.csv, line .*{words.removeprefix('line ')}"):
        frames.read_csv(data, "t.csv")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom", "utf-16-be-bom"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_every_usual_encoding_and_line_ending_is_read(encoding: str, ending: str) -> None:
    text = ending.join(["id,wort", "1,é漢", "2,NA", ""])
    data = ("\ufeff" + text).encode(encoding[:9]) if encoding.endswith("bom") else text.encode(encoding)
    seen = frames.read_csv(data, "t.csv")
    assert seen.to_dict("list") == {"id": ["1", "2"], "wort": ["é漢", "NA"]}


def test_blank_lines_are_no_rows_and_another_delimiter_serves() -> None:
    assert frames.read_csv(b"a\tb\n\n1,5\t2\n\n", "t.tsv", "\t").to_dict("list") == {"a": ["1,5"], "b": ["2"]}
    assert len(frames.read_csv(b"a,b\n", "t.csv")) == 0


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (["1", "2", "1"], "line 4: the id '1' stands in line 2"),
        (["1", ""], "line 3: the id is blank"),
        ([" "], "line 2: .*blank"),
    ],
)
def test_a_blank_or_doubled_id_is_named_with_its_line(ids: list[str], words: str) -> None:
    frame = pd.DataFrame({"id": ids})
    with pytest.raises(BadData, match=f"t.csv, column 'id', {words}"):
        frames.index_by(frame, "id", "t.csv")


def test_ids_that_differ_only_as_text_are_different() -> None:
    frame = frames.index_by(frames.read_csv(b"id\n1\n01\n1.0\n1e0\n", "t.csv"), "id", "t.csv")
    assert list(frame.index) == ["1", "01", "1.0", "1e0"]


def test_a_missing_column_is_named_with_those_there_are() -> None:
    with pytest.raises(BadData, match=r"t\.csv: no column 'label'; it has 'id', 'lable'"):
        frames.need_columns(pd.DataFrame(columns=["id", "lable"]), ["id", "label"], "t.csv")


def predictions(seed: int, n: int = 20) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.001, 1, (n, 3)).astype(np.float32)
    return pd.DataFrame(values, columns=["a", "b", "c"], index=[f"{i:02d}" for i in range(n)]).iloc[rng.permutation(n)]


@given(st.lists(st.integers(0, 99), min_size=1, max_size=7), st.randoms())
@settings(max_examples=30)
def test_the_average_is_by_id_whatever_the_order_of_parts_and_rows(seeds: list[int], shuffler: random.Random) -> None:
    parts = [predictions(seed) for seed in seeds]
    mean = frames.average(parts)
    assert list(mean.index) == list(parts[0].index)
    assert set(mean.dtypes) == {np.dtype(np.float32)}
    exact = np.mean([part.sort_index().to_numpy(np.float64) for part in parts], axis=0)
    assert np.abs(mean.sort_index().to_numpy() - exact).max() < 1e-7
    shuffler.shuffle(parts)
    assert frames.average(parts).sort_index().equals(mean.sort_index())


def test_weights_weigh_and_equal_parts_average_to_themselves() -> None:
    one, other = predictions(0), predictions(1)
    assert frames.average([one, one, one]).equals(one)
    assert frames.average([one, other], [1, 0]).equals(one)
    assert frames.average([one, other], [1, 3]).equals(frames.average([one, other, other, other]))


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.iloc[1:],
        lambda frame: frame.rename(index={"03": "x"}),
        lambda frame: frame[["b", "a", "c"]],
        lambda frame: pd.concat([frame, frame.iloc[:1]]),
    ],
)
def test_parts_that_differ_in_ids_or_columns_are_refused(change: object) -> None:
    for parts in ([predictions(0), change(predictions(1))], [change(predictions(0)), predictions(1)]):
        with pytest.raises(BadData, match="can't be averaged"):
            frames.average(parts)


def mutated(rng: random.Random) -> bytes:
    """A table with quotes, a line break and letters beyond ASCII, with one to four changes."""
    data = bytearray('id,label,"a note"\n0001,cat,"x, ""y"""\n0002,dög,\n0003,NA,"two\nlines"\n'.encode())
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(data))
        change = rng.randrange(3)
        if change == 0:
            data[place] = rng.choice(b'\0\r\n",\xff\xfe0x')
        elif change == 1:
            del data[place : place + rng.randint(1, 8)]
        else:
            data[place:place] = data[rng.randrange(len(data)) :][: rng.randint(1, 8)]
    return bytes(data)


def test_mutated_tables_are_read_or_refused_and_nothing_else() -> None:
    rng, refused, slowest = random.Random(0), 0, 0.0
    for _ in range(3000):
        data = mutated(rng)
        began = time.perf_counter()
        try:
            frame = frames.read_csv(data, "t.csv")
            assert frame.map(lambda cell: isinstance(cell, str)).all(axis=None)
        except BadData as fault:
            assert "t.csv, line " in str(fault)
            refused += 1
        slowest = max(slowest, time.perf_counter() - began)
    assert 1000 < refused < 3000
    assert slowest < 1


def test_the_code_of_a_row_depends_on_its_numbers_and_texts_alone() -> None:
    rows = pd.DataFrame({"a": [1.0, np.nan, -0.0, 1.0, 2.0], "b": pd.Series(["x", "y", "", "x", "x"], dtype=object)})
    codes = frames.row_codes(rows)
    assert codes[0] == codes[3] and len(set(codes)) == 4
    whole = rows.iloc[[0, 2, 4]].astype({"a": np.int8})  # other rows, another kind, no minus zero
    assert (frames.row_codes(whole) == codes[[0, 2, 4]]).all()
    assert (frames.row_codes(rows.iloc[::-1]) == codes[::-1]).all()
    told_apart = frames.row_codes(rows, numbered=True)
    assert len(set(told_apart)) == 5 and (frames.row_codes(rows, numbered=True) == told_apart).all()
    assert (frames.row_codes(rows[[]]) == 0).all() and len(set(frames.row_codes(rows[[]], numbered=True))) == 5


def test_codes_are_the_same_in_pieces_and_in_every_version_of_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pd.DataFrame({"a": np.arange(7) / 2, "b": pd.Series(list("abcabca"), dtype=object)})
    codes = frames.row_codes(rows)
    monkeypatch.setattr(frames, "ROWS_AT_ONCE", 3)
    assert (frames.row_codes(rows) == codes).all()
    assert codes[:2].tolist() == [520011068372902211, 702064493063298371]  # by pandas 2.1.4 and 3.1.1
