"""Packed: images as rows of one array in a pickle, as the public "python" archives of CIFAR have them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kit.errors import BadData
from kit.inputs.base import KEEP_ALL, Inputs, Keep, Loaded
from kit.inputs.decode import resize
from kit.storage import archives, safe_pickle

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Packed(Inputs):
    """Square images, a row each, channel by channel, under `key` of the pickled dictionaries `train` and `test`.

    They lie in `folder`, or in an archive of that name. The id of row 7 of train is `train_00007`.
    """

    folder: str
    side: int
    channels: int = 3
    key: str = "data"
    mirror: bool = True
    kind: ClassVar[str] = "images"

    def read(self, root: Path, name: str) -> dict[str, Any]:
        """The dictionary `name`. Raises BadData where it is missing, hostile, or none."""
        place = root if (root / name).is_file() else archives.find(root, self.folder)
        if place is None:
            raise BadData(f"{root / self.folder}: no such folder (nor {', '.join(archives.ARCHIVES)}). See --data.")
        files = [one for one in (place, place / name, place / self.folder / name) if one.is_file()]
        return _dictionary(place, self.folder, name, max((one.stat().st_mtime_ns for one in files), default=0))

    def files(self, root: Path) -> list[Path]:
        place = root if (root / "train").is_file() else archives.find(root, self.folder)
        if place is None:
            return []
        return [place] if place.is_file() else [place / name for name in ("train", "test", "meta") if (place / name).is_file()]

    @staticmethod
    def ids(split: str, count: int) -> list[str]:
        """The ids of a split's rows."""
        return [f"{split}_{row:05d}" for row in range(count)]

    def load(self, root: Path, frame: pd.DataFrame, split: str, size: int, keep: Keep = KEEP_ALL) -> Loaded:
        pixels = self.read(root, split).get(self.key)
        wanted = self.channels * self.side**2
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != wanted:
            raise BadData(f"{root}: {split} has no array {self.key!r} of bytes, {wanted} a row.")
        rows = pixels[[int(one.rpartition("_")[2]) for one in frame.index]]
        images = np.ascontiguousarray(rows.reshape(-1, self.channels, self.side, self.side).transpose(0, 2, 3, 1))
        if size and size != self.side:
            images = np.stack([resize(image, size) for image in images])
        return Loaded(images)

    def fabricate(
        self, root: Path, ids: list[str], split: str, classes: list[int], rng: np.random.Generator
    ) -> dict[str, list[str]]:
        raise BadData("images in a pickle are invented with their table: the adapter's `invent`.")

    def invented(self, classes: list[int], rng: np.random.Generator) -> np.ndarray:
        """An array of such rows, learnable by class."""
        shades = (np.array(classes)[:, None] * 37 + 60) % 200 + rng.integers(
            0, 40, (len(classes), self.channels * self.side**2)
        )
        return shades.astype(np.uint8)


@lru_cache(maxsize=3)  # train, test, meta: a packed archive takes seconds to read through, and labels and pixels share one
def _dictionary(place: Path, folder: str, name: str, changed: int) -> dict[str, Any]:
    """What lies at `place` under `name`, read once while the file has this time."""
    store = archives.open_store(place)
    found = next((one for one in (name, f"{folder}/{name}") if one in store.names), None)
    if found is None:
        raise BadData(f"{place}: holds no {name}.")
    content = safe_pickle.load(store.read(found), store.where(found))
    if not isinstance(content, dict):
        raise BadData(f"{store.where(found)}: holds no dictionary.")
    return content
