"""Trivial: one random operation of random strength a picture (TrivialAugment, Müller & Hutter 2021), in batches.

Of the paper's operations, equalisation is left out: it needs a histogram for each picture.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn.functional import avg_pool2d

from kit.data.device_copy import sent

# The strongest of each: a shear, a share of the side, degrees (ranges of RandAugment, Cubuk et al. 2020)
SHEAR, SHIFT, DEGREES = 0.3, 0.33, 30.0
Operation = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def apply(images: torch.Tensor, u: np.ndarray) -> torch.Tensor:
    """Images float 0…255 [b, c, h, w]; draws [b, 3] choose operation, strength and sign."""
    chosen = (u[:, 0] * len(OPERATIONS)).astype(np.int64)
    strength = sent(torch.from_numpy(np.where(u[:, 2] < 0.5, -u[:, 1], u[:, 1])), images.device)
    order = sent(torch.from_numpy(np.argsort(chosen, kind="stable")), images.device)
    counts = np.bincount(chosen, minlength=len(OPERATIONS)).tolist()
    changed = images.clone()
    for index, operation in zip(order.split(counts), OPERATIONS.values(), strict=True):
        if len(index):
            changed[index] = operation(images[index], strength[index]).clamp(0, 255)
    return changed


def _map(images: torch.Tensor, matrix: list[list[torch.Tensor]]) -> torch.Tensor:
    theta = torch.stack([torch.stack(row, dim=-1) for row in matrix], dim=1)
    grid = torch.nn.functional.affine_grid(theta, list(images.shape), align_corners=False)
    return torch.nn.functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _shear_x(images: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    one, zero = s * 0 + 1, s * 0
    return _map(images, [[one, s * SHEAR, zero], [zero, one, zero]])


def _shear_y(images: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    one, zero = s * 0 + 1, s * 0
    return _map(images, [[one, zero, zero], [s * SHEAR, one, zero]])


def _shift_x(images: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    one, zero = s * 0 + 1, s * 0
    return _map(images, [[one, zero, s * 2 * SHIFT], [zero, one, zero]])


def _shift_y(images: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    one, zero = s * 0 + 1, s * 0
    return _map(images, [[one, zero, zero], [zero, one, s * 2 * SHIFT]])


def _rotate(images: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    turn = s.deg2rad() * DEGREES
    return _map(images, [[turn.cos(), -turn.sin(), s * 0], [turn.sin(), turn.cos(), s * 0]])


def _factor(s: torch.Tensor) -> torch.Tensor:
    return (1 + 0.9 * s).view(-1, 1, 1, 1)


def _brightness(images: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    return images * _factor(s)


def _contrast(images: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    return images.mean(dim=(1, 2, 3), keepdim=True).lerp(images, _factor(s))


def _saturation(images: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    return images.mean(dim=1, keepdim=True).lerp(images, _factor(s))


def _sharpness(images: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    return avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False).lerp(images, _factor(s))


def _posterize(images: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    step = 2 ** (s.abs() * 4).round().view(-1, 1, 1, 1)
    return (images / step).floor() * step


def _solarize(images: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    return torch.where(images >= 256 * (1 - s.abs().view(-1, 1, 1, 1)), 255 - images, images)


def _autocontrast(images: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    low, high = images.amin(dim=(2, 3), keepdim=True), images.amax(dim=(2, 3), keepdim=True)
    return (images - low) * 255 / (high - low).clamp(min=1)


OPERATIONS: dict[str, Operation] = {
    "identity": lambda images, s: images,
    "shear x": _shear_x,
    "shear y": _shear_y,
    "shift x": _shift_x,
    "shift y": _shift_y,
    "rotate": _rotate,
    "brightness": _brightness,
    "contrast": _contrast,
    "saturation": _saturation,
    "sharpness": _sharpness,
    "posterize": _posterize,
    "solarize": _solarize,
    "autocontrast": _autocontrast,
}
