"""Ledger: a line of JSON for every run, submission and score, only ever added to; read as a table and as a picture."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kit.config import IMMATERIAL, KNOBS, difference
from kit.console import clock
from kit.errors import KitError
from kit.storage import files, plain_json
from kit.storage.run_folder import Run

PLACE = Path("runs") / "ledger.jsonl"
ENOUGH = 3  # scored submissions that a rank correlation needs


def add(kind: str, **facts: Any) -> None:
    """Add an entry: one write to the end of the file, flushed to the disk, so that two writers never mix.

    A line that a killed writer left half is closed first. Raises DiskError.
    """
    entry = {"kind": kind, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **facts}
    line = plain_json.text(entry).encode() + b"\n"
    try:
        PLACE.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(PLACE, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            end = os.lseek(handle, 0, os.SEEK_END)
            os.lseek(handle, max(end - 1, 0), os.SEEK_SET)
            broken = end and os.read(handle, 1) != b"\n"
            os.write(handle, b"\n" + line if broken else line)
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as fault:
        raise files.disk_error(PLACE, fault) from fault


def add_run(run: Run) -> None:
    """Note a complete run. A ledger that cannot be written must not break the run."""
    record, scores = run.record, run.scores
    with suppress(KitError):
        add(
            "run",
            competition=record.name,
            run=place(run.path),
            metric=scores["metric"],
            higher_is_better=scores["higher_is_better"],
            cv=scores["oof"],
            std=scores["std"],
            folds=sum(one is not None for one in scores["folds"]) // scores.get("rounds", {}).get("repeats", 1),
            seconds=scores["seconds"]["total"],
            commit=record.sessions[-1]["commit"],
            config=record.config,
        )


def place(path: Path) -> str:
    """A run's folder as the ledger writes it: from here, or the whole path where it is elsewhere."""
    whole, here = path.resolve(), Path.cwd()
    return whole.relative_to(here).as_posix() if whole.is_relative_to(here) else str(whole)


def entries() -> tuple[list[dict[str, Any]], int]:
    """Every entry, and how many lines cannot be read."""
    found: list[dict[str, Any]] = []
    broken = 0
    for line in PLACE.read_bytes().splitlines() if PLACE.exists() else []:
        try:
            entry = json.loads(line) if line.strip() else None
        except ValueError:
            entry = {}
        if entry is not None:
            known = isinstance(entry, dict) and {"kind", "time"} <= set(entry)
            found += [entry] if known else []
            broken += not known
    return found, broken


@dataclass
class Row:
    """A run that was not submitted, or a submission with the run it came from (if it is known)."""

    competition: str
    when: str
    run: dict[str, Any] = field(default_factory=dict)
    ref: int = 0
    message: str = ""
    status: str = ""
    public: float | None = None
    private: float | None = None
    changed: str = ""

    @property
    def name(self) -> str:
        """The run's name, or the file's."""
        return Path(self.run["run"]).name if self.run else self.message or str(self.ref)

    @property
    def cv(self) -> float | None:
        return self.run.get("cv")

    @property
    def error(self) -> float:
        """The standard error of the out-of-fold score, from the folds' deviation; 0 where no fold has a score."""
        return (self.run["std"] or 0.0) / max(self.run["folds"] - 1, 1) ** 0.5 if self.run else 0.0


class Lineage:
    """The runs of a competition so far, and which of them another one comes from: that with the nearest configuration."""

    def __init__(self) -> None:
        self.runs: dict[str, tuple[dict[str, Any], frozenset[tuple[str, str]]]] = {}

    def add(self, entry: dict[str, Any]) -> str:
        """The knobs in which a run differs from the nearest earlier one, the latest of several, and its name; empty where there
        is none, or it is alike in all."""
        config, name = entry["config"], entry["run"]
        own, told = self._values(config), ""
        others = [one for one in self.runs.items() if one[0] != name]
        if others:
            nearest, (theirs, _) = min(reversed(others), key=lambda one: len({knob for knob, _ in one[1][1] ^ own}))
            lines = difference(theirs, config)
            told = f"{'; '.join(lines)} (from {Path(nearest).name})" if lines else ""
        self.runs.pop(name, None)
        self.runs[name] = config, own
        return told

    def _values(self, config: dict[str, Any]) -> frozenset[tuple[str, str]]:
        """The material knobs that are not at their defaults."""
        plain = {name: about.default for name, about in KNOBS.items()}
        changed = {name: value for name, value in config.items() if plain.get(name) != value and name not in IMMATERIAL}
        return frozenset((name, str(value)) for name, value in changed.items())


