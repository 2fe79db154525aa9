"""Pixels in the table itself: a column each, as digit-recognizer has them, or all of a picture in one cell.

pandas is imported inside functions: see `kit.inputs.base`.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from kit.errors import BadData
from kit.inputs.base import KEEP_ALL, Encode, Inputs, Keep, Loaded
from kit.inputs.decode import resize
from kit.inputs.detection import Beginning, Evidence, small_pictures
from kit.inputs.layout import pixel_columns
from kit.storage import frames
from kit.storage.tables.delimited_text import first_line
from kit.storage.tables.table_file import TableFile, TableFormat

if TYPE_CHECKING:
    import pandas as pd

INVENTED = 12  # pixels a side of invented pictures, where it is not stated


@dataclass(frozen=True)
class Pixels(Inputs):
    """Square grey images of whole numbers 0…`top`, row by row in the columns `{prefix}0`, `{prefix}1`, …

    `first`: the number of the first column. A `prefix` with braces is the whole name: `{row}x{column}`, or `pixel{:0>4}`.
    With `column`, a cell of that column holds all of a picture's values, divided by blanks or commas, and these need not be
    whole; `side` follows from their count where it is not stated. `width`: of pictures that are not square.
    """

    side: int = 0
    prefix: str = "pixel"
    top: int = 255
    column: str = ""
    width: int = 0
    first: int = 0
    kind: ClassVar[str] = "pixels"
    channels: int = 1
    mirror: bool = False
    numbered: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.column and self.side and self.width:
            raise ValueError("Pixels: state the side of square pictures, or the width of others")
        if not self.column and (not self.side or self.width):
            raise ValueError('Pixels: state side=28, say, where a pixel is a column, or column="pixels" where a cell holds all')

    @classmethod
    def detect(cls, evidence: Evidence) -> Self | None:
        """A column of cells of many numbers, or columns of whole numbers called pixel0, pixel1, …, as many as a square has."""
        for name in evidence.shared:
            cells = [*evidence.train[name], *evidence.test[name]]
            if found := pixel_columns.in_one_cell(cells):
                count, top = found
                side = isqrt(count)
                square = side**2 == count
                width = 0 if square else pixel_columns.likely_width(count)
                return cls(side if square else 0, top=top, column=name, width=width)
        if found_columns := pixel_columns.named(evidence.shared):
            prefix, first, side = found_columns
            pixels = cls(side, prefix, first=first)
            top = pixel_columns.top_of(evidence.train[pixels.names], evidence.test[pixels.names])
            return pixels.changed(top=top) if top else None
        return None

    def used_columns(self) -> tuple[str, ...]:
        return (self.column,) if self.column else tuple(self.names)

    def doubts(self) -> list[str]:
        if not self.column:
            return [f"{self.names[0]}, {self.names[1]}, … are read as pictures: state Table() where they are none"]
        size = f"of {self.side}×{self.side}" if self.side else f"{self.width} wide, which is a guess: state width="
        return [f"the numbers in {self.column!r} are read as pictures {size}"]

    def beginning(self, root: Path, train: pd.DataFrame | None, outputs: int = 1, encode: Encode | None = None) -> Beginning:
        return small_pictures(0 if train is None else len(train))

    def sides(self, root: Path, train: pd.DataFrame) -> list[tuple[int, int]]:
        height, width = self.load(root, train.iloc[:1], "train", 0).rows.shape[1:3]
        return [(height, width)]

    @property
    def names(self) -> list[str]:
        """The pixel columns, in reading order."""
        name = self.prefix if "{" in self.prefix else f"{self.prefix}{{}}"
        rows, first = range(self.side**2), self.first
        return [name.format(i + first, row=i // self.side + first, column=i % self.side + first) for i in rows]

    def read_table(self, data: bytes, name: str, stated: TableFormat) -> TableFile:
        """As the base, with the pixel columns as uint8. Names the row and column of a pixel that is none."""
        if self.column:
            return super().read_table(data, name, stated)
        fast = None if _unusual(data, name) or stated.delimiter not in ("", ",") else self._read_fast(data, name)
        if fast is not None:
            return TableFile(self._convert(fast, name))
        file = super().read_table(data, name, stated)  # exact text first, numbers after
        return replace(file, frame=self._convert(file.frame, name))

    def _read_fast(self, data: bytes, name: str) -> pd.DataFrame | None:
        """The table by pandas' own reader; None where it is not written plainly, or a cell is no number."""
        import pandas as pd

        header = self._plain_header(data)
        if not header:
            return None
        own = dict.fromkeys(self.names, np.float32)
        kinds = {column: own.get(column, str) for column in header}
        try:
            return pd.read_csv(io.BytesIO(data), dtype=kinds, keep_default_na=False, encoding="utf-8-sig", index_col=False)
        except (ValueError, OverflowError):  # a cell that is no number: the careful way finds it
            return None

    def load(self, root: Path, frame: pd.DataFrame, split: str, size: int, keep: Keep = KEEP_ALL) -> Loaded:
        broken: dict[str, str] = {}
        if self.column:
            images, broken = self._cells(frame, split)
        else:  # a copy: pandas' own is read-only
            images = np.array(frame[self.names], np.uint8).reshape(-1, self.side, self.side, 1)
        if size and images.shape[1:3] != (size, size):
            images = np.stack([resize(image, size) for image in images])
        return Loaded(images, broken)

    def _cells(self, frame: pd.DataFrame, split: str) -> tuple[np.ndarray, dict[str, str]]:
        """The pictures in one cell each, uint8 [n, h, w, 1], and what is wrong with which ids, as `Loaded` has them."""
        frames.need_columns(frame, [self.column], f"the {split} table")
        cells = list(frame[self.column])
        count = self.side**2 or pixel_columns.usual_count(cells)
        width = self.side or self.width or isqrt(count)
        if not count or count % width or not (self.width or width**2 == count):
            raise BadData(
                f"the {split} table, column {self.column!r}: most cells have {count} numbers, which is no picture"
                f" {f'{self.width} wide' if self.width else 'of a square'}: state width=."
            )
        pixels, faults = pixel_columns.read(cells, count, self.top)
        broken = {
            frame.index[row]: f"{split} row {frame.index[row]!r}, column {self.column!r}: {faults[row]}" for row in faults
        }
        if len(broken) * 2 > len(cells):
            raise BadData(
                f"{len(broken):,} of {len(cells):,} pictures cannot be read; the first: {next(iter(broken.values()))}."
            )
        kept = np.delete(pixels, sorted(faults), axis=0) if faults and split == "train" else pixels
        return kept.reshape(len(kept), -1, width, 1), broken

    def fabricate(
        self, root: Path, ids: list[str], split: str, classes: list[int], rng: np.random.Generator
    ) -> dict[str, list[str]]:
        side = self.side or self.width or INVENTED
        grid = np.add.outer(np.arange(side), np.arange(side)) / side
        waves = np.sin(grid * (np.array(classes)[:, None, None] + 1) * 3 + rng.random((len(ids), 1, 1)))
        noisy = ((waves + 1) / 2 * 0.8 + rng.random(waves.shape) * 0.2) * self.top
        cells = noisy.round().astype(int).reshape(len(ids), -1)
        if self.column:
            return {self.column: [" ".join(map(str, row)) for row in cells.tolist()]}
        return {name: cells[:, i].astype(str).tolist() for i, name in enumerate(self.names)}

    def _plain_header(self, data: bytes) -> list[str]:
        """The header, where every line has as many fields (no quotes: a comma is a comma); else nothing."""
        lines = data.split(b"\n")
        header = lines[0].decode("utf-8-sig").rstrip("\r").split(",")
        wanted = len(header) - 1
        plain = all(line.count(b",") == wanted or not line.strip() for line in lines)
        return header if plain and len(set(header)) == len(header) > 1 else []

    def _convert(self, table: pd.DataFrame, name: str) -> pd.DataFrame:
        import pandas as pd

        missing = [column for column in self.names if column not in table.columns]
        if missing:
            found = sum(str(column).startswith(self.prefix.partition("{")[0]) for column in table.columns)
            hint = f" ({isqrt(found)}×{isqrt(found)})" if found and isqrt(found) ** 2 == found else ""
            raise BadData(
                f"{name}: no column {missing[0]!r}; {self.side}×{self.side} pixels are expected, {found} found{hint}."
            )
        cells = table[self.names]
        values = cells.apply(pd.to_numeric, errors="coerce").to_numpy(np.float32)
        whole = (values == np.round(values)) | (self.top == 1)  # greys from 0 to 1
        wrong = ~((values >= 0) & (values <= self.top) & whole)
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            cell = cells.iat[row, column]
            raise BadData(
                f"{name}, line {row + 2}, column {self.names[column]!r}: {str(cell)!r} is not a whole number"
                f" from 0 to {self.top}."
            )
        scaled = values if self.top == 255 else np.round(values * (255 / self.top))
        pixels = pd.DataFrame(scaled.astype(np.uint8), columns=self.names, index=table.index)
        return pd.concat([table.drop(columns=self.names), pixels], axis=1)


def _unusual(data: bytes, name: str) -> bool:
    """No CSV; or quotes, UTF-16, NUL or lone carriage returns, which the fast reader takes for something else."""
    if not name.lower().endswith(".csv") or not first_line(data).removeprefix(b"\xef\xbb\xbf").isascii():
        return True
    lone = b"\r" in data and data.count(b"\r") != data.count(b"\r\n")
    return lone or b'"' in data or b"\0" in data or data[:2] in (b"\xff\xfe", b"\xfe\xff")
