"""Charts: small inline SVG drawings, coloured by the page's own CSS variables so that they turn dark with it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kit.markup import Markup, element, join

WIDTH, HEIGHT = 360.0, 220.0  # a phone's width: nothing is scaled down there
LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 12.0, 34.0
POINTS = 240  # of a line; more than a screen's pixels say nothing
DOTS = 3000  # of a scatter
NUMBERED = 16  # classes up to which a matrix shows its counts


@dataclass(frozen=True)
class Line:
    """A line of a chart. `tone`: `one` or `two`; `faint`: one of several alike; `name` is written at its end."""

    x: Sequence[float]
    y: Sequence[float]
    tone: str = "one"
    faint: bool = False
    name: str = ""


class Frame:
    """The axes of a chart: values to places, ticks, words."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float], height: float = HEIGHT, right: float = RIGHT):
        self.x, self.y, self.height, self.right = _opened(x), _opened(y), height, right

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The place of a value."""
        (x0, x1), (y0, y1) = self.x, self.y
        across = LEFT + (x - x0) / (x1 - x0) * (WIDTH - LEFT - self.right)
        return across, self.height - BOTTOM - (y - y0) / (y1 - y0) * (self.height - TOP - BOTTOM)

    def axes(self, x_name: str, y_ticks: bool = True) -> list[Markup]:
        """Grid lines with their values, and the name of the axis below."""
        found, (x0, x1), (y0, _) = [], self.x, self.y
        for value in ticks(*self.y) if y_ticks else []:
            (left, place), (right, _) = self.at(x0, value), self.at(x1, value)
            found.append(element("line", class_="grid", x1=left, y1=place, x2=right, y2=place))
            found.append(element("text", short(value), x=left - 6, y=place + 3.5, text_anchor="end"))
        for value in ticks(*self.x):
            place, base = self.at(value, y0)
            found.append(element("text", short(value), x=place, y=base + 14, text_anchor="middle"))
        found.append(element("text", x_name, x=(LEFT + WIDTH - self.right) / 2, y=self.height - 4, text_anchor="middle"))
        return found


def lines(series: Sequence[Line], x_name: str, title: str) -> Markup:
    """Lines over a common axis, each named at its end."""
    x = [value for one in series for value in one.x]
    y = [value for one in series for value in one.y if math.isfinite(value)]
    named = [one for one in series if one.name]
    frame = Frame((min(x), max(x)), (min(y), max(y)), right=RIGHT + 7 * max((len(one.name) for one in named), default=0))
    drawn = []
    for one in series:
        kept = np.unique(np.linspace(0, len(one.x) - 1, min(len(one.x), POINTS)).round().astype(int))
        places = [frame.at(one.x[i], one.y[i]) for i in kept if math.isfinite(one.y[i])]
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
        drawn.append(element("polyline", class_=f"line {one.tone}{' faint' if one.faint else ''}", points=points))
    last = [frame.at(one.x[-1], one.y[-1])[1] + 3.5 for one in named]
    for one, place in zip(named, _apart(last), strict=True):
        drawn.append(element("text", one.name, class_=f"name {one.tone}", x=WIDTH - frame.right + 5, y=place))
    return _svg(frame.height, title, frame.axes(x_name), drawn)


def strip(values: Sequence[float], names: Sequence[str], line: float, title: str) -> Markup:
    """A dot a value on one axis, and a line across: the folds' scores and the score of all rows together."""
    low, high = min([*values, line]), max([*values, line])
    margin = (high - low) * 0.12 or abs(high) * 0.01 or 0.01
    frame = Frame((low - margin, high + margin), (0.0, 1.0), height=96)
    (place, top), (_, base) = frame.at(line, 1), frame.at(line, 0)
    drawn = [element("line", class_="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=base, y2=base)]
    drawn.append(element("line", class_="mark", x1=place, x2=place, y1=top, y2=base))
    for i, (value, name) in enumerate(zip(values, names, strict=True)):
        across, down = frame.at(value, 0.35 + 0.3 * (i % 2))
        drawn.append(element("circle", element("title", f"{name}: {value:.5f}"), class_="dot one", cx=across, cy=down, r=5.0))
    return _svg(frame.height, title, frame.axes("", y_ticks=False), drawn)


def reliability(said: np.ndarray, found: np.ndarray, share: np.ndarray, title: str) -> Markup:
    """Probability said against frequency found, a dot a bin as large as its share of rows; the diagonal is honest."""
    frame = Frame((0.0, 1.0), (0.0, 1.0), height=300)
    (x0, y0), (x1, y1) = frame.at(0, 0), frame.at(1, 1)
    drawn = [element("line", class_="diagonal", x1=x0, y1=y0, x2=x1, y2=y1)]
    places = [frame.at(a, b) for a, b in zip(said, found, strict=True)]
    drawn.append(element("polyline", class_="line one faint", points=" ".join(f"{a:.1f},{b:.1f}" for a, b in places)))
    for (across, down), a, b, part in zip(places, said, found, share, strict=True):
        words = element("title", f"said {a:.3f}, found {b:.3f}, {part:.1%} of the rows")
        drawn.append(element("circle", words, class_="dot one", cx=across, cy=down, r=float(3 + 9 * math.sqrt(part))))
    return _svg(frame.height, title, frame.axes("probability said"), drawn)


def scatter(truth: np.ndarray, predicted: np.ndarray, title: str) -> Markup:
    """Predicted against true values, at most DOTS of them, evenly chosen."""
    some = np.unique(np.linspace(0, len(truth) - 1, min(len(truth), DOTS)).astype(int))
    low, high = min(truth[some].min(), predicted[some].min()), max(truth[some].max(), predicted[some].max())
    frame = Frame((float(low), float(high)), (float(low), float(high)), height=300)
    (x0, y0), (x1, y1) = frame.at(frame.x[0], frame.y[0]), frame.at(frame.x[1], frame.y[1])
    places = (frame.at(float(a), float(b)) for a, b in zip(truth[some], predicted[some], strict=True))
    dots = element("path", class_="cloud", d="".join(f"M{a:.1f} {b:.1f}h0" for a, b in places))
    diagonal = element("line", class_="diagonal", x1=x0, y1=y0, x2=x1, y2=y1)
    return _svg(frame.height, title, frame.axes("true"), [diagonal, dots])


def histogram(values: np.ndarray, x_name: str, title: str, bins: int = 41) -> Markup:
    """How often values occur; what lies beyond the outer half percents counts as being there."""
    low, high = (float(one) for one in np.quantile(values, [0.005, 0.995]))
    counts, edges = np.histogram(np.clip(values, low, high), bins=bins, range=_opened((low, high)))
    frame = Frame((float(edges[0]), float(edges[-1])), (0.0, float(counts.max())))
    drawn = []
    for count, a, b in zip(counts, edges[:-1], edges[1:], strict=True):
        (left, top), (right, base) = frame.at(float(a), float(count)), frame.at(float(b), 0)
        drawn.append(element("rect", class_="bar one", x=left, y=top, width=max(right - left - 1, 0.5), height=base - top))
    return _svg(frame.height, title, frame.axes(x_name), drawn)


def matrix(counts: np.ndarray, names: Sequence[str], title: str) -> Markup:
    """True classes down, answers across: hits in one tone, errors, each as dark as it is frequent, in the other."""
    n = len(names)
    cell = max(10.0, min(34.0, 320.0 / n))
    margin = min(110.0, 14 + 6.2 * max(len(name) for name in names))
    size = margin + n * cell + 4
    errors = counts * (1 - np.eye(n))
    hits, worst = counts.sum(axis=1).clip(1), max(errors.max(), 1)
    drawn = []
    for i in range(n):
        drawn.append(element("text", _cut(names[i]), x=margin - 5, y=margin + (i + 0.5) * cell + 3.5, text_anchor="end"))
        place = f"translate({margin + (i + 0.5) * cell + 3.5:.1f} {margin - 5:.1f}) rotate(-90)"
        drawn.append(element("text", _cut(names[i]), transform=place))
        for j in range(n):
            strength = counts[i, j] / hits[i] if i == j else math.sqrt(errors[i, j] / worst)
            words = element("title", f"{names[i]} answered as {names[j]}: {counts[i, j]:,}")
            x, y = margin + j * cell, margin + i * cell
            opacity = 0.05 + 0.85 * strength if counts[i, j] else 0.03
            tone = "cell one" if i == j else "cell two"
            box: dict[str, object] = {"x": x, "y": y, "width": cell - 1, "height": cell - 1, "fill_opacity": float(opacity)}
            drawn.append(element("rect", words, class_=tone, rx=2.0, **box))
            if n <= NUMBERED and counts[i, j]:
                strong = " strong" if opacity > 0.5 else ""
                middle = {"x": x + cell / 2, "y": y + cell / 2 + 3.2, "text_anchor": "middle"}
                drawn.append(element("text", brief(int(counts[i, j])), class_=f"count{strong}", **middle))
    return element(
        "svg", *drawn, viewBox=f"0 0 {size:.0f} {size:.0f}", role="img", aria_label=title, style=f"max-width:{size:.0f}px"
    )


def bars(names: Sequence[str], parts: Sequence[Sequence[float]], words: Sequence[str], title: str) -> Markup:
    """A bar a name, of one or two parts one after the other, with words behind it."""
    left, row = 12 + 6.5 * max(map(len, names)), 24.0
    longest = max(sum(one) for one in parts) or 1
    room = WIDTH - left - 14 - 6.5 * max(map(len, words))
    drawn = []
    for i, (name, some, said) in enumerate(zip(names, parts, words, strict=True)):
        drawn.append(element("text", name, x=left - 6, y=i * row + 16, text_anchor="end"))
        x = left
        for tone, value in zip(("one", "two"), some, strict=False):
            width = value / longest * room
            drawn.append(element("rect", class_=f"bar {tone}", x=x, y=i * row + 5, width=max(width, 0.5), height=15.0, rx=2.0))
            x += width + 1
        drawn.append(element("text", said, x=x + 6, y=i * row + 16))
    return _svg(len(names) * row + 6, title, drawn)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round values from low to high."""
    rough = (high - low) / about
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * one for one in (1, 2, 5, 10) if size * one >= rough)
    return [round(i * step, 12) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def short(value: float) -> str:
    """A tick's value."""
    return f"{value:.6g}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e")


def brief(count: int) -> str:
    """A count in four characters at most."""
    return str(count) if count < 10_000 else f"{count / 1000:.0f}k"


def _svg(height: float, title: str, *parts: object) -> Markup:
    return element("svg", join(list(parts)), viewBox=f"0 0 {WIDTH:.0f} {height:.0f}", role="img", aria_label=title)


def _opened(bounds: tuple[float, float]) -> tuple[float, float]:
    """Bounds that are not one and the same."""
    low, high = bounds
    return (low, high) if high > low else (low - (abs(low) * 0.01 or 0.5), high + (abs(high) * 0.01 or 0.5))


def _apart(places: list[float], gap: float = 13.0) -> list[float]:
    """Places of words moved so that none covers another."""
    moved = list(places)
    order = sorted(range(len(places)), key=lambda i: places[i])
    for before, after in itertools.pairwise(order):
        moved[after] = max(moved[after], moved[before] + gap)
    return moved


def _cut(name: str, most: int = 16) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
