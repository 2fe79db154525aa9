"""Spelling detection: how columns write numbers, decided by all different cells of the training and the test table.

Loads pandas, so what `kit list` loads imports this file inside functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from kit.data import date_spelling
from kit.data.number_spelling import (
    BLANK,
    CLOCK,
    EITHER,
    FALSE,
    MONEY,
    SCALES,
    TRUE,
    Amount,
    Spelling,
    Spellings,
    bare_of,
    holds_numbers,
    is_plain,
    same_unit,
)  # fmt: skip

MOSTLY = 0.9  # a column is written in a way by which so many of its cells that say something can be read
CONVENTIONS = [(decimal, group) for decimal, other in ((".", ","), (",", ".")) for group in (other, " ", "'")]
THOUSANDS = re.compile(r"-?[1-9]\d{0,2}(\.\d{3})+")  # plain numbers that are other ones where a comma divides decimals
THOUSANDS_OF = re.compile("(?![A-Z]*[$£]|USD|GBP)(" + MONEY.pattern + ")")  # money of which 1.234 may be thousands
DIGITS = 7  # of a number that may be a telephone's
SEVERAL = 2  # marks that such a number has at least


def learn(
    train: pd.DataFrame,
    test: pd.DataFrame,
    inputs: Iterable[str],
    answers: Iterable[str] = (),
    decimal: str = "",
    dates: Iterable[str] = (),
) -> Spellings:
    """How these columns write numbers and dates; plain ones are left out. `dates`: columns that are stated to hold those.

    `decimal`: what divides decimals ("." or ","), where a person states it. Where the cells of a column do not tell it from
    what divides thousands, other columns decide; else it is the latter, and there is a question.
    """
    asked = {name: replace(Column.of(name, train, test), dated=name in dates) for name in inputs}
    known = {name: Column.of(name, train) for name in answers}
    columns = [*asked.values(), *known.values()]
    proofs = {column.proof for column in columns} - {""}
    if not decimal and (proofs == {","} or any(column.doubtful for column in columns)):
        proofs |= {"."} if any(column.has_points for column in columns) else set()
    wanted = decimal or (proofs.pop() if len(proofs) == 1 else "")
    found = {name: column.truth or column.clock or column.date or column.amount(wanted) for name, column in asked.items()}
    doubts = [column.question for column in columns if column.doubtful and not column.date] if not wanted else []
    return Spellings(
        {name: spelling for name, spelling in found.items() if spelling},
        {name: spelling for name, column in known.items() if (spelling := column.amount(wanted))},
        (*doubts, *(column.date_question for column in asked.values() if column.date_question)),
    )


def plainly(cells: pd.Series) -> pd.Series:
    """A column of text cells, as plain numbers where it writes them in another way."""
    table = cells.to_frame()
    return learn(table, table, (), [str(cells.name)]).read_answers(table)[cells.name]


@dataclass(frozen=True)
class Column:
    """The different cells of a column that say something, as text, and how many rows have each.

    `sides`: those of each table. `plain`: is each a plain number? `points`: has it numbers with decimals that were read
    before? `dated`: is the column stated to hold dates?
    """

    name: str
    cells: tuple[str, ...] = ()
    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    sides: tuple[frozenset[str], ...] = ()
    plain: bool = True
    points: bool = False
    dated: bool = False

    @classmethod
    def of(cls, name: str, *tables: pd.DataFrame) -> Column:
        """Those of a column of one or two tables."""
        columns = [table[name] for table in tables]
        texts = [column for column in columns if not holds_numbers(column)]
        numbers = [column.to_numpy() for column in columns if holds_numbers(column)]
        points = any(map(_has_points, numbers))
        if not texts:
            return cls(name, points=points)
        typed = [values.astype(np.float64) for values in numbers]
        codes, cells = pd.factorize(np.concatenate([text.to_numpy() for text in texts]), use_na_sentinel=False)
        cells = np.array([str(cell).strip() for cell in cells], dtype=object)
        keep = np.array([bare_of(cell).lower() not in BLANK for cell in cells], bool)
        if pd.to_numeric(pd.Series(cells[keep], dtype=object), errors="coerce").notna().all():
            return cls(name, tuple(cells[keep]), points=points)
        split = np.split(codes, np.cumsum([len(text) for text in texts])[:-1])
        sides = [frozenset(cells[i] for i in np.unique(part) if keep[i]) for part in split]
        sides += [frozenset(f"{value:g}" for value in _few(values)) for values in typed]
        return cls(name, tuple(cells[keep]), np.bincount(codes)[keep], tuple(sides), plain=False, points=points)

    def share(self, read: Iterable[object]) -> float:
        """The share of rows whose cell is read (not None)."""
        return float(self.rows[[one is not None for one in read]].sum() / max(1, self.rows.sum()))

    @cached_property
    def truth(self) -> Spelling | None:
        """Yes and no in more than one spelling, where the tables or rows differ."""
        words = frozenset().union(*self.sides)
        alone = {word.lower() in TRUE for word in words}
        known = all(word.lower() in TRUE | FALSE for word in words)
        if self.plain or not known or len(words) <= len(alone):
            return None
        return Spelling("truth", example=next(word for word in self.cells if not is_plain(word)))

    @cached_property
    def clock(self) -> Spelling | None:
        """Times of day, or how long something took."""
        if self.plain:
            return None
        matches = [CLOCK.fullmatch(bare_of(cell)) for cell in self.cells]
        if self.share(matches) < MOSTLY:
            return None
        parts = {match[4] is None for match in matches if match}
        return Spelling("clock", minutes=len(parts) == 2, example=self._first(matches))

    @cached_property
    def _dates(self) -> list[Spelling]:
        """The orders by which most cells are dates, all by equally many; none where they are dates as ISO has them."""
        digits = bool(date_spelling.NAMED.fullmatch(self.name)) or self.dated
        if (self.plain and not digits) or all(map(date_spelling.PLAIN.fullmatch, self.cells)):
            return []
        rows = np.ones(len(self.cells), np.int64) if self.plain else self.rows
        column = replace(self, rows=rows)
        tried = [Spelling(order, scaled=digits) for order in date_spelling.ORDERS]
        shares = [column.share(one.read(cell) for cell in self.cells) for one in tried]
        best = [one for one, share in zip(tried, shares, strict=True) if share == max(shares) >= MOSTLY]
        odd = [cell for cell in self.cells if best and best[-1].read(cell) and not date_spelling.PLAIN.fullmatch(cell)]
        return [replace(one, example=odd[0]) for one in best if odd]

    @property
    def date(self) -> Spelling | None:
        """The spelling of dates that are not written as ISO has them."""
        return next(iter(self._dates), None)

    @property
    def date_question(self) -> str:
        """What to ask where days and months cannot be told apart."""
        found = self._dates
        if all(len({one.read(cell) for one in found}) < 2 for cell in self.cells):
            return ""
        return (
            f"column {self.name!r}: no day is beyond 12, so {found[0].example!r} is read as {found[0].read(found[0].example)}:"
            " if the month comes first, let `read_train` and `read_test` write dates as 2020-01-31"
        )

    @cached_property
    def has_points(self) -> bool:
        """Are there plain numbers whose point can only divide decimals?"""
        return self.points or (self.plain and any("." in cell and not THOUSANDS.fullmatch(cell) for cell in self.cells))

    @property
    def proof(self) -> str:
        """What divides decimals, where the cells tell."""
        marks = {one.decimal for one in self.fits}
        return marks.pop() if self._marked and len(marks) == 1 and EITHER not in marks else ""

    @property
    def doubtful(self) -> bool:
        """Can thousands not be told from decimals?"""
        return bool(self._marked) and len({one.decimal for one in self.fits}) > 1

    @cached_property
    def _marked(self) -> str:
        """The first cell that has a point or a comma, where some are not plain; else ""."""
        marked = [cell for cell, one in zip(self.cells, self.amounts, strict=False) if one and re.search("[.,]", one.body)]
        odd = [cell for cell in marked if not is_plain(cell)]
        return (odd or [""])[0]

    @property
    def question(self) -> str:
        """What to ask where they cannot."""
        taken = self.amount("")
        assert taken is not None
        way = "decimals" if taken.group in taken.example else "thousands"
        return (
            f"column {self.name!r}: {taken.example!r} is read as {taken.read(taken.example)}; every"
            f" {'comma' if ',' in taken.example else 'point'} stands before three digits and may divide {way} as well: if so,"
            f' state decimal="{taken.group}"'
        )

    @cached_property
    def amounts(self) -> list[Amount | None]:
        """The cells as amounts; none where the column is plain."""
        return [] if self.plain else [Amount.of(bare_of(cell)) for cell in self.cells]

    @cached_property
    def fits(self) -> list[Spelling]:
        """The spellings by which most cells can be read, all by equally many; none where fewer than MOSTLY."""
        found = [one for one in self.amounts if one]
        if not found or self.share(self.amounts) < MOSTLY:
            return []
        start = self._units()
        tried = [replace(start, decimal=decimal, group=group) for decimal, group in CONVENTIONS]
        for some in (tried, [replace(start, decimal=EITHER, group="")]):
            shares = [self.share(one.read(cell) for cell in self.cells) for one in some]
            if max(shares) >= (MOSTLY if not _is_word(start.unit) else 1):
                best = [one for one, share in zip(some, shares, strict=True) if share == max(shares)]
                return [] if _telephone(best[0], found) else self._with_example(best)
        return []

    def _units(self) -> Spelling:
        """What stands beside the numbers of most rows, and do k or M multiply them?"""
        count: dict[str, int] = {}
        scales = {one.after for one in self.amounts if one and one.after in SCALES}
        scaled = bool(scales) and scales != {"m"}
        for one, rows in zip(self.amounts, self.rows, strict=True):
            if one:
                unit = one.before or ("" if scaled and one.after in SCALES else one.after)
                count[same_unit(unit)] = count.get(same_unit(unit), 0) + int(rows)
        bare = count.pop("", 0)
        unit = max(count, key=lambda one: count[one], default="")
        return Spelling(unit="" if unit in ("%", "‰") and bare > count[unit] else unit, scaled=scaled)

    def _with_example(self, best: list[Spelling]) -> list[Spelling]:
        read = [best[0].read(cell) for cell in self.cells]
        odd = [one if not is_plain(cell) else None for one, cell in zip(read, self.cells, strict=True)]
        return [replace(one, example=self._marked or self._first(odd)) for one in best]

    def _first(self, read: Iterable[object]) -> str:
        return next((cell for cell, one in zip(self.cells, read, strict=True) if one), "")

    def amount(self, decimal: str) -> Spelling | None:
        """The spelling of amounts, where decimals are divided so ("": not known); None where they are plain, or none."""
        fits = self.fits or ([Spelling(decimal=",", group=".")] if self.plain else [])
        dotted = [cell for cell in self.cells if "." in cell and is_plain(cell)]
        if fits and not fits[0].example:  # plain numbers, but for some cells that are none
            other = decimal == "," and dotted and all(map(THOUSANDS.fullmatch, dotted))
            return next((replace(one, example=dotted[0]) for one in fits if other and one.group == "."), None)
        likely = [one for one in fits if one.decimal == decimal] or fits
        group = "." if likely and THOUSANDS_OF.fullmatch(likely[0].unit) else ","
        return next((one for one in likely if one.group == group and group in one.example), next(iter(likely), None))


def _few(values: np.ndarray) -> np.ndarray:
    """Different numbers, or the first of many."""
    some = np.unique(values[~np.isnan(values)])
    return some[:3]


def _has_points(values: np.ndarray) -> bool:
    """Are there decimals among these numbers? The first tell mostly."""
    if values.dtype.kind != "f":
        return False
    return any(bool((some % 1 > 0).any()) for some in np.array_split(values, len(values) // 10_000 + 1))


def _is_word(unit: str) -> bool:
    """Is it a unit that all cells must have (km), and no money or per cent?"""
    return bool(unit) and unit not in "%‰" and not MONEY.fullmatch(unit)


def _telephone(spelling: Spelling, amounts: list[Amount]) -> bool:
    """Are these numbers of telephones, say: spaces or points in all, and as many digits?"""
    bodies = [one.body for one in amounts]
    several = all(body.count(spelling.group) >= SEVERAL for body in bodies) and spelling.group in " ."
    lengths = {sum(map(str.isdigit, body)) for body in bodies}
    return several and len(lengths) == 1 and min(lengths) >= DIGITS
