"""Answer spelling: the training table's answers, written as the sample submission (or the adapter) writes them.

pandas, Excel and R leave answers differently: `1.0` or `1`, `TRUE` or `True`, ` <=50K` or `<=50K`, `01` or `1`, `Yes` or
`1`. The cells of training rows are respelled before the names of classes are learned from them, so that all that follows
sees one spelling. Only a spelling of a small family is found: one under which the sample's answers are classes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from kit.errors import quoted

if TYPE_CHECKING:
    import pandas as pd

Spelling = Callable[[str], str]

MANY = 20_000  # different answers that are amounts or texts, and no classes
SHOWN = 3  # respelled answers that a note names
WHOLE = re.compile(r"([+-]?\d+)(\.0*)?")  # 7, 07, 7., 7.0
GAPS = ((" ", " "), (" ", "_"), ("_", " "), (" ", "-"), ("-", " "), (" ", ""))  # between words: in the table, in the sample
TRUTH = (("false", "true"), ("no", "yes"), ("n", "y"), ("f", "t"), ("0", "1"), ("0.0", "1.0"))  # words for no and for yes


def respelled(trained: Iterable[str], asked: Iterable[str], complete: bool = False) -> dict[str, str]:
    """Which of the training table's answers are written otherwise, and how: {} where none needs to be, or nothing is found.

    Of the spellings, the first counts under which most of the answers that are asked for are classes. Answers that differ in
    blanks around them or in `.0` only are one. Where no answer that is asked for is a class (0, say, for classes from 1), whole
    numbers have `.0` as those have. `complete`: all classes are asked for.
    """
    known, wanted = sorted({cell for cell in trained if cell.strip()}), {cell for cell in asked if cell.strip()}
    if len(known) > MANY:
        return {}
    best: dict[str, str] = {}
    rank = (0, 0, False, 0)
    dotted = {"." in cell for cell in wanted} if all(map(_whole, (*known, *wanted))) else set()
    for number, spelling in enumerate(_spellings(known, wanted)):
        written = {cell: spelling(cell) for cell in known}
        names = set(written.values())
        if number and len(names) < min(2, len(known)):
            continue  # no answers are told apart
        alike = len(dotted) == 1 and {"." in name for name in names} == dotted
        fits = (-len(names - wanted) * complete, len(wanted & names), alike, len({_plain(name) for name in names}) - len(names))
        if number == 0 or fits > rank:
            best, rank = written, fits
        if rank == (0, len(wanted), len(dotted) == 1, 0):
            break  # none fits better
    return {cell: other for cell, other in best.items() if other != cell}


def cells_of(sample: pd.DataFrame) -> list[str]:
    """The different answers of a sample submission that has one column of them; [] of one with more."""
    return list(sample.iloc[:, 0].unique()) if sample.shape[1] == 1 else []


def words_of(cells: Iterable[str]) -> list[str]:
    """The different words of cells."""
    return sorted({word for cell in cells for word in cell.split()})


def indicators(trained: Iterable[str]) -> dict[str, str]:
    """Words for yes and no, as `True` or `no`, as 1 and 0; {} where there are other words, or all are numbers already."""
    known = {cell for cell in trained if cell.strip()}
    truth = {cell: _truth(cell) for cell in known}
    if None in truth.values() or all(map(_whole, known)):
        return {}
    return {cell: str(int(bool(one))) for cell, one in truth.items()}


def in_words(changes: Mapping[str, str], cells: Iterable[str]) -> dict[str, str]:
    """Changes of cells of several words, from the changes of words."""
    written = {cell: " ".join(changes.get(word, word) for word in cell.split()) for cell in cells if changes}
    return {cell: other for cell, other in written.items() if other != cell}


def written(table: pd.DataFrame, changes: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """A table whose cells are respelled by `changes`, by column."""
    for name, of in changes.items():
        if of and name in table:
            table = table.assign(**{name: table[name].map(lambda cell, of=of: of.get(cell, cell))})
    return table


def notes(table: pd.DataFrame, changes: Mapping[str, Mapping[str, str]], how: str) -> list[str]:
    """What was respelled in a table (as it was), and which of its answers became one, with the numbers of their rows.

    `how` they are written, in words.
    """
    said = {f"{quoted(cell)} as {quoted(other)}": None for of in changes.values() for cell, other in of.items()}
    if not said:
        return []
    more = f" and {len(said) - SHOWN} more" if len(said) > SHOWN else ""
    return [f"answers are written {how}: {', '.join([*said][:SHOWN])}{more}", *_unions(table, changes)]


def _unions(table: pd.DataFrame, changes: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for name, of in changes.items():
        counts = table[name].value_counts()
        spelled: dict[str, list[str]] = {}
        for cell in counts.index:
            spelled.setdefault(of.get(cell, cell), []).append(cell)
        for other, cells in spelled.items():
            if len(cells) > 1:
                each = " and ".join(f"{quoted(cell)} ({counts[cell]:,} rows)" for cell in sorted(cells))
                yield f"{each} count as one answer, {quoted(other)}"


def _spellings(known: list[str], wanted: set[str]) -> Iterator[Spelling]:
    """The family, from the spelling as it is to those that change more."""
    yield lambda cell: cell
    before, after = _blanks(wanted)
    words = any(letter.isalpha() for cell in known for letter in cell)
    for figures in _figures(known, wanted):
        for letters in (str, str.lower, str.upper, str.capitalize, str.title) if words else (str,):
            for gap, other in GAPS if words else GAPS[:1]:
                yield _together(figures, letters, gap, other=other, before=before, after=after)
    truth = {cell: _truth(cell) for cell in known}
    if set(truth.values()) == {False, True}:
        for no, yes in TRUTH:
            for case in (str.lower, str.upper, str.capitalize):
                pair = {False: before + case(no) + after, True: before + case(yes) + after}
                if wanted <= set(pair.values()):
                    yield lambda cell, pair=pair: pair[truth[cell]]  # type: ignore[misc]


def _together(figures: Spelling, letters: Spelling, gap: str, *, other: str, before: str, after: str) -> Spelling:
    return lambda cell: before + letters(figures(cell.strip())).replace(gap, other) + after


def _figures(known: list[str], wanted: set[str]) -> Iterator[Spelling]:
    """How whole numbers are written, where there are some: as they are, without and with `.0`, without and with zeros."""
    yield lambda cell: cell
    if not any(map(_whole, known)):
        return
    yield _plain
    yield lambda cell: f"{_plain(cell)}.0" if _whole(cell) else cell
    yield lambda cell: str(int(_plain(cell))) if _whole(cell) else cell
    for width in sorted({len(cell.strip()) for cell in wanted if cell.strip().isdecimal()} - {1}):
        yield lambda cell, width=width: _plain(cell).zfill(width) if _whole(cell) else cell  # type: ignore[misc]


def _blanks(wanted: set[str]) -> tuple[str, str]:
    """The blanks around every answer that is asked for."""
    before = {cell[: len(cell) - len(cell.lstrip())] for cell in wanted}
    after = {cell[len(cell.rstrip()) :] for cell in wanted}
    return (before.pop() if len(before) == 1 else ""), (after.pop() if len(after) == 1 else "")


def _whole(cell: str) -> bool:
    return WHOLE.fullmatch(cell.strip()) is not None


def _plain(cell: str) -> str:
    """A cell without blanks around it; a whole number without `.0`."""
    number = WHOLE.fullmatch(cell.strip())
    return number[1] if number else cell.strip()


def _truth(cell: str) -> bool | None:
    """Does a cell say yes or no? None where it says neither."""
    word = _plain(cell).lower()
    return next((word == yes for no, yes in TRUTH if word in (no, yes)), None)
