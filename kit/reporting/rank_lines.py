"""Rank lines: how the ranks of several submissions differ from one score to the next, drawn as a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kit.reporting.canvas import DESK, INK, TONES, panel, styled, tell

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 25  # submissions; more names cannot be read
ROW, HEAD = 30.0, 110.0  # points of a rank, and of what is above and below them


@styled()
def rank_lines(names: Sequence[str], columns: Mapping[str, Sequence[tuple[int, str]]], title: str) -> Figure:
    """A line for each of the first MOST names through its rank in each column, the first rank on top.

    `columns`: by title, the rank of each name and what is written beside it. Equal ranks are drawn below each other.
    """
    names = names[:MOST]
    figure, axes = panel(title, size=(DESK[0], HEAD + ROW * len(names)))
    axes.set_title(title, fontsize=13)
    places = [_places([rank for rank, _ in column[: len(names)]]) for column in columns.values()]
    for i, name in enumerate(names):
        heights = [column[i] for column in places]
        told = ", ".join(f"{head} {column[i][1]}, rank {column[i][0]}" for head, column in columns.items())
        (line,) = axes.plot(range(len(places)), heights, "o-", color=INK[TONES[i % len(TONES)]])
        tell(line, f"{name}: {told}")
        for x, (height, column) in enumerate(zip(heights, columns.values(), strict=True)):
            axes.annotate(f"{column[i][0]}   {column[i][1]}", (x, height), (0, 7), textcoords="offset points", ha="center")
        axes.annotate(name, (len(places) - 1, heights[-1]), (42, 0), textcoords="offset points", va="center")
    axes.set(xticks=range(len(places)), xticklabels=list(columns), yticks=[])
    axes.set_xlim(-0.3, len(places) - 1 + 0.9)
    axes.set_ylim(len(names) - 0.4, -0.9)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return figure


def _places(ranks: Sequence[int]) -> list[int]:
    """A height for each rank, every one once: 0 for the first."""
    order = sorted(range(len(ranks)), key=lambda i: (ranks[i], i))
    return [order.index(i) for i in range(len(ranks))]
