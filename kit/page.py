"""Page: a run's report as one HTML file that asks the network for nothing and runs no script."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kit import charts, files, findings, report
from kit.charts import Line
from kit.findings import Findings, Worst
from kit.markup import Markup, element, join
from kit.progress import clock
from kit.runs import Run

SIDE = 176  # pixels of the longer side of an embedded photograph
EXCERPT = 600  # characters of a text
CLASSES = 40  # classes up to which the matrix is drawn
PAIRS = 8  # confusions named
TABLE = 120  # rows of the table of classes
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"  # the browser itself refuses scripts and requests

STYLE = """
:root{color-scheme:light dark;--paper:#fff;--ground:#f6f6f3;--ink:#20242a;--soft:#656d78;
--rule:#e4e4de;--one:#2f6aa8;--two:#c2612c}
@media (prefers-color-scheme:dark){:root{--paper:#1b1e23;--ground:#131519;--ink:#e6e8ea;--soft:#9aa2ad;--rule:#2e333b;
--one:#78aee8;--two:#e79a63}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1120px;margin:0 auto;padding:28px 16px 64px}
h1{font-size:1.5rem;line-height:1.25;margin:0;overflow-wrap:anywhere}h2{font-size:1.08rem;margin:0 0 2px}
p{margin:0 0 10px}.soft,figcaption{color:var(--soft);font-size:.87rem}
header{margin-bottom:20px}
section{background:var(--paper);border:1px solid var(--rule);border-radius:10px;padding:18px 18px 14px;margin:14px 0}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr));gap:14px 24px;align-items:start}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(132px,1fr));gap:10px;margin:14px 0}
.tile{background:var(--paper);border:1px solid var(--rule);border-radius:10px;padding:10px 14px}
.tile b{display:block;font-size:1.35rem;font-weight:600;font-variant-numeric:tabular-nums}
.tile.main{border-color:var(--one)}
figure{margin:0}figcaption{margin:2px 0 4px}
svg{display:block;width:100%;height:auto;overflow:visible;font:11px system-ui,"DejaVu Sans",sans-serif}
svg text{fill:var(--soft)}.grid{stroke:var(--rule)}.diagonal{stroke:var(--soft);stroke-dasharray:3 4}
.mark{stroke:var(--two);stroke-width:2}.line{fill:none;stroke-width:2;stroke-linejoin:round}.faint{opacity:.38;stroke-width:1.3}
.line.one{stroke:var(--one)}.line.two{stroke:var(--two)}.one{fill:var(--one)}.two{fill:var(--two)}.line.one,.line.two{fill:none}
svg .name.one{fill:var(--one)}svg .name.two{fill:var(--two)}.dot{fill-opacity:.75}
.cloud{stroke:var(--one);stroke-width:4;stroke-linecap:round;stroke-opacity:.35;fill:none}
svg .count{fill:var(--ink);font-size:9.5px}svg .count.strong{fill:var(--paper)}
.scroll{overflow-x:auto;-webkit-overflow-scrolling:touch}
table{border-collapse:collapse;font-size:.87rem;font-variant-numeric:tabular-nums;min-width:100%}
th,td{padding:4px 14px 4px 0;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap;vertical-align:top}
th:first-child,td:first-child{text-align:left}th{color:var(--soft);font-weight:500}
.words td{text-align:left;white-space:normal;overflow-wrap:anywhere}.words td:first-child{white-space:nowrap}
.rows{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,150px),1fr));gap:16px}
.rows.wide{grid-template-columns:repeat(auto-fit,minmax(min(100%,320px),1fr))}
.row img{display:block;width:100%;max-width:176px;border-radius:6px;border:1px solid var(--rule);margin-bottom:6px}
.row img.small{image-rendering:pixelated}.row{font-size:.87rem;overflow-wrap:anywhere}
.row blockquote{margin:0 0 6px;padding-left:10px;border-left:3px solid var(--rule)}
details{margin-top:8px}summary{cursor:pointer;color:var(--soft);font-size:.87rem}
"""


def write(run: Run, data: str | Path | None = None) -> Path:
    """Write the run's `report.html`; returns its path.

    `data`: where the run's data is now, for pictures and texts. Raises Usage where no fold is done.
    """
    path = run.path / "report.html"
    files.write(path, "<!doctype html>\n" + page(findings.gather(run, data)))
    return path


def page(found: Findings) -> Markup:
    """The whole page."""
    name = f"{Path(found.run.info['competition']).stem} · {found.run.path.resolve().name}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("link", rel="icon", href="data:,"),
        element("title", f"{name} – report"),
        element("style", Markup(STYLE)),
    )
    parts: list[Callable[[Findings], Markup | None]] = [
        scores,
        learning,
        answers,
        calibration,
        by_class,
        worst,
        times,
        settings,
    ]
    body = element("main", heading(found, name), tiles(found), [part(found) for part in parts])
    return element("html", head, element("body", body), lang="en")


def heading(found: Findings, name: str) -> Markup:
    """Name, when and where; what is not there yet."""
    info = found.run.info
    when = (info.get("finished") or info.get("sessions", [{}])[-1].get("started", ""))[:16].replace("T", " ")
    about = " · ".join(filter(None, [f"preset {info.get('preset', '')}", info.get("device", ""), when]))
    left = [str(k) for k in info.get("folds", []) if str(k) not in found.parts]
    said = f"Not complete; folds still to train: {', '.join(left)}. All below is of the folds that are done."
    return element("header", element("h1", name), element("p", about, class_="soft"), element("p", said) if left else None)


def tiles(found: Findings) -> Markup:
    """The figures to remember."""
    saved, each = found.scores, _each(found)
    shown: list[tuple[str, str, str]] = []
    if saved:
        way = "higher is better" if saved["higher_is_better"] else "lower is better"
        shown.append((f"out-of-fold {saved['metric']}", f"{saved['oof']:.5f}", way))
    if each:
        shown.append((f"{len(each)} folds", f"{np.mean(each):.5f}", f"± {np.std(each):.5f} (deviation)"))
    extra = {key: value for key, value in saved.get("extra", {}).items() if key != saved["metric"] and isinstance(value, float)}
    names = {"held_out": "held-out score", "flattered_by": "flattered by"}
    shown += [(names.get(key, key), f"{value:.5f}", "") for key, value in extra.items()]
    shown += [(f"gain by {name}", gain, verdict) for name, gain, verdict in report.gated(saved)]
    if saved.get("seconds"):
        rows = saved["rows"]
        shown.append(("time", clock(saved["seconds"]["total"]), f"{rows['train']:,} rows, {rows['test']:,} test rows"))
    drawn = [
        element("div", element("span", one, class_="soft"), element("b", value), element("span", more, class_="soft"),
                class_="tile main" if i == 0 else "tile")
        for i, (one, value, more) in enumerate(shown)
    ]  # fmt: skip
    return element("div", *drawn, class_="tiles")


def scores(found: Findings) -> Markup | None:
    """Each fold's score beside that of all rows."""
    named = {name: part["score"] for name, part in found.parts.items() if "score" in part}
    if len(named) < 2:
        return None
    line = found.scores["oof"] if found.scores else float(np.mean(list(named.values())))
    drawn = charts.strip(list(named.values()), [f"fold {name}" for name in named], line, "the folds' scores")
    spread = max(named.values()) - min(named.values())
    said = f"A dot a fold; the line is the score of all out-of-fold rows together. From worst to best fold: {spread:.5f}."
    error = np.std(list(named.values()), ddof=1) / np.sqrt(len(named))
    more = f"Standard error of their mean: {error:.5f}."
    return _section("Scores", f"{said} {more}", element("div", _figure("", drawn), class_="charts"))


