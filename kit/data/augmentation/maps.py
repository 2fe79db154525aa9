"""Maps: pictures moved as a whole, by a random affine map, and place by place, by a random elastic one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn.functional import affine_grid, grid_sample, interpolate

KNOTS = 5  # an elastic map is drawn at so many places along each side, and smooth between them
WARP, WARPS = 17, 2 * KNOTS**2  # the first of a picture's draws that it takes, and how many
FINITE = 1e-6  # how near a draw may come to 0 and 1, where a normal variable would be infinite


@dataclass(frozen=True)
class Affine:
    """Bounds of a random affine map: degrees, share of the side, and log of the scale."""

    degrees: float
    shift: float
    scale: float
    shear: float


def moved(images: torch.Tensor, bounds: Affine, elastic: float, drawn: torch.Tensor) -> torch.Tensor:
    """Images [b, c, h, w] moved by maps from draws [b, 6 or more] in [0, 1).

    `elastic`: the deviation of the further move of each knot, as a share of the side (Simard et al. 2003); 0: none.
    """
    grid = affine_grid(affine_maps(bounds, drawn[:, :6] * 2 - 1), list(images.shape), align_corners=False)
    if elastic:
        strays = elastic_moves(drawn[:, WARP : WARP + WARPS], images.shape[-2], images.shape[-1])
        grid = grid + strays * (2 * elastic)  # a grid is 2 wide
    edge = "zeros" if images.shape[1] == 1 else "reflection"
    return grid_sample(images.float(), grid, padding_mode=edge, align_corners=False)


def affine_maps(bounds: Affine, u: torch.Tensor) -> torch.Tensor:
    """Maps [b, 2, 3] as `affine_grid` takes them, from draws [b, 6] in [-1, 1)."""
    turn = u[:, 0] * math.radians(bounds.degrees)
    skew = turn + u[:, 1] * math.radians(bounds.shear)
    wide, high = torch.exp(u[:, 2] * bounds.scale), torch.exp(u[:, 3] * bounds.scale)
    right, down = u[:, 4] * 2 * bounds.shift, u[:, 5] * 2 * bounds.shift
    rows = [turn.cos() * wide, -skew.sin() * wide, right, turn.sin() * high, skew.cos() * high, down]
    return torch.stack(rows, dim=1).view(-1, 2, 3)


def elastic_moves(u: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """How far right and down each place strays, float32 [b, height, width, 2] of unit deviation, from draws [b, WARPS]."""
    knots = torch.special.ndtri(u.clamp(FINITE, 1 - FINITE)).view(-1, 2, KNOTS, KNOTS)
    return interpolate(knots, size=(height, width), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
