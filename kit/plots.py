"""Plots: a PNG of labelled points, or of lines, drawn without a plotting library (none is among the requirements)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from kit import files

WIDTH, HEIGHT, SCALE = 960, 720, 2  # drawn larger and made smaller: smooth edges
LEFT, RIGHT, TOP, BOTTOM = 110, 40, 60, 80  # pixels around the axes
INK, PAPER, GRID, POINT = (30, 30, 30), (255, 255, 255), (225, 225, 225), (31, 119, 180)
COLOURS = (POINT, (214, 39, 40), (44, 160, 44), (255, 127, 14), (148, 103, 189), (23, 190, 207), (127, 127, 127))
TICKS = 5


class Axes:
    """A canvas with two axes over the ranges of `xs` and `ys`."""

    def __init__(self, xs: list[float], ys: list[float], title: str, across: str, up: str):
        from PIL import Image, ImageDraw, ImageFont

        self.canvas = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), PAPER)
        self.pen = ImageDraw.Draw(self.canvas)
        self.font = ImageFont.load_default(13 * SCALE)
        self.x, self.y = _range(xs), _range(ys)
        self.taken: list[tuple[float, float, float, float]] = []
        whole = all(float(x).is_integer() for x in xs)  # epochs: there is none between two
        for x in _ticks(*self.x, 1.0 if whole else 0.0):
            self.pen.line([self.at(x, self.y[0]), self.at(x, self.y[1])], GRID, SCALE)
            self.pen.text((self.at(x, 0)[0], (HEIGHT - BOTTOM + 10) * SCALE), f"{x:.6g}", INK, self.font, anchor="ma")
        for y in _ticks(*self.y):
            self.pen.line([self.at(self.x[0], y), self.at(self.x[1], y)], GRID, SCALE)
            self.pen.text(((LEFT - 10) * SCALE, self.at(0, y)[1]), f"{y:.6g}", INK, self.font, anchor="rm")
        self.pen.rectangle([self.at(self.x[0], self.y[1]), self.at(self.x[1], self.y[0])], outline=INK, width=SCALE)
        self.pen.text((WIDTH * SCALE / 2, 16 * SCALE), title, INK, ImageFont.load_default(18 * SCALE), anchor="ma")
        self.pen.text((WIDTH * SCALE / 2, (HEIGHT - 36) * SCALE), across, INK, self.font, anchor="ma")
        self.pen.text((12 * SCALE, 30 * SCALE), up, INK, self.font)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point is on the canvas."""
        wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        right = (x - self.x[0]) / (self.x[1] - self.x[0]) * wide
        return (LEFT + right) * SCALE, (HEIGHT - BOTTOM - (y - self.y[0]) / (self.y[1] - self.y[0]) * high) * SCALE

    def label(self, text: str, x: float, y: float, colour: tuple[int, int, int] = INK) -> None:
        """Write beside a point: lower where another label stands, to the left near the right edge."""
        width, height = self.pen.textlength(text, self.font), 15 * SCALE
        left, top = self.at(x, y)
        left = left + 9 * SCALE if left + 9 * SCALE + width < (WIDTH - 6) * SCALE else left - 9 * SCALE - width
        top -= 18 * SCALE
        while any(left < r and l < left + width and top < b and t < top + height for l, t, r, b in self.taken):  # noqa: E741
            top += height
        self.taken.append((left, top, left + width, top + height))
        self.pen.text((left, top), text, colour, self.font)

    def save(self, path: Path) -> None:
        """Write the PNG atomically."""
        smooth = self.canvas.resize((WIDTH, HEIGHT))
        files.write(path, lambda file: smooth.save(file, format="PNG"))


def _range(values: list[float]) -> tuple[float, float]:
    """The values' range with a tenth around it; not empty where they are all the same."""
    low, high = min(values), max(values)
    margin = (high - low) / 10 or abs(low) / 100 or 1.0
    return low - margin, high + margin


def _ticks(low: float, high: float, least: float = 0.0) -> list[float]:
    """Round numbers between two others, TICKS to 2.5 times as many, or fewer that are `least` apart."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = max(least, *(size * power for size in (1, 2, 5) if size * power <= rough))
    return [round(i * step, 12) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def scatter(path: Path, points: list[tuple[str, float, float, float]], title: str, across: str, up: str) -> None:
    """Points (label, x, half the width of its error bar, y), each with its label."""
    xs = [x + sign * error for _, x, error, _ in points for sign in (-1, 1)]
    axes = Axes(xs, [y for *_, y in points], title, across, up)
    for text, x, error, y in points:
        axes.pen.line([axes.at(x - error, y), axes.at(x + error, y)], POINT, 2 * SCALE)
        left, top = axes.at(x, y)
        axes.pen.ellipse([left - 6 * SCALE, top - 6 * SCALE, left + 6 * SCALE, top + 6 * SCALE], POINT)
        axes.label(text[:40], x, y)
    axes.save(path)


def lines(path: Path, series: dict[str, list[tuple[float, float]]], title: str, across: str, up: str) -> None:
    """A line for each series of points (x, y), named at its end."""
    every: list[Any] = [point for points in series.values() for point in points]
    axes = Axes([x for x, _ in every], [y for _, y in every], title, across, up)
    for i, (name, points) in enumerate(series.items()):
        colour = COLOURS[i % len(COLOURS)]
        axes.pen.line([axes.at(x, y) for x, y in points], colour, 2 * SCALE, joint="curve")
        axes.label(name, *points[-1], colour)
    axes.save(path)


def grid(path: Path, pictures: list[Any], captions: list[str]) -> None:
    """Pictures uint8 [h, w, c], each above its caption: six in a row, or three where all are twice as wide as high."""
    from PIL import Image, ImageDraw, ImageFont

    gap, line = 12, 22
    across, side = (3, 268) if all(one.shape[1] >= 2 * one.shape[0] for one in pictures) else (6, 128)
    images = [_fitted(picture, side) for picture in pictures]
    high = max(image.height for image in images)
    down = -(-len(images) // across)
    canvas = Image.new("RGB", (gap + across * (side + gap), gap + down * (high + line + gap)), PAPER)
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(14)
    for i, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = gap + i % across * (side + gap), gap + i // across * (high + line + gap)
        canvas.paste(image, (left + (side - image.width) // 2, top + (high - image.height) // 2))
        while pen.textlength(caption, font) > side:
            caption = caption[:-2] + "…"
        pen.text((left + side / 2, top + high + 4), caption, INK, font, anchor="ma")
    files.write(path, lambda file: canvas.save(file, format="PNG"))


def _fitted(picture: Any, side: int) -> Any:
    """A picture whose longer side is `side`: small ones in blocks, large ones smoothly."""
    from PIL import Image

    image = Image.fromarray(picture.squeeze()).convert("RGB")
    share = side / max(image.size)
    size = (max(1, round(image.width * share)), max(1, round(image.height * share)))
    return image.resize(size, Image.Resampling.NEAREST if share > 1 else Image.Resampling.LANCZOS)
