"""Deep images: the values of pictures of more than 8 bits, or of more bands than Pillow gives, as their files hold them.

Pillow and OpenCV are imported inside functions, as in all that `kit list` loads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kit.storage.image_formats import dicom, tiff

DEEP_COLOURS = ("PNG", "PPM")  # of these formats Pillow gives 8 bits of a colour, and OpenCV all
TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # by EXIF's number, to upright
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: np.rot90(image),
}
ORIENTATION = 274


@dataclass(frozen=True)
class DeepImage:
    """A picture as its file holds it: `values` [h, w] or [h, w, bands] of any type; `kind`: its name in a message.

    `cover` float [h, w, 1]: what is not transparent, if anything is. `inverted`: is the lowest value white?
    `colours`: are the first three bands red, green and blue? `windowed`: does the file itself
    say what is black and white? `left_out`: what else the file holds, in words.
    """

    values: np.ndarray
    kind: str
    cover: np.ndarray | None = None
    inverted: bool = False
    colours: bool = False
    windowed: bool = False
    left_out: str = ""


def is_deep(opened: Any, data: bytes) -> bool:
    """Does a file that Pillow has opened hold more than 8 bits, or more bands than Pillow gives?"""
    if opened.mode[0] in "IF":
        return True
    if opened.format == "TIFF":
        found = opened.tag_v2
        extra = found.get(tiff.BANDS, 1) > len(opened.getbands())
        plain = found.get(tiff.MEANING) in (tiff.WHITE_IS_ZERO, tiff.BLACK_IS_ZERO, tiff.RGB)
        return plain and found.get(tiff.PACKING, 1) in tiff.STREAMS and (extra or max(found.get(tiff.BITS, (1,))) > 8)
    if opened.format == "PNG":
        return data[24] == 16
    return opened.format == "PPM" and opened.mode == "RGB" and bool(opened.tile) and _top_of_ppm(data) > 255


def _top_of_ppm(data: bytes) -> int:
    """The highest value that a PPM file announces: the fourth word of its header, without comments."""
    lines = [line.split(b"#")[0] for line in data[:1024].split(b"\n")]
    words = b" ".join(lines).split()
    return int(words[3]) if len(words) > 3 and words[3].isdigit() else 0


def opened_image(opened: Any, data: bytes) -> DeepImage:
    """A picture that Pillow has opened, with all bits that its file holds."""
    opened.load()  # it refuses a truncated file, and turns a TIFF upright
    turned = TURNS.get(opened.getexif().get(ORIENTATION, 1), lambda image: image)
    if opened.mode[0] == "F":
        return DeepImage(turned(_without_marks(np.asarray(opened), _marks(opened))), "floating-point")
    if opened.mode[0] == "I":
        bits = 16 if "16" in opened.mode or opened.format in DEEP_COLOURS else 32
        return DeepImage(turned(_without_marks(np.asarray(opened), _marks(opened))), f"{bits}-bit")
    if opened.format == "TIFF":
        return bands_of(data)
    import cv2

    values: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    values = turned(values[..., [2, 1, 0, 3][: values.shape[2]]])
    cover = values[..., 3:] / np.float32(65535) if values.shape[2] == 4 else None
    return DeepImage(values[..., :3], "16-bit", cover, colours="R" in opened.getbands())


def _marks(opened: Any) -> Any:
    return opened.tag_v2.get(tiff.NO_DATA) if opened.format == "TIFF" else None


def _without_marks(values: np.ndarray, mark: Any) -> np.ndarray:
    """Values with NaN where the file says that nothing was measured (`mark`: the value that says so, as a text)."""
    try:
        number = float(str(mark).strip("\0 "))
    except ValueError:
        return values
    marked = values == number
    return np.where(marked, np.nan, values) if marked.any() and values.dtype != np.uint8 else values


def bands_of(data: bytes) -> DeepImage:
    """A TIFF by its bands."""
    found = tiff.bands(data)
    values, bands = found.values, found.values.shape[2]
    values = TURNS.get(found.tags.get(tiff.TURN, 1), lambda image: image)(values)
    bits = f"{8 * values.dtype.itemsize}-bit" if values.dtype.kind != "f" else "floating-point"
    extra = tiff.several(found.tags.get(tiff.EXTRA, 0))
    colours = found.tags.get(tiff.MEANING) == tiff.RGB
    cover = None
    if bands in (2, 4) and extra[0] in tiff.TRANSPARENCY and values.dtype.kind == "u":
        cover = values[..., -1:] / np.float32(np.iinfo(values.dtype).max)
        values, bands = values[..., :-1], bands - 1
    colours = colours and (bands == 3 or values.dtype == np.uint8)
    left_out = f"{bands} bands" if bands not in (1, 3) else ""
    return DeepImage(_without_marks(values, found.tags.get(tiff.NO_DATA)), bits, cover, colours=colours, left_out=left_out)


def scan_of(data: bytes) -> DeepImage:
    scan = dicom.read(data)
    frames = f"{scan.frames:,} frames" if scan.frames > 1 else ""
    return DeepImage(
        scan.values, "DICOM", inverted=scan.inverted, colours=scan.values.ndim == 3, windowed=scan.windowed, left_out=frames
    )
