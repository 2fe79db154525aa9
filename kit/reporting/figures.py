"""Charts: the drawings that the kit knows, made from numbers; a page shows them, or they are files of their own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kit.reporting.axes import BOTTOM, LEFT, RIGHT, SIZE, Frame, aired, opened
from kit.reporting.drawing import LETTERS, Box, Cloud, Dot, Drawing, Place, Shape, Stroke, Words, beside

DESK = (720.0, 516.0)  # of one that stands alone: 960×720 pixels with its title
LETTER = 0.58 * LETTERS  # the width of a letter, about
POINTS = 240  # of a line; more than a screen's pixels say nothing
DOTS, FEW = 3000, 600  # of a scatter; up to which they need not shine through as much
NUMBERED = 16  # classes up to which a matrix shows its counts


@dataclass(frozen=True)
class Line:
    """A line of a chart. `faint`: one of several alike; `name` is written at its end."""

    x: Sequence[float]
    y: Sequence[float]
    tone: str = "one"
    faint: bool = False
    name: str = ""


@dataclass(frozen=True)
class Standing:
    """A named point, with half the length of its error bar along x."""

    name: str
    x: float
    error: float
    y: float


def lines(
    series: Sequence[Line], across: str, title: str, up: str = "", size: Place = SIZE, log: bool = False,
    mark: tuple[float, str] | None = None,
) -> Drawing:  # fmt: skip
    """Lines over a common axis, each named at its end. `mark`: an x that a line down shows, and its name."""
    x = [value for one in series for value in one.x]
    y = [value for one in series for value in one.y if math.isfinite(value)]
    named = [one for one in series if one.name]
    right = RIGHT + LETTER * max((len(one.name) for one in named), default=0)
    frame = Frame((min(x), max(x)), (min(y), max(y)), size, right, up, log)
    drawn: list[Shape] = []
    for one in series:
        kept = np.unique(np.linspace(0, len(one.x) - 1, min(len(one.x), POINTS)).round().astype(int))
        places = [frame.at(one.x[i], one.y[i]) for i in kept if math.isfinite(one.y[i])]
        drawn.append(Stroke(places, one.tone, *((1.3, 0.38) if one.faint else ())))
    if mark:
        place, _ = frame.at(mark[0], frame.y[0])
        drawn.append(Stroke([(place, frame.top), (place, frame.height - BOTTOM)], "two", dashed=True))
        drawn.append(Words(mark[1], (place + 6, frame.top + 9), colour="two"))
    last = [frame.at(one.x[-1], one.y[-1])[1] + 3.5 for one in named]
    for one, place in zip(named, _apart(last, frame.height - BOTTOM + 3.5), strict=True):
        drawn.append(Words(one.name, (frame.right + 5, place), colour=one.tone))
    whole = all(float(value).is_integer() for value in x)  # epochs
    return Drawing(*size, title, [*frame.axes(across, whole=whole), *drawn])


def strip(values: Sequence[float], names: Sequence[str], line: float, across: str, title: str) -> Drawing:
    """A dot a value on one axis, and a line across: the folds' scores and the score of all rows together."""
    low, high = min([*values, line]), max([*values, line])
    margin = (high - low) * 0.12 or abs(high) * 0.01 or 0.01
    frame = Frame((low - margin, high + margin), (0.0, 1.0), (SIZE[0], 96.0))
    (place, top), (_, base) = frame.at(line, 1), frame.at(line, 0)
    drawn: list[Shape] = [Stroke([(LEFT, base), (frame.right, base)], "rule", 1), Stroke([(place, top), (place, base)], "two")]
    for i, (value, name) in enumerate(zip(values, names, strict=True)):
        drawn.append(Dot(frame.at(value, 0.35 + 0.3 * (i % 2)), 5.0, told=f"{name}: {value:.5f}"))
    return Drawing(frame.width, frame.height, title, [*frame.axes(across, y_ticks=False), *drawn])


