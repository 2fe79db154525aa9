"""Sheets: pictures in rows, with the words that belong to them, as one picture to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kit.inputs import rendered_text
from kit.storage import files

SIDE, HEAD = 96, 28  # pixels of a picture's longer side, and of a line of words
CAPTIONED = {6: 132, 3: 300}  # the same where captions stand below: pictures in a row, pixels of each
GAP, LETTERS, LABEL = 10, 13, 140  # pixels between pictures, of letters, and of the words at the left at most
INK, PAPER = (30, 30, 30), (238, 238, 234)  # no picture's own white


def sheet(strips: Sequence[np.ndarray], labels: Sequence[str], heads: Sequence[str]) -> np.ndarray:
    """Pictures uint8 [n, h, w, c] side by side, one strip a column, labels at the left: uint8 [height, width, 3]."""
    high, wide = _size(strips[0][0], SIDE)
    lines = 1 + max(head.count(", ") for head in heads)
    top = 8 + lines * (LETTERS + 4)
    side = GAP + min(LABEL, max(rendered_text.measure(label, LETTERS) for label in labels)) + GAP
    canvas, pen = _canvas(round(side) + len(strips) * (wide + GAP), top + len(labels) * (high + GAP))
    for j, (strip, head) in enumerate(zip(strips, heads, strict=True)):
        left = round(side) + j * (wide + GAP)
        for line, words in enumerate(head.split(", ")):
            rendered_text.put(pen, (left, 4 + (LETTERS + 4) * line), _fitting(words, wide), LETTERS, INK)
        for i, picture in enumerate(strip):
            canvas.paste(_scaled(picture, SIDE), (left, top + i * (high + GAP)))
    for i, label in enumerate(labels):
        rendered_text.put(pen, (GAP, top + i * (high + GAP) + high / 2 - 8), _fitting(label, LABEL), LETTERS, INK)
    return np.asarray(canvas)


def captioned(pictures: Sequence[np.ndarray], captions: Sequence[str], across: int | None = None) -> np.ndarray:
    """Pictures uint8 [h, w, c] above their captions: uint8 [height, width, 3].

    `across`: six in a row or three; by itself three where all are twice as wide as high.
    """
    across = across or (3 if all(one.shape[1] >= 2 * one.shape[0] for one in pictures) else 6)
    side = CAPTIONED[across]
    images = [_scaled(picture, side) for picture in pictures]
    high = max(image.height for image in images)
    down = -(-len(images) // across)
    canvas, pen = _canvas(GAP + min(across, len(images)) * (side + GAP), GAP + down * (high + HEAD))
    for i, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = GAP + i % across * (side + GAP), GAP + i // across * (high + HEAD)
        canvas.paste(image, (left + (side - image.width) // 2, top + (high - image.height) // 2))
        words = _fitting(caption, side)
        rendered_text.put(pen, (left + (side - rendered_text.measure(words, LETTERS)) / 2, top + high + 4), words, LETTERS, INK)
    return np.asarray(canvas)


def write(path: Path, picture: np.ndarray) -> None:
    """Write a PNG atomically."""
    from PIL import Image

    files.write(path, lambda file: Image.fromarray(picture).save(file, format="PNG"))


def _canvas(wide: int, high: int) -> tuple[Any, Any]:
    from PIL import Image, ImageDraw

    canvas = Image.new("RGB", (wide, high), PAPER)
    return canvas, ImageDraw.Draw(canvas)


def _size(picture: np.ndarray, side: int) -> tuple[int, int]:
    """Height and width of a picture whose longer side is `side`."""
    high, wide = picture.shape[:2]
    return max(1, round(high * side / max(high, wide))), max(1, round(wide * side / max(high, wide)))


def _scaled(picture: np.ndarray, side: int) -> Any:
    """The picture in that size: small ones in blocks, large ones smoothly."""
    from PIL import Image

    high, wide = _size(picture, side)
    how = Image.Resampling.NEAREST if side > max(picture.shape[:2]) else Image.Resampling.LANCZOS
    return Image.fromarray(picture.squeeze()).convert("RGB").resize((wide, high), how)


def _fitting(text: str, room: float) -> str:
    """The text, cut where it would run into its neighbour."""
    if rendered_text.measure(text, LETTERS) <= room:
        return text
    while text and rendered_text.measure(text + "…", LETTERS) > room:
        text = text[:-1]
    return text + "…"
