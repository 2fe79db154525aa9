"""Standings: runs by their score out of fold and on the leaderboard, drawn as a figure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.reporting.canvas import DESK, INK, panel, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Standing:
    """A named point, with half the length of its error bar along x."""

    name: str
    x: float
    error: float
    y: float


@styled()
def standings(points: Sequence[Standing], across: str, up: str, title: str) -> Figure:
    """Named points with their error bars; a name stands where it covers neither a point nor another name."""
    figure, axes = panel(title, across, up, DESK)
    axes.set_title(title, fontsize=13)
    axes.margins(0.1)
    for point in points:
        axes.errorbar(point.x, point.y, xerr=point.error, fmt="o", markersize=9, color=INK["one"], alpha=0.85)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # the names stand where they are put
    taken = [_spot(axes.transData.transform((point.x, point.y))) for point in points]
    for point in points:
        taken.append(_name(axes, point, taken))
    return figure


def _spot(place: np.ndarray) -> Any:
    """The box around a point's dot, in pixels."""
    from matplotlib.transforms import Bbox

    return Bbox([[place[0] - 6, place[1] - 6], [place[0] + 6, place[1] + 6]])


def _name(axes: Axes, point: Standing, taken: Sequence[Any]) -> Any:
    """Write a point's name where it is free: above or below it, to the right or the left, or further away; returns its box."""
    text = axes.annotate(point.name, (point.x, point.y), (8, 8), textcoords="offset points")
    for step in range(1, 20):
        for side, away in itertools.product((1, -1), (1, -1)):
            text.set(ha="left" if side > 0 else "right", va="bottom" if away > 0 else "top")
            text.xyann = (8 * side, 8 * away * step)
            box = text.get_window_extent()
            inside = axes.bbox.x0 < box.x0 and box.x1 < axes.figure.bbox.x1 and axes.bbox.y0 < box.y0 and box.y1 < axes.bbox.y1
            if inside and not any(box.overlaps(other) for other in taken):
                return box
    return text.get_window_extent()
