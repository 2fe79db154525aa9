"""Pictures: the image files of some rows in a store: decoded all at once, or (Streamed) when they are asked for."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from kit import resources
from kit.errors import BadData
from kit.inputs.decode import decode
from kit.inputs.layout.lookup import Files

CHUNK = 256  # files, or ...
CHUNK_BYTES = 4 << 20  # ... this much that a thread decodes at a time: less is all overhead
FEW = 0.02  # share of test pictures that may be of another size: a run does not fail by them
WAITING = 4  # chunks per thread that may wait in memory


class Pictures:
    """The pictures of some rows: `files` says which file of its store is that of which id."""

    def __init__(self, files: Files, ids: list[str], channels: int):
        self.store, self.names, self.found = files.store, files.names, files.found
        self.layout, self.ids, self.channels = files, ids, channels

    def __len__(self) -> int:
        return len(self.ids)

    def only(self, rows: list[int]) -> Pictures:
        """Some of the rows."""
        return Pictures(self.layout.only(rows), [self.ids[i] for i in rows], self.channels)

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
        return decode(data, self.where(row), self.channels, size)

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

    def _rows_by_file(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(self.found):
            if name is not None:
                rows.setdefault(name, []).append(row)
        return rows

    def decode_into(self, array: np.ndarray, size: int, compact: bool) -> tuple[int, dict[str, str]]:
        """Fill `array` [n, h, w, c]; returns how many rows count and what is wrong with which ids.

        `compact` (training rows): leave broken rows out and move the rest up; else they stay blank. Raises BadData where a
        picture has another size than the array; but for a few that are to be answered, which count as broken.
        """
        rows = self._rows_by_file()
        broken = {row: str(self.missing(row)) for row, name in enumerate(self.found) if name is None}
        other: dict[int, tuple[int, ...]] = {}

        def fill(files: list[tuple[str, bytes]]) -> None:
            for name, data in files:
                for row in rows[name]:
                    try:
                        image = decode(data, self.where(row), self.channels, size)
                    except BadData as fault:
                        broken[row] = str(fault)
                        continue
                    if image.shape == array.shape[1:]:
                        array[row] = image
                    else:
                        other[row] = image.shape

        with _Feeder(fill) as feeder:
            self.store.each(rows, feeder)
        if other and (compact or len(other) > FEW * len(array)):
            raise self.odd(*min(other.items()), array.shape)
        broken |= {row: str(self.odd(row, shape, array.shape)) for row, shape in other.items()}
        named = {self.ids[row]: broken[row] for row in sorted(broken)}
        return (_compact(array, sorted(broken)) if compact else len(array)), named


class Streamed:
    """Pictures indexed like an array uint8 [n, h, w, c], decoded when they are asked for, in threads."""

    dtype = np.dtype(np.uint8)

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


class _Feeder:
    """Hands files to threads in chunks, and holds back whoever reads faster than they are decoded."""

    def __init__(self, work: Any):
        self.work = work
        self.threads = resources.core_count()
        self.pool = ThreadPoolExecutor(self.threads)
        self.waiting = threading.BoundedSemaphore(self.threads * WAITING)
        self.chunk: list[tuple[str, bytes]] = []
        self.size = 0
        self.tasks: list[Future[None]] = []

    def __call__(self, name: str, data: bytes) -> None:
        self.chunk.append((name, data))
        self.size += len(data)
        if len(self.chunk) >= CHUNK or self.size >= CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand on what was gathered."""
        self.waiting.acquire()
        task = self.pool.submit(self.work, self.chunk)
        task.add_done_callback(lambda _: self.waiting.release())
        self.tasks.append(task)
        self.chunk, self.size = [], 0

    def __enter__(self) -> _Feeder:
        return self

    def __exit__(self, kind: Any, *rest: Any) -> None:
        if kind is None:
            self.flush()
        self.pool.shutdown()
        if kind is None:
            for task in self.tasks:
                task.result()


def _compact(array: np.ndarray, left_out: list[int]) -> int:
    """Move the rows up over those left out; returns how many remain."""
    if not left_out:
        return len(array)
    kept = np.setdiff1d(np.arange(len(array)), left_out)
    for start in range(left_out[0], len(kept), 1024):
        some = kept[start : start + 1024]
        array[start : start + len(some)] = array[some]
    return len(kept)
