"""Augmentation: named policies, in batches on the device; every draw depends on (seed, epoch, row) alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Affine:
    """Bounds of a random affine map: degrees, share of the side, and log of the scale."""

    degrees: float
    shift: float
    scale: float
    shear: float


POLICIES = {
    "none": None,
    "light": Affine(degrees=0, shift=0.07, scale=0, shear=0),
    "medium": Affine(degrees=10, shift=0.07, scale=0.1, shear=5),
    "heavy": Affine(degrees=15, shift=0.09, scale=0.15, shear=10),
    "photo": None,  # albumentations, per image, in workers: `photo` below
}
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def draws(seed: int, epoch: int, rows: np.ndarray, count: int) -> np.ndarray:
    """Uniform float32 [rows, count] in [0, 1), by SplitMix64 (Steele, Lea & Flood 2014) of (seed, epoch, row, draw).

    The same for any batch size, order, number of workers or ranks, and for a resumed run.
    """
    with np.errstate(over="ignore"):
        key = _mix(_mix(np.uint64(seed) * _GOLDEN + np.uint64(1)) + np.uint64(epoch))
        state = _mix(key + rows.astype(np.uint64) * _GOLDEN)
        bits = _mix(state[:, None] + (np.arange(count, dtype=np.uint64) + np.uint64(1)) * _GOLDEN)
    return ((bits >> np.uint64(40)).astype(np.float32)) / np.float32(1 << 24)


def _mix(z: Any) -> Any:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def apply(policy: str, images: torch.Tensor, seed: int, epoch: int, rows: torch.Tensor) -> torch.Tensor:
    """Augment float images [b, c, h, w] of the training rows `rows` [b]; `none` and `photo` leave them as they are."""
    bounds = POLICIES[policy]
    if bounds is None:
        return images
    import torch

    u = torch.from_numpy(draws(seed, epoch, rows.cpu().numpy(), 6) * 2 - 1).to(images.device)
    theta = affine_maps(bounds, u)
    grid = torch.nn.functional.affine_grid(theta, list(images.shape), align_corners=False)
    return torch.nn.functional.grid_sample(images, grid, align_corners=False)


def affine_maps(bounds: Affine, u: torch.Tensor) -> torch.Tensor:
    """Maps [b, 2, 3] as `affine_grid` takes them, from draws [b, 6] in [-1, 1)."""
    import torch

    turn = u[:, 0] * math.radians(bounds.degrees)
    skew = turn + u[:, 1] * math.radians(bounds.shear)
    wide, high = torch.exp(u[:, 2] * bounds.scale), torch.exp(u[:, 3] * bounds.scale)
    right, down = u[:, 4] * 2 * bounds.shift, u[:, 5] * 2 * bounds.shift
    rows = [turn.cos() * wide, -skew.sin() * wide, right, turn.sin() * high, skew.cos() * high, down]
    return torch.stack(rows, dim=1).view(-1, 2, 3)


def photo(size: tuple[int, int]) -> Any:
    """The per-image policy for photographs: crop and zoom, mirror, light and colour, blur, holes."""
    import os

    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its version check calls the network
    import albumentations as A

    return A.Compose(
        [
            A.RandomResizedCrop(size=size, scale=(0.6, 1.0)),
            A.HorizontalFlip(),
            A.RandomBrightnessContrast(0.3, 0.3, p=0.8),
            A.OneOf([A.GaussianBlur(blur_limit=(3, 5)), A.GaussNoise(std_range=(0.02, 0.1))], p=0.2),
            A.CoarseDropout(num_holes_range=(1, 4), hole_height_range=(0.05, 0.2), hole_width_range=(0.05, 0.2), p=0.3),
        ]
    )
