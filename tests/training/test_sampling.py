"""Sampling: every stratum has its even share of an epoch, and every row of one the same number of turns, up to one."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from kit.training.loaders import balanced, copies


@given(st.lists(st.integers(-1, 4), min_size=1, max_size=60), st.integers(0, 5))
def test_strata_are_even_and_so_are_the_rows_of_each(strata: list[int], seed: int) -> None:
    code = np.array(strata)
    rows = balanced(code, np.random.default_rng(seed))
    assert len(rows) == len(code)
    shares = [int((code[rows] == one).sum()) for one in np.unique(code)]
    assert max(shares) - min(shares) <= 1
    turns = np.bincount(rows, minlength=len(code))
    for one in np.unique(code):
        assert turns[code == one].max() - turns[code == one].min() <= 1


def test_even_strata_give_each_row_one_turn() -> None:
    code = np.arange(30) % 3
    assert sorted(balanced(code, np.random.default_rng(0))) == list(range(30))


def test_over_many_epochs_all_rows_of_a_frequent_stratum_have_turns() -> None:
    code = np.r_[np.zeros(90, int), np.ones(10, int)]
    turns = sum(np.bincount(balanced(code, np.random.default_rng(seed)), minlength=100) for seed in range(200))
    assert turns[:90].mean() == pytest.approx(200 * 50 / 90, rel=0.02) and turns[:90].min() > 200 * 50 / 90 * 0.7
    assert turns[90:].min() == turns[90:].max() == 200 * 5


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_copies_are_counted_in_their_order(rows: list[int]) -> None:
    assert copies(np.array(rows)).tolist() == [rows[:i].count(row) for i, row in enumerate(rows)]
