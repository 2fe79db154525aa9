"""Plot: a run's learning curves and its confusion matrix (of numbers: predicted against true), for a notebook's cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kit.reporting import canvas
from kit.reporting.report import findings, sections
from kit.reporting.report.parts import Section
from kit.storage import templates
from kit.storage.run_folder import Run

DOTS = 300  # of a scatter: a notebook keeps all that it shows


@dataclass(frozen=True)
class Plot:
    """Figures of a run. The last value of a cell is shown by a notebook; `html` is what it shows."""

    of: str
    sections: Sequence[Section] = field(repr=False)

    @property
    def html(self) -> str:
        """The figures as one element of a page, with a style of its own."""
        return templates.render(canvas.TEMPLATES, "plot.html.j2", sections=self.sections, colours=canvas.COLOURS)

    def _repr_html_(self) -> str:
        return self.html


def plot(run: Run) -> Plot:
    """See `kit.Run.plot`."""
    found = findings.of_files(run)
    drawn = [sections.learning(found), sections.answers(found, DOTS)]
    return Plot(str(run.path), [one for one in drawn if one is not None])
