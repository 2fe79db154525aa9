"""Report sections: what the page shows of a run's findings, section by section, as data that a template fills in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from kit.console import clock
from kit.labels.evaluation import ClassAnswers, NumberAnswers
from kit.metrics import defined
from kit.reporting import confusion_matrix, figures, summary
from kit.reporting.figures import Line
from kit.reporting.report import findings
from kit.reporting.report.findings import Findings
from kit.reporting.report.parts import Panel, Section, Table, drawn, row_of

CLASSES = 40  # classes up to which the matrix is drawn
PAIRS = 8  # confusions named
PANELS = 6  # numbers whose answers are drawn
TABLE = 120  # rows of the table of classes


def sections(found: Findings) -> list[Section | None]:
    """What there is to show, in the page's order; None where a run has nothing for a section."""
    parts: list[Callable[[Findings], Section | None]] = [scores, learning, answers, calibration, by_class, worst, times]
    return [part(found) for part in parts]


def by_fold(found: Findings) -> dict[str, float]:
    """Each fold's score, by its number, where it is defined. A blend has trained no fold, but scores them.

    Of several seeds it is the score of their mean.
    """
    named = (
        {}
        if found.run.record.settings.get("seeds", 1) > 1 and found.scores
        else {name: part["score"] for name, part in found.parts.items() if "score" in part}
    )
    first = [part.label for part in found.run.record.parts if part.fold is not None and not part.seed]
    named = named or dict(zip(first, found.scores.get("folds", []), strict=False))
    return {name: score for name, score in named.items() if defined(score) is not None}


def scores(found: Findings) -> Section | None:
    """Each fold's score beside that of all rows."""
    named = by_fold(found)
    if len(named) < 2:
        return None
    folds = list(named.values())
    whole = defined(found.scores.get("oof"))
    line = float(np.mean(folds)) if whole is None else whole
    metric = found.scores.get("metric", "score")
    repeats = found.scores.get("rounds", {}).get("repeats", 1)  # of the same rows, which tell no more together
    error = np.std(folds, ddof=1) / np.sqrt(len(folds) / repeats)
    note = "A dot is a fold; the line is the score of all out-of-fold rows together."
    without = [name for name, part in found.parts.items() if "score" in part and defined(part["score"]) is None]
    note += f" {metric} is not defined for fold {', '.join(without)}." if without else ""
    note += f" From worst to best fold: {max(folds) - min(folds):.5f}. Standard error of their mean: {error:.5f}."
    note += f" {summary.rounds(found.scores)}." if "rounds" in found.scores else ""
    names = [f"fold {name}" for name in named]
    return Section("Scores", note, [drawn("", figures.strip(folds, names, line, metric, "the folds' scores"))])


def learning(found: Findings) -> Section | None:
    """Loss, metrics and learning rate by epoch, a faint line a fold and their mean."""
    histories = [history for history in found.histories.values() if len(history) > 1]
    if not histories:
        return None
    columns = [column for history in histories for column in history.columns if column.startswith(("train_", "val_"))]
    names = dict.fromkeys(column.removeprefix("train_").removeprefix("val_") for column in columns)
    panels = []
    for name in [*names, "lr"]:
        series = [
            *_curves(histories, f"train_{name}", "one", "training"),
            *_curves(histories, f"val_{name}", "two", "validation"),
            *_curves(histories, name, "one", ""),
        ]
        if series:
            title = "learning rate" if name == "lr" else name.replace("_", " ")
            panels.append(drawn(title, figures.lines(series, "epoch", title)))
    note = "Bold: the mean of the folds; faint: each of them. Training values are taken while the weights still change."
    return Section("Learning", note, panels)


def _curves(histories: Sequence[pd.DataFrame], column: str, tone: str, name: str) -> list[Line]:
    """The lines of one column, and their mean."""
    pairs = [history[["epoch", column]].dropna() for history in histories if column in history and column != "epoch"]
    pairs = [pair for pair in pairs if len(pair) > 1]
    if not pairs:
        return []
    faint = pairs if len(pairs) > 1 else []
    mean = pd.concat(pairs).groupby("epoch")[column].mean()
    each = [Line(pair["epoch"].tolist(), pair[column].tolist(), tone, faint=True) for pair in faint]
    return [*each, Line(mean.index.tolist(), mean.tolist(), tone, name=name)]


def answers(found: Findings, dots: int = figures.DOTS) -> Section | None:
    """Predicted against true numbers (so many rows of them), or the confusion matrix."""
    numbers, classes = findings.numbers(found), findings.classes(found)
    return _numbers(numbers, dots) if numbers else _classes(classes) if classes else None


