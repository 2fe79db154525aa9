"""Delimited text: however a table is written, the same cells are read; what has no reading is refused by line."""

import codecs
import random

import pandas as pd
import pytest

from kit.errors import BadData, Usage
from kit.storage.tables import delimited_text, table_file
from kit.storage.tables.table_file import TableFormat

CELLS = pd.DataFrame({"id": ["1", "2", "3"], "says": ["a", "b c", "Grün"], "price": ["1,5", "2,25", "3"]}, dtype=object)
PLAIN = "id,says,price\n1,a,4\n2,b c,5\n3,d,6\n"
READ = {"id": ["1", "2", "3"], "says": ["a", "b c", "d"], "price": ["4", "5", "6"]}


def read(text: str | bytes, name: str = "t.csv", **stated: str) -> table_file.TableFile:
    return table_file.read(text.encode() if isinstance(text, str) else text, name, TableFormat(**stated))  # type: ignore[arg-type]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quoting", ["doubled", "backslash"])
def test_reading_undoes_writing_and_finds_the_format(mark: str, quoting: str) -> None:
    odd = CELLS.assign(says=['he said "no"', f"a{mark}b", "two\nlines"])
    text = table_file.write_text(odd, TableFormat(mark, quoting))
    file = read(text)
    assert file.frame.to_dict("list") == odd.to_dict("list") and (file.form.delimiter, file.notes) == (mark, ())


def test_a_thousand_random_tables_survive_in_every_format() -> None:
    rng = random.Random(0)
    letters = "ab01.,;|\t\"\n' é"
    for _ in range(1000):
        cells = [["".join(rng.choices(letters, k=rng.randrange(6))) for _ in range(3)] for _ in range(rng.randrange(1, 6))]
        frame = pd.DataFrame([[str(i), *row] for i, row in enumerate(cells)], columns=["k", "a", "b", "c"], dtype=object)
        form = TableFormat(rng.choice(",;\t|"), rng.choice(["doubled", "backslash"]))
        assert read(table_file.write_text(frame, form), delimiter=form.delimiter, quoting=form.quoting).frame.equals(frame)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (PLAIN.replace("price\n", "price,\n"), "the header ends with a delimiter"),
        (
            PLAIN.replace("price\n", "price_\n").replace("\n", ",\n").replace("price_,", "price"),
            "the rows end with a delimiter",
        ),
        (PLAIN.replace("\n", ",\n"), "columns without a name and without cells are left out (1)"),
        (PLAIN.replace(",", ", "), ""),
        ("World Bank,today\n\n" + PLAIN, "1 lines before the header are left out ('World Bank today')"),
        ("From the World Bank\nof today\n" + PLAIN, "2 lines before the header are left out"),
        (PLAIN.replace("2,b", "2,b\0"), "1 NUL characters are left out (line '3')"),
    ],
)
def test_headers_and_rows_as_spreadsheets_leave_them(text: str, note: str) -> None:
    file = read(text)
    assert file.frame.to_dict("list") == READ
    assert note in " ".join(file.notes) and bool(note) == bool(file.notes)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_every_usual_encoding_is_read_and_a_guess_is_asked_about(encoding: str) -> None:
    file = read((PLAIN.replace("a,4", "Grün,4") * 1).encode(encoding))
    assert file.frame["says"][0] == "Grün"
    asked = [note for note in file.notes if note.startswith("? ") and "--encoding" in note and "Gr" in note]
    assert bool(asked) == (encoding == "cp1252") and codecs.lookup(file.form.encoding)


def test_a_stated_encoding_is_taken_or_refused() -> None:
    assert read("id,t\n1,日本\n".encode("shift_jis"), encoding="shift_jis").frame["t"][0] == "日本"
    with pytest.raises(BadData, match="line 2: not ascii text"):
        read("id,t\n1,é\n", encoding="ascii")
    with pytest.raises(BadData, match="there is no such encoding"):
        read("id,t\n1,é\n", encoding="utf-7777")


TEXTS = ['"opens and never closes', '"A Title" is good', 'a 5" nail', "plain", '"so"']


