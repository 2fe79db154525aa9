"""Copies from the host's memory to a GPU's, for which the host does not wait."""

from __future__ import annotations

import torch

SIDE = 1 << 20  # bytes from which a copy goes by a stream of its own, beside what is computed
_streams: dict[torch.device, torch.cuda.Stream] = {}


def sent(tensor: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """A tensor of the host on the device. To a GPU it goes from pinned memory: else the host waits for all that is computed.

    A large one goes by a stream of its own, so that the copy passes while the step before is still computed.
    """
    device = torch.device(device)
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    pinned = tensor if tensor.is_pinned() else tensor.pin_memory()
    if tensor.nbytes < SIDE:
        return pinned.to(device, non_blocking=True)
    here = torch.cuda.current_stream(device)
    side = _streams.setdefault(here.device, torch.cuda.Stream(device))
    with torch.cuda.stream(side):
        there = pinned.to(device, non_blocking=True)
    here.wait_stream(side)
    there.record_stream(here)
    return there
