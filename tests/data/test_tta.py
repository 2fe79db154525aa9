"""Views: every kind has its number of them, all different, and each shows what its name says."""

import numpy as np
import pytest
import torch

from kit.config import VIEW_KINDS
from kit.data import tta
from kit.errors import Usage


def pictures(n: int, height: int = 16, width: int = 16) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng([n, height]).integers(0, 256, (n, 3, height, width), dtype=np.uint8))


COUNTS = {("auto", False): 9, ("auto", True): 18, ("shifts", False): 9, ("shifts", True): 9, ("flips", False): 8,
          ("flips", True): 8, ("crops", False): 5, ("crops", True): 10, ("scales", False): 4, ("scales", True): 8}  # fmt: skip


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("kind", VIEW_KINDS)
def test_every_kind_has_its_views_of_one_shape_all_different(kind: str, mirror: bool) -> None:
    for side in (16, 28, 33):
        images = pictures(2, side, side)
        available = tta.available(side, mirror, kind)
        assert len(available) == COUNTS[kind, mirror]
        seen = [view.do(images.float()) for view in available]
        assert all(one.shape == images.shape for one in seen)
        assert len({view.name for view in available}) == len({one.numpy().tobytes() for one in seen}) == len(available)
        for view, one in zip(available, seen, strict=True):
            assert torch.allclose(view.do(images).float(), one, atol=1e-3)
            assert one.min() >= 0 and one.max() <= 255
        with pytest.raises(Usage, match=rf"--views {len(available) + 1}: there are {len(available)} views"):
            tta.make(len(available) + 1, side, mirror, kind)
        assert [view.name for view in tta.make(len(available), side, mirror, kind)] == [view.name for view in available]


@pytest.mark.parametrize("kind", ["auto", "crops", "scales"])
def test_where_mirroring_is_allowed_every_view_comes_in_a_pair(kind: str) -> None:
    images = pictures(3).float()
    both, plain = tta.available(16, True, kind), tta.available(16, False, kind)
    pairs = list(zip(both[::2], both[1::2], strict=True))
    assert {one.name for one, _ in pairs} == {one.name for one in plain}
    for one, other in pairs:
        assert torch.equal(other.do(images.flip(-1)), one.do(images))  # mirrored twice
        assert not torch.equal(other.do(images), one.do(images))
    mirrored = pairs[0][1]
    if kind != "crops":
        assert torch.equal(mirrored.do(mirrored.do(images)), images)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_the_flips_are_the_group_of_the_square(dtype: torch.dtype) -> None:
    image = pictures(1, 5, 5).to(dtype)
    eight = [view.do for view in tta.available(5, False, "flips")]

    def place(one: torch.Tensor) -> int:
        return next(i for i, do in enumerate(eight) if torch.equal(do(image), one))

    wanted = {torch.rot90(flipped, k, (2, 3)).numpy().tobytes() for flipped in (image, image.flip(-1)) for k in range(4)}
    assert {do(image).numpy().tobytes() for do in eight} == wanted and len(wanted) == 8
    table = [[place(first(second(image))) for second in eight] for first in eight]  # fails where the product is none of them
    assert all(sorted(row) == list(range(8)) for row in table)
    assert table[0] == list(range(8))
    assert sum(table[i][i] == 0 for i in range(8)) == 6  # all but the two quarter turns are their own undoing


def test_five_crops_show_the_centre_and_the_corners() -> None:
    side, kept = 16, 14
    names = ["centre", "top left", "top right", "bottom left", "bottom right"]
    corners = {"centre": (1, 1), "top left": (0, 0), "top right": (0, 2), "bottom left": (2, 0), "bottom right": (2, 2)}
    images = pictures(2, side, side)
    five = tta.available(side, False, "crops")
    assert [view.name for view in five] == names
    for view in five:
        top, left = corners[view.name]
        part = images[..., top : top + kept, left : left + kept].float()
        wanted = torch.nn.functional.interpolate(part, size=(side, side), mode="bilinear", align_corners=False)
        assert torch.equal(view.do(images), wanted)
        assert torch.allclose(view.do(images)[..., 0, 0], part[..., 0, 0]) and torch.allclose(
            view.do(images)[..., -1, -1], part[..., -1, -1]
        )


def test_scales_magnify_more_and_more_about_the_centre() -> None:
    place = torch.arange(33.0) - 16
    ramp = place.expand(1, 1, 33, 33)
    spans = [view.do(ramp)[0, 0, 0].max() - view.do(ramp)[0, 0, 0].min() for view in tta.available(33, False, "scales")]
    assert spans == sorted(spans, reverse=True) and len(set(spans)) == 4
    assert all(abs(view.do(ramp)[..., 16]).max() < 1 for view in tta.available(33, False, "scales"))