def test_quotes_that_are_letters_stay_in_a_table_of_tabs() -> None:
    rows = "".join(f"{i}\t{text}\t{i % 2}\n" for i, text in enumerate(TEXTS * 3))
    file = read("id\ttext\ty\n" + rows, "t.tsv")
    assert list(file.frame["text"]) == TEXTS * 3 and "quotes are read as letters" in file.notes[0]


def test_lines_that_quotes_would_swallow_stay_lines() -> None:
    file = read('id\ttext\ty\n1\t"open\t0\n2\tclose"\t1\n3\tx\t1\n', "t.tsv")
    assert list(file.frame["text"]) == ['"open', 'close"', "x"]
    assert list(read('id\ttext\n1\t"two\nlines"\n2\tx\n', "t.tsv").frame["text"]) == ["two\nlines", "x"]


def test_a_name_that_stands_twice_gets_a_number() -> None:
    file = read("a,b,a,a\n1,2,3,4\n")
    assert list(file.frame.columns) == ["a", "b", "a.1", "a.2"] and "'a.1'" in file.notes[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n3\n4,5\n", "line 3: 1 fields where the header has 2. 1 of 3 rows differ so"),
        ("a,b\n1,2,3\n4,5,6\n", "line 2: 3 fields where the header has 2. 2 of 2 rows differ so"),
        ('a,b\n1,"x" y,3\n', "line 2: ',' expected after '\"'. Is a quote left open"),
        ("\n\n", "line 1: no column names"),
        ("\0" * 50 + "a", "NUL"),
    ],
)
def test_what_has_no_reading_is_refused_by_line(text: str, words: str) -> None:
    with pytest.raises(BadData) as fault:
        read(text)
    assert words in str(fault.value)


def test_other_kinds_of_files_are_the_same_table() -> None:
    frame = pd.DataFrame({"id": [1, 2], "x": [0.5, None], "says": ["a", None], "yes": [True, False]})
    lines = frame.to_json(orient="records", lines=True).encode()
    wanted = {"id": ["1", "2"], "x": ["0.5", ""], "says": ["a", ""], "yes": ["True", "False"]}
    assert read(lines, "t.jsonl").frame.to_dict("list") == wanted
    assert read(frame.to_json(orient="records").encode(), "t.json").frame.to_dict("list") == wanted
    dishes = read(b'{"id": 1, "ingredients": ["salt", "feta cheese"], "size": [1, 2]}', "t.jsonl").frame.iloc[0]
    assert (dishes["ingredients"], dishes["size"]) == ("salt, feta cheese", "[1, 2]")
    for data, name in ((b"{nothing", "t.jsonl"), (b"[1, 2]", "t.json"), (b"", "t.jsonl")):
        with pytest.raises(BadData, match=name):
            read(data, name)


def test_parquet_and_feather_are_read_where_pyarrow_is_installed() -> None:
    pytest.importorskip("pyarrow")
    import io

    frame = pd.DataFrame({"id": [1, 2], "x": [0.5, None], "whole": [7, None], "says": ["01", None]}).astype({"whole": "Int64"})
    for suffix, write in (("parquet", frame.to_parquet), ("feather", frame.to_feather)):
        buffer = io.BytesIO()
        write(buffer)
        wanted = {"id": ["1", "2"], "x": ["0.5", ""], "whole": ["7", ""], "says": ["01", ""]}
        assert read(buffer.getvalue(), f"t.{suffix}").frame.to_dict("list") == wanted
        with pytest.raises((BadData, Usage), match=f"t.{suffix}"):
            read(b"PAR1 nothing", f"t.{suffix}")


@pytest.mark.parametrize(("data", "line"), [(b"a,b\n1,2\n", b"a,b\n"), (b"a,b", b"a,b"), (b"a\rb", b"a\rb"), (b"", b"")])
def test_the_first_line_is_all_of_a_file_without_an_end_of_line(data: bytes, line: bytes) -> None:
    assert delimited_text.first_line(data) == line
