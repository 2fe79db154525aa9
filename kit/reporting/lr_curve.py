"""The curve of a learning-rate range test, as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kit.reporting import figures
from kit.reporting.drawing import write_svg
from kit.reporting.figures import Line


def picture(path: Path, curve: np.ndarray, chosen: float) -> None:
    """Write the curve as an SVG: loss against learning rate, with the one that was chosen."""
    rates, *both = curve.T
    top = min(curve[:, 1:].max(), 1.3 * curve[0, 1:].max())
    raw, smooth = (np.minimum(losses, top).tolist() for losses in both)
    series = [Line(rates.tolist(), raw, faint=True), Line(rates.tolist(), smooth)]
    mark = (chosen, f"{chosen:g}")
    title = "--lr auto: training loss by learning rate"
    write_svg(path, figures.lines(series, "learning rate", title, "training loss", figures.DESK, log=True, mark=mark))
