"""Views: test-time augmentations, each a function of a batch, with an undo where the answer moves with the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch.nn.functional import interpolate, pad

from kit.errors import Usage

# (down, right) in steps; digits and letters may move a little but not be mirrored
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
DIAGONAL = ("up left", "down right", "up right", "down left")
PIXELWISE = 28  # the largest side whose views move by one pixel
CROP = 0.875  # share of the side that a crop keeps, the customary 224 of 256
CORNERS = {"centre": (0.5, 0.5), "top left": (0, 0), "top right": (0, 1), "bottom left": (1, 0), "bottom right": (1, 1)}
ZOOMS = (0.92, 0.84, 0.76)  # shares of the side that are magnified to all of it


@dataclass(frozen=True)
class View:
    """`do` maps images [b, c, h, w] to images of the same shape; `undo` maps their predictions back, if they moved."""

    name: str
    do: Callable[[torch.Tensor], torch.Tensor]
    undo: Callable[[torch.Tensor], torch.Tensor] | None = None


def shift(images: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """Move the pictures by whole pixels; what enters repeats the edge."""
    height, width = images.shape[-2:]
    margins = (max(right, 0), max(-right, 0), max(down, 0), max(-down, 0))
    padded = pad(images, margins, mode="replicate")
    top, left = max(-down, 0), max(-right, 0)
    return padded[..., top : top + height, left : left + width]


def crop(images: torch.Tensor, share: float, down: float, right: float) -> torch.Tensor:
    """Magnify a part to the whole: `share` of each side; `down` and `right` say where it lies, 0 to 1."""
    height, width = images.shape[-2:]
    high, wide = max(1, round(height * share)), max(1, round(width * share))
    top, left = round((height - high) * down), round((width - wide) * right)
    part = images[..., top : top + high, left : left + wide].float()
    return interpolate(part, size=(height, width), mode="bilinear", align_corners=False)


def _same(images: torch.Tensor) -> torch.Tensor:
    return images


AS_IS = View("as is", _same)


def _turned(images: torch.Tensor, across: bool, over: bool, transposed: bool) -> torch.Tensor:
    turned = images.flip([axis for axis, wanted in ((-1, across), (-2, over)) if wanted])
    return turned.transpose(-1, -2) if transposed else turned


def _positions() -> list[View]:
    """The eight symmetries of a square; a rotation by a right angle is a transposition of a mirrored picture."""
    views = [AS_IS]
    for transposed in (False, True):
        for across, over in ((False, False), (True, False), (False, True), (True, True)):
            words = [word for word, wanted in (("left-right", across), ("up-down", over), ("transposed", transposed)) if wanted]
            if words:
                views.append(View(" ".join(words), partial(_turned, across=across, over=over, transposed=transposed)))
    return views


def _mirrored(view: View) -> View:
    def do(images: torch.Tensor) -> torch.Tensor:
        return view.do(images.flip(-1))

    return View("mirrored" if view is AS_IS else f"{view.name}, mirrored", do)


def available(side: int, mirror: bool, kind: str = "auto") -> list[View]:
    """All views of a kind, best first. `mirror`: may the pictures be mirrored?

    auto: as they are, then shifted by about 1/28 of the side, each also mirrored where that is allowed (six of them are
    the views of KellerJordan/cifar10-airbench). flips: the eight positions of a square turned over, for pictures
    without an up. crops: the centre and the corners ("five-crop"). scales: magnified.
    """
    step = max(1, round(side / PIXELWISE))
    if kind == "flips":
        return _positions()
    if kind in ("auto", "shifts"):
        order = (*DIAGONAL, "left", "right", "up", "down") if mirror else tuple(SHIFTS)
        moves = [View(name, partial(shift, down=SHIFTS[name][0] * step, right=SHIFTS[name][1] * step)) for name in order]
        views = [AS_IS, *moves]
        mirror = mirror and kind == "auto"
    elif kind == "crops":
        views = [View(name, partial(crop, share=CROP, down=down, right=right)) for name, (down, right) in CORNERS.items()]
    else:
        views = [AS_IS, *(View(f"{share:.0%} magnified", partial(crop, share=share, down=0.5, right=0.5)) for share in ZOOMS)]
    return [two for one in views for two in (one, _mirrored(one))] if mirror else views


def make(count: int, side: int, mirror: bool = False, kind: str = "auto") -> list[View]:
    """The first `count` views. Raises Usage where there are fewer."""
    views = available(side, mirror, kind)
    if count > len(views):
        raise Usage(f"--views {count}: there are {len(views)} views (--view-kind {kind}).")
    return views[:count]
