"""Seeds: one number out of several, and a generator set to it."""

from __future__ import annotations

import numpy as np
import torch


def reseed(seed: int, device: torch.device) -> None:
    """torch.manual_seed for the devices that compute: for those that are not there it formats three stacks, 0.45 ms a step."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def seed_of(*parts: int) -> int:
    """One seed out of several numbers."""
    return int(np.random.SeedSequence([part + 1 for part in parts]).generate_state(1, np.uint64)[0] >> np.uint64(1))
