"""Drawn: a line of text as a picture, as organisers draw them; for tests, demonstrations and more training rows."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True))
RAISED = (0.62, 0.02)  # size of a superscript, and how far it begins below the line's top, as shares of the letters' size


def line(text: str, width: int, height: int, letters: int = 26) -> np.ndarray:
    """Black `text` in the middle of a white picture, uint8 RGBA [height, width, 4]; `letters`: their size in pixels.

    By the font that comes with Pillow, so that it looks the same everywhere.
    """
    from PIL import Image, ImageDraw

    picture = Image.new("RGBA", (width, height), "white")
    left = (width - put(ImageDraw.Draw(picture.copy()), (0, 0), text, letters)) / 2
    put(
        ImageDraw.Draw(picture), (left, (height - letters) / 2 - letters * 0.2), text, letters
    )  # letters stand low in their line
    return np.asarray(picture)


def put(pen: Any, place: tuple[float, float], text: str, letters: int, ink: Any = "black") -> float:
    """Draw a text, its left end and the top of its line at `place`; returns its width. The font has no superscripts."""
    left, top = place
    for one in text:
        raised = one in SUPERSCRIPTS
        font = _font(round(letters * RAISED[0]) if raised else letters)
        pen.text((round(left), round(top + letters * RAISED[1] * raised)), SUPERSCRIPTS.get(one, one), ink, font)
        left += font.getlength(SUPERSCRIPTS.get(one, one))
    return left - place[0]


@lru_cache(maxsize=8)
def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)
