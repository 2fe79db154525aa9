"""Bands of a TIFF: every number, depth, order and packing of them comes out as it was put in."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from kit.storage.image_formats import tiff

RNG = np.random.default_rng(3)
FORMATS = {"u": 1, "i": 2, "f": 3}
TYPES = ("u1", "u2", "i2", "u4", "i4", "f4", "f8", "f2")


def written(
    values: np.ndarray,
    order: str = "<",
    planar: bool = False,
    strip: int = 4,
    predictor: int = 1,
    deflate: bool = False,
    **more: int,
) -> bytes:
    """A TIFF of `values` [height, width, bands] by hand: Pillow writes few of several bands."""
    height, width, bands = values.shape
    parts, behind = [], b""
    for part in np.moveaxis(values, 2, 0)[..., None] if planar else [values]:
        for rows in (part[top : top + strip] for top in range(0, height, strip)):
            if predictor == 2:
                rows = np.concatenate([rows[:, :1], rows[:, 1:] - rows[:, :-1]], axis=1)
            raw = rows.astype(rows.dtype.newbyteorder(order)).tobytes()
            parts.append(zlib.compress(_by_rank(rows) if predictor == 3 else raw) if deflate else raw)
    tags = {
        256: [width], 257: [height], 258: [8 * values.dtype.itemsize] * bands, 259: [8 if deflate else 1],
        262: [more.get("meaning", 2 if bands > 2 else 1)], 274: [more.get("turn", 1)], 277: [bands], 278: [strip],
        279: [len(part) for part in parts], 284: [2 if planar else 1], 317: [predictor],
        338: [more.get("extra", 0)] * (bands - 3 if bands > 2 else bands - 1), 339: [FORMATS[values.dtype.kind]] * bands,
    }  # fmt: skip
    tags = {tag: numbers for tag, numbers in tags.items() if numbers}
    start = 8 + 2 + 12 * (len(tags) + 1) + 4
    start += sum(4 * len(numbers) for numbers in tags.values() if len(numbers) > 1) + 4 * len(parts) * (len(parts) > 1)
    tags[273] = [start + sum(map(len, parts[:i])) for i in range(len(parts))]
    entries, free = b"", 8 + 2 + 12 * len(tags) + 4
    for tag, numbers in sorted(tags.items()):
        value = struct.pack(f"{order}{len(numbers)}I", *numbers)
        if len(numbers) > 1:
            behind, value = behind + value, struct.pack(f"{order}I", free + len(behind))
        entries += struct.pack(f"{order}HHI", tag, 4, len(numbers)) + value
    head = struct.pack(f"{order}2sHIH", b"II" if order == "<" else b"MM", 42, 8, len(tags))
    return head + entries + bytes(4) + behind + b"".join(parts)


def _by_rank(rows: np.ndarray) -> bytes:
    """Floats as the third predictor stores them: a row's bytes by rank, each as its difference from the pixel before."""
    height, width, bands = rows.shape
    ranked = rows.astype(rows.dtype.newbyteorder(">")).reshape(height, -1).view(np.uint8).reshape(height, width * bands, -1)
    flat = ranked.transpose(0, 2, 1).reshape(height, -1, bands)
    return np.concatenate([flat[:, :1], flat[:, 1:] - flat[:, :-1]], axis=1).tobytes()


def pictures(kind: str, bands: int) -> np.ndarray:
    values = RNG.integers(0, 200, (10, 7, bands)).astype(kind)
    return values - 100 if np.dtype(kind).kind != "u" else values


@pytest.mark.parametrize("planar", [False, True], ids=["side by side", "one behind the other"])
@pytest.mark.parametrize("bands", [1, 2, 3, 4, 5, 13])
@pytest.mark.parametrize("kind", TYPES)
def test_bands_come_out_as_they_were_put_in(kind: str, bands: int, planar: bool) -> None:
    values = pictures(kind, bands)
    for order in "<>":
        for packed in ({}, {"deflate": True}):
            found = tiff.bands(written(values, order, planar, **packed)).values
            assert found.dtype == values.dtype and np.array_equal(found, values)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize(("kind", "predictor"), [("u1", 2), ("u2", 2), ("i4", 2), ("f4", 3), ("f8", 3)])
def test_predictors_are_undone(kind: str, predictor: int, planar: bool) -> None:
    for bands in (1, 4):
        values = pictures(kind, bands)
        for order in "<>":
            data = written(values, order, planar, predictor=predictor, deflate=True)
            assert np.array_equal(tiff.bands(data).values, values)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_files_of_other_writers_are_read_alike(compression: str) -> None:
    values = RNG.integers(0, 256, (40, 30, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, format="TIFF", compression=compression)
    assert np.array_equal(tiff.bands(buffer.getvalue()).values, values)


def test_what_cannot_be_taken_apart_is_refused() -> None:
    whole = written(pictures("u2", 5))
    with pytest.raises(ValueError, match="ends before its picture does"):
        tiff.bands(whole[:-1])
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, format="TIFF", compression="jpeg")
    with pytest.raises(ValueError, match="compression 7"):
        tiff.bands(buffer.getvalue())


def test_a_bomb_is_refused() -> None:
    with pytest.raises(ValueError, match="would swell"):
        tiff.bands(written(np.zeros((1, 5000, 5), np.float64), deflate=True).replace(b"\x88\x13\0\0", b"\x40\x0d\x03\0", 1))
