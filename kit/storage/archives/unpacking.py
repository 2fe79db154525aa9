"""Unpacking: a table's bytes out of the file that holds it, plain or packed, within bounds that are looked at first."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import Any

from kit import resources
from kit.errors import BadData, unreadable

STREAMS: dict[str, Any] = {".gz": gzip.GzipFile, ".bz2": bz2.BZ2File, ".xz": lzma.LZMAFile}
BROKEN = (zipfile.BadZipFile, gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError, ValueError, NotImplementedError)
UNPACKING = (None, errno.EINVAL)  # of an OSError that says the bytes are wrong: bz2 has no number, zip a place before the file
# Deflate reaches 1032:1 on zeros alone. The emptiest honest file met, a sample submission of zeros, is 300:1.
BOMB_RATIO, BOMB_SIZE = 500, 1 << 20
IN_MEMORY = 3  # times its bytes that a table takes at least, as text, as cells and as numbers


def content(path: Path, name: str) -> bytes:
    """The bytes of the file `name`, which `path` is, or holds packed.

    Raises BadData for a broken archive, or one that swells beyond reason or beyond the memory; DiskError where it cannot be
    read.
    """
    try:
        if path.suffix == ".zip":
            return _zipped(path, name)
        packed = path.stat().st_size
        if path.suffix not in STREAMS:
            refuse_large(path, packed)
            return path.read_bytes()
        return _streamed(path, packed)
    except BROKEN as fault:
        raise _broken(path, fault) from fault
    except RuntimeError as fault:
        raise encrypted(path) from fault
    except OSError as fault:
        if fault.errno not in UNPACKING or path.suffix not in (".zip", *STREAMS):
            raise unreadable(path, fault) from fault
        raise _broken(path, fault) from fault


def swells(size: int, packed: int) -> bool:
    """Is so much in so few bytes beyond what an honest file has?"""
    return size > BOMB_SIZE and size > BOMB_RATIO * max(packed, 1)


def refuse_large(path: Path, size: int) -> None:
    """Raise BadData for a table that the free memory of this machine will not hold."""
    free = resources.free_memory()
    if free is not None and IN_MEMORY * size > free:
        raise BadData(
            f"{path}: the table has {size / 1e9:,.1f} GB, which take about {IN_MEMORY * size / 1e9:,.1f} GB of memory;"
            f" {free / 1e9:,.1f} GB are free.\nClose other programs, use a machine with more, or keep fewer rows in the file."
        )


def encrypted(path: Path) -> BadData:
    """The error for an archive that wants a password."""
    return BadData(f"{path}: is encrypted. Unpack it beside, with its password.")


def _zipped(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        entries = [one for one in archive.infolist() if not one.filename.startswith("__MACOSX")]
        wanted = [one for one in entries if Path(one.filename).name == Path(name).name]
        if not wanted:
            raise BadData(f"{path}: holds no {name}, only {[one.filename for one in entries[:3]]}.")
        entry = wanted[0]
        if swells(entry.file_size, entry.compress_size):
            raise _bomb(path, entry.filename, entry.compress_size, f"to {entry.file_size:,}")
        refuse_large(path, entry.file_size)
        with archive.open(entry) as file:
            return file.read(entry.file_size)  # no further, whatever the entry swells to


def _streamed(path: Path, packed: int) -> bytes:
    """The content of a file whose size nobody states: read no further than the bounds allow."""
    free = resources.free_memory()
    most = max(BOMB_SIZE, BOMB_RATIO * packed)
    fits = most if free is None else min(most, free // IN_MEMORY)
    with STREAMS[path.suffix](path) as file:
        data: bytes = file.read(fits + 1)
    if len(data) > most:
        raise _bomb(path, path.stem, packed, f"to more than {most:,}")
    if len(data) > fits:
        refuse_large(path, len(data))
    return data


def _broken(path: Path, fault: Exception) -> BadData:
    return BadData(f"{path}: not a readable {path.suffix[1:]} ({fault}). Download it again.")


def _bomb(path: Path, entry: str, packed: int, size: str) -> BadData:
    return BadData(
        f"{path}: refused: {entry!r} in it swells from {packed:,} bytes {size}, as files made to fill a machine do."
        "\nIf you trust it, unpack it beside."
    )
