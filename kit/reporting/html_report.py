"""Page: a run's report as one HTML file: which sections it has, and what each says of the run's findings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kit import config as configs
from kit.console import clock, say
from kit.errors import Usage
from kit.reporting import figures as charts, findings, layout, summary
from kit.reporting.figures import Line
from kit.reporting.findings import Findings
from kit.reporting.html_markup import Markup, element
from kit.reporting.layout import figures, folded, section, table
from kit.reporting.worst_rows import Mistake
from kit.storage import files
from kit.storage.run_folder import Run

EXCERPT = 600  # characters of a text
CLASSES = 40  # classes up to which the matrix is drawn
PAIRS = 8  # confusions named
PANELS = 6  # numbers whose answers are drawn
TABLE = 120  # rows of the table of classes
SPOKEN = {"held_out": "held-out score", "flattered_by": "flattered by", "lr": "learning rate"}


def write(run: Run, data: str | Path | None = None) -> Path:
    """Write the run's `report.html`; returns its path.

    `data`: where the run's data is now, for pictures and texts. Raises Usage where no fold is done, or `data` is nowhere.
    """
    if data is not None and not Path(data).exists():
        raise Usage(f"--data {data}: there is no such folder.")
    path, found = run.path / "report.html", findings.gather(run, data)
    files.write(path, page(found))
    if found.gone:
        say(f"the worst rows are shown without what they hold: {found.gone}")
    return path


def page(found: Findings) -> Markup:
    """The whole page."""
    info = found.run.info
    name = f"{Path(info['competition']).stem} · {found.run.path.resolve().name}"
    when = (info.get("finished") or info.get("sessions", [{}])[-1].get("started", ""))[:16].replace("T", " ")
    about = " · ".join(filter(None, [f"preset {info.get('preset', '')}", info.get("device", ""), when]))
    left = [str(k) for k in info.get("folds", []) if str(k) not in found.parts] if not found.run.complete else []
    said = f"Not complete; folds still to train: {', '.join(left)}. All below is of the folds that are done." if left else ""
    parts: list[Callable[[Findings], Markup | None]] = [
        members, scores, learning, answers, calibration, by_class, worst, times, settings,
    ]  # fmt: skip
    return layout.document(name, layout.header(name, about, said), tiles(found), [part(found) for part in parts])


def tiles(found: Findings) -> Markup:
    """The figures to remember."""
    saved, each = found.scores, list(_by_fold(found).values())
    shown: list[tuple[str, str, str]] = []
    if saved:
        way = "higher is better" if saved["higher_is_better"] else "lower is better"
        shown.append((f"out-of-fold {saved['metric']}", f"{saved['oof']:.5f}", way))
    if each:
        shown.append((f"mean of {len(each)} folds", f"{np.mean(each):.5f}", f"± {np.std(each):.5f}"))
    extra = {key: value for key, value in saved.get("extra", {}).items() if key != saved["metric"] and isinstance(value, float)}
    shown += [(SPOKEN.get(key, key.replace("_", " ")), _figure(value), "") for key, value in extra.items()]
    shown += [(f"gain by {name}", gain, verdict) for name, gain, verdict in summary.gated(saved)]
    if saved.get("seconds"):
        rows = saved["rows"]
        shown.append(("time", clock(saved["seconds"]["total"]), f"{rows['train']:,} rows, {rows['test']:,} test rows"))
    return layout.tiles(shown)


def _figure(value: float) -> str:
    return f"{value:.5f}" if abs(value) < 1000 else f"{value:,.1f}"


def members(found: Findings) -> Markup | None:
    """What a blend is made of."""
    if "members" not in found.run.info:
        return None
    header, rows, said = summary.blended(found.run)
    return section("Blend", f"{said[0].upper()}{said[1:]}.", table(header, rows, "words"))


def _by_fold(found: Findings) -> dict[str, float]:
    """Each fold's score, by its number; a blend has trained none, but scores them."""
    named = {name: part["score"] for name, part in found.parts.items() if "score" in part}
    return named or dict(zip(map(str, found.run.info["folds"]), found.scores.get("folds", []), strict=False))