def reliability(said: np.ndarray, found: np.ndarray, share: np.ndarray, title: str) -> Drawing:
    """Probability said against frequency found, a dot a bin as large as its share of rows; the diagonal is honest."""
    frame = Frame((0.0, 1.0), (0.0, 1.0), (SIZE[0], 300.0))
    places = [frame.at(a, b) for a, b in zip(said, found, strict=True)]
    drawn: list[Shape] = [_diagonal(frame), Stroke(places, width=1.3, opacity=0.38)]
    for place, a, b, part in zip(places, said, found, share, strict=True):
        told = f"said {a:.3f}, found {b:.3f}, {part:.1%} of the rows"
        drawn.append(Dot(place, float(3 + 9 * math.sqrt(part)), told=told))
    return Drawing(frame.width, frame.height, title, [*frame.axes("probability said"), *drawn])


def scatter(truth: np.ndarray, predicted: np.ndarray, title: str) -> Drawing:
    """Predicted against true values, at most DOTS of them, evenly chosen."""
    some = np.unique(np.linspace(0, len(truth) - 1, min(len(truth), DOTS)).astype(int))
    low, high = min(truth[some].min(), predicted[some].min()), max(truth[some].max(), predicted[some].max())
    frame = Frame((float(low), float(high)), (float(low), float(high)), (SIZE[0], 300.0))
    places = [frame.at(float(a), float(b)) for a, b in zip(truth[some], predicted[some], strict=True)]
    dots = Cloud(places, opacity=0.7 if len(places) < FEW else 0.35)
    return Drawing(frame.width, frame.height, title, [*frame.axes("true"), _diagonal(frame), dots])


def agreement(truth: np.ndarray, predicted: np.ndarray, names: Sequence[str]) -> Drawing:
    """A scatter for each number [n, c], side by side, with its errors in words."""
    gaps = np.abs(predicted - truth)
    said = [
        f"{name}: mean error {one.mean():.3g}, the largest {one.max():.3g}" for name, one in zip(names, gaps.T, strict=True)
    ]
    panels = [scatter(truth[:, j], predicted[:, j], words) for j, words in enumerate(said)]
    return beside(panels, "out of fold: predicted (up) against true")


def _diagonal(frame: Frame) -> Stroke:
    (x0, x1), (y0, y1) = frame.x, frame.y
    return Stroke([frame.at(x0, y0), frame.at(x1, y1)], "soft", 1, dashed=True)


def standings(points: Sequence[Standing], across: str, up: str, title: str) -> Drawing:
    """Named points with their error bars; a name stands where it covers neither a point nor another name."""
    x = [one.x + sign * one.error for one in points for sign in (-1, 1)]
    y = [one.y for one in points]
    frame = Frame(aired(x), aired(y), DESK, up=up)
    drawn: list[Shape] = [Stroke([frame.at(one.x - one.error, one.y), frame.at(one.x + one.error, one.y)]) for one in points]
    places = [frame.at(one.x, one.y) for one in points]
    drawn += [Dot(place, 4.5) for place in places]
    taken = [(a - 5, b - 5, a + 5, b + 5) for a, b in places]
    for one, place in zip(points, places, strict=True):
        taken.append(_free(place, LETTER * len(one.name), taken, frame))
        drawn.append(Words(one.name, (taken[-1][0], taken[-1][3] - 2), colour="ink"))
    return Drawing(*DESK, title, [*frame.axes(across), *drawn])


Spot = tuple[float, float, float, float]  # left, top, right, base


def _free(place: Place, wide: float, taken: Sequence[Spot], frame: Frame) -> Spot:
    """Where a name fits near its point: above or below it, to the right or the left, or further away."""
    (x, y), high = place, LETTERS + 2
    for step in range(1, 20):
        for left, base in itertools.product((x + 6, x - 6 - wide), (y - 6 * step, y + 6 * step + high)):
            found = (left, base - high, left + wide, base)
            inside = left > LEFT and left + wide < frame.width and frame.top < base < frame.height - BOTTOM
            if inside and not any(_meet(found, other) for other in taken):
                return found
    return (x + 6, y - 6 - high, x + 6 + wide, y - 6)


