"""Submit: a file that was validated goes to Kaggle; its score comes back into the ledger."""

from __future__ import annotations

import hashlib
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

from kit.competition import validation
from kit.console import Waiting
from kit.errors import BadData, Stopped, Unreachable, Usage
from kit.kaggle.api import SECONDS, Kaggle, Refused, scrub, slug_of
from kit.storage import ledger, run_folder
from kit.storage.run_folder import Run

SLOWEST = 50_000  # bytes per second of an upload that is still given a chance
FIRST, LONGEST = 2.0, 15.0  # seconds between two looks at a score
HOUR = 3600.0  # to wait for a score
SHOWN = 5  # faults


def submit(
    name: str,
    what: str | Path,
    message: str,
    data: str | Path | None = None,
    wait: bool = False,
    zipped: bool = False,
    seconds: float = SECONDS,
    quiet: bool = False,
) -> dict[str, Any]:
    """Validate a file or a run's submission, upload it, and (`wait`) wait for its score; returns Kaggle's entry.

    Raises BadData for a wrong file: nothing is sent then. Raises Unreachable with Kaggle's reason, also where the client
    takes a failed upload for a success, and where the file turns out wrong when it is scored.
    """
    file, run = _file_of(name, Path(what))
    faults = validation.validate(name, file, data or _data_of(run))
    if faults:
        more = f"\n… and {len(faults) - SHOWN} more (`kit validate {name} {file}`)." if len(faults) > SHOWN else ""
        raise BadData("not sent: " + "; ".join(faults[:SHOWN]) + more)
    with Kaggle(slug_of(name), seconds, quiet) as kaggle:
        _tries_left(kaggle)
        with tempfile.TemporaryDirectory() as folder:
            sent = _zip(file, Path(folder)) if zipped else file
            one = _send(kaggle, sent, message)
        _note(name, run, file, one, message)
        return follow(kaggle, one["ref"], quiet) if wait else one


def refresh(name: str, seconds: float = SECONDS, quiet: bool = False) -> list[dict[str, Any]]:
    """What Kaggle says of every submission now, noted in the ledger; those made elsewhere too."""
    with Kaggle(slug_of(name), seconds, quiet) as kaggle:
        listed = kaggle.call("submissions", slug=kaggle.slug)
    known = {row.ref for row in ledger.rows()}
    for one in reversed(listed):
        if one["ref"] not in known:
            ledger.add("submission", competition=adapter_name(name), ref=one["ref"], run=None, message=one["message"])
        _note_score(one)
    return listed


def adapter_name(name: str) -> str:
    """What the ledger calls a competition: its adapter's name, or the slug where it has none."""
    from kit import competition as competitions

    try:
        return competitions.load(name).name
    except Usage:
        return name


def follow(kaggle: Kaggle, ref: int, quiet: bool) -> dict[str, Any]:
    """Wait until a submission is scored. Raises Unreachable with the reason where Kaggle finds it wrong."""
    waiting, pause, began = Waiting(quiet), FIRST, time.monotonic()
    while time.monotonic() - began < HOUR:
        one = next((one for one in kaggle.call("submissions", slug=kaggle.slug) if one["ref"] == ref), None)
        if one is not None and one["status"] != "PENDING":
            _note_score(one)
            if one["status"] == "ERROR":
                raise Unreachable(f"Kaggle took the file and could not score it: {scrub(one['reason']) or 'no reason given'}")
            return one
        waiting.wait("Kaggle is scoring it", pause)
        pause = min(pause * 1.5, LONGEST)
    raise Stopped(f"submission {ref} is still not scored; `kit submit {kaggle.slug}` asks again later.")


def _file_of(name: str, what: Path) -> tuple[Path, Run | None]:
    """The file to send, and the run it comes from, if it lies in one."""
    file, run = what, next((Run(place) for place in (what.parent, what.parent.parent) if Run(place).exists), None)
    if what.is_dir():
        run = run_folder.load(what)
        file = run.finished().submission
    if run and slug_of(run.record.competition) != slug_of(name):
        raise Usage(f"{what} is a run of {run.record.name}, not of {name}.")
    return file, run


def _data_of(run: Run | None) -> str | None:
    root = run.record.root if run else None
    return root if root and Path(root).exists() else None


def _tries_left(kaggle: Kaggle) -> None:
    left = kaggle.call("limits", slug=kaggle.slug)
    if left == 0:
        raise Unreachable("no submission is left today; Kaggle counts anew at midnight UTC. Nothing was sent.")
    if left is not None:
        kaggle.tell(f"{left} {'submission' if left == 1 else 'submissions'} left today, this one included")


def _zip(file: Path, folder: Path) -> Path:
    packed = folder / f"{file.name}.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(file, file.name)
    return packed


def _send(kaggle: Kaggle, file: Path, message: str) -> dict[str, Any]:
    """Upload and submit. Where the answer is lost, the list of submissions tells whether it counted."""
    before = {one["ref"] for one in kaggle.call("submissions", slug=kaggle.slug)}
    size = file.stat().st_size
    try:
        answer = kaggle.call(
            "submit", seconds=size / SLOWEST, again=False, slug=kaggle.slug, file=str(file.resolve()), message=message
        )
        lost: Unreachable | None = None
    except Refused as fault:
        raise _too_large(fault, file, size) from None
    except Unreachable as fault:
        answer, lost = {"ref": 0, "message": ""}, fault
    if answer["ref"]:
        return {"ref": answer["ref"], "status": "PENDING", "message": message, "public": None, "private": None, "reason": ""}
    for one in kaggle.call("submissions", slug=kaggle.slug):
        if one["ref"] not in before and one["message"] == message:
            return one
    if lost:
        raise lost
    raise Unreachable(f"the upload failed (Kaggle's client: {scrub(answer['message'])!r}); nothing was submitted. Try again.")


def _too_large(fault: Refused, file: Path, size: int) -> Unreachable:
    """The refusal, with the way out where the file is too large for this competition."""
    said = str(fault).lower()
    if fault.status == 413 or (fault.status == 400 and ("large" in said or "size" in said)):
        return Unreachable(f"{fault}\n{file} has {size / 1e6:,.1f} MB: add --zip to send it packed.")
    return fault


def _note(name: str, run: Run | None, file: Path, one: dict[str, Any], message: str) -> None:
    if run and ledger.place(run.path) not in {row.run.get("run") for row in ledger.rows()}:
        ledger.add_run(run)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    run_place = ledger.place(run.path) if run else None
    ledger.add(
        "submission",
        competition=adapter_name(name),
        ref=one["ref"],
        run=run_place,
        message=message,
        file=str(file),
        sha256=digest,
    )


def _note_score(one: dict[str, Any]) -> None:
    """Note what Kaggle says of a submission, if it is news."""
    facts = {key: one[key] for key in ("status", "public", "private", "reason")}
    old = [entry for entry in ledger.entries()[0] if entry["kind"] == "score" and entry["ref"] == one["ref"]]
    if one["status"] != "PENDING" and (not old or any(old[-1].get(key) != value for key, value in facts.items())):
        ledger.add("score", ref=one["ref"], **facts)
