"""Dataset: what goes with a kernel, as a private dataset on Kaggle: uploaded where it is not there yet, and waited for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kit.errors import Stopped, Unreachable, Usage, listed
from kit.kaggle import bundle
from kit.kaggle.api import SLOWEST, Kaggle, Pace, Refused
from kit.kaggle.bundle import MANIFEST
from kit.kaggle.credentials import SITE, scrub
from kit.storage.run_folder import read_json, write_json

METADATA = "dataset-metadata.json"
EACH = 2.0  # seconds that a file may take besides
PACE = Pace(first=2.0, longest=30.0, limit=3600.0)  # of looks whether Kaggle has made a dataset of what it has


def describe(folder: Path, owner: str, title: str, slug: str) -> str:
    """Write the metadata of the dataset in a folder; returns its id."""
    write_json(folder / METADATA, {"title": title, "id": f"{owner}/{slug}", "licenses": [{"name": "unknown"}]})
    return f"{owner}/{slug}"


def put(kaggle: Kaggle, folder: Path) -> bool:
    """Bring the dataset on Kaggle to what `bundle.lay_out` wrote into a folder; returns whether it had to be uploaded.

    Ends when Kaggle has it ready. Raises Unreachable where an upload or Kaggle's own work on it fails, Usage where the
    dataset is public, Stopped where it takes over an hour: the same command then goes on.
    """
    manifest, name = read_json(folder / MANIFEST), read_json(folder / METADATA)["id"]
    kaggle.slug = name  # what refusals speak of
    there = _state(kaggle) is not None
    if there and _ready(kaggle, manifest, sent=False):
        kaggle.tell(f"{name} holds these files already")
        return False
    sizes = [path.stat().st_size for path in folder.iterdir()]
    kaggle.tell(f"uploading {len(sizes) - 1} files, {sum(sizes) / 1e6:,.1f} MB, to the private dataset {name}")
    wrong = kaggle.call(
        "upload", seconds=sum(sizes) / SLOWEST + EACH * len(sizes), again=False,
        folder=str(folder.resolve()), new=not there, notes=f"kit {manifest['identity']}",
    )  # fmt: skip
    if wrong:
        raise Unreachable(f"Kaggle did not take the dataset {name}: {scrub(wrong)}")
    return _ready(kaggle, manifest, sent=True)


def _state(kaggle: Kaggle) -> dict[str, Any] | None:
    """What Kaggle says of the dataset; None where there is none. Raises Usage where everybody could see it."""
    try:
        state = kaggle.call("dataset", name=kaggle.slug)
    except Refused as fault:
        if fault.status in (403, 404):  # Kaggle forbids what is not there
            return None
        raise
    if not state["private"]:
        raise Usage(
            f"{kaggle.slug} is a public dataset; the kit uploads to private ones only.\n"
            f"Make it private at {SITE}/datasets/{kaggle.slug}/settings, or build the kernel from a run of another name."
        )
    return state


def _ready(kaggle: Kaggle, manifest: dict[str, Any], sent: bool) -> bool:
    """Wait until the newest version is ready; returns whether it holds the manifest's files. `sent`: it must."""
    for wait in kaggle.poll(PACE):
        status = (_state(kaggle) or {"status": "NOT_YET_PERSISTED"})["status"]
        if status in ("FAILED", "DELETED"):
            if sent:
                raise Unreachable(
                    f"Kaggle could not make the dataset {kaggle.slug} of what was uploaded ({status}). Try again."
                )
            return False
        if status == "READY":
            lacking = _lacking(kaggle, manifest)
            if sent and lacking:
                raise Unreachable(
                    f"the upload to {kaggle.slug} lost {listed(lacking, 3)}. The same command uploads everything again."
                )
            if not sent or lacking is not None:  # None: still the version before
                return lacking == []
        wait(f"Kaggle is making the dataset {kaggle.slug} ({status.lower().replace('_', ' ')})")
    raise Stopped(f"the dataset {kaggle.slug} is still not ready; the same command goes on waiting.")


def _lacking(kaggle: Kaggle, manifest: dict[str, Any]) -> list[str] | None:
    """The manifest's files that the newest version lacks; None where it holds another build's, or nothing yet."""
    names = {name for page in kaggle.pages("dataset_files", name=kaggle.slug) for name in page["files"]}
    if not names:
        return None
    if MANIFEST in names:
        text = kaggle.call("dataset_text", name=kaggle.slug, file=MANIFEST)
        if bundle.identity_of(text) != manifest["identity"]:
            return None
    return sorted({MANIFEST, *manifest["files"]} - names)