def _meet(a: Spot, b: Spot) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def histogram(values: np.ndarray, across: str, title: str, bins: int = 41) -> Drawing:
    """How often values occur; what lies beyond the outer half percents counts as being there."""
    low, high = (float(one) for one in np.quantile(values, [0.005, 0.995]))
    counts, edges = np.histogram(np.clip(values, low, high), bins=bins, range=opened((low, high)))
    frame = Frame((float(edges[0]), float(edges[-1])), (0.0, float(counts.max())))
    drawn = []
    for count, a, b in zip(counts, edges[:-1], edges[1:], strict=True):
        (left, top), (right, base) = frame.at(float(a), float(count)), frame.at(float(b), 0)
        drawn.append(Box((left, top), max(right - left - 1, 0.5), base - top))
    return Drawing(*SIZE, title, [*frame.axes(across), *drawn])


def matrix(counts: np.ndarray, names: Sequence[str], title: str) -> Drawing:
    """True classes down, answers across: hits in one tone, errors, each as dark as it is frequent, in the other."""
    n, short = len(names), [_cut(name) for name in names]
    cell = max(10.0, min(34.0, 320.0 / n))
    margin = 14 + LETTER * max(map(len, short))
    turned, letters = LETTER * max(map(len, short)) > cell, min(LETTERS, cell - 1)
    errors = counts * (1 - np.eye(n))
    strength = np.where(np.eye(n), counts / counts.sum(axis=1, keepdims=True).clip(1), np.sqrt(errors / max(errors.max(), 1)))
    drawn: list[Shape] = []
    for i in range(n):
        middle = margin + (i + 0.5) * cell
        above = (middle + 3.5 * turned, margin - 5)
        drawn.append(Words(short[i], (margin - 5, middle + 3.5), "end", size=letters))
        drawn.append(Words(short[i], above, "start" if turned else "middle", size=letters, turned=turned))
        for j in range(n):
            at, told = (margin + j * cell, margin + i * cell), f"{names[i]} answered as {names[j]}"
            drawn += _cell(int(counts[i, j]), at, cell, float(strength[i, j]), "one" if i == j else "two", told, n <= NUMBERED)
    size = margin + n * cell + 4
    return Drawing(size, size, title, drawn)


def _cell(count: int, at: Place, size: float, strength: float, tone: str, told: str, numbered: bool) -> list[Shape]:
    """A cell of a matrix, and its count if there is room for one."""
    opacity = 0.05 + 0.85 * strength if count else 0.03
    box = Box(at, size - 1, size - 1, tone, opacity, f"{told}: {count:,}")
    middle = (at[0] + size / 2, at[1] + size / 2 + 3.2)
    words = Words(brief(count), middle, "middle", "paper" if opacity > 0.5 else "ink", 9.5)
    return [box, words] if numbered and count else [box]


def bars(names: Sequence[str], parts: Sequence[Sequence[float]], words: Sequence[str], title: str) -> Drawing:
    """A bar a name, of one or two parts one after the other, with words behind it."""
    left, row = 12 + LETTER * max(map(len, names)), 24.0
    longest = max(sum(one) for one in parts) or 1
    room = SIZE[0] - left - 14 - LETTER * max(map(len, words))
    drawn: list[Shape] = []
    for i, (name, some, said) in enumerate(zip(names, parts, words, strict=True)):
        drawn.append(Words(name, (left - 6, i * row + 16), "end"))
        x = left
        for tone, value in zip(("one", "two"), some, strict=False):
            width = max(value / longest * room, 0.5)
            drawn.append(Box((x, i * row + 5), width, 15, tone))
            x += width + 1
        drawn.append(Words(said, (x + 6, i * row + 16)))
    return Drawing(SIZE[0], len(names) * row + 6, title, drawn)


def brief(count: int) -> str:
    """A count in four characters at most."""
    return str(count) if count < 10_000 else f"{count / 1000:.0f}k"


def _apart(places: list[float], lowest: float, gap: float = 13.0) -> list[float]:
    """Places of words moved so that none covers another and none is below the `lowest`."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    for before, after in itertools.pairwise(order):
        moved[after] = max(moved[after], moved[before] + gap)
    for i in reversed(order):
        moved[i], lowest = min(moved[i], lowest), min(moved[i], lowest) - gap
    return moved


def _cut(name: str, most: int = 16) -> str:
    """A name without its middle: what sets it apart stands at either end."""
    return name if len(name) <= most else f"{name[: most // 2]}…{name[1 - most // 2 :]}"
