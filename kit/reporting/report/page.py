"""HTML report: a run as one self-contained page, which asks the network for nothing and runs no script."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from kit import config as configs
from kit.console import clock, say
from kit.errors import KitError
from kit.metrics import shown as shown_score
from kit.reporting import canvas, summary
from kit.reporting.report import findings, guidance, sections as report_sections
from kit.reporting.report.findings import Findings
from kit.reporting.report.parts import Section, Table
from kit.storage import files, templates
from kit.storage.run_folder import Run

FRAME = 720  # pixels of height in a notebook; the rest is scrolled to
TITLES = {"held_out": "held-out score", "flattered_by": "flattered by"}


def write(run: Run, data: str | Path | None = None) -> Path:
    """Write the run's `report.html`; returns its path. `data`, and what is raised: see `findings.gather`."""
    return save(findings.gather(run, data))


def save(found: Findings) -> Path:
    """Write `report.html` into the folder of the run that this was found in; returns its path."""
    path = found.run.path / "report.html"
    files.write(path, page(found))
    if found.gone:
        say(f"the worst rows are shown without what they hold: {found.gone}", lines=True)
    return path


def framed(run: Run) -> str:
    """The page for another page: in a frame, where no script runs and from which no style leaks; a line where there is none."""
    try:
        text = page(findings.gather(run))
    except KitError as fault:
        return f"<p>{escape(str(fault))}</p>"
    return templates.render(canvas.TEMPLATES, "frame.html.j2", page=text, height=FRAME)


def page(found: Findings) -> str:
    """The whole page."""
    info = found.run.info
    when = (info.get("finished") or info.get("sessions", [{}])[-1].get("started", ""))[:16].replace("T", " ")
    left = [str(k) for k in info.get("folds", []) if str(k) not in found.parts] if not found.run.complete else []
    sections = [
        members(found),
        guidance.meant(found),
        guidance.following(found),
        *report_sections.sections(found),
        settings(found),
    ]
    return templates.render(
        canvas.TEMPLATES, "report.html.j2",
        name=f"{Path(info['competition']).stem} · {found.run.path.resolve().name}",
        about=" · ".join(filter(None, [f"preset {info.get('preset', '')}", info.get("device", ""), when])),
        missing=", ".join(left),
        tiles=tiles(found),
        sections=[section for section in sections if section is not None],
        colours=canvas.COLOURS,
    )  # fmt: skip


def tiles(found: Findings) -> list[tuple[str, str, str]]:
    """The figures to remember: title, value and a note; the first is the score that counts."""
    scores, folds = found.scores, list(report_sections.by_fold(found).values())
    shown: list[tuple[str, str, str]] = []
    if scores:
        way = "higher is better" if scores["higher_is_better"] else "lower is better"
        shown.append((f"out-of-fold {scores['metric']}", shown_score(scores["oof"]), way))
    if folds:
        many = "one fold" if len(folds) == 1 else f"{len(folds)} folds"
        shown.append((f"mean of {many}", f"{np.mean(folds):.5f}", f"± {np.std(folds):.5f}"))
    extra = {key: value for key, value in scores.get("extra", {}).items() if isinstance(value, float)}
    extra.pop(scores.get("metric", ""), None)
    shown += [(TITLES.get(key, key.replace("_", " ")), _figure(value), "") for key, value in extra.items()]
    shown += [(f"gain by {name}", gain, verdict) for name, gain, verdict in summary.gated(scores)]
    if (decision := scores.get("decision")) is not None:
        title, told = summary.decided(scores)
        shown.append((title, "kept" if decision["kept"] else "not kept", told))
    if (about := scores.get("pseudo")) is not None:
        title, told = summary.pseudo(about)
        shown.append((title, "paid" if about["paid"] else "did not pay", told))
    if scores.get("seconds"):
        rows = scores["rows"]
        shown.append(("time", clock(scores["seconds"]["total"]), f"{rows['train']:,} rows, {rows['test']:,} test rows"))
    return shown


def _figure(value: float) -> str:
    return f"{value:.5f}" if abs(value) < 1000 else f"{value:,.1f}"


def members(found: Findings) -> Section | None:
    """What a blend is made of."""
    if "members" not in found.run.info:
        return None
    header, rows, verdict = summary.blended(found.run)
    return Section("Blend", f"{verdict[0].upper()}{verdict[1:]}.", table=Table(header, rows, words=True))


def settings(found: Findings) -> Section:
    """The configuration and where each value came from; versions, data, notes. A blend has no configuration."""
    info, header = found.run.info, ["knob", "value", "from"]
    origins, picked = info.get("origins", {}), {**info.get("in_time", {}), **info.get("chosen", {})}
    knobs = [[key, _shown(key, value, picked), origins[key]] for key, value in info["config"].items() if key in origins]
    chosen, rest = ([row for row in knobs if (row[2] == "default") is usual] for usual in (False, True))
    notes = [[str(i + 1), note] for i, note in enumerate(info.get("notes", []))]
    many = "1 note" if len(notes) == 1 else f"{len(notes)} notes"
    folded = [
        (f"{len(rest)} knobs at their default", Table(header, rest, words=True)),
        ("versions and data", Table(["what", "value"], _versions(info), words=True)),
        (f"{many} on the data", Table(["", "note"], notes, words=True)),
    ]
    return Section(
        "Configuration",
        table=Table(header, chosen, words=True) if chosen else None,
        folded=[(title, table) for title, table in folded if table.rows],
    )


def _versions(info: Mapping[str, Any]) -> list[list[str]]:
    session = (info.get("sessions") or [{}])[-1]
    facts = {
        "device": info.get("device"),
        "data fingerprint": info.get("data"),
        "commit": session.get("commit"),
        "python": session.get("python"),
        **session.get("versions", {}),
    }
    return [[key, str(value)] for key, value in facts.items() if value]


def _shown(name: str, value: object, picked: Mapping[str, Any]) -> str:
    """A knob's value, and what the kit took for it where it chose, or had no time for that value."""
    text, taken = configs.shown(name, value) or "—", picked.get(name, value)
    return text if taken == value else f"{text}: {taken:g}"
