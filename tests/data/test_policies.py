"""Policies: the laws each of them keeps, against references written another way."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kit.config import Config
from kit.data import augmentation
from kit.data.augmentation import POLICIES, trivial
from kit.labels import OneOf
from kit.metrics import accuracy
from kit.models.images.image_module import ImageModule
from kit.training.datamodule import FoldData
from kit.training.fold import Fold

RNG = np.random.default_rng(0)
POLICY_NAMES = list(POLICIES)
MIXING = [name for name, policy in POLICIES.items() if policy.mix]


def pictures(n: int, height: int = 16, width: int = 16, channels: int = 3) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng([n, height]).integers(0, 256, (n, channels, height, width), dtype=np.uint8))


def trained_on(
    policy: str, batch: int, epochs: int = 2, mirror: bool = True, dtype: Any = torch.uint8
) -> dict[int, np.ndarray]:
    """What a net would see of each of 12 pictures, by row, in every epoch: both the feed's and the batch's augmentation."""
    images = pictures(12).permute(0, 2, 3, 1).numpy()
    config = Config(augment=policy, batch=batch, workers=0)
    fold = Fold(
        name="fold", number=0, folder=Path("none"), x=images, y=np.zeros(12), train=np.arange(12), valid=np.arange(0),
        config=config, labels=OneOf("x", ("a", "b")), metric=accuracy, mirror=mirror,
    )  # fmt: skip
    feed = FoldData(fold, module=ImageModule).train_dataloader()
    seen: dict[int, list[np.ndarray]] = {row: [] for row in range(12)}
    for _ in range(epochs):
        for part in feed:
            changed = augmentation.apply(policy, part.x.to(dtype), 0, part.epoch, part.rows, mirror)
            for row, image in zip(part.rows.tolist(), changed, strict=True):
                seen[row].append(image.float().numpy())
    return {row: np.stack(parts) for row, parts in seen.items()}


@pytest.mark.parametrize("policy", POLICY_NAMES)
def test_a_picture_is_augmented_alike_in_batches_of_any_size(policy: str) -> None:
    whole = trained_on(policy, 12)
    for batch in (2, 5):
        parts = trained_on(policy, batch)
        assert all(np.allclose(whole[row], parts[row], atol=1e-3) for row in range(12))


@pytest.mark.parametrize("policy", POLICY_NAMES)
def test_every_epoch_brings_another_picture_within_the_range(policy: str) -> None:
    seen = trained_on(policy, 12, epochs=5)
    for row, parts in seen.items():
        assert parts.shape == (5, 3, 16, 16)
        assert parts.min() >= 0 and parts.max() <= 255
        if policy == "none":
            assert all(np.array_equal(part, pictures(12)[row]) for part in parts)
    different = [len({part.tobytes() for part in parts}) for parts in seen.values()]
    assert np.mean(different) > (0 if policy == "none" else 3.5) and min(different) >= 1


@pytest.mark.parametrize("policy", [name for name in POLICY_NAMES if name != "photo"])
def test_only_what_may_be_mirrored_is(policy: str) -> None:
    """Moved and mirrored, a picture holds the same columns; so count whether its left is brighter than its right."""
    ramp = torch.linspace(40, 215, 16).expand(200, 3, 16, 16)
    for mirror in (False, True):
        changed = [augmentation.apply(policy, ramp, 3, epoch, torch.arange(200), mirror) for epoch in range(2)]
        falls = [(one[..., :8].mean(dim=(1, 2, 3)) > one[..., 8:].mean(dim=(1, 2, 3))) for one in changed]
        if policy == "trivial":  # solarising turns bright into dark, as mirroring does
            assert (falls[0] != falls[1]).float().mean() > 0.6 if mirror else falls[0].float().mean() < 0.2
        else:
            assert (falls[0] ^ falls[1]).all() if mirror and POLICIES[policy].mirror else not (falls[0] | falls[1]).any()


@pytest.mark.parametrize("policy", POLICY_NAMES)
def test_without_mixing_a_batch_stays_what_it_is(policy: str) -> None:
    images = pictures(6)
    mixed, other, share = augmentation.mix(policy, images, 0, 0, 0)
    if policy not in MIXING:
        assert mixed is images and other is None and share == 1.0
    else:
        assert other is not None and sorted(other.tolist()) == list(range(6))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_mixup_is_a_convex_combination(dtype: torch.dtype) -> None:
    images, shares = pictures(9).to(dtype), []
    for epoch, step in itertools.product(range(10), range(10)):
        mixed, other, share = augmentation.mix("mixup", images, 4, epoch, step)
        assert other is not None and 0 <= share <= 1
        wanted = share * images.double() + (1 - share) * images[other].double()
        assert (mixed.double() - wanted).abs().max() < 1e-3
        assert mixed.min() >= 0 and mixed.max() <= 255
        shares.append(share)
    assert len(set(shares)) == 100 and min(shares) < 0.05 and max(shares) > 0.95  # a Beta of 0.2 is seldom in the middle


@pytest.mark.parametrize(("height", "width"), [(16, 16), (7, 30), (3, 5)])
def test_cutmix_pastes_exactly_the_share_that_it_says(height: int, width: int) -> None:
    images, shares = torch.arange(8).view(8, 1, 1, 1).expand(8, 3, height, width).to(torch.uint8), []
    for step in range(200):
        mixed, other, share = augmentation.mix("cutmix", images, 1, 0, step)
        assert other is not None and mixed.shape == images.shape and mixed.dtype == images.dtype and 0 <= share <= 1
        own = (mixed == images).all(dim=1)
        pasted = (mixed == images[other]).all(dim=1)
        assert (own | pasted).all()
        moved = other != torch.arange(8)
        assert own[moved].double().mean(dim=(1, 2)).tolist() == pytest.approx([share] * int(moved.sum()), abs=1e-12)
        if 0 < share < 1 and moved.any():
            down, right = (pasted[moved][0].any(dim=axis).nonzero().flatten() for axis in (1, 0))
            assert len(down) * len(right) == pasted[moved][0].sum()  # one rectangle
        shares.append(share)
    assert min(shares) < 0.5 < 0.8 < max(shares)


def moved_one_by_one(images: np.ndarray, u: np.ndarray, share: float, mirrored: np.ndarray) -> np.ndarray:
    """`augment.move` as one would write it first."""
    height, width = images.shape[-2:]
    most = round(height * share), round(width * share)
    done = []
    for image, draw, mirror in zip(images, u, mirrored, strict=True):
        padded = np.pad(image, ((0, 0), (most[0], most[0]), (most[1], most[1])), mode="reflect")
        down, right = (int(draw[i] * (2 * most[i] + 1)) for i in range(2))
        part = padded[:, down : down + height, right : right + width]
        done.append(part[..., ::-1] if mirror else part)
    return np.stack(done)


@pytest.mark.parametrize("share", [0.0, 1 / 16, 0.25])
@pytest.mark.parametrize(("height", "width"), [(16, 16), (9, 32), (32, 8), (5, 5)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_moving_is_padding_by_reflection_and_cropping(
    channels: int, dtype: torch.dtype, height: int, width: int, share: float
) -> None:
    images = pictures(40, height, width, channels)
    u, mirrored = RNG.random((40, 2)).astype(np.float32), RNG.random(40) < 0.5
    moved = augmentation.move(images.to(dtype), u, share, mirrored)
    assert moved.dtype == dtype and moved.shape == images.shape
    assert np.array_equal(moved.numpy(), moved_one_by_one(images.numpy(), u, share, mirrored))
    drawn = torch.from_numpy(np.c_[u, mirrored].astype(np.float32))
    assert torch.equal(augmentation.gather_moved(images.to(dtype), drawn, share), moved)  # as on a GPU


NEUTRAL = [name for name in trivial.OPERATIONS if name != "autocontrast"]


@pytest.mark.parametrize("name", NEUTRAL)
def test_without_strength_an_operation_changes_nothing(name: str) -> None:
    images = pictures(8).float()
    changed = trivial.OPERATIONS[name](images, torch.zeros(8)).clamp(0, 255)
    assert torch.allclose(changed, images, atol=0.05)


@pytest.mark.parametrize("name", trivial.OPERATIONS)
def test_an_operation_changes_the_picture_by_its_strength(name: str) -> None:
    images = torch.nn.functional.interpolate(pictures(8, 4, 4).float() * 0.6 + 40, (16, 16), mode="bilinear")
    change = [
        (trivial.OPERATIONS[name](images, torch.full((8,), s)).clamp(0, 255) - images).abs().mean().item()
        for s in (0.0, 0.25, -0.25, 1.0)
    ]
    if name == "identity":
        assert max(change) == 0
    elif name == "autocontrast":
        assert min(change) == max(change) > 1
    else:
        assert change[0] < (0.5 if name == "posterize" else 0.01) < change[3] and change[3] > max(change[1:3]) - 1e-6


def test_operations_do_what_they_are_called() -> None:
    x, one = pictures(4).float(), torch.ones(4)
    ops = trivial.OPERATIONS
    assert torch.allclose(ops["brightness"](x, one), x * 1.9, atol=1e-3)
    assert torch.allclose(ops["contrast"](x, -one).std(dim=(1, 2, 3)), x.std(dim=(1, 2, 3)) * 0.1, rtol=1e-3)
    assert torch.allclose(ops["saturation"](x, -one).mean(dim=1), x.mean(dim=1), atol=1e-3)
    assert torch.equal(ops["solarize"](x, one), 255 - x)
    assert set(ops["posterize"](x, one).unique().tolist()) <= {16.0 * i for i in range(16)}
    stretched = ops["autocontrast"](x / 4 + 60, one)
    assert torch.allclose(stretched.amin(dim=(2, 3)), torch.zeros(4, 3)) and torch.allclose(
        stretched.amax(dim=(2, 3)), torch.full((4, 3), 255.0), atol=1e-3
    )
    flat = torch.full((2, 3, 8, 8), 77.0)
    assert torch.isfinite(ops["autocontrast"](flat, one[:2])).all()
    ramp = torch.arange(32.0).expand(1, 3, 32, 32)
    inside = (..., slice(12, 20), slice(12, 20))
    assert torch.allclose(ops["shift x"](ramp, torch.full((1,), 0.1))[inside] - ramp[inside], torch.tensor(0.1 * 0.33 * 32))
    assert torch.allclose(ops["shift y"](ramp, one[:1])[inside], ramp[inside], atol=1e-3)
    quarter = ops["rotate"](ramp, torch.full((1,), 90 / trivial.DEGREES))
    assert torch.allclose(
        quarter, torch.rot90(ramp, 1 if quarter[0, 0, 0, 0] > quarter[0, 0, -1, 0] else -1, (2, 3)), atol=1e-2
    )


def test_every_operation_is_drawn_equally_often_and_leaves_the_others_alone() -> None:
    images, n = pictures(1).float().expand(2600, -1, -1, -1), len(trivial.OPERATIONS)
    u = RNG.random((2600, 3)).astype(np.float32)
    u[:, 1] = 1
    changed = trivial.apply(images, u)
    still = (changed == images).flatten(1).all(dim=1).float().mean()
    assert abs(still - 1 / n) < 0.03
    for k, (name, operation) in enumerate(trivial.OPERATIONS.items()):
        draw = np.array([[(k + 0.5) / n, 0.5, 0.9], [(k + 0.5) / n, 0.5, 0.1]], np.float32)
        wanted = operation(images[:2], torch.tensor([0.5, -0.5])).clamp(0, 255)
        assert torch.allclose(trivial.apply(images[:2], draw), wanted), name
