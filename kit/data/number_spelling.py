"""Number spelling: how the cells of a column write a number (1,234.50, $5, 12%, 1:02:03), and tables read by that.

Loads pandas, so what `kit list` loads imports this file inside functions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from kit.data import date_spelling
from kit.data.blanks import BLANK
from kit.errors import quoted

EITHER = "either"  # a point or a comma divides decimals, in cells where only one of them can be meant
SHOWN = 8  # columns named
TRUE, FALSE = frozenset({"true", "t", "yes", "y", "1", "1.0"}), frozenset({"false", "f", "no", "n", "0", "0.0"})
SIGNS = {0x2212: "-", 0x2013: "-", 0xFE63: "-", 0xFF0D: "-", 0x2019: "'", 0x066B: ".", 0x066C: ","}
SPACES = dict.fromkeys((0xA0, 0x2002, 0x2003, 0x2007, 0x2009, 0x202F), " ")
KEYBOARD = SIGNS | SPACES
SCALES = {"k": 1e3, "K": 1e3, "thousand": 1e3, "m": 1e6, "M": 1e6, "mn": 1e6, "mio": 1e6, "million": 1e6, "b": 1e9, "B": 1e9,
          "bn": 1e9, "mrd": 1e9, "billion": 1e9, "T": 1e12, "trillion": 1e12}  # fmt: skip
MONEY = re.compile(
    r"[A-Z]{0,3}[$€£¥₹₽₩₺₫₴₦₱₪฿¢]|AED|ARS|AUD|BRL|CAD|CHF|CLP|CNY|COP|CZK|DKK|EGP|EUR|GBP|HKD|HUF|IDR|ILS|INR|JPY|KRW|MXN|MYR"
    r"|NGN|NOK|NZD|PHP|PKR|PLN|RMB|RON|RUB|SAR|SEK|SGD|THB|TRY|TWD|UAH|USD|VND|ZAR|Rs\.?|kr\.?|zł|Kč|Ft"
)
AMOUNT = re.compile(
    r"(?P<open>\(?)\s*(?P<sign>[-+]?)\s*(?P<before>[^\d\s.,'()+-]{0,4}\.?)\s*(?P<inner>\(?)(?P<minus>[-+]?)\s*"
    r"(?P<body>[.,]?\d(?:[\d .,']*\d)?[.,]?)(?P<power>(?:[eE][-+]?\d+)?)\+?"
    r"(?P<after>\s*(?:[^\d\s.,'()+-](?:[^\d,()]|(?<=/)\s?\d{1,3}){0,15}[23]?)?)(?P<close>\)?)"
)
CLOCK = re.compile(r"([-+]?)(\d{1,3}):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?\s*((?:[aApP]\.?[mM]\.?)?)", re.ASCII)


@dataclass(frozen=True)
class Amount:
    """A cell that may be an amount: its digits with what divides them, and what stands around them."""

    body: str
    power: str
    negative: bool
    before: str
    after: str

    @classmethod
    def of(cls, bare: str) -> Amount | None:
        """The parts of a cell as `bare_of` gives it; None where it is no amount."""
        match = AMOUNT.fullmatch(bare) if bare.isascii() or any(map(str.isdecimal, bare)) else None
        if match is None or len(match["open"] + match["inner"]) != len(match["close"]) or (match["sign"] and match["minus"]):
            return None
        if match["before"] and not MONEY.fullmatch(match["before"]):
            return None
        word = match["after"].strip()
        scale = word.lower() if len(word) > 1 else word
        if scale in SCALES and len(word) == 1 and match["after"][0].isspace():
            scale = f" {word}"  # 5M are millions, 300 K are not thousands
        negative = "-" in (match["sign"], match["minus"]) or bool(match["close"])
        return cls(match["body"], match["power"], negative, match["before"], scale if scale.strip() in SCALES else word)


@dataclass(frozen=True)
class Spelling:
    """How the cells of a column write a number.

    `form`: "amount", "truth" (yes, TRUE, 1.0, …), "clock", or the order of a date's parts ("dmy"): dates become ISO text.
    `decimal`: ".", "," or EITHER; `group`: what may stand between thousands. `unit`: what stands before or after the numbers.
    `scaled`: do k, M, … multiply them (or: may a date be 20120615)? `minutes`: are two parts of a clock minutes and seconds,
    not hours and minutes? `example`: a cell.
    """

    form: str = "amount"
    decimal: str = "."
    group: str = ","
    unit: str = ""
    scaled: bool = False
    minutes: bool = False
    example: str = ""

    def read(self, cell: str) -> str | None:
        """A cell as a plain number (`1234.50`), "" where it says nothing; None where it cannot be read so."""
        bare = bare_of(cell)
        low = bare.lower()
        if low in BLANK or (self.unit and low.removesuffix(self.unit.lower()).strip() in BLANK):
            return ""
        if self.form in date_spelling.ORDERS:
            return date_spelling.iso(bare, self.form, self.scaled)
        if self.form == "truth":
            return "1" if low in TRUE else "0" if low in FALSE else None
        if self.form == "clock":
            return seconds(bare, self.minutes)
        amount = Amount.of(bare)
        return self._number(amount) if amount else None

    def _number(self, amount: Amount) -> str | None:
        text = plain(amount.body, self.decimal, self.group)
        scale = SCALES.get(amount.after, 0.0) if self.scaled else 0.0
        units = [part for part in (amount.before, "" if scale else amount.after) if part]
        if text is None or len(units) > 1 or not self._fits("".join(units), text):
            return None
        text = f"{'-' * amount.negative}{text}{amount.power}"
        return repr(float(text) * scale).removesuffix(".0") if scale else text

    def _fits(self, unit: str, text: str) -> bool:
        """May a number have such a unit? One without the per cent sign that the others have may be a share."""
        return same_unit(unit) == same_unit(self.unit) or (not unit and (self.unit not in "%‰" or float(text) == 0))

    def number(self, cell: object) -> object:
        """A cell as a float, "" where it says nothing; else it stays what it is: a text, or a number that was read before."""
        text = self.read(cell) if isinstance(cell, str) else None
        if text is None:
            return self._left(cell) if isinstance(cell, str) else cell
        return text if not text or self.form in date_spelling.ORDERS else float(text)

    def answer(self, cell: str) -> str:
        """A cell of answers as plain text; what says nothing, or cannot be read, stays what it is."""
        return self.read(cell) or self._left(cell)

    def _left(self, cell: str) -> str:
        """A cell that cannot be read, so that no one takes it for a plain number."""
        return f"{cell} (without {self.unit})" if self.unit and is_plain(cell) else cell


@dataclass(frozen=True)
class Spellings:
    """The columns that write numbers in another way than 1234.5, of `inputs` and of `answers`; what to ask a person of them."""

    inputs: Mapping[str, Spelling] = field(default_factory=dict)
    answers: Mapping[str, Spelling] = field(default_factory=dict)
    questions: tuple[str, ...] = ()

    def read_inputs(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table whose columns of inputs are read: float64; where cells are left over, objects: floats, "" and those texts."""
        read = table.copy(deep=False)
        for name in [name for name in self.inputs if name in table.columns and not holds_numbers(table[name])]:
            codes, cells = pd.factorize(table[name].to_numpy(), use_na_sentinel=False)
            values = [self.inputs[name].number(cell) for cell in cells]
            if not any(isinstance(value, str) and value for value in values):
                read[name] = np.array([np.nan if value == "" else value for value in values], np.float64)[codes]
            else:
                read[name] = np.array(values, dtype=object)[codes]
        return read

    def read_answers(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table whose columns of answers are plain text."""
        read = table.copy(deep=False)
        for name in [name for name in self.answers if name in table.columns]:
            read[name] = (
                table[name].map({cell: self.answers[name].answer(cell) for cell in table[name].unique()}).astype(object)
            )
        return read

    def notes(self) -> list[str]:
        """A line on the columns that are not written plainly, if there are any; and the questions, which begin with "?"."""
        both = {**self.inputs, **self.answers}
        said = [f"{name!r} ({quoted(one.example)} is {one.read(one.example)})" for name, one in both.items()]
        more = f" and {len(said) - SHOWN} more" if len(said) > SHOWN else ""
        line = f"columns read in another way than they are written: {', '.join(said[:SHOWN])}{more}"
        return [*([line] if said else []), *(f"? {question}" for question in self.questions)]

    def json(self) -> dict[str, Any]:
        """Plain values, as `run.json` holds them."""
        parts = {"inputs": self.inputs, "answers": self.answers}
        return {key: {name: asdict(one) for name, one in part.items()} for key, part in parts.items()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> Spellings:
        """Undoes `json`, but for the questions. None is of a run of an older version: it knows of none."""
        parts = {key: {name: Spelling(**one) for name, one in part.items()} for key, part in (stored or {}).items()}
        return cls(parts.get("inputs", {}), parts.get("answers", {}))


def holds_numbers(column: pd.Series) -> bool:
    """Is it a column of numbers, and not of text cells?"""
    return column.dtype.kind in "iufb"


def bare_of(cell: str) -> str:
    """A cell without white space around, its signs and spaces as a keyboard has them."""
    return (cell if cell.isascii() else cell.translate(KEYBOARD)).strip()


def same_unit(unit: str) -> str:
    """A unit by a name that is the same for one and for many (year, years)."""
    return unit.lower().removesuffix("s") if len(unit) > 3 else unit


def plain(body: str, decimal: str, group: str) -> str | None:
    """Digits as a plain number, without the `group` between thousands; None where they are not divided so."""
    if decimal == EITHER:
        decimal, group = _marks(body)
    whole, mark, part = body.rpartition(decimal) if decimal in body else (body, "", "")
    if not decimal or (part and not part.isdigit()) or not (_is_whole(whole, group) or (part and not whole)):
        return None
    digits = whole.replace(group, "") if group else whole
    return f"{digits or 0}.{part}" if mark and part else digits


def _marks(body: str) -> tuple[str, str]:
    """What divides decimals and thousands in a cell by itself; "" where both may be meant."""
    marks = re.findall("[.,]", body)
    if len(set(marks)) == 2:
        return marks[-1], marks[0]
    if len(marks) == 1 and re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", body):
        return "", ""
    return (marks[0], "") if marks else (".", "")


def _is_whole(text: str, group: str) -> bool:
    """Digits alone, or divided in threes (in India all but the last three in twos)."""
    if text.isdigit() or not group:
        return text.isdigit()
    first, *others = text.split(group)
    fits = all(len(part) in (2, 3) for part in others[:-1]) and bool(others) and len(others[-1]) == 3
    return fits and 1 <= len(first) <= 3 and first[0] != "0" and all(map(str.isdigit, (first, *others)))


def seconds(bare: str, minutes: bool) -> str | None:
    """A clock time (12:30, 1:02:03, 1:30 PM) or a duration as seconds; None where it is none."""
    match = CLOCK.fullmatch(bare)
    if match is None:
        return None
    sign, first, second, third, half = match.groups()
    a, b = int(first), int(second)
    if half:
        if not 1 <= a <= 12:
            return None
        a = a % 12 + 12 * (half[0] in "pP")
    total = 60 * a + b if minutes and third is None else 3600 * a + 60 * b + float(third or 0)
    return f"{'-' * (sign == '-')}{total!r}".removesuffix(".0")


def is_plain(cell: str) -> bool:
    """Is it a number to Python?"""
    try:
        float(cell)
    except ValueError:
        return False
    return True
