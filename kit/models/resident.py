"""Resident: pictures that stay in a GPU's memory, where their rows are gathered, instead of travelling with every batch."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import torch

from kit.models import devices

SHARE = 0.25  # of the GPU's free memory: the rest is for the network and what a step computes
PIECE = 1 << 26  # bytes that are sent at a time

_kept: dict[tuple[int, str], tuple[weakref.ref[np.ndarray], torch.Tensor]] = {}


def keep(x: Any, device: torch.device) -> torch.Tensor | None:
    """`x` uint8 [n, h, w, c] on the device, sent there once; None where it is no array or no GPU, or the memory is short."""
    known = of(x, device)
    if known is not None or not isinstance(x, np.ndarray) or device.type == "cpu" or not len(x):
        return known
    if x.dtype != np.uint8 or x.nbytes > SHARE * devices.free_memory(device):
        return None
    there = torch.empty(x.shape, dtype=torch.uint8, device=device)
    each = max(1, PIECE // (x.nbytes // len(x)))
    for start in range(0, len(x), each):
        there[start : start + each].copy_(torch.from_numpy(np.array(x[start : start + each])))
    key = (id(x), str(device))
    _kept[key] = (weakref.ref(x, lambda _: _kept.pop(key, None)), there)
    return there


def of(x: Any, device: torch.device) -> torch.Tensor | None:
    """What `keep` has kept of `x`, else None."""
    found = _kept.get((id(x), str(device)))
    return found[1] if found is not None and found[0]() is x else None


def clear() -> None:
    """Let go of all of it: the memory is needed."""
    _kept.clear()


def rows(images: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Some rows (int64 [b], on the same device) of pictures [n, h, w, c], as uint8 [b, c, h, w] in channels_last."""
    return images.index_select(0, index).permute(0, 3, 1, 2)
