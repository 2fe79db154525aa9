"""A run's life in its folder: cleared, refused where another run is there, begun, ended."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kit import config as configs
from kit.errors import KitError, Usage
from kit.storage import environment, files, run_locks
from kit.storage.run_folder import Run
from kit.storage.run_record import RunRecord
from kit.storage.runs import manifest

OF_EVERY_RUN = ("run.json", "folds.csv", "truth.csv", "oof.csv", "test.csv", "scores.json", "submission.csv", "manifest.json")
OF_SOME_RUNS = (
    "words.csv", "extra.csv", "pseudo.csv", "pseudo.npz", "report.html", "vectors.npz", "lr.svg", "numbers.png", "readings.csv",
    "readings.png", "trials.csv",
)  # fmt: skip
COMPARED = (
    "competition",
    "data",
    "backbone",
    "extra",
    "pseudo",
    "ranges",
)  # what a run must agree in to be gone on with, beside its config


def clear(target: Run) -> None:
    """Remove a run's files (nothing else that may lie in the folder, and nothing where it is no run)."""
    if not target.info:
        return
    for name in (*OF_EVERY_RUN, *OF_SOME_RUNS):
        (target.path / name).unlink(missing_ok=True)
    for folder in [*target.path.glob("fold*"), *target.path.glob("trial*"), *target.path.glob("refit*")]:
        if folder.is_dir():
            shutil.rmtree(folder)


def refuse_other(target: Run, known: Mapping[str, Any], fresh: bool = False) -> None:
    """Raise Usage, with the difference, where the folder holds a run of another configuration or other data.

    `fresh`: remove what it holds. A run that ended before it had read its data (a mistyped folder, say) is none.
    """
    if fresh or not target.began:
        clear(target)
    if not target.exists:
        return
    stored, wanted = target.record, RunRecord(**known)
    pairs = [(name, getattr(stored, name), getattr(wanted, name)) for name in COMPARED]
    lines = [f"{name}: {old} → {new}" for name, old, new in pairs if old != new and name != "data"]
    if stored.data != wanted.data:
        lines.insert(0, f"data: other files than those it was trained on, in {stored.root}")
    lines += configs.difference(stored.config | grown(stored.config, wanted.config), wanted.config)
    if lines:
        raise Usage(
            f"{target.path} holds another run ({'; '.join(lines)}).\nUse --name for a new run, or --fresh to start over."
        )


def grown(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, int]:
    """The knobs, with their new values, that ask for more seeds or repeats than a stored configuration does."""
    return {name: new[name] for name in configs.GROWING if old.get(name, 1) < new.get(name, 1)}


def start(target: Run, known: Mapping[str, Any], origins: Mapping[str, str], preset: str, root: Path) -> None:
    """Note in `run.json` that this process works on the run now."""
    unseal(target)
    about = {"preset": preset, "origins": dict(origins), "root": str(root.resolve()), **known}
    session = environment.session()

    def begun(record: RunRecord) -> RunRecord:
        return record.changed(status="running", reason="", sessions=[*record.sessions, session], **about)

    target.change(begun, begin=RunRecord(**known))


def unseal(target: Run) -> None:
    """Make a complete run one that is to be finished again: without the submission and the list of its files."""
    target.submission.unlink(missing_ok=True)
    (target.path / manifest.FILE).unlink(missing_ok=True)


def complete(target: Run, submission: bytes, **noted: Any) -> None:
    """Note that a run is complete, list its files in the manifest, and last of all write the submission."""
    target.note(status="complete", finished=time.strftime("%Y-%m-%dT%H:%M:%S%z"), **noted)
    manifest.write(target.path, submission)
    files.write(target.submission, submission)


def note_end(target: Run, status: str, reason: str) -> None:
    """Note how a run ended; a disk that is full, or a folder that was removed, must not hide the first error."""
    with contextlib.suppress(KitError):
        if target.exists:
            target.note(status=status, reason=reason)


def note_pause(target: Run, parts: Iterable[str]) -> None:
    """Note that a process which held these parts has done its own, unless another one still works or has failed."""
    try:
        run_locks.at_work(target.path, but=parts)
    except Usage:
        return
    if target.record.status == "running":
        target.note(status="stopped")
