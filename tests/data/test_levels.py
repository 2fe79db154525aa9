"""Levels: nothing that tells classes apart is clipped, a few values far away take few levels, and the scale is of the data."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from kit.data import levels

RNG = np.random.default_rng(5)


def learned(*pictures: np.ndarray) -> levels.Span:
    return levels.learned([one for one in map(levels.seen, pictures) if one is not None])


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=2, max_size=200), st.booleans())
def test_order_is_kept_and_the_ends_are_black_and_white(values: list[int], floats: bool) -> None:
    array = np.array(values, np.float64 if floats else np.int64)
    span = learned(array)
    got = levels.scaled(np.sort(array), span).astype(int)
    assert (np.diff(got) >= 0).all() and got[0] == 0
    assert got[-1] == (255 if len(set(values)) > 1 else 0)


@given(st.integers(-70_000, 70_000), st.integers(1, 255))
def test_as_many_values_as_there_are_levels_stay_apart(low: int, count: int) -> None:
    values = np.arange(low, low + count + 1)
    assert len(np.unique(levels.scaled(values, learned(values)))) == count + 1


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_each_type_of_values_is_scaled_alike(kind: type) -> None:
    values = RNG.integers(1203, 1702, (9, 8))
    assert np.array_equal(levels.scaled(values.astype(kind), (1203, 1701)), levels.scaled(values, (1203, 1701)))
    assert levels.scaled(np.array([0, 1203, 1452, 1701, 9999], kind), (1203, 1701)).tolist() == [0, 0, 128, 255, 255]


@pytest.mark.parametrize("far", [[65535], [0], [0, 65535]], ids=str)
def test_a_few_hot_and_dead_pixels_take_few_levels(far: list[int]) -> None:
    pictures = [RNG.integers(1203, 1702, (64, 64)) for _ in range(50)]
    for row, value in enumerate(far):
        pictures[row][5, 5] = value
    span = learned(*pictures)
    got = np.unique(levels.scaled(np.arange(1203, 1702), span))
    assert len(got) >= 256 - 2 * levels.TAIL
    assert [levels.scaled(np.array(one), span).item() for one in far] == [0 if one == 0 else 255 for one in far]
    assert "values 1,203 to 1,701 are scaled to" in levels.in_words(span)


def test_what_is_small_and_bright_in_one_class_is_not_clipped() -> None:
    pictures = [RNG.normal(100, 5, (64, 64)) for _ in range(200)]
    for row in range(0, 200, 2):
        pictures[row][20, 20] = 3000 if row % 4 else 4000
    low, high = levels.scaled(np.array([3000.0, 4000.0]), learned(*pictures))
    assert high - low > 5


def test_a_margin_of_one_value_takes_few_levels() -> None:
    pictures = [RNG.integers(1203, 1702, (64, 64)) for _ in range(9)]
    for one in pictures:
        one[:20] = 0
    assert len(np.unique(levels.scaled(np.arange(1203, 1702), learned(*pictures)))) > 200


def test_what_is_no_number_is_read_as_the_lowest() -> None:
    odd = np.array([np.nan, np.inf, -np.inf, 3e38, -3.4e38, 1.0, 2.0, 3.0], np.float32)
    assert learned(odd) == (1, 3)
    assert levels.scaled(odd, (1, 3)).tolist() == [0, 0, 0, 0, 0, 0, 128, 255]
    assert levels.seen(np.full(5, np.nan)) is None


def test_pictures_of_one_value_are_black() -> None:
    assert levels.scaled(np.full(3, 7), learned(np.full(3, 7))).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("span", "words"),
    [
        ((1203, 1701), "values 1,203 to 1,701 are scaled to 0 to 255"),
        ((-0.5, 0.25), "values -0.5 to 0.25 are scaled to 0 to 255"),
        ((0, 10, 20, 20), "values 10 to 20 are scaled to 32 to 255; rarer ones, from 0 to 20, to the levels that are left"),
    ],
)
def test_the_scale_in_words(span: levels.Span, words: str) -> None:
    assert levels.in_words(span) == words
