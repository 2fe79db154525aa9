"""Blend members: the runs whose predictions a blend combines, where they are, and whether they are those that were blended."""

from __future__ import annotations

from pathlib import Path

from kit.errors import BadData, Usage, listed
from kit.storage import files
from kit.storage.run_folder import Run
from kit.storage.run_record import STACK, BlendMember, RunRecord

PREDICTIONS = ("oof.csv", "test.csv")  # whose checksums `run.json` holds of each member


def checksum(path: Path) -> str:
    """That by which a blend knows a file of predictions."""
    return files.content_digest(path).hex()[:16]


def counting(record: RunRecord) -> list[BlendMember]:
    """The members that a blend's predictions depend on, in its order: all of a stack, else those that have a weight."""
    assert record.members is not None and record.blend is not None, "only a blend has them"
    return [one for one in record.members if one["weight"] > 0 or record.blend["by"] == STACK]


def runs(blend: Run) -> list[Run]:
    """The runs of `counting`, which predict other rows. A name is a folder inside the blend's (in a kernel) or of this machine.

    Raises Usage for a member that is no run here, BadData for one whose predictions are no longer those that were blended.
    """
    members = counting(blend.record)
    found = [_found(blend, one["name"]) for one in members]
    strange = [one["name"] for one, run in zip(members, found, strict=True) if not run.exists]
    if strange:
        raise Usage(
            f"{blend.path}: blends {listed(strange)}, which is no run here and cannot predict other rows. "
            "Blend runs alone, or put the run back where it was."
        )
    changed = [one["name"] for one, run in zip(members, found, strict=True) if _changed(run, one["sums"])]
    if changed:
        raise BadData(
            f"{blend.path}: the predictions of {listed(changed)} changed after they were blended. Blend again, with --fresh."
        )
    return found


def _found(blend: Run, name: str) -> Run:
    inside = Run(blend.path / name)
    return inside if inside.exists else Run(Path(name))


def _changed(run: Run, sums: list[str]) -> bool:
    """Does the run hold predictions with other checksums? In a kernel it may hold none."""
    paths = [run.path / name for name in PREDICTIONS]
    return any(path.exists() and checksum(path) != known for path, known in zip(paths, sums, strict=True))
