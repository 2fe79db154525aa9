"""Backbones: which model of another run a fold may begin with (`--from`), so that nothing leaks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from kit.errors import Usage
from kit.storage import frames, run_folder
from kit.storage.run_folder import Run, read_json
from kit.storage.runs.parts import SEAL, RunPart


def fingerprint(path: str) -> str:
    """16 hex digits of the models of a run; empty for no path. Raises Usage where it is no complete run."""
    if not path:
        return ""
    run = _complete(path)
    sums = [read_json(run.fold(name) / SEAL)["checksums"]["model.ckpt"] for name in run.record.parts]
    return hashlib.sha256(json.dumps(sums).encode()).hexdigest()[:16]


def source(path: str, mine: Run, part: RunPart) -> Callable[[], Any] | None:
    """What loads the model that a part of `mine` begins with; None without a path.

    Of a run on other data, its refit or first fold. Of a run on the same data, the model of the same fold, if its folds
    are the same: any other has seen rows that are validated here. Of several seeds the same one, or the first. Raises Usage
    for other folds.
    """
    if not path:
        return None
    run = _complete(path)
    known = run.record.parts
    first = RunPart(None) if RunPart(None) in known else RunPart(0)
    if run.record.data == mine.record.data and part.fold is not None:
        if part.repeat > len(run.record.repeated or []) or not _same_folds(run, mine, part.repeat):
            raise Usage(f"--from {path}: a run on these very rows, dealt to other folds: its models know the validation rows.")
        first = replace(part, seed=0)
    same = replace(first, seed=part.seed)
    folder = run.fold(same if same in known else first)

    def load() -> Any:
        from kit.training import checkpoints  # torch: a complete run is recognised without it

        return checkpoints.load_model(folder / "model.ckpt", read_json(folder / SEAL)["checksums"]["model.ckpt"])

    return load


def _complete(path: str) -> Run:
    try:
        run = run_folder.load(Path(path)).finished()
    except Usage as fault:
        raise Usage(f"--from {fault}") from fault
    if run.record.study:
        raise Usage(f"--from {run.path}: made by kit.study, so it holds predictions and no models.")
    return run


def _same_folds(run: Run, mine: Run, repeat: int) -> bool:
    return frames.read_folds(run.path, repeat).equals(frames.read_folds(mine.path, repeat))