def learning(found: Findings) -> Markup | None:
    """Loss, metrics and learning rate by epoch, a faint line a fold and their mean."""
    histories = {name: history for name, history in found.histories.items() if len(history) > 1}
    if not histories:
        return None
    table = list(histories.values())
    columns = list(dict.fromkeys(column for history in table for column in history.columns))
    names = list(
        dict.fromkeys(one.removeprefix("train_").removeprefix("val_") for one in columns if one.startswith(("train_", "val_")))
    )
    drawn = []
    for name in [*names, "lr"]:
        series: list[Line] = []
        for column, tone, word in ((f"train_{name}", "one", "train"), (f"val_{name}", "two", "valid"), (name, "one", "")):
            series += _curves(table, column, tone, word)
        if series:
            title = {"lr": "learning rate"}.get(name, name.replace("_", " "))
            drawn.append(_figure(title, charts.lines(series, "epoch", title)))
    said = "Bold: the mean of the folds; faint: each of them. Training values are taken while the weights still move."
    return _section("Learning", said, element("div", *drawn, class_="charts"))


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
    """The confusion matrix, or predicted against true numbers."""
    y, p = found.y, found.oof.to_numpy()
    if found.labels.kind == "numbers" and y is not None:
        drawn = []
        for j, name in enumerate(found.labels.columns[:6]):
            drawn.append(_figure(f"{name}: predicted (up) against true", charts.scatter(y[:, j], p[:, j], f"predicted {name}")))
            drawn.append(
                _figure(f"{name}: errors", charts.histogram(p[:, j] - y[:, j], "predicted − true", f"errors of {name}"))
            )
        return _section("Predicted and true", "Out-of-fold rows; on the dashed line the answer is right.",
                        element("div", *drawn, class_="charts"))  # fmt: skip
    known = findings.classes(found)
    if known is None:
        return None
    names, true, answered = known
    counts = findings.confusion(len(names), true, answered)
    errors = counts * (1 - np.eye(len(names), dtype=int))
    worst = [np.unravel_index(i, errors.shape) for i in np.argsort(-errors, axis=None, kind="stable")[:PAIRS]]
    pairs = [
        [names[i], names[j], f"{errors[i, j]:,}", f"{errors[i, j] / max(counts[i].sum(), 1):.1%}"]
        for i, j in worst
        if errors[i, j]
    ]
    said = f"{errors.sum():,} of {counts.sum():,} out-of-fold rows are answered wrong."
    table = _table(["true", "answered", "rows", "of the class"], pairs) if pairs else None
    drawn = (
        [_figure("true class down, answer across", charts.matrix(counts, names, "confusion matrix"))]
        if len(names) <= CLASSES
        else []
    )
    return _section("Right and wrong", said, element("div", *drawn, _figure("most frequent mistakes", table), class_="charts"))


