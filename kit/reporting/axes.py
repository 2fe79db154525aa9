"""Axes: where a chart's values stand, and the round values that are written beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kit.reporting.drawing import Place, Shape, Stroke, Words

SIZE = (360.0, 220.0)  # a phone's width: nothing is scaled down there
LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 12.0, 34.0  # units around the axes


class Frame:
    """The axes of a chart: values to places, ticks, words. `log`: x counts in powers of ten; `up`: the name of y."""

    def __init__(self, x: Place, y: Place, size: Place = SIZE, right: float = RIGHT, up: str = "", log: bool = False):
        self.x, self.y, self.log, self.up = (x if log else opened(x)), opened(y), log, up
        self.width, self.height = size
        self.right, self.top = self.width - right, TOP + 16 * bool(up)

    def at(self, x: float, y: float) -> Place:
        """The place of a value."""
        x0, x1, x = map(math.log10, (*self.x, x)) if self.log else (*self.x, x)
        y0, y1 = self.y
        base = self.height - BOTTOM
        return LEFT + (x - x0) / (x1 - x0) * (self.right - LEFT), base - (y - y0) / (y1 - y0) * (base - self.top)

    def axes(self, across: str, y_ticks: bool = True, whole: bool = False) -> list[Shape]:
        """Grid lines with their values, and the names of the axes; `whole`: there is nothing between two numbers of x."""
        found: list[Shape] = []
        room = self.right - LEFT, self.height - BOTTOM - self.top
        for value in ticks(*self.y, 2 + room[1] / 80) if y_ticks else []:
            ends = [self.at(one, value) for one in self.x]
            found.append(Stroke(ends, "rule", 1))
            found.append(Words(short(value), (LEFT - 6, ends[0][1] + 3.5), "end"))
        for value in powers(*self.x) if self.log else ticks(*self.x, room[0] / 75, float(whole)):
            found.append(Words(short(value), (self.at(value, 0)[0], self.height - BOTTOM + 14), "middle"))
        found.append(Words(across, ((LEFT + self.right) / 2, self.height - 4), "middle"))
        return [*found, Words(self.up, (8, TOP + 2))] if self.up else found


def ticks(low: float, high: float, about: float = 5, least: float = 0.0) -> list[float]:
    """Round values from low to high, `about` so many (up to 1.6 times more or fewer), `least` apart."""
    size = 10.0 ** math.floor(math.log10((high - low) / about))
    step = max(least, min((1, 2, 5, 10), key=lambda one: abs(math.log((high - low) / (one * size * about)))) * size)
    return [round(i * step, 12) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def powers(low: float, high: float) -> list[float]:
    """Round values of a logarithmic axis: powers of ten, and where there are few the values between."""
    some = [float(f"{a}e{i}") for i in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1) for a in (1, 2, 5)]
    inside = [value for value in some if low * 0.999 <= value <= high * 1.001]
    return inside if len(inside) <= 5 else [value for value in inside if f"{value:e}".startswith("1")]


def short(value: float) -> str:
    """A tick's value."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.6g}"
    digits, power = f"{value:.1e}".split("e")
    return f"{digits.removesuffix('.0')}e{int(power)}"


def opened(bounds: Place) -> Place:
    """Bounds that are not one and the same."""
    low, high = bounds
    return (low, high) if high > low else (low - (abs(low) * 0.01 or 0.5), high + (abs(high) * 0.01 or 0.5))


def aired(values: Sequence[float]) -> Place:
    """The values' range with a tenth around it."""
    low, high = opened((min(values), max(values)))
    return low - (high - low) / 10, high + (high - low) / 10
