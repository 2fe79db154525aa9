"""Delimited text: a table whose delimiter, quotes, encoding and header are found in the file, or stated.

`kit.storage.frames` reads the kit's own files, which are written in one way.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kit.errors import BadData, listed
from kit.storage import frames

if TYPE_CHECKING:
    import pandas as pd

DELIMITERS = (",", "\t", ";", "|")
NAMES = {"comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|", "\\t": "\t"}  # how people say them
HEAD = 1 << 20  # bytes that hold a header
LOOKED_AT = 200  # rows that tell how many fields a row has


@dataclass(frozen=True)
class TableFormat:
    """How a table is written. Empty fields are found in the file.

    `quoting`: how a quote within quotes is written: doubled, backslash (before it), or none (quotes are letters). `spaced`: do
    blanks follow the delimiters?
    """

    delimiter: str = ""
    quoting: str = ""
    encoding: str = ""
    spaced: bool = False

    def over(self, other: TableFormat) -> TableFormat:
        """This format, with what it leaves open from another."""
        return TableFormat(
            self.delimiter or other.delimiter,
            self.quoting or other.quoting,
            self.encoding or other.encoding,
            self.spaced or other.spaced,
        )

    @property
    def dialect(self) -> dict[str, Any]:
        """What `csv.reader` and `csv.writer` take."""
        quotes: dict[str, dict[str, Any]] = {
            "none": {"quoting": csv.QUOTE_NONE},
            "backslash": {"escapechar": "\\", "doublequote": False},
        }
        return {"delimiter": self.delimiter or ",", **quotes.get(self.quoting, {})}


def read(data: bytes, name: str, stated: TableFormat, most: int = 0) -> tuple[pd.DataFrame, TableFormat, list[str]]:
    """The table in the bytes of the file `name`, every cell as its text; its format; notes and questions on it.

    The format is the first that reads every row with as many fields as the header has. `most`: about so many cells are read
    at most. Raises BadData naming the line where no format does.
    """
    text, form, notes = _decoded(data, name, stated)
    readings = [_Reading(text, name, one, most) for one in _formats(text, name, form)]
    good = next((one for one in readings if one.read()), readings[0])
    if not good.complete:
        good.mend()
    if good.form.quoting == "none" and not stated.quoting:
        good.notes.append(f"{name}: quotes are read as letters, since they are not closed as quotes of a table are")
    frame = frames.of_text(good.rows, columns=frames.text_index(good.header))
    empty = [not column.strip() and not frame.iloc[:, i].str.strip().any() for i, column in enumerate(good.header)]
    if any(empty) and not all(empty):
        good.notes.append(f"{name}: columns without a name and without cells are left out ({sum(empty)})")
        frame = frame.loc[:, [not one for one in empty]]
    return frame, good.form, [*notes, *good.notes]


def write_text(frame: pd.DataFrame, form: TableFormat | None = None) -> str:
    """A table as text in a format; undoes `read`. Without quotes, line breaks and delimiters in cells become blanks."""
    form = form or TableFormat()
    if form.dialect == {"delimiter": ","}:
        return frames.csv_text(frame, index=False)
    buffer = io.StringIO()
    rows = [list(frame.columns), *frame.astype(str).to_numpy().tolist()]
    if form.quoting == "none":
        rows = [[" ".join(cell.replace(form.delimiter, " ").splitlines()) for cell in row] for row in rows]
        return "".join(form.delimiter.join(row) + "\n" for row in rows)
    csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_ALL, **form.dialect).writerows(rows)
    return buffer.getvalue()


def _decoded(data: bytes, name: str, form: TableFormat) -> tuple[str, TableFormat, list[str]]:
    """The file as text, the format with its encoding, and notes on what was odd."""
    notes: list[str] = []
    encoding = form.encoding or _encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as fault:
        line = data[: fault.start].count(b"\n") + 1
        if form.encoding:
            raise BadData(f"{name}, line {line}: not {encoding} text ({fault.reason}). Try another --encoding.") from None
        encoding = "cp1252"
        text = data.decode(encoding, "replace")
        before, after = data[: fault.start].rpartition(b"\n")[2], data[fault.start :].partition(b"\n")[0]
        word = (before[-12:] + after[:12]).decode(encoding, "replace")
        notes.append(
            f"? {name} is not UTF-8 (line {line}): it is read as Windows-1252, as in {word!r}. Are the letters right?"
            " If not, state --encoding."
        )
    except LookupError:
        raise BadData(f"--encoding {encoding}: there is no such encoding. Examples: utf-8, cp1252, shift_jis.") from None
    if "\0" in text:
        lines = [number for number, line in enumerate(text.split("\n"), start=1) if "\0" in line]
        count = text.count("\0")
        text = text.replace("\0", "")
        if count > len(text) // 4:
            raise BadData(f"{name}, line {lines[0]}: {count:,} NUL characters. Is it a table?")
        notes.append(f"{name}: {count:,} NUL characters are left out (line {listed(lines, 3)})")
    return text.removeprefix("\ufeff"), replace(form, encoding=encoding), notes


def _encoding(data: bytes) -> str:
    """UTF-16 by its mark, or by a NUL beside nearly each letter; else UTF-8."""
    if data[:2] in frames.UTF_16:
        return "utf-16"
    some = data[:4000]
    if some.count(b"\0") > len(some) // 3:
        return "utf-16-be" if some[:1] == b"\0" else "utf-16-le"
    return "utf-8-sig"


def first_line(data: bytes) -> bytes:
    """The first line with its end; all of it where there is none. Nothing else of the file is copied."""
    return data[: data.find(b"\n") + 1 or None]


def likeliest(data: bytes, name: str) -> str:
    """The delimiter that the header of a file has most of."""
    head = next((line for line in data[:HEAD].split(b"\n") if line.strip()), b"")
    return _delimiters(head.decode("utf-8-sig", "replace"), name)[0]


def _formats(text: str, name: str, form: TableFormat) -> list[TableFormat]:
    """The formats that are tried, the likeliest first."""
    head = next((line for line in text.split("\n", 1000) if line.strip()), "")
    quotes = [form.quoting] if form.quoting else ["doubled"]
    if not form.quoting and '"' in text:
        quotes += ["backslash"] * ('\\"' in text) + ["none"]
    marks = [form.delimiter] if form.delimiter else _delimiters(head, name)
    return [
        replace(form, delimiter=mark, quoting=how, spaced=form.spaced or 0 < head.count(mark) == head.count(f"{mark} "))
        for mark in marks
        for how in quotes
    ]


def _delimiters(head: str, name: str) -> list[str]:
    """The delimiters that the header has, the most frequent first; a tab before all in a file that is called so."""
    bare = "".join(head.split('"')[::2]) if head.count('"') % 2 == 0 else head  # outside quotes
    tabbed = name.lower().split(".gz")[0].endswith((".tsv", ".tab"))
    count = {mark: bare.count(mark) for mark in DELIMITERS if mark in bare}
    return sorted(count, key=lambda mark: (tabbed and mark == "\t", count[mark], mark == ","), reverse=True) or [","]


class _Reading:
    """A text read in one format: `header`, `rows`, and `notes` on what was mended."""

    def __init__(self, text: str, name: str, form: TableFormat, most: int):
        self.text, self.name, self.form, self.most = text, name, form, most
        self.header: list[str] = []
        self.rows: list[list[str]] = []
        self.notes: list[str] = []
        self.complete = False

    def read(self) -> bool:
        """Read all rows strictly. False where one has more or fewer fields than the header, or a quote stays open."""
        try:
            self._strictly()
        except BadData:
            return False
        quotes = self.form.delimiter == "\t" and self.form.quoting == "doubled" and '"' in self.text
        self.complete = not quotes or self._no_lines_swallowed()
        return self.complete

    def _strictly(self) -> None:
        """Raises BadData naming the line of the first row that is not as the header says."""
        lines = self._lines()
        self.header = self._named(next((row for _, row in lines if row), []))
        width, count = len(self.header), self.most // max(1, len(self.header)) + 1 if self.most else None
        rows = self.rows = []
        for number, row in itertools.islice(lines, count):
            if len(row) != width:
                if not row:
                    continue
                raise frames.ragged(self.name, number, len(row), width)
            rows.append(row)

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        """Each row with the number of its last line. Raises BadData where a quote is left open."""
        source = io.StringIO(self.text, newline="")
        reader = csv.reader(source, strict=True, skipinitialspace=self.form.spaced, **self.form.dialect)
        try:
            for row in reader:
                yield reader.line_num, row
        except csv.Error as fault:
            more = f"{self.name}, line {reader.line_num}: {fault}. Is a quote left open? See --quoting and --delimiter."
            raise BadData(more) from None

    def _named(self, header: list[str]) -> list[str]:
        """The header, with a number behind a name that stands there before. Raises BadData where there are no names."""
        if not any(name.strip() for name in header):
            raise BadData(f"{self.name}, line 1: no column names.")
        names: list[str] = []
        for name in header:
            again = next(f"{name}.{i}" if i else name for i in itertools.count() if (f"{name}.{i}" if i else name) not in names)
            if again != name and name:
                self.notes.append(f"{self.name}: the column {name!r} stands there twice; the later one is called {again!r}")
            names.append(again)
        return names

    def _no_lines_swallowed(self) -> bool:
        """In a table with tabs, are line breaks within quotes meant? Not where each line has all fields by itself."""
        lines = [line for line in self.text.splitlines() if line]
        if len(lines) == len(self.rows) + 1 or any(line.count("\t") != len(self.header) - 1 for line in lines):
            return True
        self.rows = []
        return False

    def mend(self) -> None:
        """Read a file whose header and rows differ in width, as spreadsheets leave them. Raises BadData where nothing helps."""
        every = [(number, row) for number, row in self._lines() if any(cell.strip() for cell in row)]
        if not every:
            raise BadData(f"{self.name}, line 1: no column names.")
        step = max(1, len(every) // LOOKED_AT)
        width = Counter(len(row) for _, row in every[1::step] or every).most_common(1)[0][0]
        header, body = every[0][1], every[1:]
        if len(header) == width + 1 and not header[-1].strip():
            header = header[:-1]
            self.notes.append(f"{self.name}: the header ends with a delimiter and the rows do not; that column is left out")
        elif len(header) == width - 1 and all(not row[-1].strip() for _, row in body if len(row) == width):
            body = [(number, row[:-1] if len(row) == width else row) for number, row in body]
            self.notes.append(f"{self.name}: the rows end with a delimiter and the header does not; it is left out")
        elif len(header) < width and self._is_header(next(row for _, row in body if len(row) == width)):
            header, body = self._without_preface(every, width)
        wrong = [(number, len(row)) for number, row in body if len(row) != len(header)]
        if wrong:
            fault = frames.ragged(self.name, *wrong[0], len(header))
            raise BadData(f"{fault} {len(wrong):,} of {len(body):,} rows differ so. See --delimiter and --quoting.")
        count = self.most // len(header) + 1 if self.most else None
        self.header, self.rows = self._named(header), [row for _, row in body[:count]]

    def _is_header(self, row: list[str]) -> bool:
        """May a row be the names of columns? They differ, and none is blank or a number."""
        numbers = [cell for cell in row if re.fullmatch(r"[-+]?[\d.,]+(e[-+]?\d+)?", cell.strip(), re.I)]
        return len(set(row)) == len(row) and all(cell.strip() for cell in row) and not numbers

    def _without_preface(self, every: list[tuple[int, list[str]]], width: int) -> tuple[list[str], list[tuple[int, list[str]]]]:
        """The header and the rows below it, where lines of fewer fields stand before: the first row of full width."""
        first = next(i for i, (_, row) in enumerate(every) if len(row) == width)
        lines = [" ".join(row) for _, row in every[:first]]
        self.notes.append(f"{self.name}: {first} lines before the header are left out ({listed(lines)})")
        return every[first][1], every[first + 1 :]
