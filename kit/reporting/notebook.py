"""Notebook: a run's table, curves and pictures: inline in a notebook, as files and text elsewhere. Never fails a kernel."""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.console import output, say, table as table_of
from kit.inference.loaded_run import load_run
from kit.reporting import canvas, contact_sheet, figures, summary
from kit.reporting.figures import Line
from kit.storage.run_folder import Run

if TYPE_CHECKING:
    import pandas as pd

MANY = 18  # test rows shown
EXCERPT = 100  # characters of a text


def harmless(show: Callable[..., None]) -> Callable[..., None]:
    """The submission is written by now: a picture that cannot be drawn is named, and does not fail the kernel."""

    @functools.wraps(show)
    def tried(*words: Any) -> None:
        try:
            show(*words)
        except Exception as fault:
            say(f"{show.__name__} not shown ({type(fault).__name__}: {fault})")

    return tried


@harmless
def table(run: Run) -> None:
    """Folds and scores. Not where the run's files are: an attached run lies in a folder that is gone with the session."""
    output(summary.summary(run, places=False))


@harmless
def curves(run: Run, path: Path) -> None:
    """The training loss of every fold by epoch."""
    series: list[Line] = []
    for history in sorted(run.path.glob("*/history.csv")):
        with history.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row.get("train_loss")]
        if len(rows) > 1:
            epochs = [float(i + 1) for i in range(len(rows))]
            tone = canvas.TONES[len(series) % len(canvas.TONES)]
            series.append(Line(epochs, [float(row["train_loss"]) for row in rows], tone, name=history.parent.name))
    if series:
        title = f"{Path(run.info['competition']).stem}: training loss of every fold"
        drawn = figures.lines(series, across="epoch", title=title, up="training loss", size=canvas.DESK)
        canvas.write_png(path, drawn)
        inline(path)


@harmless
def pictures(run: Run, root: Path, answers: pd.DataFrame, path: Path) -> None:
    """The first test rows with their answers: a contact sheet of pictures, or texts, or a table's ids."""
    whole = load_run(run, root)
    facts = whole.facts
    asked = facts.test_tables(root)
    ids = asked.sample.index[:MANY]
    decoded = whole.labels.decode(answers.loc[ids].to_numpy("float32"), list(asked.sample.columns))
    rows = [{name: values[i] for name, values in decoded.items()} for i in range(len(ids))]
    shown = facts.inputs.show(root, asked.test.loc[ids], facts.inputs.test_split, run.record.settings["size"])
    images = [picture for picture in shown if not isinstance(picture, str)]
    if len(images) == len(ids):
        contact_sheet.write(path, contact_sheet.captioned(images, [_caption(row) for row in rows]))
        inline(path)
        return
    texts = ["" if not isinstance(text, str) else " ".join(text.split())[:EXCERPT] for text in shown]
    cells = [[row_id, *map(_short, row.values()), text] for row_id, row, text in zip(ids, rows, texts, strict=True)]
    output(table_of([facts.id, *decoded, "row"], cells))


def _caption(answers: dict[str, Any]) -> str:
    """A row's answers: by name where they are two or three."""
    short = {name: _short(answer) for name, answer in answers.items()}
    return "  ".join(f"{name} {answer}" for name, answer in short.items()) if 1 < len(short) < 4 else " ".join(short.values())


def _short(answer: Any) -> str:
    """An answer in a few letters."""
    return f"{answer:.3g}" if isinstance(answer, Real) and not isinstance(answer, Integral) else str(answer)


def inline(path: Path) -> None:
    """A picture where a notebook can show it, its name elsewhere."""
    try:
        from IPython import display, get_ipython
    except ImportError:
        output(path)
        return
    if get_ipython() is None:
        output(path)
    else:
        display.display(display.Image(filename=str(path)))
