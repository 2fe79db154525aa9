"""Submit: a file that was validated goes to Kaggle; its score comes back into the ledger."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from kit.competition import validation
from kit.errors import BadData, Stopped, Unreachable, Usage
from kit.kaggle.api import SECONDS, SLOWEST, Kaggle, Pace, Refused, adapter_name, slug_of
from kit.kaggle.credentials import scrub
from kit.storage import ledger, run_folder
from kit.storage.run_folder import Run

PACE = Pace(first=2.0, longest=15.0, limit=3600.0)  # of looks at a score
SHOWN = 5  # faults


def submit(
    name: str,
    what: str | Path,
    message: str,
    *,
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
            entry = _upload(kaggle, sent, message)
        _note(name, run, file, entry["ref"], message)
        return follow(kaggle, entry["ref"]) if wait else entry


def refresh(name: str, seconds: float = SECONDS, quiet: bool = False) -> list[dict[str, Any]]:
    """What Kaggle says of every submission now, noted in the ledger; those made elsewhere too."""
    with Kaggle(slug_of(name), seconds, quiet) as kaggle:
        entries = kaggle.call("submissions", slug=kaggle.slug)
    noted = {row.ref for row in ledger.rows()}
    for entry in reversed(entries):
        if entry["ref"] not in noted:
            ledger.add("submission", competition=adapter_name(name), ref=entry["ref"], run=None, message=entry["message"])
        _note_score(entry)
    return entries


def follow(kaggle: Kaggle, ref: int) -> dict[str, Any]:
    """Wait until a submission is scored. Raises Unreachable with the reason where Kaggle finds it wrong."""
    for wait in kaggle.poll(PACE):
        entry = next((entry for entry in kaggle.call("submissions", slug=kaggle.slug) if entry["ref"] == ref), None)
        if entry is not None and entry["status"] != "PENDING":
            _note_score(entry)
            if entry["status"] == "ERROR":
                reason = scrub(entry["reason"]) or "no reason given"
                raise Unreachable(f"Kaggle took the file and could not score it: {reason}")
            return entry
        wait("Kaggle is scoring the submission")
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


def _upload(kaggle: Kaggle, file: Path, message: str) -> dict[str, Any]:
    """Upload a file as a submission; returns Kaggle's entry."""
    size = file.stat().st_size
    try:
        return create(kaggle, "submit", message, seconds=size / SLOWEST, file=str(file.resolve()))
    except Refused as fault:
        raise _too_large(fault, file, size) from None


def create(kaggle: Kaggle, call: str, message: str, seconds: float = 0, **arguments: Any) -> dict[str, Any]:
    """Make a submission by a call of the client; returns Kaggle's entry.

    Where the answer is lost, or names no submission, the list of submissions shows whether there is one. Raises Refused
    where Kaggle says no, Unreachable where nothing was submitted.
    """
    before = {entry["ref"] for entry in kaggle.call("submissions", slug=kaggle.slug)}
    lost = None
    try:
        answer = kaggle.call(call, seconds=seconds, again=False, slug=kaggle.slug, message=message, **arguments)
    except Refused:
        raise
    except Unreachable as fault:
        answer, lost = {"ref": 0, "message": ""}, fault
    if answer["ref"]:
        return {"ref": answer["ref"], "status": "PENDING", "message": message, "public": None, "private": None, "reason": ""}
    for entry in kaggle.call("submissions", slug=kaggle.slug):
        if entry["ref"] not in before and entry["message"] == message:
            return entry
    raise lost or Unreachable(f"nothing was submitted (Kaggle's client: {scrub(answer['message'])!r}). Try again.")


def _too_large(fault: Refused, file: Path, size: int) -> Unreachable:
    """The refusal, with the way out where the file is too large for this competition."""
    reason = str(fault).lower()
    if fault.status == 413 or (fault.status == 400 and ("large" in reason or "size" in reason)):
        return Unreachable(f"{fault}\n{file} has {size / 1e6:,.1f} MB: add --zip to send it packed.")
    return fault


def _note(name: str, run: Run | None, file: Path, ref: int, message: str) -> None:
    """Note a submission in the ledger, and the run that it comes from, if the ledger does not have it yet."""
    if run and ledger.place(run.path) not in {row.run.get("run") for row in ledger.rows()}:
        ledger.add_run(run)
    ledger.add(
        "submission",
        competition=adapter_name(name),
        ref=ref,
        run=ledger.place(run.path) if run else None,
        message=message,
        file=str(file),
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
    )


def _note_score(entry: dict[str, Any]) -> None:
    """Note what Kaggle says of a submission, if it is news."""
    facts = {key: entry[key] for key in ("status", "public", "private", "reason")}
    before = [noted for noted in ledger.entries()[0] if noted["kind"] == "score" and noted["ref"] == entry["ref"]]
    if entry["status"] != "PENDING" and (not before or any(before[-1].get(key) != value for key, value in facts.items())):
        ledger.add("score", ref=entry["ref"], **facts)
