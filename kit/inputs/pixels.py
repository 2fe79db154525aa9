"""Pixels in columns of the table itself, a column each, as digit-recognizer has them.

pandas is imported inside functions: see `kit.inputs.base`.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from dataclasses import dataclass, replace
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from kit.errors import BadData
from kit.inputs.base import KEEP_ALL, Inputs, Keep, Loaded
from kit.inputs.decode import resize
from kit.inputs.detection import SMALL_PICTURES, Beginning, Evidence
from kit.storage.table_file import TableFile, TableFormat

if TYPE_CHECKING:
    import pandas as pd

TOPS = (1, 15, 16, 63, 255)  # the brightest pixel there can be
LEAST = 64  # pixels of a picture


@dataclass(frozen=True)
class Pixels(Inputs):
    """Square grey images of whole numbers 0…`top`, row by row in the columns `{prefix}0`, `{prefix}1`, …"""

    side: int
    prefix: str = "pixel"
    top: int = 255
    kind: ClassVar[str] = "pixels"
    channels: int = 1
    mirror: bool = False
    numbered: ClassVar[bool] = True

    @classmethod
    def detect(cls, evidence: Evidence) -> Self | None:
        """Columns called pixel0, pixel1, … and so on, as many as a square has, of whole numbers."""
        import pandas as pd

        prefixes = Counter(match[1] for name in evidence.shared if (match := re.fullmatch(r"(.*?)\d+", name)))
        for prefix, count in prefixes.most_common(1):
            pixels = cls(isqrt(count), prefix)
            if count >= LEAST and pixels.side**2 == count and set(pixels.names) <= set(evidence.shared):
                values = evidence.train[pixels.names].apply(pd.to_numeric, errors="coerce").to_numpy()
                top = next((top for top in TOPS if ((values >= 0) & (values <= top) & (values % 1 == 0)).all()), 0)
                return pixels.changed(top=top) if top else None
        return None

    def used_columns(self) -> tuple[str, ...]:
        return tuple(self.names)

    def doubts(self) -> list[str]:
        return [f"{self.names[0]}, {self.names[1]}, … are read as pictures: state Table() where they are none"]

    def beginning(self, root: Path, train: pd.DataFrame | None) -> Beginning:
        return SMALL_PICTURES

    @property
    def names(self) -> list[str]:
        """The pixel columns, in reading order."""
        return [f"{self.prefix}{i}" for i in range(self.side**2)]

    def read_table(self, data: bytes, name: str, stated: TableFormat) -> TableFile:
        """As the base, with the pixel columns as uint8. Names the row and column of a pixel that is none."""
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
        images = np.array(frame[self.names], np.uint8).reshape(-1, self.side, self.side, 1)  # pandas' own is read-only
        if not size or size == self.side:
            return Loaded(images)
        return Loaded(np.stack([resize(image, size) for image in images]))

    def fabricate(
        self, root: Path, ids: list[str], split: str, classes: list[int], rng: np.random.Generator
    ) -> dict[str, list[str]]:
        grid = np.add.outer(np.arange(self.side), np.arange(self.side)) / self.side
        waves = np.sin(grid * (np.array(classes)[:, None, None] + 1) * 3 + rng.random((len(ids), 1, 1)))
        noisy = ((waves + 1) / 2 * 0.8 + rng.random(waves.shape) * 0.2) * self.top
        cells = noisy.round().astype(int).reshape(len(ids), -1)
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
            found = sum(str(column).startswith(self.prefix) for column in table.columns)
            hint = f" ({isqrt(found)}×{isqrt(found)})" if found and isqrt(found) ** 2 == found else ""
            raise BadData(
                f"{name}: no column {missing[0]!r}; {self.side}×{self.side} pixels are expected, {found} found{hint}."
            )
        cells = table[self.names]
        values = cells.apply(pd.to_numeric, errors="coerce").to_numpy(np.float32)
        wrong = ~((values >= 0) & (values <= self.top) & (values == np.round(values)))
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
    if not name.lower().endswith(".csv") or not data.partition(b"\n")[0].removeprefix(b"\xef\xbb\xbf").isascii():
        return True
    lone = b"\r" in data and data.count(b"\r") != data.count(b"\r\n")
    return lone or b'"' in data or b"\0" in data or data[:2] in (b"\xff\xfe", b"\xfe\xff")
