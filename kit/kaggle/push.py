"""Push: a built kernel to Kaggle, followed to its end; its output fetched, validated, and that version submitted."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from kit.competition import validation
from kit.errors import BadData, Stopped, Unreachable, Usage
from kit.kaggle import dataset, download, kernel, submit as submits
from kit.kaggle.api import SECONDS, Kaggle, Pace, adapter_name, slug_of
from kit.kaggle.credentials import scrub
from kit.kaggle.kernel import OWNER, Built
from kit.storage import ledger
from kit.storage.run_folder import Run, read_json, write_json

WORKING = ("QUEUED", "RUNNING", "NEW_SCRIPT")
PACE = Pace(first=5.0, longest=60.0, limit=13 * 3600.0)  # of looks at a session, which ends after 12 h
LAST = 5  # lines of a log that are shown


def push(name: str, folder: Path | None = None, seconds: float = SECONDS, quiet: bool = False) -> dict[str, Any]:
    """Push the built kernel and, before it, its dataset; returns the kernel's id, version and address.

    Raises Unreachable where Kaggle finds anything wrong.
    """
    built = Built(folder or kernel.folder_of(name))
    facts = built.metadata
    with Kaggle(slug_of(name), seconds, quiet) as kaggle:
        if facts["id"].startswith(f"{OWNER}/"):
            _sign(built, kaggle)
        if built.dataset:
            dataset.put(kaggle, built.dataset)
            kaggle.slug = slug_of(name)
        answer = kaggle.call("push", again=False, folder=str(built.folder.resolve()))
    if answer["error"]:
        raise Unreachable(f"Kaggle did not take the kernel: {scrub(answer['error'])}")
    if answer["invalid"]:
        lines = "; ".join(f"{kind} {', '.join(names)}" for kind, names in answer["invalid"].items())
        raise Unreachable(
            f"Kaggle does not know these sources of the kernel: {lines}.\n"
            f"Name them in {built.folder / 'kernel-metadata.json'} as they are called now."
        )
    pushed = {"id": built.metadata["id"], "version": answer["version"], "url": answer["url"]}
    write_json(built.folder / "pushed.json", pushed)
    return pushed


def _sign(built: Built, kaggle: Kaggle) -> None:
    """Put the user's name where the metadata leaves it open."""
    owner = kaggle.call("owner")
    if not owner:
        raise Usage(f"{built.folder / 'kernel-metadata.json'}: write your Kaggle user name for {OWNER}.")
    for path in (built.folder / kernel.METADATA, built.folder / "dataset" / dataset.METADATA):
        if path.exists():
            facts = read_json(path)
            facts["id"] = facts["id"].replace(f"{OWNER}/", f"{owner}/")
            if "dataset_sources" in facts:
                facts["dataset_sources"] = [name.replace(f"{OWNER}/", f"{owner}/") for name in facts["dataset_sources"]]
            write_json(path, facts)


def status(
    name: str,
    folder: Path | None = None,
    *,
    wait: bool = False,
    message: str | None = None,
    data: str | Path | None = None,
    seconds: float = SECONDS,
    quiet: bool = False,
) -> dict[str, Any]:
    """Where the pushed kernel is. `wait`, or a `message` to submit it under: follow it, fetch its output, validate it.

    Raises Unreachable with Kaggle's reason and the end of the log where the kernel failed, BadData where its submission is
    wrong: nothing is submitted then.
    """
    built = Built(folder or kernel.folder_of(name))
    if not (built.folder / "pushed.json").exists():
        raise Usage(f"{built.folder}: this kernel was not pushed yet (`kit kernel push {name}`).")
    pushed = read_json(built.folder / "pushed.json")
    with Kaggle(pushed["id"], seconds, quiet) as kaggle:
        state = _follow(kaggle) if wait or message else kaggle.call("status", kernel=kaggle.slug)
        if state["status"] in WORKING:
            return pushed | state
        output = built.folder / "output"
        log = _fetch(kaggle, output)
        if state["status"] != "COMPLETE":
            raise _failure(state, log)
        _validate(name, output / "submission.csv", data)
        if message:
            kaggle.slug = slug_of(name)
            state |= _submit(kaggle, name, built, pushed, message)
    return pushed | state | {"output": str(output)}


def _follow(kaggle: Kaggle) -> dict[str, str]:
    """Wait until the kernel ends; returns its state."""
    for wait in kaggle.poll(PACE):
        state = kaggle.call("status", kernel=kaggle.slug)
        if state["status"] not in WORKING:
            return state
        wait(f"{kaggle.slug} is {state['status'].lower()}")
    raise Stopped(f"{kaggle.slug} does not end; `kit kernel status` asks again later.")


def _fetch(kaggle: Kaggle, folder: Path) -> str:
    """Fetch every file that the kernel wrote; returns its log."""
    shutil.rmtree(folder, ignore_errors=True)  # of an earlier version
    log = ""
    for page in kaggle.pages("output", kernel=kaggle.slug):
        for file in page["files"]:
            download.save(file["url"], folder, file["name"], seconds=kaggle.seconds, quiet=kaggle.quiet)
        log = page["log"]
    return log


def _failure(state: dict[str, str], log: str) -> Unreachable:
    """Kaggle's reason, and the end of the log."""
    last = "\n".join(log.strip().splitlines()[-LAST:])
    return Unreachable(f"the kernel failed on Kaggle ({state['status']}): {scrub(state['reason'])}\n{scrub(last)}".strip())


def _validate(name: str, file: Path, data: str | Path | None) -> None:
    if not file.exists():
        raise BadData(f"the kernel wrote no submission.csv ({file.parent} holds what it wrote).")
    faults = validation.validate(name, file, data)
    if faults:
        raise BadData(f"{file}: {'; '.join(faults[:3])}. Nothing was submitted.")


def _submit(kaggle: Kaggle, name: str, built: Built, pushed: dict[str, Any], message: str) -> dict[str, Any]:
    """Submit that version of the kernel and wait for its score."""
    version = {"kernel": pushed["id"], "version": pushed["version"], "file": "submission.csv"}
    ref = submits.create(kaggle, "submit_code", message, **version)["ref"]
    run = Run(Path(built.settings["run"])) if built.settings["run"] else None
    place = ledger.place(run.path) if run and run.exists else None
    ledger.add("submission", competition=adapter_name(name), ref=ref, run=place, message=message, kernel=pushed)
    return submits.follow(kaggle, ref)
