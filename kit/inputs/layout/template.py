"""Template: the name of a row's picture file, made of the row's cells."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import PurePosixPath

from kit.inputs.decode import SUFFIXES

FIELD = re.compile(r"\{([^{}]*)\}")
PADDED = re.compile(r"(.+?):(?:(.)>|0)(\d+)d?")  # id:0>5, id:05 and id:05d are one: str.format would fill `05` at the right
FLOAT = re.compile(r"(\d+)\.0*")
DRIVE = re.compile(r"^([A-Za-z]:|\w+://)")  # C: and https://
ANY = "*"  # a folder that no column tells


@dataclass(frozen=True)
class Template:
    """A path below the data's folder: a column's cell stands for its name in braces, any one folder for a `*`.

    `{id:0>5}` fills the cell up to five signs, with zeros at the left.
    """

    text: str

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns in braces."""
        return tuple(dict.fromkeys(_field(inside)[0] for inside in FIELD.findall(self.text)))

    @cached_property
    def _parts(self) -> tuple[str, ...]:
        return PurePosixPath(self.text).parts

    @cached_property
    def _fixed(self) -> int:
        return next(i for i, part in enumerate(self._parts) if "{" in part or part == ANY)

    @property
    def folder(self) -> str:
        """The folders that all pictures share."""
        return "/".join(self._parts[: self._fixed])

    @property
    def rest(self) -> tuple[str, ...]:
        """What follows the shared folders, a part a folder; the last is the file's name."""
        return self._parts[self._fixed :]

    def name(self, cells: Mapping[str, str]) -> str:
        """A row's file name below `folder`, with `*` left as it is. Raises KeyError for a column that is not in `cells`."""

        def cell(match: re.Match[str]) -> str:
            column, fill, width = _field(match[1])
            return cells[column].rjust(width, fill)

        return FIELD.sub(cell, "/".join(self.rest))

    def without_any(self, name: str) -> str:
        """A file's name below `folder` with `*` where the template has it."""
        parts = name.split("/")
        for place in self._any:
            if place < len(parts) - 1:
                parts[place] = ANY
        return "/".join(parts)

    @cached_property
    def _any(self) -> list[int]:
        return [place for place, part in enumerate(self.rest) if part == ANY]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What the names of such files below `folder` are like, in composed letters, whatever their suffix."""
        within = "[^/]*" if self.folder or len(self.rest) > 1 else ".*"  # a bare {id} may hold folders

        def like(part: str) -> str:
            return "[^/]*" if part == ANY else within.join(re.escape(composed(text)) for text in FIELD.split(part)[::2])

        again = f"({re.escape(composed(self._parts[self._fixed - 1]))}/)?" if self._fixed else ""
        return re.compile(again + "/".join(map(like, [*self.rest[:-1], stem(self.rest[-1])])) + r"\.[^./]*", re.IGNORECASE)


@lru_cache
def _field(inside: str) -> tuple[str, str, int]:
    """The column in braces, and with what sign its cells are filled up to how many."""
    padded = PADDED.fullmatch(inside)
    return (padded[1], padded[2] or "0", int(padded[3])) if padded else (inside, "0", 0)


def composed(text: str) -> str:
    """Text with one sign a letter: some systems write an ü of a file's name as u and two dots."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def stem(name: str) -> str:
    """A name without its suffix, where that is an image's."""
    return name.rpartition(".")[0] if name.lower().endswith(SUFFIXES) else name


def tidy(cells: Iterable[str]) -> list[str]:
    """Cells of a column as names of files: paths with `/` and without what leads out of a folder, 1 for 1.0.

    Numbers lose their point only where all cells are such numbers: a blank makes a column of them so.
    """
    paths = [plain_path(cell) for cell in map(composed, cells)]
    whole = [FLOAT.fullmatch(one) for one in paths]
    if all(match or not one for match, one in zip(whole, paths, strict=True)):
        return [match[1] if match else "" for match in whole]
    return paths


def plain_path(cell: str) -> str:
    """A path of any system, or an address, with `/` between its parts and none before them."""
    if "/" not in cell and "\\" not in cell:
        return cell
    text = cell.partition("?")[0] if "://" in cell else cell
    return "/".join(part for part in DRIVE.sub("", text, count=1).replace("\\", "/").split("/") if part not in ("", ".", ".."))
