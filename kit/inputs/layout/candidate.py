"""Candidate: a way in which the pictures of rows may be called, and which rows have a picture that is called so."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

from kit.inputs.layout.template import ANY

OTHER = re.compile(r"mask|label|annot|segm|thumb|depth|(^|[^a-z])gt([^a-z]|$)", re.I)  # such folders hold no pictures to learn
SPLITS = ("train", "test")
PHOTO = (".jpg", ".jpeg")  # of two files of one stem: masks are never stored with loss
Spelling = tuple[str, int, str]  # what stands before the cell, how many signs it is filled up to, what stands after it


@dataclass
class Candidate:
    """A file's name from `column` as `spelling` has it, in `folders`: each a name, a column in braces or `*`."""

    folders: tuple[str, ...]
    column: str
    spelling: Spelling
    rows: dict[int, str] = field(default_factory=dict)  # row → the folder of its picture
    twice: set[int] = field(default_factory=set)  # rows that have a picture in several folders
    suffixes: Counter[str] = field(default_factory=Counter)  # "": the cells have it
    files: set[str] = field(default_factory=set)
    cut: int = 0  # rows whose cell has folders that are not there

    def add(self, row: int, folder: str, name: str, suffix: str, cut: bool) -> None:
        """Count a row's picture; `suffix`: what its cell lacks; `cut`: has the cell folders that are not there?"""
        if self.rows.setdefault(row, folder) != folder:
            self.twice.add(row)
        self.suffixes[suffix] += 1
        self.files.add(f"{folder}/{name}")
        self.cut += cut

    @cached_property
    def any(self) -> int:
        """How many folders no column tells."""
        return self.folders.count(ANY)

    @cached_property
    def twins(self) -> list[str]:
        """The suffixes that most rows have, where these are several: a mask beside the picture, say."""
        common = [suffix for suffix, count in self.suffixes.most_common() if suffix and count * 2 > len(self.rows)]
        return sorted(common, key=lambda suffix: suffix.lower() not in PHOTO) if len(common) > 1 else []

    @cached_property
    def text(self) -> str:
        """The template."""
        before, width, after = self.spelling
        suffix = "" if self.suffixes[""] else (self.twins or [self.suffixes.most_common(1)[0][0]])[0]
        filled = f":0>{width}" if width else ""
        return "/".join([*self.folders, f"{before}{{{self.column}{filled}}}{after}{suffix}"])

    def preference(self, split: str, count: int) -> tuple[bool | float | int | str, ...]:
        """The larger, the likelier are these the pictures of a split of so many rows."""
        named = "/".join(one for one in self.folders if "{" not in one)
        other = next(one for one in SPLITS if one != split)
        return (
            not OTHER.search(named),
            not (other in named.lower() and split not in named.lower()),
            len(self.rows) / count,
            split in named.lower(),
            -self.any,
            self.column == "id",
            -self.cut,
            -sum("{" in one for one in self.folders),
            self.spelling == ("", 0, ""),
            -len(self.text),
        )
