"""Backbones: which model of another run a fold may begin with (`--from`), so that nothing leaks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kit.errors import Usage
from kit.storage import run_folder
from kit.storage.run_folder import Run, read_json


def fingerprint(path: str) -> str:
    """16 hex digits of the models of a run; empty for no path. Raises Usage where it is no complete run."""
    if not path:
        return ""
    run = _complete(path)
    sums = [read_json(run.fold(name) / "fold.json")["checksums"]["model.ckpt"] for name in _parts(run)]
    return hashlib.sha256(json.dumps(sums).encode()).hexdigest()[:16]


def source(path: str, mine: Run, fold: int) -> Callable[[], Any] | None:
    """What loads the model that a fold of `mine` begins with; None without a path.

    Of a run on other data, its refit or first fold. Of a run on the same data, the model of the same fold, if its folds
    are the same: any other has seen rows that are validated here. Raises Usage for other folds.
    """
    if not path:
        return None
    run = _complete(path)
    part: int | str = "refit" if "refit" in _parts(run) else 0
    if run.record.data == mine.record.data and fold >= 0:
        if (run.path / "folds.csv").read_bytes() != (mine.path / "folds.csv").read_bytes():
            raise Usage(f"--from {path}: a run on these very rows, dealt to other folds: its models know the validation rows.")
        part = fold
    folder = run.fold(part)

    def load() -> Any:
        from kit.training import checkpoints  # torch: a complete run is recognised without it

        return checkpoints.load_model(folder / "model.ckpt", read_json(folder / "fold.json")["checksums"]["model.ckpt"])

    return load


def _complete(path: str) -> Run:
    try:
        run = run_folder.load(Path(path)).finished()
    except Usage as fault:
        raise Usage(f"--from {fault}") from fault
    if run.record.study:
        raise Usage(f"--from {run.path}: made by kit.study, so it holds predictions and no models.")
    return run


def _parts(run: Run) -> list[int | str]:
    return [*run.record.folds, *(["refit"] if (run.fold("refit") / "fold.json").exists() else [])]
