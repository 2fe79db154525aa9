"""Manifest: checksums of a complete run's files, so that one that was changed afterwards is named before it is used.

Checkpoints and the folds' arrays hold checksums of their own (see `fold.json`), and are not read for this.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from kit.errors import BadData, listed, unreadable
from kit.storage import files, plain_json
from kit.storage.runs.parts import SEAL

FILE = "manifest.json"
SUBMISSION = "submission.csv"
READ = ("run.json", "folds.csv", "truth.csv", "oof.csv", "test.csv", "scores.json")  # what other commands read of a run
OF_FOLDS = (SEAL, "history.csv")


def write(folder: Path, submission: bytes) -> None:
    """Write the checksums of a run's files and of the submission that is written next, which makes the run complete."""
    sums = {path.relative_to(folder).as_posix(): files.checksum(path) for path in _paths(folder)}
    sums[SUBMISSION] = hashlib.sha256(submission).hexdigest()
    files.write(folder / FILE, plain_json.text({"sha256": sums}, indent=2) + "\n")


def renew(folder: Path, name: str) -> None:
    """Write the checksum of a file that the kit itself has changed, where the run has a manifest."""
    if (folder / FILE).exists():
        sums = _read(folder) | {name: files.checksum(folder / name)}
        files.write(folder / FILE, plain_json.text({"sha256": sums}, indent=2) + "\n")


def verify(folder: Path, submission: bool = False) -> None:
    """Compare a complete run's files with its manifest; `submission`: that file too. A run of an older version has none.

    Raises BadData naming the files that are not as they were written, DiskError for one that cannot be read.
    """
    if not (folder / FILE).exists():
        return
    changed = [name for name, known in _read(folder).items() if name != SUBMISSION and _sum(folder / name) != known]
    if changed:
        raise BadData(
            f"{folder}: {listed(changed)} changed after the run was complete ({FILE} has other checksums)."
            "\nThe same `kit run` with --rewrite makes scores and predictions anew from the folds; a blend needs --fresh."
        )
    if submission and (folder / SUBMISSION).exists() and _sum(folder / SUBMISSION) != _read(folder)[SUBMISSION]:
        raise BadData(
            f"{folder / SUBMISSION} changed after the run was complete ({FILE} has another checksum)."
            "\nThe same `kit run` with --rewrite makes it anew (a blend needs --fresh); name the file to use it as it is."
        )


def _paths(folder: Path) -> list[Path]:
    inside = [path for name in OF_FOLDS for path in sorted(folder.glob(f"*/{name}"))]
    return [path for path in [*(folder / name for name in READ), *inside] if path.exists()]


def _sum(path: Path) -> str:
    """A file's checksum; nothing where there is no such file."""
    try:
        return files.content_digest(path).hex()
    except FileNotFoundError:
        return ""
    except OSError as fault:
        raise unreadable(path, fault) from fault


def _read(folder: Path) -> dict[str, str]:
    path = folder / FILE
    try:
        sums = json.loads(path.read_bytes())["sha256"]
        return {str(name): str(known) for name, known in sums.items()} | {SUBMISSION: str(sums[SUBMISSION])}
    except OSError as fault:
        raise unreadable(path, fault) from fault
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise BadData(
            f"{path}: not the list of checksums that was written. The same `kit run` with --rewrite makes it anew."
        ) from fault