def rows(competition: str | None = None) -> list[Row]:
    """Runs and submissions in their order, scores filled in; of one competition or all."""
    runs: dict[str, Row] = {}
    found: list[Row] = []
    sent: dict[int, Row] = {}
    lineage: dict[str, Lineage] = {}
    for entry in entries()[0]:
        if entry["kind"] == "run":
            name = entry["competition"]
            row = Row(name, entry["time"], entry, changed=lineage.setdefault(name, Lineage()).add(entry))
            found = [one for one in found if one is not runs.get(entry["run"]) or one.ref]
            runs[entry["run"]] = row
            found.append(row)
        elif entry["kind"] == "submission":
            row = runs.get(entry.get("run") or "", Row(entry["competition"], entry["time"]))
            if row.ref or not row.run:  # sent before, or no run of ours
                row = Row(entry["competition"], entry["time"], row.run, changed=row.changed)
                found.append(row)
            row.ref, row.message, row.status = entry["ref"], entry["message"], "PENDING"
            sent[row.ref] = row
        elif entry["kind"] == "score" and entry["ref"] in sent:
            row = sent[entry["ref"]]
            row.status, row.public, row.private = entry["status"], number(entry["public"]), number(entry["private"])
    return [row for row in found if competition in (None, row.competition)]


def number(text: Any) -> float | None:
    """A score as Kaggle writes it; None where there is none."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def correlation(scored: list[Row]) -> float | None:
    """Spearman's rank correlation of CV and public score; None where fewer than ENOUGH have both or all are equal."""
    if len(scored) < ENOUGH:
        return None
    ranks = np.zeros((2, len(scored)))
    for i, values in enumerate(([row.cv for row in scored], [row.public for row in scored])):
        _, inverse, counts = np.unique(np.array(values, float), return_inverse=True, return_counts=True)
        ranks[i] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]  # ties share their mean rank
    return float(np.corrcoef(ranks).flat[1]) if np.ptp(ranks, axis=1).all() else None


def both(found: list[Row]) -> list[Row]:
    """The submissions that have a CV and a public score."""
    return [row for row in found if row.ref and row.cv is not None and row.public is not None]


def select(found: list[Row]) -> list[tuple[Row, str]]:
    """The two submissions to select at the end, and why: the best CV, then the best public score among the others.

    CV counts first: it has more rows than the public part, and nothing was chosen by it on the leaderboard. The other
    guards against a test set that differs from the training set.
    """
    sent = [row for row in found if row.ref and row.status == "COMPLETE"]
    sign = 1 if all(row.run.get("higher_is_better", True) for row in sent) else -1
    chosen: list[tuple[Row, str]] = []
    with_cv = [row for row in sent if row.cv is not None]
    if with_cv:
        best = max(with_cv, key=lambda row: sign * (row.cv or 0))
        near = sum(abs((row.cv or 0) - (best.cv or 0)) <= best.error for row in with_cv) - 1
        tie = f"; {near} more within its standard error ({best.error:.5f})" if near else ""
        chosen.append((best, f"best CV ({best.cv:.5f}{tie}): it rests on every training row"))
    left = [row for row in sent if row.public is not None and all(row is not one for one, _ in chosen)]
    for row in sorted(left, key=lambda row: -sign * (row.public or 0))[: 2 - len(chosen)]:
        why = "best public score" + (
            " of the others: insurance, should the test set be unlike the training set" if chosen else ""
        )
        chosen.append((row, f"{why} ({row.public:.5f})"))
    return chosen


def cells(row: Row) -> list[str]:
    """A line of the table; HEADER names its cells."""
    run = row.run
    cv, public, private = ("" if value is None else f"{value:.5f}" for value in (row.cv, row.public, row.private))
    return [
        row.when[:16].replace("T", " "),
        row.name,
        cv,
        f"±{run['std']:.5f}" if run and run["std"] is not None else "",
        public or (row.status.lower() if row.ref else ""),
        private,
        clock(run["seconds"]) if run else "",
        (run.get("commit") or "") if run else "",
        row.changed,
    ]


HEADER = ["when", "run", "CV", "folds", "public", "private", "time", "commit", "changed"]
