"""Augmentation and views: draws depend on (seed, epoch, row) alone, and every view keeps its shape and can be undone."""

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from kit.data import augmentation, tta
from kit.data.augmentation import maps
from kit.errors import Usage

CHANGING = [name for name in augmentation.POLICIES if name not in ("none", "photo")]
NUMBER = st.integers(0, 1 << 40)


@given(NUMBER, NUMBER, st.lists(NUMBER, min_size=1, max_size=20), st.integers(1, 8), st.integers(0, 20))
def test_a_rows_draws_do_not_depend_on_the_batch_it_is_in(seed: int, epoch: int, rows: list[int], count: int, cut: int) -> None:
    array = np.array(rows)
    together = augmentation.draws(seed, epoch, array, count)
    assert together.shape == (len(rows), count)
    assert together.dtype == np.float32
    apart = [augmentation.draws(seed, epoch, part, count) for part in (array[:cut], array[cut:])]
    assert np.array_equal(np.concatenate(apart), together)
    assert np.array_equal(augmentation.draws(seed, epoch, array[::-1], count), together[::-1])
    assert np.array_equal(augmentation.draws(seed, epoch, array, count + 1)[:, :count], together)


def test_draws_differ_by_seed_epoch_row_and_place() -> None:
    parts = [augmentation.draws(seed, epoch, np.arange(50), 6) for seed in range(10) for epoch in range(10)]
    every = np.concatenate(parts)
    assert len(np.unique(every, axis=0)) == len(every)
    assert len(np.unique(every)) > 0.99 * every.size


@pytest.mark.parametrize("axis", ["seed", "epoch", "row", "place"])
def test_draws_are_uniform_and_independent_along_every_axis(axis: str) -> None:
    n = 20_000
    one = {
        "seed": lambda: np.array([augmentation.draws(seed, 3, np.array([5]), 1)[0, 0] for seed in range(2000)]),
        "epoch": lambda: np.array([augmentation.draws(3, epoch, np.array([5]), 1)[0, 0] for epoch in range(2000)]),
        "row": lambda: augmentation.draws(1, 2, np.arange(n), 1)[:, 0],
        "place": lambda: augmentation.draws(1, 2, np.array([3]), n)[0],
    }[axis]()
    counts = np.histogram(one, 20, (0, 1))[0]
    expected = len(one) / 20
    assert ((counts - expected) ** 2 / expected).sum() < 50  # chi-squared of 19 degrees: 1 in 10,000
    assert (one >= 0).all()
    assert (one < 1).all()
    assert abs(np.corrcoef(one[:-1], one[1:])[0, 1]) < 4 / np.sqrt(len(one))


def pictures(n: int, side: int = 16, channels: int = 1) -> torch.Tensor:
    return torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(0)) * 255


@pytest.mark.parametrize("policy", CHANGING)
def test_a_picture_is_augmented_alike_in_any_batch(policy: str) -> None:
    images, rows = pictures(12), torch.arange(12) * 7
    together = augmentation.apply(policy, images, 1, 2, rows)
    for part in (slice(0, 1), slice(1, 5), slice(5, 12)):
        assert torch.allclose(augmentation.apply(policy, images[part], 1, 2, rows[part]), together[part], atol=1e-3)
    order = torch.tensor([3, 0, 11, 7])
    assert torch.allclose(augmentation.apply(policy, images[order], 1, 2, rows[order]), together[order], atol=1e-3)


@pytest.mark.parametrize("policy", ["medium", "heavy", "elastic"])
def test_the_augmentations_of_one_picture_are_almost_all_different(policy: str) -> None:
    one = pictures(1).expand(100, -1, -1, -1)
    seen = torch.cat([augmentation.apply(policy, one, 0, epoch, torch.arange(100)) for epoch in range(5)])
    assert len(np.unique(seen.flatten(1).numpy().round(3), axis=0)) >= 0.99 * 500


@pytest.mark.parametrize("mirror", [False, True])
def test_moves_by_whole_pixels_reach_every_place_and_flip_every_other_epoch(mirror: bool) -> None:
    one, rows = pictures(1).expand(300, -1, -1, -1), torch.arange(300)
    seen = [augmentation.apply("light", one, 0, epoch, rows, mirror) for epoch in range(2)]
    assert len(np.unique(torch.cat(seen).flatten(1).numpy(), axis=0)) == (18 if mirror else 9)
    ramp = torch.arange(16.0).expand(300, 1, 16, 16)
    rising = [augmentation.apply("light", ramp, 0, epoch, rows, mirror)[:, 0, 8, 9] > 7.5 for epoch in range(2)]
    assert (rising[0] != rising[1]).all() if mirror else (rising[0] & rising[1]).all()


