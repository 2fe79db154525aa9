"""Decode: an image file's bytes as uint8, whatever a camera, a scanner or a competition host made of it.

Pillow and OpenCV are imported inside functions: see `kit.inputs.base`.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np

from kit.data import levels
from kit.errors import BadData, Usage
from kit.storage.image_formats import deep_images, dicom, tiff
from kit.storage.image_formats.deep_images import DeepImage

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".dcm")
ASTRAY = 0.5  # share of a picture's values that are not among those of the training pictures: something is wrong


class Unscaled(Exception):
    """A picture has more than 8 bits, and which of its values are black and white is not known yet."""


def decode(
    data: bytes,
    where: str,
    channels: int,
    size: int = 0,
    span: levels.Span | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> np.ndarray:
    """uint8 [h, w, channels]: upright (EXIF), transparency on white; resized to a square if `size`.

    Pillow rather than OpenCV: it refuses a truncated file, where OpenCV returns grey garbage. `span`: see
    `kit.data.levels`; `say`: is told what happened to a picture of more than 8 bits. Raises BadData naming `where`,
    Unscaled for more than 8 bits without a `span`.
    """
    picture = _read(data, where, channels, size)
    if isinstance(picture, DeepImage):
        picture = _shallow(picture, channels, span, say)
    array = picture.reshape(*picture.shape[:2], channels)
    return resize(array, size) if size else array


def values_of(data: bytes, where: str) -> np.ndarray | None:
    """The values of a picture of more than 8 bits, [h, w] or [h, w, bands]; None for another. Raises BadData as `decode`."""
    picture = _read(data, where, 3, 1)
    deep = isinstance(picture, DeepImage) and picture.values.dtype != np.uint8
    return _taken(picture) if isinstance(picture, DeepImage) and deep else None


def _read(data: bytes, where: str, channels: int, size: int) -> np.ndarray | DeepImage:
    """The picture, as uint8 [h, w] or [h, w, channels] where it has no more bits. Raises BadData naming `where`."""
    try:
        if dicom.is_dicom(data):
            return deep_images.scan_of(data)
        return _pillow(data, channels, size)
    except Usage:
        raise
    except Exception as fault:  # a broken file raises whatever its bytes happen to mean
        return _otherwise(data, where, fault)


def _otherwise(data: bytes, where: str, fault: Exception) -> DeepImage:
    """What Pillow cannot open: a TIFF of many bands, or a DICOM file that does not begin as such."""
    try:
        if data[:4] in tiff.MAGIC:
            return deep_images.bands_of(data)
        if data and ".dcm" in where.lower() and not dicom.is_dicom(data):
            return deep_images.scan_of(data)
    except Usage:
        raise
    except Exception as second:
        fault = second
    reason = "it is empty" if not data else str(fault).split("<_io")[0].strip() or type(fault).__name__
    raise BadData(f"{where}: not a readable image ({reason}).") from None


def _pillow(data: bytes, channels: int, size: int) -> np.ndarray | DeepImage:
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(data)) as opened:
        if size:  # a JPEG is decoded at ½, ¼ or ⅛ of its size where that is still enough
            opened.draft(opened.mode, (size, size))
        if deep_images.is_deep(opened, data):
            return deep_images.opened_image(opened, data)
        image = ImageOps.exif_transpose(opened)
        if "A" in image.getbands() or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return np.asarray(image.convert("L" if channels == 1 else "RGB"))


def _taken(picture: DeepImage) -> np.ndarray:
    """The values of the bands that are taken: one, or the first three."""
    values = picture.values
    return values if values.ndim == 2 else values[..., : 3 if values.shape[2] > 2 else 1]


def _shallow(picture: DeepImage, channels: int, span: levels.Span | None, say: Callable[[str], None]) -> np.ndarray:
    """A picture as uint8 [h, w] or [h, w, channels]."""
    from PIL import Image

    values = _taken(picture)
    if channels == 1 and values.ndim == 3 and not picture.colours:
        values = values[..., 0]
    if picture.left_out:
        first = "frame" if "frames" in picture.left_out else "band" if values.ndim == 2 or values.shape[2] == 1 else "three"
        say(f"{picture.kind} pictures of {picture.left_out}: the first {first} {'is' if first != 'three' else 'are'} taken")
    if picture.windowed:
        say(f"{picture.kind} pictures: seen through the window that each file names first")
    if values.dtype != np.uint8:
        if span is None:
            raise Unscaled
        _look(values, picture.kind, span, say)
        values = levels.scaled(values, span)
    values = 255 - values if picture.inverted else values
    if picture.cover is not None:
        values = values.reshape(*values.shape[:2], -1) * picture.cover + 255 * (1 - picture.cover)
        values = values.round().astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(values.squeeze(2) if values.shape[2:] == (1,) else values))
    return np.asarray(image.convert("L" if channels == 1 else "RGB"))


def _look(values: np.ndarray, kind: str, span: levels.Span, say: Callable[[str], None]) -> None:
    """Say how values are scaled, and what about them is odd."""
    say(f"{kind} pictures: {levels.in_words(span)}")
    known = levels.finite(values)
    if not known.all():
        say(f"{kind} pictures with values that are no numbers (NaN, infinite or marked as missing): read as the lowest")
    numbers = values if known.all() else values[known]
    if ((numbers < span[0]) | (numbers > span[-1])).mean() > ASTRAY if numbers.size else False:
        say(f"{kind} pictures most of whose values are none of the training pictures': do they have another unit?")


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """uint8 [h, w, c] to [size, size, c]: by area where it shrinks, so that nothing aliases, bicubic where it grows.

    2,000 pictures of CIFAR-10 at 128 pixels, a probe of an EfficientNet: 0.826 bicubic, 0.813 bilinear.
    """
    import cv2

    if image.shape[:2] == (size, size):
        return image
    shrinks = size < min(image.shape[:2])
    scaled = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return scaled.reshape(size, size, image.shape[2])