def calibration(found: Findings) -> Markup | None:
    """Are the probabilities as good as they say?"""
    known = findings.calibration(found)
    if known is None:
        return None
    said, hit, share, gap = known
    what = "the likeliest class" if found.exclusive else "every column"
    words = f"Of {what}, in bins of equal width: a dot above the dashed line is too modest, one below too sure."
    words += f" Mean gap (ECE): {gap:.4f}."
    drawn = _figure("frequency found (up) against probability said", charts.reliability(said, hit, share, "calibration"))
    sure = found.oof.to_numpy().max(axis=1) if found.exclusive else found.oof.to_numpy().ravel()
    often = _figure("rows by probability", charts.histogram(sure, "probability said", "rows by probability", 30))
    return _section("Calibration", words, element("div", drawn, often, class_="charts"))


def by_class(found: Findings) -> Markup | None:
    """A line for every class, column or number; of many, those with the lowest F1 (the fifth column)."""
    header, rows = findings.per_class(found)
    if not rows:
        return None
    said = "Out-of-fold rows."
    if len(rows) > TABLE:
        rows, said = sorted(rows, key=lambda row: float(row[4]))[:TABLE], f"The {TABLE} of {len(rows)} that fare worst."
    return _section("By class" if header[0] == "class" else "By number", said, _table(header, rows))


def worst(found: Findings) -> Markup | None:
    """The rows that are most wrong, with picture or text."""
    if not found.worst:
        return _section("Worst rows", f"Not shown: {found.gone}") if found.gone else None
    said = (
        "Predicted by the models that never saw them. Look here for wrong labels, broken files and what the model cannot see."
    )
    if found.gone:
        said += f" Without pictures or texts: {found.gone}"
    wide = any(one.text for one in found.worst)
    return _section("Worst rows", said, element("div", *map(_row, found.worst), class_="rows wide" if wide else "rows"))


