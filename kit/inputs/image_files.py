"""Pictures: the image files of some rows in a store: decoded all at once, or (Streamed) when they are asked for."""

from __future__ import annotations

import contextlib
import io
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kit import resources
from kit.data import levels
from kit.errors import BadData, listed
from kit.inputs.decode import decode, values_of
from kit.inputs.layout.lookup import Files
from kit.storage.feeder import Feeder

FEW = 0.02  # share of test pictures that may be of another size: a run does not fail by them
LOOKED_AT = 2000  # pictures, spread over all, from which the scale of their values is learned


class Pictures:
    """The pictures of some rows: `files` says which file of its store is that of which id.

    `span`: how the values of pictures of more than 8 bits are scaled, see `kit.data.levels`; None: not known yet.
    """

    def __init__(self, files: Files, ids: list[str], channels: int, span: levels.Span | None = None):
        self.store, self.names, self.found = files.store, files.names, files.found
        self.layout, self.ids, self.channels, self.span = files, ids, channels, span

    def __len__(self) -> int:
        return len(self.ids)

    def only(self, rows: list[int]) -> Pictures:
        """Some of the rows."""
        return Pictures(self.layout.only(rows), [self.ids[i] for i in rows], self.channels, self.span)

    def files(self) -> list[Path]:
        """The files on the disk whose content these pictures are."""
        return list(dict.fromkeys(self.store.origin(name) for name in self.found if name))

    def where(self, row: int) -> str:
        """How to name a row's picture in a message."""
        return f"{self.store.where(self.found[row] or self.names[row])} (id {self.ids[row]!r})"

    def one(self, row: int, size: int) -> np.ndarray:
        """A row's picture, uint8 [h, w, c]. Raises BadData naming file and id."""
        name = self.found[row]
        if name is None:
            raise self.missing(row)
        try:
            data = self.store.read(name)
        except (OSError, KeyError) as fault:
            raise BadData(f"{self.where(row)}: cannot be read ({fault}).") from None
        return decode(data, self.where(row), self.channels, size, self.span)

    def missing(self, row: int) -> BadData:
        """The error for a row without a file."""
        return BadData(f"{self.where(row)}: no such image.")

    def odd(self, row: int, shape: tuple[int, ...], others: tuple[int, ...]) -> BadData:
        """The error for a picture of another size than the others."""
        return BadData(
            f"{self.where(row)} is {shape[1]}×{shape[0]}, other images {others[2]}×{others[1]}:"
            " give one size to all with --size."
        )

    def size(self) -> tuple[int, int]:
        """Height and width of the first picture that can be read."""
        fault = BadData(f"{self.store.path}: no images at all.")
        for row in range(len(self)):
            try:
                height, width, _ = self.one(row, 0).shape
                return height, width
            except BadData as first:
                fault = first if row == 0 else fault
                if not self.store.random and row > 5:  # each look is a pass through the archive
                    break
        raise fault

    def sides(self) -> list[tuple[int, int]]:
        """Height and width of each picture that can be read, in one pass through their files."""
        rows, found = self._rows_by_file(), dict[int, tuple[int, int]]()

        def look(files: list[tuple[str, bytes]]) -> None:
            for name, data in files:
                row = rows[name][0]
                with contextlib.suppress(BadData):
                    height, width, _ = decode(data, self.where(row), self.channels, span=self.span or levels.WHOLE).shape
                    found[row] = height, width

        with Feeder(look) as feeder:
            self.store.each(rows, feeder)
        return [size for _, size in sorted(found.items())]

    def measures(self) -> np.ndarray:
        """Width, height and bytes of each row's file, float64 [n, 3], by its header alone; NaN where that cannot be read."""
        from PIL import Image

        rows, found = self._rows_by_file(), np.full((len(self), 3), np.nan)

        def look(name: str, data: bytes) -> None:
            size = (np.nan, np.nan)
            with contextlib.suppress(OSError, ValueError, SyntaxError, Image.DecompressionBombError), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # nothing is decoded
                size = Image.open(io.BytesIO(data)).size
            found[rows[name]] = (*size, len(data) or np.nan)

        self.store.each(rows, look)
        return found

    def _rows_by_file(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(self.found):
            if name is not None:
                rows.setdefault(name, []).append(row)
        return rows

    def learned(self) -> levels.Span:
        """The span of the values of pictures of more than 8 bits: of those of some rows spread over all, else of all rows."""
        for step in sorted({max(1, len(self) // LOOKED_AT), 1}, reverse=True):
            seen = self.only(list(range(0, len(self), step)))._seen()
            if seen:
                return levels.learned(seen)
        return levels.WHOLE  # such a picture was met, and no value of it is a number

    def _seen(self) -> list[levels.Seen]:
        """What there is to learn from each picture of more than 8 bits, in the order of the files."""
        rows = self._rows_by_file()
        seen: dict[int, levels.Seen | None] = {}

        def look(files: list[tuple[str, bytes]]) -> None:
            for name, data in files:
                with contextlib.suppress(BadData):  # a broken picture is named when all are decoded
                    values = values_of(data, self.where(rows[name][0]))
                    seen[rows[name][0]] = None if values is None else levels.seen(values)

        with Feeder(look) as feeder:
            self.store.each(rows, feeder)
        return [one for _, one in sorted(seen.items()) if one is not None]

    def decode_into(self, array: np.ndarray, size: int, compact: bool) -> tuple[int, dict[str, Any]]:
        """Fill `array` [n, h, w, c]; returns how many rows count, what is wrong with which ids, and lines about the files.

        `compact` (training rows): leave broken rows out and move the rest up; else they stay blank. Raises BadData where a
        picture has another size than the array; but for a few that are to be answered, which count as broken.
        """
        rows = self._rows_by_file()
        broken = {row: str(self.missing(row)) for row, name in enumerate(self.found) if name is None}
        other: dict[int, tuple[int, ...]] = {}
        said: dict[str, list[int]] = {}

        def note(row: int, text: str) -> None:
            said.setdefault(text, []).append(row)

        def fill(files: list[tuple[str, bytes]]) -> None:
            for name, data in files:
                for row in rows[name]:
                    try:
                        image = decode(data, self.where(row), self.channels, size, self.span, partial(note, row))
                    except BadData as fault:
                        broken[row] = str(fault)
                        continue
                    if image.shape == array.shape[1:]:
                        array[row] = image
                    else:
                        other[row] = image.shape

        with Feeder(fill) as feeder:
            self.store.each(rows, feeder)
        if other and (compact or len(other) > FEW * len(array)):
            raise self.odd(*min(other.items()), array.shape)
        broken |= {row: str(self.odd(row, shape, array.shape)) for row, shape in other.items()}
        named = {self.ids[row]: broken[row] for row in sorted(broken)}
        lines = [self._line(text, rows_of_it) for text, rows_of_it in sorted(said.items())]
        return (_compact(array, sorted(broken)) if compact else len(array)), {"broken": named, "lines": lines}

    def _line(self, text: str, rows: list[int]) -> str:
        """What was said of some rows, and of which, where it was not said of all that have a file."""
        if len(rows) == sum(name is not None for name in self.found):
            return text
        return f"{text} ({len(rows):,} of {len(self):,} pictures, ids {listed([self.ids[row] for row in sorted(rows)], 3)})"


class Streamed:
    """Pictures indexed like an array uint8 [n, h, w, c], decoded when they are asked for, in threads."""

    dtype = np.dtype(np.uint8)
    on_demand = True  # see `kit.inference.shared_pass`

    def __init__(self, pictures: Pictures, sides: tuple[int, ...]):
        self.pictures = pictures
        height, width = sides
        self.size = height if height == width else 0  # pictures that are not square keep their own size
        self.shape = (len(pictures), height, width, pictures.channels)
        self.ndim = 4

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, rows: Any) -> np.ndarray:
        if isinstance(rows, int | np.integer):
            return self._like_others(int(rows), self.pictures.one(int(rows), self.size))
        some = np.arange(len(self))[rows]
        with ThreadPoolExecutor(resources.core_count()) as pool:
            images = list(pool.map(self._or_blank, some.tolist()))
        return np.stack(images) if images else np.zeros((0, *self.shape[1:]), np.uint8)

    def _or_blank(self, row: int) -> np.ndarray:
        """A broken test picture was named when the set was looked through; here it is blank."""
        try:
            image = self.pictures.one(row, self.size)
        except BadData:
            return np.zeros(self.shape[1:], np.uint8)
        return self._like_others(row, image)

    def _like_others(self, row: int, image: np.ndarray) -> np.ndarray:
        if image.shape != self.shape[1:]:
            raise self.pictures.odd(row, image.shape, self.shape)
        return image


def _compact(array: np.ndarray, left_out: list[int]) -> int:
    """Move the rows up over those left out; returns how many remain."""
    if not left_out:
        return len(array)
    kept = np.setdiff1d(np.arange(len(array)), left_out)
    for start in range(left_out[0], len(kept), 1024):
        some = kept[start : start + 1024]
        array[start : start + len(some)] = array[some]
    return len(kept)