def scores(found: Findings) -> Markup | None:
    """Each fold's score beside that of all rows."""
    named = _by_fold(found)
    if len(named) < 2:
        return None
    each = list(named.values())
    line = found.scores["oof"] if found.scores else float(np.mean(each))
    metric = found.scores.get("metric", "score")
    drawn = charts.strip(each, [f"fold {name}" for name in named], line, metric, "the folds' scores")
    error = np.std(each, ddof=1) / np.sqrt(len(each))
    said = "A dot a fold; the line is the score of all out-of-fold rows together."
    said += f" From worst to best fold: {max(each) - min(each):.5f}. Standard error of their mean: {error:.5f}."
    return section("Scores", said, figures(("", drawn)))


def learning(found: Findings) -> Markup | None:
    """Loss, metrics and learning rate by epoch, a faint line a fold and their mean."""
    histories = [history for history in found.histories.values() if len(history) > 1]
    if not histories:
        return None
    columns = [column for history in histories for column in history.columns if column.startswith(("train_", "val_"))]
    names = dict.fromkeys(one.removeprefix("train_").removeprefix("val_") for one in columns)
    drawn = []
    for name in [*names, "lr"]:
        series: list[Line] = []
        for column, tone, word in ((f"train_{name}", "one", "train"), (f"val_{name}", "two", "valid"), (name, "one", "")):
            series += _curves(histories, column, tone, word)
        if series:
            title = SPOKEN.get(name, name.replace("_", " "))
            drawn.append((title, charts.lines(series, "epoch", title)))
    said = "Bold: the mean of the folds; faint: each of them. Training values are taken while the weights still move."
    return section("Learning", said, figures(*drawn))


def _curves(histories: Sequence[Any], column: str, tone: str, word: str) -> list[Line]:
    """The lines of one column, and their mean."""
    pairs = [one[["epoch", column]].dropna() for one in histories if column in one and column != "epoch"]
    pairs = [one for one in pairs if len(one) > 1]
    if not pairs:
        return []
    import pandas as pd

    each = [Line(one["epoch"].tolist(), one[column].tolist(), tone, faint=True) for one in pairs] if len(pairs) > 1 else []
    mean = pd.concat(pairs).groupby("epoch")[column].mean()
    return [*each, Line(mean.index.tolist(), mean.tolist(), tone, name=word)]


def answers(found: Findings) -> Markup | None:
    """Predicted against true numbers, or the confusion matrix."""
    numbers, known = findings.numbers(found), findings.classes(found)
    if numbers is not None:
        drawn = []
        for name, truth, answer in list(zip(numbers[0], numbers[1].T, numbers[2].T, strict=True))[:PANELS]:
            drawn.append((f"{name}: predicted (up) against true", charts.scatter(truth, answer, f"predicted {name}")))
            drawn.append((f"{name}: errors", charts.histogram(answer - truth, "predicted − true", f"errors of {name}")))
        return section("Predicted and true", "Out-of-fold rows; on the dashed line the answer is right.", figures(*drawn))
    if known is None:
        return None
    names, true, answered = known
    counts = findings.confusion(len(names), true, answered)
    said = f"{(true != answered).sum():,} of {counts.sum():,} out-of-fold rows are answered wrong."
    matrix = charts.matrix(counts, names, "confusion matrix") if len(names) <= CLASSES else None
    shown = (("true class down, answer across", matrix), ("most frequent mistakes", _confused(names, counts)))
    return section("Right and wrong", said, figures(*shown))


def _confused(names: Sequence[str], counts: np.ndarray) -> Markup | None:
    """The pairs of classes that are taken for each other most often."""
    errors = counts * (1 - np.eye(len(names), dtype=int))
    frequent = [np.unravel_index(i, errors.shape) for i in np.argsort(-errors, axis=None, kind="stable")[:PAIRS]]
    rows = [
        [names[i], names[j], f"{errors[i, j]:,}", f"{errors[i, j] / max(counts[i].sum(), 1):.1%}"]
        for i, j in frequent
        if errors[i, j]
    ]
    return table(["true", "answered", "rows", "of the class"], rows) if rows else None


def calibration(found: Findings) -> Markup | None:
    """Are the probabilities as good as they say?"""
    known = findings.calibration(found)
    if known is None:
        return None
    said = f"Of {known.what}, in bins of equal width: a dot above the dashed line is too modest, one below too sure."
    drawn = charts.reliability(known.said, known.hit, known.share, "calibration")
    often = charts.histogram(known.every, "probability said", "rows by probability", 30)
    shown = (("frequency found (up) against probability said", drawn), ("rows by probability", often))
    return section("Calibration", f"{said} Mean gap (ECE): {known.gap:.4f}.", figures(*shown))


