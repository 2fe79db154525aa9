"""Bundle: a run (and weights) as a dataset beside a kernel, which the kernel finds wherever Kaggle mounts it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from kit.errors import BadData, listed
from kit.storage import files, plain_json, weights
from kit.storage.run_folder import Run, read_json, write_json
from kit.storage.run_record import BlendMember, RunRecord, Session
from kit.storage.runs import blend_members
from kit.storage.runs.parts import SEAL

MANIFEST = "kit-attached.json"
OF_A_RUN = ("run.json", "scores.json", "submission.csv", "folds.csv", "words.csv", "vectors.npz")
OF_A_FOLD = ("model.ckpt", SEAL, "history.csv")
DEEPEST = 5  # folders between the mount and a dataset's files, in any layout so far


Parts = Mapping[str, Path | list[Path]]  # runs, folders of weights, files, by the name of their folder in a kernel


def lay_out(parts: Parts, folder: Path) -> str:
    """Write runs and files (by the name they will have) into a flat folder with a manifest; returns its identity.

    Flat, because a dataset's sub-folders are left out of an upload unless it is told `--dir-mode`. The identity is the
    content's, so that the kernel finds its files under whatever name the dataset is mounted.
    """
    shutil.rmtree(folder, ignore_errors=True)
    manifest = {}
    for name, path in _sources(parts):
        flat = name.replace("/", "--")
        data = _portable(path) if path.name == "run.json" else path.read_bytes()
        files.write(folder / flat, data)
        manifest[flat] = {"path": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    identity = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:16]
    write_json(folder / MANIFEST, {"identity": identity, "files": manifest})
    return identity


def identity_of(text: str) -> str | None:
    """The identity in a manifest's text; None where it is no manifest."""
    try:
        return json.loads(text)["identity"]
    except (ValueError, KeyError, TypeError):
        return None


def _sources(parts: Parts) -> Iterator[tuple[str, Path]]:
    """Every file of the parts, by the name that it has in a kernel."""
    for part, path in parts.items():
        if isinstance(path, list):
            yield from ((f"{part}/{file.name}", file) for file in path)
            continue
        if path.is_file():
            yield f"{part}/{path.name}", path
            continue
        if not Run(path).exists:  # a model and its tokenizer
            yield from ((f"{part}/{file.name}", file) for file in weights.parts(path))
            continue
        yield from _of_run(part, Run(path))


def _of_run(part: str, run: Run) -> Iterator[tuple[str, Path]]:
    """The files by which a run predicts, and those of the runs that it blends, which lie in its folder there."""
    record = run.record
    folders = sorted(place for place in run.path.iterdir() if (place / SEAL).exists())
    names = (*OF_A_RUN, *(["test.csv"] if record.study else []))  # predictions, where there are no models
    wanted = [run.path / name for name in names] + [folder / name for folder in folders for name in OF_A_FOLD]
    yield from ((f"{part}/{file.relative_to(run.path).as_posix()}", file) for file in wanted if file.exists())
    if record.blend is None:
        return
    ranked = record.blend["kept"] and record.blend["by"] == "rank"  # among a member's out-of-fold predictions
    for member, blended in zip(blend_members.counting(_renamed(record)), blend_members.runs(run), strict=True):
        place = f"{part}/{member['name']}"
        yield from _of_run(place, blended)
        yield from ((f"{place}/{name}", blended.path / name) for name in ["oof.csv"] if ranked)


def _renamed(record: RunRecord) -> RunRecord:
    """A blend's record that names each member by its folder inside the blend's, and so nothing of this machine."""
    names = [re.sub(r"[^\w.-]+", "-", Path(one["name"]).name) for one in record.members or []]
    members: list[BlendMember] = [
        {**one, "name": f"members/{i}-{name}"} for i, (one, name) in enumerate(zip(record.members or [], names, strict=True))
    ]
    return record.changed(members=members, notes=[])


def _portable(path: Path) -> bytes:
    """A `run.json` without what is only true on this machine: its folders and what was typed."""
    record = RunRecord.from_json(read_json(path))
    sessions: list[Session] = [{**session, "argv": []} for session in record.sessions[-1:]]
    record = record.changed(competition=record.name, root="", sessions=sessions)
    record = _renamed(record) if record.is_blend else record
    return plain_json.text(record.json(), indent=2).encode()


def find(identity: str, mount: str | Path | None = None, into: Path | None = None) -> Path:
    """A folder in which every attached file has its own name again. Raises BadData where one is missing or damaged."""
    mount = Path(mount or os.environ.get("KIT_MOUNT", "/kaggle/input"))
    manifests = [path for depth in range(1, DEEPEST + 1) for path in sorted(mount.glob("*/" * depth + MANIFEST))]
    by_identity = {read_json(path)["identity"]: path for path in manifests}
    if identity not in by_identity:
        mounted = sorted(path.name for path in (*mount.glob("*"), *mount.glob("datasets/*/*")))
        others = f" Another build's are in {listed(by_identity.values())}: push the dataset again." if by_identity else ""
        raise BadData(
            f"the files {identity} of this kernel are in no dataset below {mount} (there: {listed(mounted)}).{others}\n"
            "Attach the dataset that `kit kernel build` laid out."
        )
    place = by_identity[identity].parent
    into = into or Path(tempfile.mkdtemp(prefix="kit-attached-"))
    for flat, facts in read_json(place / MANIFEST)["files"].items():
        source, goal = place / flat, into / facts["path"]
        if not source.exists():
            raise BadData(f"{source}: missing in the dataset. Push the dataset again.")
        if hashlib.sha256(source.read_bytes()).hexdigest() != facts["sha256"]:
            raise BadData(f"{source}: damaged, {source.stat().st_size:,} of {facts['size']:,} bytes. Push the dataset again.")
        goal.parent.mkdir(parents=True, exist_ok=True)
        goal.symlink_to(source.resolve())
    return into
