"""Cache: decoded arrays on disk by content, memory-mapped, so that a second run starts at once."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kit.errors import DiskError
from kit.storage import files

VERSION = 3  # of what the arrays hold; a change of decoding needs a new one
SMALL = 4 << 20  # bytes; less is decoded faster than it is kept
KEEP = 50 << 30  # bytes in all; the arrays that were not used for longest give way


def folder() -> Path | None:
    """Where arrays are kept: `$KIT_CACHE`, the user's cache, or the temporary folder; None where none can be written."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 (no HOME is no error)
    for place in (os.environ.get("KIT_CACHE"), f"{home}/kaggle-baseline-kit", f"{tempfile.gettempdir()}/kaggle-baseline-kit"):
        above = _standing(Path(place)) if place else None
        if place and above and above.is_dir() and os.access(above, os.W_OK):
            return Path(place)
    return None


def _standing(place: Path) -> Path:
    """The folder itself, or the nearest place above it that exists."""
    while not place.exists() and place != place.parent:
        place = place.parent
    return place


def get(key: str) -> tuple[np.ndarray, dict[str, Any]] | None:
    """The array of this key, mapped (writing to it changes memory only), and its notes; None where it is not kept."""
    place = folder()
    path = place / f"{key}-{VERSION}.npy" if place else None
    if path is None or not path.exists():
        return None
    try:
        notes = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        array = np.load(path, mmap_mode="c")
        os.utime(path)
    except (OSError, ValueError, EOFError):
        return None
    return array, notes


def put(key: str, shape: tuple[int, ...], fill: Callable[[np.ndarray], tuple[int, dict[str, Any]]], small: int = SMALL) -> Any:
    """An uint8 array of this shape, filled and kept: `fill` returns how many of its rows count, and notes for `get`.

    Returns (array, notes). Those of `small` bytes, and all where there is no room on disk, stay in memory.
    """
    size = int(np.prod(shape))
    place = folder() if size > small else None
    temporary = _reserve(place, key, shape) if place else None
    if place is None or temporary is None:
        memory = np.zeros(shape, np.uint8)
        rows, notes = fill(memory)
        return memory[:rows], notes
    try:
        mapped = np.load(temporary, mmap_mode="r+")
        rows, notes = fill(mapped)
        mapped.flush()
        del mapped
        if rows < shape[0]:
            _shorten(temporary, (rows, *shape[1:]))
        path = place / f"{key}-{VERSION}.npy"
        path.with_suffix(".json").write_text(json.dumps(notes), encoding="utf-8")
        temporary.replace(path)
        return np.load(path, mmap_mode="c"), notes
    finally:
        temporary.unlink(missing_ok=True)


def beside(array: np.ndarray, name: str, make: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """What `make` finds for each row of an array, int64 [n]: kept beside an array that `get` or `put` gave, and made once.

    For any other array, and where nothing can be written, it is made each time.
    """
    place, path = folder(), Path(getattr(array, "filename", None) or "")
    whole = path.is_file() and path.parent == place and path.stat().st_size == getattr(array, "offset", 0) + array.nbytes
    if not whole:
        return make(array)
    kept = path.with_name(f"{path.stem}-{name}.npy")
    with contextlib.suppress(OSError, ValueError, EOFError):
        found = np.load(kept)
        if found.shape == array.shape[:1] and found.dtype == np.int64:
            os.utime(kept)
            return found
    found = make(array).astype(np.int64)
    with contextlib.suppress(DiskError):
        files.write(kept, lambda file: np.save(file, found))
    return found


def room() -> int:
    """Bytes that may still be written where arrays are kept."""
    place = folder()
    if place is None:
        return 0
    return shutil.disk_usage(_standing(place)).free


def _reserve(place: Path, key: str, shape: tuple[int, ...]) -> Path | None:
    """An empty array file whose blocks are set aside: writing to a map of a full disk would kill the process."""
    temporary = place / f".tmp-{uuid.uuid4().hex[:8]}-{key}.npy"
    try:
        place.mkdir(parents=True, exist_ok=True)
        _prune(place)
        np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        with temporary.open("r+b") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, temporary.stat().st_size)
    except OSError:
        temporary.unlink(missing_ok=True)
        return None
    return temporary


def _shorten(path: Path, shape: tuple[int, ...]) -> None:
    """Cut an array file after its first rows. The header keeps its length: numpy pads it for that."""
    old = np.load(path, mmap_mode="r")
    start = old.offset
    del old
    with path.open("r+b") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        if file.tell() != start:
            raise ValueError("the array's header changed its length")
        file.truncate(start + int(np.prod(shape)))


def _prune(place: Path) -> None:
    """Remove what killed writers left a day ago, and the oldest arrays beyond KEEP."""
    with contextlib.suppress(OSError):
        for leftover in place.glob(".tmp-*"):
            if time.time() - leftover.stat().st_mtime > 86400:
                leftover.unlink(missing_ok=True)
        kept = sorted(place.glob("[!.]*.npy"), key=lambda path: path.stat().st_mtime, reverse=True)
        total = 0
        for path in kept:
            total += path.stat().st_size
            if total > KEEP:
                path.unlink(missing_ok=True)
                path.with_suffix(".json").unlink(missing_ok=True)
