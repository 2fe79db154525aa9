"""Views: test-time augmentations, each a function of a batch, with an undo where the answer moves with the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from kit.errors import Usage

if TYPE_CHECKING:
    import torch

# (down, right) in pixels; digits and letters may move a little but not be mirrored
SHIFTS = {
    "left": (0, -1),
    "right": (0, 1),
    "up": (-1, 0),
    "down": (1, 0),
    "up left": (-1, -1),
    "up right": (-1, 1),
    "down left": (1, -1),
    "down right": (1, 1),
}


@dataclass(frozen=True)
class View:
    """`do` maps images [b, c, h, w] to images of the same shape; `undo` maps their predictions back, if they moved."""

    name: str
    do: Callable[[torch.Tensor], torch.Tensor]
    undo: Callable[[torch.Tensor], torch.Tensor] | None = None


def shift(images: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """Move the pictures by whole pixels; what enters repeats the edge."""
    from torch.nn.functional import pad

    height, width = images.shape[-2:]
    margins = (max(right, 0), max(-right, 0), max(down, 0), max(-down, 0))
    padded = pad(images, margins, mode="replicate")
    top, left = max(-down, 0), max(-right, 0)
    return padded[..., top : top + height, left : left + width]


def make(count: int, side: int) -> list[View]:
    """The first `count` views for images of this side: as they are, then shifted by about 1/28 of the side."""
    step = max(1, round(side / 28))
    views = [View("as is", lambda images: images)]
    for name, (down, right) in SHIFTS.items():
        views.append(View(name, partial(shift, down=down * step, right=right * step)))
    if count > len(views):
        raise Usage(f"--views {count}: there are {len(views)} views.")
    return views[:count]