@pytest.mark.parametrize("policy", CHANGING)
def test_augmented_pictures_stay_in_range_and_resemble_themselves(policy: str) -> None:
    smooth = torch.nn.functional.interpolate(pictures(64, 4, 3), (32, 32), mode="bilinear")
    changed = augmentation.apply(policy, smooth, 0, 0, torch.arange(64))
    assert changed.shape == smooth.shape
    assert changed.min() >= 0
    assert changed.max() <= 255
    if policy == "trivial":  # solarised pictures do not resemble themselves
        return
    inside = (..., slice(10, 22), slice(10, 22))
    difference = [(changed[i][inside] - smooth[j][inside]).abs().mean() for i, j in ((0, 0), (0, 1), (1, 1), (1, 0))]
    assert difference[0] < difference[1]
    assert difference[2] < difference[3]


@pytest.mark.parametrize("policy", ["none", "photo"])
def test_policies_that_do_nothing_here_return_what_they_were_given(policy: str) -> None:
    images = pictures(3)
    assert augmentation.apply(policy, images, 0, 0, torch.arange(3)) is images


def test_draws_in_the_middle_leave_the_picture_as_it_is() -> None:
    bounds = augmentation.POLICIES["heavy"].affine
    assert bounds
    assert torch.allclose(maps.affine_maps(bounds, torch.zeros(2, 6)), torch.eye(2, 3).expand(2, 2, 3))


def test_an_elastic_map_is_the_affine_one_where_no_knot_strays_and_bends_lines_else() -> None:
    bounds = augmentation.POLICIES["elastic"].affine
    assert bounds
    middle = torch.full((2, maps.WARP + maps.WARPS), 0.5)
    stripes = (torch.arange(28.0) % 8 < 4).float().expand(2, 1, 28, 28) * 255
    assert torch.allclose(maps.moved(stripes, bounds, 0.1, middle), stripes, atol=1e-3)
    drawn = torch.from_numpy(augmentation.draws(0, 0, np.arange(2), maps.WARP + maps.WARPS))
    drawn[:, : maps.WARP] = 0.5
    bent = maps.moved(stripes, bounds, 0.1, drawn)
    assert (bent[0] - bent[1]).abs().max() > 100 and (bent[:, :, 5] - bent[:, :, 22]).abs().max() > 100
    strays = maps.elastic_moves(torch.from_numpy(augmentation.draws(1, 0, np.arange(400), maps.WARPS)), 28, 28)
    assert 0.7 < strays.std() < 1.1 and strays.isfinite().all()


@pytest.mark.parametrize(("name", "step"), tta.SHIFTS.items())
@given(st.integers(1, 3))
def test_a_shift_is_undone_by_its_opposite_in_the_interior(name: str, step: tuple[int, int], times: int) -> None:
    images = pictures(2, 12, 3)
    down, right = step[0] * times, step[1] * times
    there = tta.shift(images, down, right)
    assert not torch.equal(there, images)
    back = tta.shift(there, -down, -right)
    inside = (..., slice(times, 12 - times), slice(times, 12 - times))
    assert torch.equal(back[inside], images[inside])


def test_a_shift_moves_the_way_it_says_and_repeats_the_edge() -> None:
    images = torch.arange(9.0).reshape(1, 1, 3, 3)
    assert tta.shift(images, 1, 0)[0, 0].tolist() == [[0, 1, 2], [0, 1, 2], [3, 4, 5]]
    assert tta.shift(images, 0, -1)[0, 0].tolist() == [[1, 2, 2], [4, 5, 5], [7, 8, 8]]
    assert torch.equal(tta.shift(images, 0, 0), images)


@pytest.mark.parametrize("side", [8, 28, 32, 100, 224])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_views_begin_with_the_identity_are_distinct_and_keep_shapes(side: int, dtype: torch.dtype) -> None:
    images = pictures(2, side).to(dtype)
    made = tta.make(9, side)
    assert made[0].do(images) is images
    seen = [view.do(images) for view in made]
    assert all(one.shape == images.shape and one.dtype == dtype for one in seen)
    assert len({one.numpy().tobytes() for one in seen}) == len({view.name for view in made}) == 9


def test_fewer_views_are_the_first_ones_and_more_than_there_are_is_refused() -> None:
    assert [view.name for view in tta.make(3, 28)] == [view.name for view in tta.make(9, 28)][:3]
    with pytest.raises(Usage, match="--views 10: there are 9"):
        tta.make(10, 28)
