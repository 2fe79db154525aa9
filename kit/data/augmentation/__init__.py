"""Augmentation: named policies, in batches on the device; every draw depends on (seed, epoch, row) alone.

albumentations is imported inside `photo`, the only policy that uses it: it takes two seconds.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from kit.data.augmentation import maps, trivial
from kit.data.augmentation.maps import Affine
from kit.data.device_copy import sent
from kit.errors import Usage, did_you_mean


@dataclass(frozen=True)
class Policy:
    """What is done to a batch. Mirroring needs pictures that may be mirrored, colour and holes pictures in colour.

    `shift`: whole pixels, as a share of the side. `elastic`: how far places stray, as a share of the side. `colour`: strength
    of brightness, contrast and saturation. `hole`: side of a grey square, as a share. `trivial`: one operation a picture
    (`kit.data.augmentation.trivial`). `mix`: mixup or cutmix.
    """

    mirror: bool = True
    shift: float = 0.0
    affine: Affine | None = None
    elastic: float = 0.0
    colour: float = 0.0
    hole: float = 0.0
    trivial: bool = False
    mix: str = ""

    @property
    def draws(self) -> int:
        """Of a picture, at most."""
        if self.elastic:
            return maps.WARP + maps.WARPS
        return 14 if self.trivial else 11 if self.hole else 9 if self.colour else 6 if self.affine else 2


POLICIES = {
    "none": Policy(mirror=False),
    "light": Policy(shift=1 / 16),
    "medium": Policy(affine=Affine(degrees=10, shift=0.07, scale=0.1, shear=5), colour=0.2),
    "heavy": Policy(affine=Affine(degrees=15, shift=0.09, scale=0.15, shear=10), colour=0.3, hole=0.25),
    "elastic": Policy(affine=Affine(degrees=15, shift=0.09, scale=0.15, shear=10), elastic=0.025),
    "trivial": Policy(shift=1 / 16, trivial=True),
    "mixup": Policy(shift=1 / 16, mix="mixup"),
    "cutmix": Policy(shift=1 / 16, mix="cutmix"),
    "photo": Policy(mirror=False),  # albumentations, per image, in workers: `photo` below
}
MIX = {"mixup": 0.2, "cutmix": 1.0}  # of the Beta distribution that shares are drawn from (Zhang 2018, Yun 2019)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def draws(seed: int, epoch: int, rows: np.ndarray, count: int, first: int = 0) -> np.ndarray:
    """Uniform float32 [rows, count - first] in [0, 1), by SplitMix64 (Steele, Lea & Flood 2014) of (seed, epoch, row, draw).

    The same for any batch size, order, number of workers or ranks, and for a resumed run. `first`: of the draws, from 0.
    """
    with np.errstate(over="ignore"):
        key = _mix(_mix(np.uint64(seed) * _GOLDEN + np.uint64(1)) + np.uint64(epoch))
        state = _mix(key + rows.astype(np.uint64) * _GOLDEN)
        bits = _mix(state[:, None] + (np.arange(first, count, dtype=np.uint64) + np.uint64(1)) * _GOLDEN)
    return ((bits >> np.uint64(40)).astype(np.float32)) / np.float32(1 << 24)


def _mix(z: Any) -> Any:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def policy(name: str) -> Policy:
    """The policy of this name. Raises Usage where there is none."""
    if name not in POLICIES:
        raise Usage(f"--augment {name!r}: the value must be one of {', '.join(POLICIES)}.{did_you_mean(name, POLICIES)}")
    return POLICIES[name]


def is_compose(augmentation: Any) -> bool:
    """Is it an albumentations transform, which takes one picture at a time, by keyword?"""
    return hasattr(augmentation, "set_random_seed")


def apply(name: str, images: torch.Tensor, seed: int, epoch: int, rows: torch.Tensor, mirror: bool = False) -> torch.Tensor:
    """Augment images 0…255 [b, c, h, w] (uint8 or float) of the training rows `rows` [b], in the host's memory.

    Each is mirrored in every other epoch (the alternating flip of KellerJordan/cifar10-airbench), beginning by lot.
    """
    plan, index = policy(name), rows.numpy()
    mirrored = np.zeros(len(index), bool)
    if plan.mirror and mirror:
        mirrored = (draws(seed, 0, index, 17, first=16)[:, 0] < 0.5) ^ (epoch % 2 == 1)
    moves = bool(plan.shift) or bool(mirrored.any())
    if not (moves or plan.affine or plan.colour or plan.hole or plan.trivial):
        return images
    u = draws(seed, epoch, index, plan.draws)
    drawn = sent(torch.from_numpy(np.c_[u, mirrored].astype(np.float32)), images.device)  # one copy for all
    if moves and images.device.type == "cpu":
        images = move(images, u[:, :2], plan.shift, mirrored)
    elif moves:
        images = gather_moved(images, drawn, plan.shift)
    if plan.affine is not None:
        images = maps.moved(images, plan.affine, plan.elastic, drawn)
    if images.shape[1] == 3 and plan.colour:
        images = _colour(images.float(), plan.colour, drawn[:, 6:9])
    if images.shape[1] == 3 and plan.hole:
        images = _hole(images, plan.hole, drawn[:, 9:11])
    if plan.trivial:
        images = trivial.apply(images.float(), u[:, 11:14])
    return images


def move(images: torch.Tensor, u: np.ndarray, share: float, mirrored: np.ndarray) -> torch.Tensor:
    """Shift each by up to `share` of the side in whole pixels (what enters reflects what leaves), mirror some; on a CPU.

    Images that move alike move together: slices are copied much faster than single pixels are gathered.
    """
    height, width = images.shape[-2:]
    down, right = round(height * share), round(width * share)
    kinds = np.stack(
        [(u[:, 0] * (2 * down + 1)).astype(np.int64), (u[:, 1] * (2 * right + 1)).astype(np.int64), mirrored], axis=1
    )
    order = np.lexsort(kinds.T)
    ends = np.flatnonzero(np.r_[(np.diff(kinds[order], axis=0) != 0).any(axis=1), True]) + 1
    ordered = _reflected(images[torch.from_numpy(order)], down, right)
    moved = torch.empty_like(images)
    for start, end in zip(np.r_[0, ends[:-1]], ends, strict=True):
        top, left, mirror = kinds[order[start]]
        part = ordered[start:end, :, top : top + height, left : left + width]
        moved[start:end] = part.flip(-1) if mirror else part
    return moved[torch.from_numpy(np.argsort(order))]


def gather_moved(images: torch.Tensor, drawn: torch.Tensor, share: float) -> torch.Tensor:
    """As `move`, on a GPU: pixels are gathered, in a dozen kernels instead of some for each kind of move.

    `drawn` float32 [b, 3 or more]: the draws of both shifts first, whether a picture is mirrored last.
    """
    count, _, height, width = images.shape
    place = torch.arange(max(height, width), device=images.device)
    mirrored = drawn[:, -1:] > 0.5
    across = torch.where(mirrored, width - 1 - place[:width], place[:width])
    index = []
    for axis, (length, along) in enumerate(((height, place[:height]), (width, across))):
        reach = round(length * share)
        start = (drawn[:, axis : axis + 1] * (2 * reach + 1)).to(torch.int64)
        before = (along + start - reach).abs()  # what enters at the top reflects what leaves at the bottom
        index.append(length - 1 - (length - 1 - before).abs())
    picture = torch.arange(count, device=images.device)[:, None, None]
    return images.permute(0, 2, 3, 1)[picture, index[0][:, :, None], index[1][:, None, :]].permute(0, 3, 1, 2)


def _reflected(images: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """With mirrored margins, of any type (torch pads floats only) and in the same memory format."""
    count, channels, height, width = images.shape
    last = images.stride(1) == 1
    shape = (count, channels, height + 2 * down, width + 2 * right)
    padded = torch.empty(
        shape, dtype=images.dtype, device=images.device, memory_format=torch.channels_last if last else torch.contiguous_format
    )
    padded[:, :, down : down + height, right : right + width] = images
    for i in range(down):
        padded[:, :, i] = padded[:, :, 2 * down - i]
        padded[:, :, -1 - i] = padded[:, :, -1 - 2 * down + i]
    for i in range(right):
        padded[:, :, :, i] = padded[:, :, :, 2 * right - i]
        padded[:, :, :, -1 - i] = padded[:, :, :, -1 - 2 * right + i]
    return padded


def _colour(images: torch.Tensor, strength: float, u: torch.Tensor) -> torch.Tensor:
    """Brightness, contrast and saturation, each by a factor of up to 1 ± strength."""
    factor = 1 + ((u * 2 - 1) * strength).view(-1, 3, 1, 1)
    images = images * factor[:, 0:1]
    images = torch.lerp(images.mean(dim=(1, 2, 3), keepdim=True), images, factor[:, 1:2])
    return torch.lerp(images.mean(dim=1, keepdim=True), images, factor[:, 2:3]).clamp(0, 255)


def _hole(images: torch.Tensor, share: float, u: torch.Tensor) -> torch.Tensor:
    """A grey square anywhere inside (cutout, DeVries & Taylor 2017)."""
    height, width = images.shape[-2:]
    side = round(min(height, width) * share)
    down, right = (
        torch.arange(length, device=images.device) - (u[:, i : i + 1] * (length - side + 1)).to(torch.int64)
        for i, length in enumerate((height, width))
    )
    inside = ((down >= 0) & (down < side))[:, None, :, None] & ((right >= 0) & (right < side))[:, None, None, :]
    return images.masked_fill(inside, 128)


def mix(name: str, images: torch.Tensor, seed: int, epoch: int, step: int) -> tuple[torch.Tensor, torch.Tensor | None, float]:
    """Mix each image with another of its batch: (images, positions of the others or None, share that stayed).

    Drawn by (seed, epoch, step): which images meet is a fact of the batch.
    """
    kind = policy(name).mix
    if not kind:
        return images, None, 1.0
    rng = np.random.default_rng([seed, epoch, step])
    share = float(rng.beta(MIX[kind], MIX[kind]))
    other = sent(torch.from_numpy(rng.permutation(len(images))), images.device)
    if kind == "mixup":
        return torch.lerp(images.float()[other], images.float(), share), other, share
    height, width = images.shape[-2:]
    high, wide = (int(length * math.sqrt(1 - share)) for length in (height, width))
    top, left = int(rng.integers(height - high + 1)), int(rng.integers(width - wide + 1))
    mixed = images.clone()
    mixed[..., top : top + high, left : left + wide] = images[other, :, top : top + high, left : left + wide]
    return mixed, other, 1 - high * wide / (height * width)


def photo(size: tuple[int, int], mirror: bool) -> Any:
    """The per-image policy for photographs: crop and zoom, mirror (where that is allowed), light and colour, blur, holes."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its version check calls the network
    import albumentations as A

    return A.Compose(
        [
            A.RandomResizedCrop(size=size, scale=(0.6, 1.0)),
            A.HorizontalFlip(p=0.5 if mirror else 0),
            A.RandomBrightnessContrast(0.3, 0.3, p=0.8),
            A.OneOf([A.GaussianBlur(blur_limit=(3, 5)), A.GaussNoise(std_range=(0.02, 0.1))], p=0.2),
            A.CoarseDropout(num_holes_range=(1, 4), hole_height_range=(0.05, 0.2), hole_width_range=(0.05, 0.2), p=0.3),
        ]
    )
