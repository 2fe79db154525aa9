"""Multi-label folds: every label in equal shares, groups whole, the same for any order; no worse than by the rarest label."""

import time

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from kit.data import folds
from kit.data.dealing import multilabel
from kit.labels import Columns, Tags

K = 5


def made(rows: int, labels: int, seed: int, groups: int = 0) -> tuple[list[str], np.ndarray, np.ndarray | None]:
    """Ids, labels [rows, labels] that come together and of which some are rare, and groups of unequal sizes."""
    rng = np.random.default_rng(seed)
    often = np.exp(rng.uniform(np.log(0.004), np.log(0.4), labels))
    has = rng.random((rows, labels)) < often * (0.3 + 1.4 * rng.random((rows, 1)))
    group = np.minimum(rng.zipf(1.3, rows), groups) if groups else None
    return [f"{i:06d}" for i in range(rows)], has.astype(np.float32), group


def off(has: np.ndarray, fold: np.ndarray) -> float:
    return float(multilabel.deviation(has, fold).mean())


@settings(max_examples=30)
@given(st.integers(2, 80), st.integers(2, 6), st.integers(0, 99), st.randoms())
def test_every_row_has_a_fold_sizes_are_even_and_the_order_is_immaterial(n: int, c: int, seed: int, random: object) -> None:
    ids, has, _ = made(n, c, seed)
    k = min(K, n)
    fold = folds.make(ids, k, seed, strata=has).fold
    assert np.ptp(np.bincount(fold, minlength=k)) <= 1
    order = list(range(n))
    random.shuffle(order)
    again = folds.make([ids[i] for i in order], k, seed, strata=has[order]).fold
    assert (again == fold[order]).all()


@settings(max_examples=30)
@given(st.integers(10, 80), st.integers(0, 99))
def test_groups_stay_whole_whatever_they_are_called(n: int, seed: int) -> None:
    ids, has, group = made(n, 4, seed, groups=12)
    group[0] = 99  # two at least
    fold = folds.make(ids, 3, seed, strata=has, groups=group).fold
    assert all(len(set(fold[group == one])) == 1 for one in set(group))
    assert (folds.make(ids, 3, seed, strata=has, groups=1000 - group).fold == fold).all()


@pytest.mark.parametrize("seed", range(4))
def test_each_label_is_shared_out_better_than_by_the_rarest_label_of_a_row(seed: int) -> None:
    ids, has, _ = made(3000, 40, seed)
    before = off(has, folds.make(ids, K, strata=folds.rarest_label(has)).fold)
    assert off(has, folds.make(ids, K, strata=has).fold) < 0.7 * before


@pytest.mark.parametrize("seed", range(4))
def test_each_label_of_groups_is_shared_out_better_too(seed: int) -> None:
    ids, has, _ = made(4000, 20, seed)
    group = np.random.default_rng(seed).integers(0, 500, 4000)
    before = folds.make(ids, K, strata=folds.rarest_label(has), groups=group).fold
    after = folds.make(ids, K, strata=has, groups=group).fold
    assert off(has, after) < 0.7 * off(has, before)
    assert np.ptp(np.bincount(after)) < 40


def test_a_label_of_ten_rows_is_in_every_fold_twice() -> None:
    ids, has, _ = made(500, 6, 0)
    has[:, 5] = 0
    has[np.random.default_rng(0).choice(500, 10, replace=False), 5] = 1
    fold = folds.make(ids, K, strata=has).fold
    assert list(np.bincount(fold[has[:, 5] == 1], minlength=K)) == [2] * K


def test_deviation_is_zero_where_each_fold_has_its_share_and_one_where_it_has_none() -> None:
    has = np.array([[1, 1], [1, 1], [1, 0], [1, 0]])
    assert (multilabel.deviation(has, np.array([0, 1, 0, 1])) == 0).all()
    assert multilabel.deviation(has, np.array([0, 0, 1, 1])).tolist() == [[0, 1], [0, 1]]


def test_twenty_thousand_rows_of_a_hundred_labels_take_no_time() -> None:
    _, has, _ = made(20_000, 100, 0)
    began = time.process_time()
    multilabel.deal(has, np.arange(len(has)), K, np.random.default_rng(0))
    assert time.process_time() - began < 3  # a fifth of them: 0.2 s on an idle core


def test_labels_say_what_is_shared_out() -> None:
    y = np.array([[1, 0], [0, np.nan]], np.float32)
    several = Columns(("a", "b"))
    assert several.dealt_by(y).tolist() == [[1, 0, 1, 1], [0, 0, 1, 0]]  # and which answers are there at all
    assert Columns(("a", "b"), exclusive=True).dealt_by(y[:1]).tolist() == [0]
    assert Columns(("a",)).dealt_by(y[:, :1]).tolist() == [1, 0]


class Own(Tags):
    """An adapter's labels with strata of their own."""

    def strata(self, y: np.ndarray) -> np.ndarray:
        return y[:, 0].astype(int)


def test_an_adapters_own_strata_count() -> None:
    assert Own("tags", ("a", "b")).dealt_by(np.array([[1, 0], [0, 1]], np.float32)).tolist() == [1, 0]