def _numbers(numbers: NumberAnswers, dots: int) -> Section:
    panels = []
    for name, truth, predicted in numbers.columns()[:PANELS]:
        errors = figures.histogram(predicted - truth, "predicted − true", f"errors of {name}")
        agreement = figures.scatter(truth, predicted, f"predicted {name}", dots)
        panels.append(drawn(f"{name}: predicted against true", agreement))
        panels.append(drawn(f"{name}: errors", errors))
    return Section("Predicted and true", "Out-of-fold rows; on the dotted line the prediction is right.", panels)


def _classes(classes: ClassAnswers) -> Section:
    counts = findings.confusion(classes)
    note = f"{(classes.truth != classes.predicted).sum():,} of {counts.sum():,} out-of-fold rows are predicted wrong."
    panels = []
    if len(classes.names) <= CLASSES:
        matrix = confusion_matrix.matrix(counts, classes.names, "confusion matrix")
        panels.append(drawn("rows by true and predicted class", matrix))
    frequent = _confused(classes.names, counts)
    if frequent.rows:
        panels.append(Panel("most frequent mistakes", table=frequent))
    return Section("Right and wrong", note, panels)


def _confused(names: Sequence[str], counts: np.ndarray) -> Table:
    """The pairs of classes that are taken for each other most often."""
    errors = counts * (1 - np.eye(len(names), dtype=int))
    frequent = [np.unravel_index(i, errors.shape) for i in np.argsort(-errors, axis=None, kind="stable")[:PAIRS]]
    rows = [
        [names[i], names[j], f"{errors[i, j]:,}", f"{errors[i, j] / max(counts[i].sum(), 1):.1%}"]
        for i, j in frequent
        if errors[i, j]
    ]
    return Table(["true", "predicted", "rows", "of the class"], rows)


def calibration(found: Findings) -> Section | None:
    """Are events as frequent as they are probable?"""
    bins = findings.calibration(found)
    if bins is None:
        return None
    note = f"Probabilities of {bins.what}, in bins of equal width. Above the dotted line they are too low, below it too high."
    reliability = figures.reliability(bins.predicted, bins.observed, bins.share, "calibration")
    often = figures.histogram(bins.probabilities, "predicted probability", "rows by probability", bins=30)
    panels = [drawn("observed frequency by predicted probability", reliability), drawn("rows by probability", often)]
    return Section("Calibration", f"{note} Mean gap (ECE): {bins.gap:.4f}.", panels)


def by_class(found: Findings) -> Section | None:
    """A line for every class, column or number; of many, those with the lowest F1 (the fifth column)."""
    header, rows = findings.per_class(found)
    if not rows:
        return None
    note = "Out-of-fold rows."
    if len(rows) > TABLE:
        note = f"The {TABLE} of {len(rows)} with the lowest F1."
        rows = sorted(rows, key=lambda row: float(row[4] or 0))[:TABLE]
    return Section("By class" if header[0] == "class" else "By number", note, table=Table(header, rows))


def worst(found: Findings) -> Section | None:
    """The rows that are most wrong, with picture or text."""
    if not found.worst:
        return Section("Worst rows", f"Not shown: {found.gone}") if found.gone else None
    note = "Predicted by models that did not train on them. Look for wrong labels, broken files and what the model cannot see."
    if found.gone:
        note += f" Without pictures or texts: {found.gone}"
    wide = any(row.text or (row.picture is not None and _is_wide(row.picture)) for row in found.worst)
    return Section("Worst rows", note, rows=[row_of(row) for row in found.worst], wide=wide)


def _is_wide(picture: np.ndarray) -> bool:
    return picture.shape[1] >= 2 * picture.shape[0]


def times(found: Findings) -> Section | None:
    """Where the time went, fold by fold."""
    timed: dict[str, Any] = {name: part["seconds"] for name, part in found.parts.items() if "seconds" in part}
    if not timed:
        return None
    names = [f"fold {name}" if name[0].isdigit() else name for name in timed]
    parts = [(seconds["train"], seconds["predict"]) for seconds in timed.values()]
    words = [f"{clock(train)} + {clock(predict)}" for train, predict in parts]
    speeds = [h["rows_per_second"].median() for h in found.histories.values() if "rows_per_second" in h]
    note = "Training (blue), then predicting its validation rows and the test (orange)."
    note += f" {np.median(speeds):,.0f} rows a second in training (median)." if speeds else ""
    read = found.scores.get("seconds", {}).get("read")
    note += f" Loading the libraries and reading the data took {clock(read)}." if read is not None else ""
    return Section("Time", note, [drawn("", figures.bars(names, parts, words, "time by fold"))])
