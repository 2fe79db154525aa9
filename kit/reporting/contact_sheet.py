"""Contact sheets: pictures in rows with the words that belong to them, as one figure to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from kit.reporting import canvas
from kit.reporting.canvas import blank, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE, LINE = 96, 28  # pixels of a picture's longer side, and of a line of words
CAPTIONED = {6: 132, 3: 300}  # the same where captions stand below: pictures in a row, pixels of each
GAP, LETTERS, LABEL = 10, 12.0, 140  # pixels between pictures, of letters, and of the words at the left at most
PAPER = "#eeeeea"  # no picture's own white


@styled()
def sheet(strips: Sequence[np.ndarray], labels: Sequence[str], heads: Sequence[str]) -> Figure:
    """Pictures uint8 [n, h, w, c] side by side, a strip a column with its head above; labels [n] at the left."""
    high, wide = _size(strips[0][0], SIDE)
    top = 8 + (1 + max(head.count(", ") for head in heads)) * 18
    room = min(LABEL, 8 * max(map(len, labels)))
    side = GAP + room + GAP
    places = [(side + j * (wide + GAP), top + i * (high + GAP)) for j in range(len(strips)) for i in range(len(labels))]
    images = [_scaled(picture, SIDE) for strip in strips for picture in strip]
    size = (side + len(strips) * (wide + GAP), top + len(labels) * (high + GAP))
    figure = _figure("pictures as a model sees them", images, places, size)
    for j, head in enumerate(heads):
        for line, words in enumerate(head.split(", ")):
            _write(figure, words, (side + j * (wide + GAP), 6 + 18 * line), wide)
    for i, label in enumerate(labels):
        _write(figure, label, (GAP, top + i * (high + GAP) + high / 2 - LETTERS / 2), room)
    return figure


@styled()
def captioned(pictures: Sequence[np.ndarray], captions: Sequence[str], across: int | None = None) -> Figure:
    """Pictures uint8 [h, w, c] above their captions.

    `across`: six in a row or three; where it is not stated, three where all are twice as wide as high.
    """
    across = across or (3 if all(picture.shape[1] >= 2 * picture.shape[0] for picture in pictures) else 6)
    side = CAPTIONED[across]
    images = [_scaled(picture, side) for picture in pictures]
    high = max(len(image) for image in images)
    cells = [(GAP + i % across * (side + GAP), GAP + i // across * (high + LINE)) for i in range(len(images))]
    places = [
        (left + (side - image.shape[1]) // 2, top + (high - len(image)) // 2)
        for image, (left, top) in zip(images, cells, strict=True)
    ]
    rows = -(-len(images) // across)
    size = (GAP + min(across, len(images)) * (side + GAP), GAP + rows * (high + LINE))
    figure = _figure("pictures with their answers", images, places, size)
    for caption, (left, top) in zip(captions, cells, strict=True):
        _write(figure, caption, (left, top + high + 6), side, middle=True)
    return figure


def write(path: Path, figure: Figure) -> None:
    """Write a PNG in which a picture's pixels are as they are in the figure."""
    canvas.write_png(path, figure, dots=canvas.UNITS)


def _figure(title: str, images: Sequence[np.ndarray], places: Sequence[tuple[int, int]], size: tuple[int, int]) -> Figure:
    """A figure of so many pixels with these images; `places`: of their left upper corners."""
    figure = blank(title, size, facecolor=PAPER, layout="none", dpi=canvas.UNITS)
    for image, (left, top) in zip(images, places, strict=True):
        figure.figimage(image, left, size[1] - top - len(image))
    return figure


def _write(figure: Figure, words: str, place: tuple[float, float], room: float, middle: bool = False) -> None:
    """Write words below `place` (from the left upper corner), cut where they would run into their neighbours."""
    left, top = place
    height = figure.bbox.height
    text = figure.text(
        (left + room / 2 * middle) / figure.bbox.width, 1 - top / height, words, fontsize=LETTERS, va="top",
        ha="center" if middle else "left",
    )  # fmt: skip
    while words and text.get_window_extent().width > room:
        words = words[:-1]
        text.set_text(words + "…")


def _size(picture: np.ndarray, side: int) -> tuple[int, int]:
    """Height and width of a picture whose longer side is `side`."""
    high, wide = picture.shape[:2]
    return max(1, round(high * side / max(high, wide))), max(1, round(wide * side / max(high, wide)))


def _scaled(picture: np.ndarray, side: int) -> np.ndarray:
    """The picture in that size, uint8 [h, w, 3]: a small one in blocks, a large one smoothly."""
    high, wide = _size(picture, side)
    how = Image.Resampling.NEAREST if side > max(picture.shape[:2]) else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(picture.squeeze()).convert("RGB").resize((wide, high), how))
