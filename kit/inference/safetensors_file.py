"""Safetensors file: a fold's network by its own names, so that timm and `--weights` read it, and all that it needs besides.

The latter is JSON in the file's metadata; of it, what has more than LISTED values is a tensor of the file, named after BESIDE.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save

from kit.storage import files

LISTED = 4096
BESIDE = "kit."


def write(path: Path, member: Any, model: Any) -> None:
    """Write the member of a graph that was made of `model`."""
    state = network(member).state_dict()
    beside = {name: one for name, one in member.named_buffers() if not name.startswith("net.")}
    large = {BESIDE + name: one for name, one in beside.items() if one.numel() > LISTED and name not in state}
    small = {name: one.tolist() for name, one in beside.items() if one.numel() <= LISTED}
    about = {"config": model.config.json(), "labels": model.hparams["labels"], **small}
    known = {name: json.dumps(value) for name, value in about.items()} | {"format": "pt"}
    files.write(path, save({name: one.clone().contiguous() for name, one in (state | large).items()}, known))


def read(path: Path, member: Any) -> None:
    """Give a member what the file holds. Undoes `write`, whatever the member's numbers were. Raises KeyError for a lack."""
    with safe_open(path, "pt") as opened:
        stored, known = {name: opened.get_tensor(name) for name in opened.keys()}, opened.metadata()  # noqa: SIM118
    net = network(member)
    net.load_state_dict({name: one for name, one in stored.items() if not name.startswith(BESIDE)})
    for name, one in member.named_buffers():
        if net is not member and not name.startswith("net."):
            given = stored[BESIDE + name] if one.numel() > LISTED else torch.tensor(json.loads(known[name]), dtype=one.dtype)
            one.copy_(given.reshape(one.shape))


def network(member: Any) -> Any:
    """What predicts: the member's network, or the member itself where it is none around another."""
    return getattr(member, "net", member)
