"""Figures: every chart of the kit, drawn by matplotlib from numbers; see `canvas` for how one is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.reporting.canvas import DESK, INK, SIZE, TONES, blank, panel, styled, tell

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SQUARE = (360.0, 300.0)
POINTS = 240  # of a line; more than a screen's pixels show nothing more
DOTS, FEW = 1500, 600  # of a scatter; up to which they need not shine through as much


@dataclass(frozen=True)
class Line:
    """A line of a chart. `faint`: one of several alike; `name` stands in the legend."""

    x: Sequence[float]
    y: Sequence[float]
    tone: str = "one"
    faint: bool = False
    name: str = ""


@styled()
def lines(
    series: Sequence[Line], across: str, title: str, up: str = "", size: tuple[float, float] = SIZE, log: bool = False,
    mark: tuple[float, str] | None = None,
) -> Figure:  # fmt: skip
    """Lines over a common axis. `mark`: an x that a dashed line shows, and its name. Of size DESK, the title is above."""
    figure, axes = panel(title, across, up, size)
    for line in series:
        kept = np.unique(np.linspace(0, len(line.x) - 1, min(len(line.x), POINTS)).round().astype(int))
        weight: dict[str, Any] = {"linewidth": 1.3, "alpha": 0.38} if line.faint else {}
        x, y = np.asarray(line.x)[kept], np.asarray(line.y)[kept]
        axes.plot(x, y, color=INK[line.tone], label=line.name or "_", **weight)
    if mark:
        axes.axvline(mark[0], color=INK["two"], linestyle="--", label=mark[1])
    if log:
        _logarithmic(axes)
    elif all(float(value).is_integer() for line in series for value in line.x):  # epochs
        axes.locator_params("x", integer=True)
    if axes.get_legend_handles_labels()[1]:
        figure.legend(loc="outside upper right", ncols=3, labelcolor="linecolor")
    if size == DESK:
        axes.set_title(title, fontsize=13)
    return figure


def range_test(curve: np.ndarray, chosen: float) -> Figure:
    """A learning-rate range test: `curve` holds learning rate, loss and smoothed loss, float [steps, 3]."""
    rates, *both = curve.T
    top = min(curve[:, 1:].max(), 1.3 * curve[0, 1:].max())
    raw, smooth = (np.minimum(losses, top).tolist() for losses in both)
    series = [Line(rates.tolist(), raw, faint=True), Line(rates.tolist(), smooth)]
    title = "--lr auto: training loss by learning rate"
    mark = (chosen, f"{chosen:g}")
    return lines(series, across="learning rate", title=title, up="training loss", size=DESK, log=True, mark=mark)


def _logarithmic(axes: Axes) -> None:
    """Plain values along x (mathematical writing is off: a class may be called `$a$`); more of them in two decades or less."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    low, high = axes.get_xlim()
    if high / low < 100:
        axes.locator_params("x", subs=(1, 2, 5))


@styled()
def strip(values: Sequence[float], names: Sequence[str], line: float, across: str, title: str) -> Figure:
    """A dot a value on one axis, and a line across: the folds' scores and the score of all rows together."""
    figure, axes = panel(title, across, size=(SIZE[0], 96.0))
    for i, (value, name) in enumerate(zip(values, names, strict=True)):
        (dot,) = axes.plot(value, 0.35 + 0.3 * (i % 2), "o", markersize=10, color=INK["one"], alpha=0.75, markeredgewidth=0)
        tell(dot, f"{name}: {value:.5f}")
    axes.axvline(line, color=INK["two"])
    axes.set(yticks=[], ylim=(0, 1))
    axes.margins(x=0.12)
    axes.spines.left.set_visible(False)
    axes.locator_params("x", nbins=5)
    return figure


@styled()
def reliability(predicted: np.ndarray, observed: np.ndarray, share: np.ndarray, title: str) -> Figure:
    """Predicted probability against observed frequency, a dot a bin as large as its share of rows."""
    figure, axes = panel(title, "predicted probability", "observed frequency", SQUARE)
    _diagonal(axes, (0.0, 1.0))
    axes.plot(predicted, observed, color=INK["one"], linewidth=1.3, alpha=0.38)
    for a, b, part in zip(predicted, observed, share, strict=True):
        (dot,) = axes.plot(a, b, "o", markersize=6 + 18 * np.sqrt(part), color=INK["one"], alpha=0.75, markeredgewidth=0)
        tell(dot, f"predicted {a:.3f}, observed {b:.3f}, {part:.1%} of the rows")
    return figure


@styled()
def scatter(truth: np.ndarray, predicted: np.ndarray, title: str, dots: int = DOTS) -> Figure:
    """Predicted against true values [n], at most `dots` of them, evenly chosen."""
    figure, axes = panel(title, size=SQUARE)
    _scatter(axes, truth, predicted, dots)
    return figure


@styled()
def agreement(truth: np.ndarray, predicted: np.ndarray, names: Sequence[str]) -> Figure:
    """A scatter for each number, of truth (NaN: missing) and prediction [n, c], side by side, with its errors in words."""
    figure = blank("out of fold: predicted against true", (SQUARE[0] * len(names), SQUARE[1] + 48))
    for j, (axes, name) in enumerate(zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True)):
        known = ~np.isnan(truth[:, j])
        right, answer = truth[known, j], predicted[known, j]
        axes.set_title(f"{name}: no answer")
        if len(right):
            gaps = np.abs(answer - right)
            axes.set_title(f"{name}: mean error {gaps.mean():.3g}, the largest {gaps.max():.3g}")
            _scatter(axes, right, answer)
    figure.suptitle(str(figure.get_label()), x=0.01, ha="left", fontsize=13)
    return figure


def _scatter(axes: Axes, truth: np.ndarray, predicted: np.ndarray, dots: int = DOTS) -> None:
    some = np.unique(np.linspace(0, len(truth) - 1, min(len(truth), dots)).astype(int))
    x, y = truth[some], predicted[some]
    _diagonal(axes, (float(min(x.min(), y.min())), float(max(x.max(), y.max()))))
    alpha = 0.7 if len(some) < FEW else 0.35
    axes.plot(x, y, "o", markersize=4, color=INK["one"], alpha=alpha, markeredgewidth=0)
    axes.set(xlabel="true", ylabel="predicted")


def _diagonal(axes: Axes, ends: tuple[float, float]) -> None:
    axes.plot(ends, ends, color=INK["soft"], linewidth=1, linestyle=":")


@styled()
def histogram(values: np.ndarray, across: str, title: str, bins: int = 41) -> Figure:
    """How often values occur; what lies beyond the outer half percents counts as being there."""
    figure, axes = panel(title, across, "rows")
    axes.hist(np.clip(values, *np.quantile(values, [0.005, 0.995])), bins, color=INK["one"], rwidth=0.92)
    return figure


@styled()
def bars(names: Sequence[str], parts: Sequence[Sequence[float]], words: Sequence[str], title: str) -> Figure:
    """A bar a name, of one or two parts one after the other, with words behind it."""
    figure, axes = panel(title, size=(SIZE[0], 24.0 * len(names) + 12))
    left = np.zeros(len(names))
    for tone, part in zip(TONES, np.transpose(parts), strict=False):
        drawn = axes.barh(range(len(names)), part, 0.62, left, color=INK[tone])
        left += part
    axes.bar_label(drawn, words, padding=6, color=INK["soft"])
    axes.set(xticks=[], yticks=range(len(names)), yticklabels=names, xlim=(0, (left.max() or 1) * 1.45))
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return figure