def by_class(found: Findings) -> Markup | None:
    """A line for every class, column or number; of many, those with the lowest F1 (the fifth column)."""
    header, rows = findings.per_class(found)
    if not rows:
        return None
    said = "Out-of-fold rows."
    if len(rows) > TABLE:
        rows, said = sorted(rows, key=lambda row: float(row[4]))[:TABLE], f"The {TABLE} of {len(rows)} that fare worst."
    return section("By class" if header[0] == "class" else "By number", said, table(header, rows))


def worst(found: Findings) -> Markup | None:
    """The rows that are most wrong, with picture or text."""
    if not found.worst:
        return section("Worst rows", f"Not shown: {found.gone}") if found.gone else None
    said = (
        "Predicted by the models that never saw them. Look here for wrong labels, broken files and what the model cannot see."
    )
    if found.gone:
        said += f" Without pictures or texts: {found.gone}"
    wide = any(one.text or (one.picture is not None and _is_wide(one.picture)) for one in found.worst)
    return section("Worst rows", said, element("div", *map(_row, found.worst), class_="rows wide" if wide else "rows"))


def _is_wide(picture: np.ndarray) -> bool:
    return picture.shape[1] >= 2 * picture.shape[0]


def _row(one: Mistake) -> Markup:
    text = one.text if len(one.text) <= EXCERPT else one.text[:EXCERPT] + "…"
    image = layout.picture(one.picture, f"id {one.id}") if one.picture is not None else None
    where = f"id {one.id}" + (f" · fold {one.fold}" if one.fold >= 0 else "") + f" · loss {one.loss:.3g}"
    lines = [element("div", "true ", element("b", one.truth)), element("div", "answered ", element("b", one.answer))]
    quote = element("blockquote", text) if text else None
    return element("div", image, quote, lines, element("div", where, class_="said"), class_="row")


def times(found: Findings) -> Markup | None:
    """Where the time went, fold by fold."""
    timed = {name: part["seconds"] for name, part in found.parts.items() if "seconds" in part}
    if not timed:
        return None
    names = [f"fold {name}" if name.isdigit() else name for name in timed]
    parts = [(one["train"], one["predict"]) for one in timed.values()]
    words = [f"{clock(train)} + {clock(predict)}" for train, predict in parts]
    speeds = [h["rows_per_second"].median() for h in found.histories.values() if "rows_per_second" in h]
    said = "Training (blue), then predicting its validation rows and the test (orange)."
    said += f" {np.median(speeds):,.0f} rows a second in training (median)." if speeds else ""
    read = found.scores.get("seconds", {}).get("read")
    said += f" Reading the data took {clock(read)}." if read is not None else ""
    return section("Time", said, figures(("", charts.bars(names, parts, words, "time by fold"))))


def settings(found: Findings) -> Markup:
    """The configuration and where each value came from; versions, data, notes. A blend has none of its own."""
    info, header = found.run.info, ["knob", "value", "from"]
    origins, picked = info.get("origins", {}), {**info.get("in_time", {}), **info.get("chosen", {})}
    knobs = [[key, _shown(key, value, picked), origins[key]] for key, value in info["config"].items() if key in origins]
    chosen, rest = ([row for row in knobs if (row[2] == "default") is usual] for usual in (False, True))
    session = (info.get("sessions") or [{}])[-1]
    facts = {"device": info.get("device"), "data fingerprint": info.get("data"), "commit": session.get("commit"),
             "python": session.get("python"), **session.get("versions", {})}  # fmt: skip
    about = [[key, str(value)] for key, value in facts.items() if value]
    notes = [[str(i + 1), note] for i, note in enumerate(info.get("notes", []))]
    many = "1 note" if len(notes) == 1 else f"{len(notes)} notes"
    return section(
        "Configuration",
        "",
        table(header, chosen, "words") if chosen else None,
        folded(f"{len(rest)} knobs at their default", table(header, rest, "words")) if rest else None,
        folded("versions and data", table(["what", "value"], about, "words")),
        folded(f"{many} on the data", table(["", "note"], notes, "words")) if notes else None,
    )


def _shown(name: str, value: object, picked: Mapping[str, Any]) -> str:
    """A knob's value; of one that the kit picked, or had no time for, what it took."""
    said, took = configs.shown(name, value) or "—", picked.get(name, value)
    return said if took == value else f"{said}: {took:g}"