def _row(one: Worst) -> Markup:
    text = one.text if len(one.text) <= EXCERPT else one.text[:EXCERPT] + "…"
    small = one.picture is not None and max(one.picture.shape[:2]) <= 64
    image = (
        element("img", src=_encoded(one.picture), alt=f"id {one.id}", class_="small" if small else None)
        if one.picture is not None
        else None
    )
    where = f"id {one.id}" + (f" · fold {one.fold}" if one.fold >= 0 else "") + f" · loss {one.loss:.3g}"
    lines = [element("div", "true ", element("b", one.truth)), element("div", "answered ", element("b", one.answer))]
    quote = element("blockquote", text) if text else None
    return element("div", image, quote, lines, element("div", where, class_="soft"), class_="row")


def _encoded(picture: np.ndarray) -> str:
    """A picture as a data URI: PNG where it is small, else a JPEG of SIDE pixels."""
    from PIL import Image

    image, buffer = Image.fromarray(picture.squeeze()), io.BytesIO()
    if max(image.size) <= 64:
        image.save(buffer, "PNG", optimize=True)
        return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    image.thumbnail((SIDE, SIDE))
    image.save(buffer, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def times(found: Findings) -> Markup | None:
    """Where the time went, fold by fold."""
    timed = {name: part for name, part in found.parts.items() if "seconds" in part}
    if not timed:
        return None
    names = [f"fold {name}" if name.isdigit() else name for name in timed]
    parts = [(part["seconds"]["train"], part["seconds"]["predict"]) for part in timed.values()]
    words = [f"{clock(train)} + {clock(predict)}" for train, predict in parts]
    speeds = [h["rows_per_second"].median() for h in found.histories.values() if "rows_per_second" in h]
    said = "Training (blue), then predicting its validation rows and the test (orange)."
    if speeds:
        said += f" {np.median(speeds):,.0f} rows a second in training (median)."
    read = found.scores.get("seconds", {}).get("read")
    said += f" Reading the data took {clock(read)}." if read is not None else ""
    drawn = charts.bars(names, parts, words, "time by fold")
    return _section("Time", said, element("div", _figure("", drawn), class_="charts"))


def settings(found: Findings) -> Markup:
    """The configuration and where each value came from; versions, data, notes."""
    info = found.run.info
    origins = info.get("origins", {})
    knobs = [[key, _shown(value), origins.get(key, "")] for key, value in info.get("config", {}).items()]
    chosen = [row for row in knobs if row[2] != "default"]
    rest = [row for row in knobs if row[2] == "default"]
    session = (info.get("sessions") or [{}])[-1]
    facts = {"device": info.get("device"), "data fingerprint": info.get("data"), "commit": session.get("commit"),
             "python": session.get("python"), **session.get("versions", {})}  # fmt: skip
    about = [[key, str(value)] for key, value in facts.items() if value]
    notes = [[str(i + 1), note] for i, note in enumerate(info.get("notes", []))]
    parts = [_table(["knob", "value", "from"], chosen, "words") if chosen else None]
    parts.append(
        _folded(f"{len(rest)} knobs at their default", _table(["knob", "value", "from"], rest, "words")) if rest else None
    )
    parts.append(_folded("versions and data", _table(["what", "value"], about, "words")))
    parts.append(_folded(f"{len(notes)} notes on the data", _table(["", "note"], notes, "words")) if notes else None)
    return _section("Configuration", "", parts)


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value) if value != "" else "—"


def _each(found: Findings) -> list[float]:
    return [part["score"] for part in found.parts.values() if "score" in part]


def _section(title: str, said: str, *content: object) -> Markup:
    return element("section", element("h2", title), element("p", said, class_="soft") if said else None, join(list(content)))


def _figure(title: str, content: Markup | None) -> Markup | None:
    return element("figure", element("figcaption", title) if title else None, content) if content is not None else None


def _folded(title: str, content: Markup) -> Markup:
    return element("details", element("summary", title), content)


def _table(header: list[str], rows: list[list[str]], kind: str | None = None) -> Markup:
    """A table that scrolls by itself where the screen is narrow."""
    head = element("tr", *(element("th", cell) for cell in header))
    body = [element("tr", *(element("td", cell) for cell in row)) for row in rows]
    return element("div", element("table", element("thead", head), element("tbody", body), class_=kind), class_="scroll")
