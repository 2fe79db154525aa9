"""Sampling: what optuna is asked depends on seed, number and ended trials alone; medians prune."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import kit
from kit.errors import Diverged
from kit.pipeline.plan import planned
from kit.pipeline.search import sampling, search_space, tuning
from kit.pipeline.search.sampling import DRAWN, Ended, Sampler, bars
from kit.pipeline.search.search_space import Range
from kit.pipeline.search.trials import Tuned

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


PAIR = [Range("lr", low=1e-4, high=1.0, log=True), Range("dropout", low=0.0, high=0.5)]
OWN = {"lr": 0.01, "dropout": 0.0}


def bowl(knobs: dict[str, Any]) -> float:
    """Smallest, 0, at a rate of 0.003 and a dropout of 0.1."""
    values = OWN | knobs
    return math.log10(values["lr"] / 0.003) ** 2 + (10 * (values["dropout"] - 0.1)) ** 2


@pytest.mark.parametrize("sign", [1, -1])
def test_trials_after_the_drawn_ones_are_nearer_to_the_best(sign: int) -> None:
    late, drawn = list[float](), list[float]()
    for seed in range(4):
        sampler, found = Sampler(PAIR, OWN, seed, higher_is_better=sign < 0), list[Ended]()
        for number in range(35):
            knobs = sampler.ask(number, found)
            found.append(Ended(number, knobs, sign * bowl(knobs)))
        late += [bowl(dict(one.knobs)) for one in found[25:]]
        drawn += [bowl(search_space.draw(PAIR, seed, number)) for number in range(25, 35)]
    assert np.median(late) < np.median(drawn) / 4


def test_values_that_were_tried_or_are_under_way_are_not_asked_again_while_others_are_left() -> None:
    sampler = Sampler([Range("views", choices=tuple(range(1, 17)))], {"views": 1}, 0, higher_is_better=False)
    ended = [Ended(0, {}, 0.0), *(Ended(n, {"views": n}, float(n)) for n in range(2, 13))]
    assert all(sampler.ask(number, ended, [{"views": 13}])["views"] > 13 for number in range(DRAWN, DRAWN + 8))
    every = [Ended(n, {"views": n}, float(n)) for n in range(1, 17)]
    assert sampler.ask(17, every)["views"] in range(1, 17)


def test_failed_trials_and_a_preset_outside_the_ranges_teach_nothing() -> None:
    failed = [Ended(number, search_space.draw(PAIR, 0, number), None) for number in range(1, 13)]
    assert PAIR[0].place(5.0) is PAIR[0].place(0.0) is None
    sampler = Sampler(PAIR, {"lr": 5.0, "dropout": 0.0}, 0, higher_is_better=False)
    assert sampler.ask(13, [Ended(0, {}, 0.0), *failed]) == sampler.ask(13, failed) == sampler.ask(13, [])


def tuned(digits: Path, out: Path, trials: int = 16, quiet: bool = True) -> Tuned:
    knobs = {"model": "convnet", "width": 4, "epochs": 1, "folds": 3, "views": 1, "augment": "none", "limit": 300}
    plan = planned("digits", digits, "fast", knobs)
    return tuning.tune(plan, trials, "lr=0.0001:1,dropout=0:0.5", kit.Run(out), fresh=False, quiet=quiet)


def rows(found: Tuned) -> pd.DataFrame:
    return pd.read_csv(found.run.path / "trials.csv").drop(columns="seconds")


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Fits that take no time and score by their knobs; the one of trial 13 fails. The names of all."""
    names: list[str] = []

    def predicted(
        work: Any, folder: Path, number: int, knobs: dict[str, Any], name: str, watch: Any = None
    ) -> tuple[float, np.ndarray]:
        names.append(name)
        if name == "trial 13":
            raise Diverged("no numbers")
        return -bowl(knobs), np.full((len(work.folds.split(number)[1]), 10), 0.1, np.float32)

    monkeypatch.setattr(tuning, "predicted", predicted)
    return names


def test_a_search_cut_off_again_and_again_tries_what_an_undisturbed_one_tries(
    digits: Path, tmp_path: Path, cheap: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = rows(tuned(digits, tmp_path / "whole"))
    assert whole["state"].tolist() == ["complete"] * 15 + ["failed"] and whole["trial"].iloc[-1] == 13
    fit, again = tuning.predicted, tmp_path / "again"
    for last in ("trial 3", "trial 12", "trial 14"):

        def stopped(*arguments: Any, last: str = last) -> Any:
            if last in arguments:
                raise kit.Stopped("stopped", 15)
            return fit(*arguments)

        monkeypatch.setattr(tuning, "predicted", stopped)
        with pytest.raises(kit.Stopped):
            tuned(digits, again)
    monkeypatch.setattr(tuning, "predicted", fit)
    (again / "trials.csv").unlink()  # it follows the trials
    (again / "trial014" / "asked.json").unlink()  # killed before it was asked for
    cheap.clear()
    pd.testing.assert_frame_equal(rows(tuned(digits, again)), whole)
    assert [name for name in cheap if name.startswith("trial")] == ["trial 14", "trial 15"]
    more = rows(tuned(digits, again, trials=18))
    pd.testing.assert_frame_equal(more[more["trial"] < 16].reset_index(drop=True), whole)


def test_without_the_extra_all_are_drawn_and_a_line_names_it(
    digits: Path, tmp_path: Path, cheap: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learned = tuned(digits, tmp_path / "learned", 13, quiet=False)
    assert "the extra `tune`" not in capsys.readouterr().err
    monkeypatch.setattr(sampling, "available", lambda: False)
    drawn = tuned(digits, tmp_path / "drawn", 13, quiet=False)
    assert capsys.readouterr().err.count("the extra `tune`") == 1
    assert all(one.knobs == search_space.draw(PAIR, 0, one.number) for one in drawn.trials)
    assert {one.number for one in learned.trials if one.knobs != search_space.draw(PAIR, 0, one.number)} == {10, 11, 12}
