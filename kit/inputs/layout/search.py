"""Search: by which templates the pictures below a folder belong to the rows of a table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from kit.inputs.layout.candidate import Candidate, Spelling
from kit.inputs.layout.template import ANY, composed, stem, tidy

if TYPE_CHECKING:
    import pandas as pd

LOOKED_AT = 1000  # rows whose pictures are looked for, spread over the table
MOSTLY = 0.9  # share of these that must have a picture, or the folder holds other pictures
PART = 0.01  # share of the rows that a further folder must hold pictures of
MOST = 8  # templates
CALLED_SO = 64  # files of one name that are looked at: 1.png may lie in every folder
DEEP = 6  # folders that may be called as a cell
PROBES = 20  # rows that tell what stands before and after the cell in a file's name


@dataclass(frozen=True)
class Lead:
    """Templates that lead from a split's rows to their pictures, none where most rows have no picture; `doubts` on them."""

    texts: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def lead(pictures: list[str], table: pd.DataFrame, answers: Iterable[str], split: str) -> Lead:
    """The templates by which the pictures (paths below the data's folder) belong to the rows of a table, indexed by id.

    `answers`: columns of the training table that may be folders' names, but not files'.
    """
    some = table.iloc[:: max(1, len(table) // LOOKED_AT)]
    search = _Search(pictures, some, set(answers) if split == "train" else set())
    found = search.candidates(search.plain)
    if not _best(found, split, len(some)):
        found = [one for spelling in search.affixes() for one in search.candidates([spelling])]
    chosen = _best(found, split, len(some))
    return Lead(tuple(one.text for one in chosen), tuple(_doubts(chosen, found, split, len(some))))


class _Search:
    """The pictures by name, and the rows' cells as names of files."""

    def __init__(self, pictures: list[str], some: pd.DataFrame, answers: set[str]):
        self.by_stem: dict[str, list[str]] = {}
        for name in pictures:
            last = _key(name.rpartition("/")[2])
            for key in {last, stem(last)}:
                self.by_stem.setdefault(key, []).append(name)
        widths = {len(one) for one in self.by_stem if one.isdecimal() and one.startswith("0")}
        self.plain: list[Spelling] = [("", width, "") for width in (0, *sorted(widths))]
        named = {str(name): list(some[name]) for name in some.columns if not re.search(r"[:{}]", str(name))}
        self.cells = {name: tidy(cells) for name, cells in {"id": list(some.index), **named}.items()}
        self.naming = [name for name in self.cells if name == "id" or name not in answers]

    def candidates(self, spellings: list[Spelling]) -> list[Candidate]:
        """Every way to call pictures that a row's picture is called, for columns whose cells are not a few names for all."""
        found: dict[tuple[tuple[str, ...], str, Spelling], Candidate] = {}
        for column, spelling in product(self.naming, spellings):
            for row, cell in enumerate(self.cells[column]):
                for name, suffix in self._called(cell, spelling):
                    *inside, last = name.split("/")
                    depth = cell.count("/")
                    agree = _alike(cell.split("/")[:-1], inside)
                    above = inside[: len(inside) - agree]
                    choices = [self._folder(part, row, len(above) - i > DEEP) for i, part in enumerate(above)]
                    for folders in product(*choices):
                        one = found.setdefault((folders, column, spelling), Candidate(folders, column, spelling))
                        one.add(row, "/".join(inside), last, suffix, cut=agree < depth)
        return [one for one in found.values() if one.column == "id" or len(one.files) > len(one.rows) // 2]

    def _called(self, cell: str, spelling: Spelling) -> Iterator[tuple[str, str]]:
        """The files that are called as a cell, with the suffix that the cell lacks."""
        before, width, after = spelling
        last = cell.rpartition("/")[2]
        wanted = _key(before + last.rjust(width, "0") + after)
        if not last or (width and not last.isdecimal()):
            return
        for name in self.by_stem.get(wanted, ())[:CALLED_SO]:
            whole = name.rpartition("/")[2]
            yield name, "" if _key(whole) == wanted else whole[len(stem(whole)) :]

    def _folder(self, part: str, row: int, literal: bool) -> list[str]:
        """What may stand in a template for a folder: its name, a column with this cell, `*`."""
        if literal or "{" in part:
            return [part]
        filled = part.isdecimal()
        columns = []
        for name, cells in self.cells.items():
            if cells[row] == composed(part):
                columns.append(f"{{{name}}}")
            elif filled and cells[row].isdecimal() and cells[row].rjust(len(part), "0") == part:
                columns.append(f"{{{name}:0>{len(part)}}}")
        return [part, *columns, ANY]

    def affixes(self) -> list[Spelling]:
        """What stands before and after cells in the names of files, where that is the same for most of some rows."""
        found: Counter[Spelling] = Counter()
        cells = self.cells["id"]
        probes = cells[:: max(1, len(cells) // PROBES)]
        for cell in probes:
            last = _key(cell.rpartition("/")[2])
            if last:
                found.update({one for name in self.by_stem if last in name for one in _around(stem(name), last)})
        return [spelling for spelling, count in found.most_common(3) if count >= MOSTLY * len(probes)]


def _alike(path: list[str], inside: list[str]) -> int:
    """How many of their last folders two paths share."""
    pairs = list(zip(reversed(path), reversed(inside), strict=False))
    return next((i for i, (one, other) in enumerate(pairs) if one != composed(other)), len(pairs))


def _key(name: str) -> str:
    return composed(name).casefold()


def _around(name: str, cell: str) -> Iterator[Spelling]:
    """What stands around a cell in a name; zeros before a number belong to it, other digits or letters make it another."""
    zeros = "(0*)" if cell.isdecimal() else "()"
    for match in re.finditer(f"(?={zeros}{re.escape(cell)})", name):
        start = match.start(1)
        before, after = name[:start], name[match.end(1) + len(cell) :]
        apart = not (before[-1:].isdecimal() and cell[0].isdecimal()) and not (after[:1].isdecimal() and cell[-1].isdecimal())
        if apart and (before or after):
            yield before, (len(match[1]) + len(cell) if match[1] else 0), after


def _best(found: list[Candidate], split: str, count: int) -> list[Candidate]:
    """The likeliest candidate, or several that together find more."""
    ranked = sorted(found, key=lambda one: one.preference(split, count), reverse=True)
    sure = [one for one in ranked if len(one.rows) >= MOSTLY * count and len(one.twice) <= (1 - MOSTLY) * count]
    best = sure[:1]
    if best and (len(best[0].rows) == count or best[0].any) and not (best[0].any and best[0].folders[0] == ANY):
        return best
    flat = _together([one for one in ranked if not one.any and one.preference(split, count)[:2] == (True, True)], count)
    more = {row for one in flat for row in one.rows}
    if len(more) >= MOSTLY * count and len(more) >= max((len(one.rows) for one in best), default=0):
        return flat
    return best


def _together(ranked: list[Candidate], count: int) -> list[Candidate]:
    """Candidates of one column, each of which finds rows that those before it do not."""
    chosen: list[Candidate] = []
    rows: set[int] = set()
    while len(chosen) < MOST:
        further = [one for one in ranked if not chosen or one.column == chosen[0].column]
        best = max(further, key=lambda one: len(one.rows.keys() - rows), default=None)
        if best is None or len(best.rows.keys() - rows) < max(1, PART * count):
            break
        chosen.append(best)
        rows |= best.rows.keys()
    return chosen


def _doubts(chosen: list[Candidate], found: list[Candidate], split: str, count: int) -> Iterator[str]:
    """What the files do not tell: which of two suffixes is the picture, which of two folders."""
    for one in chosen:
        if one.twins:
            yield (
                f"most rows have a {one.twins[0]} and a {one.twins[1]} of one name: {one.text!r} takes the first; state the"
                " suffix of the pictures"
            )
    if len(chosen) == 1 and not chosen[0].any:
        others = [one for one in found if not one.any and one.column == chosen[0].column and len(one.rows) >= MOSTLY * count]
        rival = [one for one in others if set(one.rows.values()).isdisjoint(chosen[0].rows.values())]
        apart = [one for one in rival if one.preference(split, count)[1]]
        if apart:
            yield f"{apart[0].text!r} leads to files of the {split} rows too: {chosen[0].text!r} is read; state what is meant"
