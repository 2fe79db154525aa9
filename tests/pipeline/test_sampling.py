"""Sampling: what optuna is asked depends on seed, number and ended trials alone; medians prune."""

import pytest

from kit.pipeline.search.sampling import DRAWN, Ended, Sampler, bars
from kit.pipeline.search.search_space import Range

pytest.importorskip("optuna")
RANGES = [Range("lr", low=0.001, high=0.1, log=True), Range("width", low=8, high=64, whole=True), Range("augment", ("a", "b"))]
PRESET = {"lr": 0.01, "width": 16, "augment": "a"}


def loss(knobs: dict) -> float:
    values = PRESET | knobs
    return abs(values["width"] - 50) / 50 + (values["augment"] == "a")


def searched(count: int, resumed_at: int = -1, seed: int = 0) -> list[Ended]:
    found, sampler = list[Ended](), Sampler(RANGES, PRESET, seed, higher_is_better=False)
    for number in range(count):
        if number == resumed_at:
            sampler = Sampler(RANGES, PRESET, seed, higher_is_better=False)
        knobs = sampler.ask(number, found)
        found.append(Ended(number, knobs, None if number == 3 else loss(knobs)))  # the fourth fails
    return found


def test_a_search_that_goes_on_asks_for_what_an_undisturbed_one_asks_for() -> None:
    whole = searched(24)
    assert searched(24, resumed_at=17) == whole != searched(24, seed=1)
    assert all(8 <= one.knobs["width"] <= 64 and 0.001 <= one.knobs["lr"] <= 0.1 for one in whole[1:])
    later = [one.knobs["augment"] for one in searched(40)[DRAWN:]]
    assert later.count("b") > 0.7 * len(later)  # it has learned which choice is better


@pytest.mark.parametrize("one", RANGES[:2])
def test_a_place_is_where_a_value_was_drawn(one: Range) -> None:
    for value in (one.draw(0.2), one.draw(0.9)):
        assert one.draw(one.place(value)) == value
    assert RANGES[2].place("b") == 1 and RANGES[2].place("c") is None


def test_the_bar_of_an_epoch_is_the_median_of_the_trials_that_reached_it() -> None:
    ended = [Ended(number, {}, number, {1: float(number)}) for number in range(5)]
    assert bars(ended[:4]) == {} and bars(ended) == {1: 2.0}
