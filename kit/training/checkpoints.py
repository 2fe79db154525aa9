"""Checkpoints: snapshots that a killed fold resumes from, each with its checksum in its name; and a fold's model."""

from __future__ import annotations

import hashlib
import io
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from kit.errors import BadData, unreadable
from kit.models import registry
from kit.models.base import FoldModel
from kit.storage import files

KEPT = 2  # the newest, and one to fall back to


def save_snapshot(folder: Path, state: dict[str, Any], step: int) -> None:
    """Write `snapshot-STEP-CHECKSUM.pt` atomically, then drop all but the newest two."""
    data = _pack(state)
    files.write(folder / f"snapshot-{step:08d}-{hashlib.sha256(data).hexdigest()[:16]}.pt", data)
    for old in snapshots(folder)[KEPT:]:
        old.unlink(missing_ok=True)


def snapshots(folder: Path) -> list[Path]:
    """The snapshots of a fold, newest first."""
    return sorted(folder.glob("snapshot-*.pt"), reverse=True)


def newest_sound(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """The newest snapshot whose checksum holds, or None; and a line for every broken one that was passed over."""
    broken: list[str] = []
    for path in snapshots(folder):
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest()[:16] == path.stem.rsplit("-", 1)[-1]:
            return _unpack(path, data), broken
        broken.append(f"{path}: broken (its checksum differs); passed over")
    return None, broken


def drop_snapshots(folder: Path) -> None:
    """Remove the snapshots of a finished fold."""
    for path in snapshots(folder):
        path.unlink(missing_ok=True)


def save_model(path: Path, module: FoldModel) -> str:
    """Write a module as a Lightning checkpoint of plain values and tensors; returns its checksum."""
    module = module.saved
    state = {
        "state_dict": module.state_dict(),
        "hyper_parameters": registry.saved(module),
        "pytorch-lightning_version": version("pytorch-lightning"),
    }
    data = _pack(state)
    files.write(path, data)
    return hashlib.sha256(data).hexdigest()


def load_model(path: Path, checksum: str | None = None) -> FoldModel:
    """The module of a fold, in eval mode on the CPU.

    Raises BadData where the file is missing or not as it was written, DiskError where it cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as fault:
        raise BadData(f"{path}: no such file. Was the run copied whole?") from fault
    except OSError as fault:
        raise unreadable(path, fault) from fault
    if checksum and hashlib.sha256(data).hexdigest() != checksum:
        raise BadData(f"{path}: broken (its checksum differs). Delete its folder and run again: only it is trained anew.")
    state = _unpack(path, data)
    module = registry.rebuilt(state["hyper_parameters"])
    module.load_state_dict(state["state_dict"])
    return module.eval()


def _pack(state: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _unpack(path: Path, data: bytes) -> dict[str, Any]:
    """Undoes `_pack`. Tensors and plain values only: nothing in the file is executed."""
    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as fault:  # a broken pickle raises whatever its bytes happen to mean
        raise BadData(f"{path}: not a checkpoint of the kit ({type(fault).__name__}).") from fault
