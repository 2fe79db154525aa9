"""TIFF: its bands as they stand in the file, however many and however deep: Pillow reads their bytes, as a grey picture.

By itself Pillow opens few pictures of several bands of more than 8 bits, and gives 8 bits of those; OpenCV mixes up bands
that lie one behind the other in the file, and reads four of them at most.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
WIDTH, HEIGHT, BITS, PACKING, MEANING, ORDER, TURN, BANDS, ROWS = 256, 257, 258, 259, 262, 266, 274, 277, 278
PLANAR, PREDICTOR, TILE_WIDTH, TILE_HEIGHT, EXTRA, FORMAT, NO_DATA = 284, 317, 322, 323, 338, 339, 42113
STRIPS, TILES = (273, 279), (324, 325)  # where the parts of the picture are in the file, and their lengths
KEPT = (HEIGHT, PACKING, ORDER, ROWS, TILE_HEIGHT)  # tags that the bytes of a band on their own have too
STREAMS = (1, 5, 8, 32773, 32946, 34925, 50000)  # packings of bytes, whatever these are: none, LZW, deflate, PackBits, …
FORMATS = {1: "u", 2: "i", 3: "f", 4: "u"}
SWELLS = 500  # times as many bytes as the file's: no honest picture does
DIFFERENCES, FLOATS = 2, 3  # predictors: values are stored as differences; the bytes of floats by rank, as differences
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2  # what values mean
TRANSPARENCY = (1, 2)  # what an extra band may be


@dataclass(frozen=True)
class Bands:
    """Values [height, width, bands] of the file's own type, and its tags by number."""

    values: np.ndarray
    tags: dict[int, Any]


def tags(data: bytes) -> dict[int, Any]:
    """The tags of a file's first picture by number. Raises what Pillow does."""
    from PIL import TiffImagePlugin

    directory = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if b"+" in data[2:4] else 8])
    stream = io.BytesIO(data)
    stream.seek(directory.next)
    directory.load(stream)
    return dict(directory)


def several(value: Any) -> tuple[Any, ...]:
    """The values of a tag."""
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def bands(data: bytes) -> Bands:
    """All bands of a file's first picture. Raises ValueError for what cannot be taken apart, or what Pillow does."""
    found = tags(data)
    kind = _kind(found, big=data[:2] == b"MM")
    count, width = int(found.get(BANDS, 1)), int(found[WIDTH])
    places, lengths = STRIPS if STRIPS[0] in found else TILES
    block = int(found[TILE_WIDTH]) if places == TILES[0] else width  # pixels of a row that lie in one part
    across = count if found.get(PLANAR, 1) == 1 else 1  # bands whose values stand side by side
    of_pixel = across * kind.itemsize
    own = {tag: found[tag] for tag in KEPT if tag in found}
    own |= {BITS: 8, FORMAT: 1, BANDS: 1, MEANING: BLACK_IS_ZERO, WIDTH: -(-width // block) * block * of_pixel}
    own |= {TILE_WIDTH: block * of_pixel} if places == TILES[0] else {}
    starts, sizes = several(found[places]), several(found[lengths])
    if any(start + size > len(data) for start, size in zip(starts, sizes, strict=True)):
        raise ValueError("TIFF that ends before its picture does")
    whole = own[WIDTH] * int(found[HEIGHT]) * count // across
    if whole > max(SWELLS * len(data), 1 << 20):
        raise ValueError(f"TIFF that would swell from {len(data):,} to {whole:,} bytes")
    each = len(starts) * across // count
    parts = []
    for first in range(0, len(starts), each):
        rows = _bytes(data, own | {places: starts[first : first + each], lengths: sizes[first : first + each]})
        blocks = np.split(rows, rows.shape[1] // (block * of_pixel), axis=1)
        parts.append(np.concatenate([_values(one, kind, across, int(found.get(PREDICTOR, 1))) for one in blocks], axis=1))
    return Bands(np.concatenate(parts, axis=2)[:, :width], found)


def _kind(found: dict[int, Any], big: bool) -> np.dtype[Any]:
    """The type of a value. Raises ValueError for one that is of no use here."""
    bits, formats = set(several(found.get(BITS, 1))), set(several(found.get(FORMAT, 1)))
    if len(bits) > 1 or len(formats) > 1 or min(bits) % 8 or min(formats) not in FORMATS:
        raise ValueError(f"TIFF with bands of {sorted(bits)} bits, sample format {sorted(formats)}")
    if found.get(PACKING, 1) not in STREAMS:
        raise ValueError(f"TIFF with bands of {min(bits)} bits, compression {found[PACKING]}")
    return np.dtype(f"{'>' if big else '<'}{FORMATS[min(formats)]}{min(bits) // 8}")


def _values(rows: np.ndarray, kind: np.dtype[Any], across: int, predictor: int) -> np.ndarray:
    """Bytes uint8 [height, n] as values [height, width, across]."""
    if predictor == FLOATS:  # from the highest byte of all values to the lowest
        rows = np.cumsum(rows.reshape(len(rows), -1, across), axis=1, dtype=np.uint8)
        rows = rows.reshape(len(rows), kind.itemsize, -1).transpose(0, 2, 1).reshape(len(rows), -1)
        kind = kind.newbyteorder(">")
    values = np.ascontiguousarray(rows).view(kind).reshape(len(rows), -1, across).astype(kind.newbyteorder("="))
    return np.cumsum(values, axis=1, dtype=values.dtype) if predictor == DIFFERENCES else values


def _bytes(data: bytes, own: dict[int, Any]) -> np.ndarray:
    """The grey picture uint8 [height, width] that these tags describe in a file's bytes."""
    from PIL import Image

    data += b"\0" * (len(data) % 2)
    order = "<" if data[:2] == b"II" else ">"
    head = struct.pack(f"{order}2sHI", data[:2], 42, len(data))
    with Image.open(io.BytesIO(head + data[8:] + _directory(own, len(data), order))) as image:
        return np.asarray(image)


def _directory(own: dict[int, Any], start: int, order: str) -> bytes:
    """These tags as they stand in a file from `start` on, all as numbers of 32 bits."""
    entries, behind = b"", b""
    free = start + 2 + 12 * len(own) + 4
    for tag, value in sorted(own.items()):
        packed = _packed(several(value), order)
        if len(packed) > 4:
            behind, packed = behind + packed, struct.pack(f"{order}I", free + len(behind))
        entries += struct.pack(f"{order}HHI", tag, 4, len(several(value))) + packed
    return struct.pack(f"{order}H", len(own)) + entries + bytes(4) + behind


def _packed(values: Sequence[int], order: str) -> bytes:
    return struct.pack(f"{order}{len(values)}I", *values)
