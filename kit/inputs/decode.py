"""Decode: an image file's bytes as uint8, whatever a camera, a scanner or a competition host made of it.

Pillow and OpenCV are imported inside functions: see `kit.inputs.base`.
"""

from __future__ import annotations

import io

import numpy as np

from kit.errors import BadData

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")


def decode(data: bytes, where: str, channels: int, size: int = 0) -> np.ndarray:
    """uint8 [h, w, channels]: upright (EXIF), transparency on white; resized to a square if `size`.

    Pillow rather than OpenCV: it refuses a truncated file, where OpenCV returns grey garbage. Raises BadData naming
    `where`.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data)) as opened:
            if size:  # a JPEG is decoded at ½, ¼ or ⅛ of its size where that is still enough
                opened.draft(opened.mode, (size, size))
            image = ImageOps.exif_transpose(opened)
            if image.mode == "F":
                raise ValueError("floating-point pixels")
            if image.mode[0] == "I":
                image = Image.fromarray(_eight_bits(np.asarray(image)))
            if "A" in image.getbands() or "transparency" in image.info:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            array = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    except Exception as fault:  # a broken file raises whatever its bytes happen to mean
        reason = "it is empty" if not data else str(fault).split("<_io")[0].strip() or type(fault).__name__
        raise BadData(f"{where}: not a readable image ({reason}).") from None
    array = array.reshape(*array.shape[:2], channels)
    return resize(array, size) if size else array


def _eight_bits(grey: np.ndarray) -> np.ndarray:
    """16-bit grey [h, w] as uint8 by scale: Pillow's own conversion clips to white what is over 255."""
    return (grey.clip(0, 65535) / 257).round().astype(np.uint8)


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """uint8 [h, w, c] to [size, size, c]; by area where it shrinks, so that nothing aliases."""
    import cv2

    if image.shape[:2] == (size, size):
        return image
    shrinks = size < min(image.shape[:2])
    scaled = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return scaled.reshape(size, size, image.shape[2])
