"""Confusion matrix: which class is predicted as which other, drawn as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kit.reporting.canvas import INK, panel, styled, tell
from kit.storage import templates

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NUMBERED = 16  # classes up to which counts are written
NAMED = 16  # letters of a class that are written


@styled()
def matrix(counts: np.ndarray, names: Sequence[str], title: str) -> Figure:
    """Counts [c, c] of true classes (down) and predictions (across).

    Correct rows are in one tone, mistakes in the other, each as dark as it is frequent.
    """
    n, short = len(names), [_cut(name) for name in names]
    cell = max(10.0, min(34.0, 320.0 / n))
    side = n * cell + 40 + 7 * max(map(len, short))
    figure, axes = panel(title, size=(side, side))
    errors = counts * (1 - np.eye(n))
    strength = np.where(np.eye(n), counts / counts.sum(axis=1, keepdims=True).clip(1), np.sqrt(errors / max(errors.max(), 1)))
    for (i, j), count in np.ndenumerate(counts):
        _cell(axes, (i, j), count, float(strength[i, j]), n <= NUMBERED, f"{names[i]} predicted as {names[j]}")
    ticks = range(n)
    axes.set(
        xlim=(-0.5, n - 0.5),
        ylim=(n - 0.5, -0.5),
        xticks=ticks,
        yticks=ticks,
        xlabel="predicted",
        ylabel="true",
        aspect="equal",
    )
    letters = min(11.0, cell - 1)
    axes.set_yticklabels(short, fontsize=letters)
    axes.set_xticklabels(short, fontsize=letters, rotation=90 if 7 * max(map(len, short)) > cell else 0)
    axes.tick_params(labeltop=True, labelbottom=False)
    axes.xaxis.set_label_position("top")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return figure


def _cell(axes: Axes, at: tuple[int, int], count: int, strength: float, numbered: bool, text: str) -> None:
    """The box of a matrix's row and column, and its count if there is room for one."""
    from matplotlib.patches import Rectangle

    row, column = at
    alpha = 0.05 + 0.85 * strength if count else 0.04
    colour = INK["one" if row == column else "two"]
    box = Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, color=colour, alpha=alpha, linewidth=0, in_layout=False)
    tell(axes.add_artist(box), f"{text}: {count:,}")
    if count and numbered:
        tone = INK["paper" if alpha > 0.5 else "ink"]
        axes.text(column, row, brief(count), color=tone, fontsize=9.5, ha="center", va="center", in_layout=False)


def brief(count: int) -> str:
    """A count in four characters at most."""
    return str(count) if count < 10_000 else f"{count / 1000:.0f}k"


def _cut(name: str, most: int = NAMED) -> str:
    """A name on one line, without its middle where it is long: what sets it apart stands at either end."""
    name = " ".join(templates.printable(name).split())
    return name if len(name) <= most else f"{name[: most // 2]}…{name[1 - most // 2 :]}"
