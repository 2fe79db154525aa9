"""Drawn: a line of text as a picture, as organisers draw them; for tests, demonstrations and more training rows."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True))
RAISED = (0.62, 0.28)  # size of a superscript, and how far below the line's top it begins, as shares of the letters' size


def line(text: str, width: int, height: int, letters: int = 26) -> np.ndarray:
    """Black `text` in the middle of a white picture, uint8 RGBA [height, width, 4]; `letters`: their size in pixels.

    By the font that comes with Pillow, so that it looks the same everywhere.
    """
    from PIL import Image, ImageDraw

    picture = Image.new("RGBA", (width, height), "white")
    pen = ImageDraw.Draw(picture)
    parts = [(SUPERSCRIPTS.get(one, one), one in SUPERSCRIPTS) for one in text]
    sizes = [round(letters * RAISED[0]) if raised else letters for _, raised in parts]
    x = (width - sum(_font(size).getlength(one) for (one, _), size in zip(parts, sizes, strict=True))) / 2
    top = (height - letters) / 2 - letters * 0.2  # the box of the letters is lower than their line
    for (one, raised), size in zip(parts, sizes, strict=True):
        pen.text((round(x), round(top + letters * (RAISED[1] - 0.2) * raised)), one, "black", _font(size))
        x += _font(size).getlength(one)
    return np.asarray(picture)


@lru_cache(maxsize=8)
def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)
