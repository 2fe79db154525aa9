"""Drawn: a line of text as a picture, as organisers draw them; for tests, demonstrations and more training rows."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True))
RAISED = (0.62, 0.02)  # size of a superscript, and how far it begins below the line's top, as shares of the letters' size


def line(text: str, width: int, height: int, letters: int = 26) -> np.ndarray:
    """Black `text` in the middle of a white picture, uint8 RGBA [height, width, 4]; `letters`: their size in pixels.

    By the font that comes with Pillow, so that it looks the same everywhere.
    """
    picture = Image.new("RGBA", (width, height), "white")
    top = (height - letters) / 2 - letters * 0.2  # letters stand low in their line
    put(ImageDraw.Draw(picture), ((width - measure(text, letters)) / 2, top), text, letters)
    return np.asarray(picture)


def put(pen: Any, place: tuple[float, float], text: str, letters: int, ink: Any = "black") -> None:
    """Draw a text, its left end and the top of its line at `place`. The font has no superscripts."""
    left, top = place
    for one in text:
        font, shown = _letter(one, letters)
        pen.text((round(left), round(top + letters * RAISED[1] * (one in SUPERSCRIPTS))), shown, ink, font)
        left += font.getlength(shown)


def measure(text: str, letters: int) -> float:
    """How wide `put` draws a text, in pixels."""
    return sum(font.getlength(shown) for font, shown in (_letter(one, letters) for one in text))


def _letter(one: str, letters: int) -> tuple[Any, str]:
    """A character's font, and what that draws for it."""
    raised = one in SUPERSCRIPTS
    return _font(round(letters * RAISED[0]) if raised else letters), SUPERSCRIPTS.get(one, one)


@lru_cache(maxsize=8)
def _font(size: int) -> Any:
    return ImageFont.load_default(size)
