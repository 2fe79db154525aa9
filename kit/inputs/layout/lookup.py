"""Lookup: which file below the data's folder is the picture of which row, and what is not sure about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from kit.errors import BadData
from kit.inputs.layout.rows import Rows
from kit.inputs.layout.shelf import Shelf, Spelling
from kit.inputs.layout.template import Template, composed, plain_path
from kit.storage import archives
from kit.storage.archives import Store
from kit.storage.archives.joined import Joined

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 3  # rows that a note names
Fits = list[tuple[str, Template]]  # the files of a row with the template that each was found by


@dataclass(frozen=True)
class Files:
    """The files of some rows in `store`: `found`, or None where there is none called as `names` says.

    `templates`: by which each was found, or the first. `notes`: rows whose file is not the only one that fits, or is called
    otherwise.
    """

    store: Store
    names: list[str]
    found: list[str | None]
    templates: list[Template]
    notes: list[str]

    def only(self, rows: list[int]) -> Files:
        """The files of some of the rows."""
        return replace(
            self,
            names=[self.names[row] for row in rows],
            found=[self.found[row] for row in rows],
            templates=[self.templates[row] for row in rows],
        )


def place_of(root: Path, template: Template) -> tuple[Path | None, str]:
    """The folder or archive that holds a template's pictures, and the folder within it."""
    folder = template.folder
    place = archives.find(root, folder)
    while place is None and "/" in folder:  # images/train/{id}.png in images.zip
        folder = folder.rpartition("/")[0]
        place = archives.find(root, folder)
    return place, template.folder.removeprefix(folder).strip("/")


def files_of(root: Path, templates: tuple[Template, ...], frame: pd.DataFrame, split: str) -> Files:
    """The files of the rows of a frame (index: id). Raises BadData for a folder or a column that is not there."""
    shelves, store = _shelves(root, templates)
    rows = Rows(templates, frame)
    stated = rows.names[shelves[0].template]
    fits: list[Fits] = []
    loose: dict[int, str] = {}
    for row in range(len(frame)):
        fitting, name = next(_fitting(rows, row, shelves), ([], ""))
        fits.append(fitting)
        if fitting and name != stated[row] and composed(name) != plain_path(composed(stated[row])):
            loose[row] = name
    for row in _shared(fits, loose, rows):
        fits[row] = []
        del loose[row]
    if len(shelves) < len(templates) and not all(fits):
        raise _no_folder(root, next(one for one in templates if place_of(root, one)[0] is None))

    def place(file: str) -> str:
        return store.where(file).removeprefix(f"{root}/")

    return Files(
        store=store,
        names=[shelves[0].full(name) for name in stated],
        found=[some[0][0] if some else None for some in fits],
        templates=[some[0][1] if some else templates[0] for some in fits],
        notes=[*_twice(fits, rows, split, place), *_otherwise(fits, loose, rows, split, place)],
    )


def _no_folder(root: Path, template: Template) -> BadData:
    return BadData(
        f"{root / template.folder}: no such folder (nor {', '.join(archives.ARCHIVES)}).\n"
        f"Is {root} the competition's folder? See --data."
    )


def _shelves(root: Path, templates: tuple[Template, ...]) -> tuple[list[Shelf], Store]:
    """What each template finds its files on, and the store of them all."""
    found = [(template, *place_of(root, template)) for template in templates]
    places = list(dict.fromkeys(place for _, place, _ in found if place is not None))
    if not places:
        raise _no_folder(root, templates[0])
    store = archives.open_store(places[0]) if len(places) == 1 else Joined(root, [archives.open_store(one) for one in places])
    shelves = []
    for template, place, inner in found:
        if place is not None:
            prefix = f"{places.index(place)}/" if isinstance(store, Joined) else ""
            own = PurePosixPath(template.folder.removesuffix(inner).rstrip("/")).name
            shelves.append(Shelf(store, template, prefix, own, inner))
    return shelves, store


def _fitting(rows: Rows, row: int, shelves: list[Shelf]) -> Iterator[tuple[Fits, str]]:
    """The files that fit a row with the name that they were found by, by ever looser spellings of it."""

    def look(names: list[str], spelling: Spelling) -> Fits:
        both = zip(shelves, names, strict=True)
        return [(file, shelf.template) for shelf, name in both for file in shelf.fits(name, spelling)]

    names = [rows.names[shelf.template][row] for shelf in shelves]
    if fits := look(names, str):
        yield fits, names[0]
    for spelling in (composed, _folded):
        for cut in range(rows.depth(row) + 1):
            names = [rows.tidy_name(shelf.template, row, cut) for shelf in shelves]
            fits = look(names, spelling)
            if fits and (spelling is composed or len(fits) == 1):
                yield fits, spelling(names[0])


def _folded(name: str) -> str:
    """A name without the difference between small and capital letters."""
    return composed(name).casefold()


def _shared(fits: list[Fits], loose: dict[int, str], rows: Rows) -> list[int]:
    """The rows found by a looser spelling whose file is another row's too: both cannot be right."""
    whose: dict[str, set[str]] = {}
    for row, some in enumerate(fits):
        if some:
            whose.setdefault(some[0][0], set()).add(rows.said(row))
    return [row for row in loose if len(whose[fits[row][0][0]]) > 1]


def _twice(fits: list[Fits], rows: Rows, split: str, place: Spelling) -> Iterator[str]:
    """A note on the rows for which several files fit."""
    several = [row for row, some in enumerate(fits) if len(some) > 1]
    if several:
        first, other = (place(file) for file, _ in fits[several[0]][:2])
        yield (
            f"several files fit {len(several):,} of {len(fits):,} {split} rows: {rows.said(several[0])!r} is read from"
            f" {first!r}, not from {other!r}. State a template that only one fits, or remove the others"
        )


def _otherwise(fits: list[Fits], loose: dict[int, str], rows: Rows, split: str, place: Spelling) -> Iterator[str]:
    """A note on the rows whose file is not called as their cell."""
    if loose:
        some = [f"{rows.said(row)!r} is read from {place(fits[row][0][0])!r}" for row in sorted(loose)[:SHOWN]]
        yield f"the files of {len(loose):,} of {len(fits):,} {split} rows are not called as the table has it: {', '.join(some)}"
