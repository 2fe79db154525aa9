"""Scatter: a PNG of cross-validation scores against the leaderboard's, a labelled point for each submission."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kit import files

WIDTH, HEIGHT = 960, 720
LEFT, RIGHT, TOP, BOTTOM = 110, 40, 60, 80  # pixels around the axes
INK, PAPER, GRID, POINT = (30, 30, 30), (255, 255, 255), (225, 225, 225), (31, 119, 180)
TICKS = 5


def write(path: Path, points: list[tuple[str, float, float, float]], title: str, across: str, up: str) -> None:
    """Draw points (label, x, half the width of its error bar, y) and write the PNG atomically."""
    from PIL import Image, ImageDraw, ImageFont

    scale = 2  # drawn large and made smaller: smooth edges
    canvas = Image.new("RGB", (WIDTH * scale, HEIGHT * scale), PAPER)
    pen = ImageDraw.Draw(canvas)
    small, large = ImageFont.load_default(13 * scale), ImageFont.load_default(18 * scale)
    x_low, x_high = _range([x - e for _, x, e, _ in points] + [x + e for _, x, e, _ in points])
    y_low, y_high = _range([y for *_, y in points])

    def at(x: float, y: float) -> tuple[float, float]:
        wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        return (LEFT + (x - x_low) / (x_high - x_low) * wide) * scale, (
            HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * high
        ) * scale

    for i in range(TICKS):
        x, y = x_low + (x_high - x_low) * i / (TICKS - 1), y_low + (y_high - y_low) * i / (TICKS - 1)
        pen.line([at(x, y_low), at(x, y_high)], GRID, scale)
        pen.line([at(x_low, y), at(x_high, y)], GRID, scale)
        pen.text((at(x, y_low)[0], (HEIGHT - BOTTOM + 10) * scale), f"{x:.5f}", INK, small, anchor="ma")
        pen.text(((LEFT - 10) * scale, at(x_low, y)[1]), f"{y:.5f}", INK, small, anchor="rm")
    pen.rectangle([at(x_low, y_high), at(x_high, y_low)], outline=INK, width=scale)
    taken: list[tuple[float, float, float, float]] = []
    for label, x, error, y in points:
        if error:
            pen.line([at(x - error, y), at(x + error, y)], POINT, 2 * scale)
        centre = at(x, y)
        pen.ellipse([centre[0] - 6 * scale, centre[1] - 6 * scale, centre[0] + 6 * scale, centre[1] + 6 * scale], POINT)
        _label(pen, label[:40], centre, small, taken, scale)
    pen.text((WIDTH * scale / 2, 16 * scale), title, INK, large, anchor="ma")
    pen.text((WIDTH * scale / 2, (HEIGHT - 36) * scale), across, INK, small, anchor="ma")
    pen.text((12 * scale, 30 * scale), up, INK, small)
    smooth = canvas.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    files.write(path, lambda file: smooth.save(file, format="PNG"))


def _range(values: list[float]) -> tuple[float, float]:
    """The values' range with a tenth around it; not empty where they are all the same."""
    low, high = min(values), max(values)
    margin = (high - low) / 10 or abs(low) / 100 or 1.0
    return low - margin, high + margin


def _label(pen: Any, text: str, centre: tuple[float, float], font: Any, taken: list, scale: int) -> None:
    """Write a label beside its point, lower where another one stands, to the left near the right edge."""
    width = pen.textlength(text, font)
    x = centre[0] + 9 * scale
    if x + width > (WIDTH - 6) * scale:
        x = centre[0] - 9 * scale - width
    y, height = centre[1] - 18 * scale, 15 * scale
    while any(x < right and left < x + width and y < bottom and top < y + height for left, top, right, bottom in taken):
        y += height
    taken.append((x, y, x + width, y + height))
    pen.text((x, y), text, INK, font)
