"""Folds: every row once, even, stratified, groups whole, the past before the future, and the same for any order of rows."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from kit.data import folds
from kit.errors import BadData

ROWS = st.integers(2, 60)


@st.composite
def plans(draw: st.DrawFn, grouped: bool = False) -> dict[str, object]:
    """Arguments of `folds.make`: rows of some strata, k folds of them, and groups if asked for."""
    n = draw(ROWS)
    ids = [f"{i:03d}" for i in draw(st.permutations(range(n)))]
    strata = np.array(draw(st.lists(st.integers(-1, 5), min_size=n, max_size=n)))
    plan = {"ids": ids, "k": draw(st.integers(2, min(n, 8))), "seed": draw(st.integers(0, 99)), "strata": strata}
    if grouped:
        groups = np.array(draw(st.lists(st.integers(0, 12), min_size=n, max_size=n)))
        groups[0] = 13  # two groups at least
        plan["groups"] = groups
    return plan


def fold_of(plan: dict[str, object]) -> np.ndarray:
    return folds.make(**plan).fold  # type: ignore[arg-type]


@given(st.one_of(plans(), plans(grouped=True)))
def test_every_row_is_validated_once_and_trained_on_in_all_other_folds(plan: dict[str, object]) -> None:
    dealt = folds.make(**plan)  # type: ignore[arg-type]
    seen = np.zeros(len(dealt.fold), int)
    assert set(dealt.numbers) <= set(range(plan["k"]))
    for number in dealt.numbers:
        train, valid = dealt.split(number)
        assert sorted([*train, *valid]) == list(range(len(dealt.fold)))
        assert len(train)
        seen[valid] += 1
    assert (seen == 1).all()


@given(plans())
def test_sizes_and_each_stratum_differ_by_one_row_at_most(plan: dict[str, object]) -> None:
    fold, k, strata = fold_of(plan), plan["k"], plan["strata"]
    assert np.ptp(np.bincount(fold, minlength=k)) <= 1
    for stratum in np.unique(strata):
        assert np.ptp(np.bincount(fold[strata == stratum], minlength=k)) <= 1


@given(plans(grouped=True))
def test_groups_never_straddle(plan: dict[str, object]) -> None:
    fold, groups = fold_of(plan), plan["groups"]
    for group in np.unique(groups):
        assert len(np.unique(fold[groups == group])) == 1


@given(st.one_of(plans(), plans(grouped=True)), st.randoms())
def test_the_folds_depend_neither_on_the_order_of_rows_nor_on_what_groups_are_called(plan: dict, random: object) -> None:
    fold = dict(zip(plan["ids"], fold_of(plan), strict=True))
    order = list(range(len(fold)))
    random.shuffle(order)
    other = {**plan, "ids": [plan["ids"][i] for i in order], "strata": plan["strata"][order]}
    if "groups" in plan:
        names = list(range(14))
        random.shuffle(names)
        other["groups"] = np.array(names)[plan["groups"][order]]
    assert dict(zip(other["ids"], fold_of(other), strict=True)) == fold


@given(plans(grouped=True))
def test_more_groups_than_folds_leave_no_fold_empty_unless_one_is_a_giant(plan: dict[str, object]) -> None:
    sizes = np.bincount(plan["groups"])
    dealt = folds.make(**{**plan, "strata": None})  # type: ignore[arg-type]
    if (sizes > 0).sum() >= plan["k"] and sizes.max() <= len(plan["ids"]) / plan["k"]:
        assert len(dealt.numbers) == plan["k"]


def test_another_seed_deals_otherwise() -> None:
    ids = [str(i) for i in range(100)]
    dealt = {tuple(folds.make(ids, 5, seed).fold) for seed in range(10)}
    assert len(dealt) == 10


@pytest.mark.parametrize("k", [2, 5, 10])
def test_rare_classes_and_singletons_are_spread_and_break_nothing(k: int) -> None:
    strata = np.array([0] * 60 + [1] * 3 + [2] + [3])
    fold = folds.make([str(i) for i in range(65)], k, strata=strata).fold
    assert np.ptp(np.bincount(fold, minlength=k)) <= 1
    assert len(set(fold[strata == 1])) == min(3, k)


@pytest.mark.parametrize("giant", [60, 90, 98])
def test_one_giant_group_shares_a_fold_with_few_and_the_rest_is_spread(giant: int) -> None:
    groups = np.concatenate([np.zeros(giant, int), np.arange(1, 101 - giant)])
    dealt = folds.make([str(i) for i in range(100)], 5, strata=np.arange(100) % 3, groups=groups)
    assert len(set(dealt.fold[:giant])) == 1
    assert len(dealt.numbers) == min(5, 101 - giant)
    for number in dealt.numbers:
        train, valid = dealt.split(number)
        assert len(train)
        assert len(valid)


def test_stratified_by_group_is_nearly_even() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 200, 2000)
    strata = (rng.random(200) < 0.3).astype(int)[groups]
    fold = folds.make([str(i) for i in range(2000)], 5, strata=strata, groups=groups).fold
    rates = [strata[fold == number].mean() for number in range(5)]
    assert np.ptp(rates) < 0.02
    assert np.ptp(np.bincount(fold)) < 40


def test_single_rows_even_out_what_groups_left_uneven() -> None:
    strata = np.array([1] * 6 + [0] * 18 + [1] * 12)
    groups = np.concatenate([np.zeros(6, int), np.arange(1, 31)])
    fold = folds.make([f"{i:02d}" for i in range(36)], 3, strata=strata, groups=groups).fold
    assert [list(np.bincount(fold[strata == stratum])) for stratum in (0, 1)] == [[6, 6, 6], [6, 6, 6]]


@given(st.lists(st.integers(0, 20), min_size=4, max_size=60), st.integers(2, 4))
def test_by_time_the_past_is_trained_on_and_equal_times_stay_together(times: list[int], k: int) -> None:
    times = [*times, 0, 21]  # not all at once
    time = np.array(times, float)
    dealt = folds.make([str(i) for i in range(len(time))], k, time=time)
    assert dealt.numbers
    for number in dealt.numbers:
        train, valid = dealt.split(number)
        assert len(train)
        assert time[train].max() < time[valid].min()
    for moment in np.unique(time):
        assert len(np.unique(dealt.fold[time == moment])) == 1


def test_by_time_distinct_times_give_equal_blocks() -> None:
    time = np.random.default_rng(0).permutation(60)
    dealt = folds.make([str(i) for i in range(60)], 5, time=time)
    assert dealt.numbers == [0, 1, 2, 3, 4]
    assert [len(dealt.split(number)[0]) for number in range(5)] == [10, 20, 30, 40, 50]
    assert [len(dealt.split(number)[1]) for number in range(5)] == [10] * 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"k": 4}, "4 folds of 3 training rows: use --folds 3"),
        ({"k": 2, "ids": ["a"]}, "2 folds of 1 training rows: two rows at least are needed"),
        ({"k": 2, "groups": np.zeros(3, int)}, "one group"),
        ({"k": 2, "time": np.ones(3)}, "same time"),
    ],
)
def test_what_cannot_be_dealt_is_refused_in_words(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(BadData, match=words):
        folds.make(**{"ids": ["a", "b", "c"], **arguments})  # type: ignore[arg-type]


@settings(max_examples=50)
@given(st.integers(1, 30), st.integers(1, 6), st.integers(0, 99))
def test_the_rarest_label_of_a_row_is_one_it_has(n: int, labels: int, seed: int) -> None:
    indicators = np.random.default_rng(seed).integers(0, 2, (n, labels))
    counts = indicators.sum(axis=0)
    for row, stratum in zip(indicators, folds.rarest_label(indicators), strict=True):
        own = np.flatnonzero(row)
        assert stratum == -1 if not len(own) else counts[stratum] == counts[own].min() and row[stratum]


def test_a_rare_label_among_many_is_spread_over_the_folds() -> None:
    rng = np.random.default_rng(0)
    indicators = (rng.random((500, 6)) < [0.9, 0.5, 0.3, 0.2, 0.1, 0.0]).astype(int)
    indicators[rng.choice(500, 10, replace=False), 5] = 1
    fold = folds.make([str(i) for i in range(500)], 5, strata=folds.rarest_label(indicators)).fold
    assert list(np.bincount(fold[indicators[:, 5] == 1])) == [2] * 5


SCRIPT = """
import numpy as np
from kit.data import folds
ids = list({f"image {i}" for i in range(200)})
strata = np.array([int(one.split()[1]) % 7 for one in ids])
groups = np.array([int(one.split()[1]) // 3 for one in ids])
for given in ({}, {"strata": strata}, {"strata": strata, "groups": groups}):
    print(sorted(zip(ids, folds.make(ids, 5, **given).fold.tolist())))
"""


def test_the_folds_are_the_same_for_every_hash_seed() -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(5)
    }
    assert len(printed) == 1
    assert printed.pop().count("image 199") == 3
