"""Budget: predictions are done in time, by the members and views that are worth most."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

import kit
from kit.cli.app import main
from kit.config import Config, time_limit
from kit.errors import Usage
from kit.inference import time_budget
from kit.inference.loaded_run import load_run
from kit.inference.time_budget import choose
from kit.models import prediction


@pytest.fixture(scope="module")
def viewed(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> kit.Run:
    """A run of three folds with three views."""
    place = tmp_path_factory.mktemp("viewed") / "run"
    knobs = {"epochs": 1, "folds": 3, "width": 8, "views": 3, "limit": 300, "precision": "fp32"}
    return kit.run("digits", digits, out=place, quiet=True, **knobs)


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("20m", 1200), ("1h30m", 5400), ("1.5h", 5400)])
def test_times_are_read(text: str, seconds: float) -> None:
    assert time_limit(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5m", "0", "5 m", "m", "1d"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(Usage, match="20m"):
        time_limit(text)


@given(
    st.integers(1, 8), st.integers(1, 9), st.floats(0.01, 10), st.floats(0.01, 500),
    st.lists(st.floats(-1, 1), min_size=9, max_size=9),
)  # fmt: skip
def test_a_plan_fits_and_nothing_better_does(count: int, most: int, cost: float, limit: float, worth: list[float]) -> None:
    members = [Path(f"fold{i}") for i in range(count)]
    scores = {i + 1: worth[i] for i in range(most)}
    plan = choose(members, cost, limit, lambda: scores, most)
    used = len(plan.members)
    assert list(plan.members) == members[:used]
    if plan.seconds > limit:
        assert (used, plan.views) == (1, 1)  # the least that answers every row
        assert cost > limit
    elif cost * count * most <= limit:
        assert (used, plan.views) == (count, most)
    else:
        assert used == count or cost * (used + 1) > limit
        assert all(scores[plan.views] >= scores[v] for v in range(1, most + 1) if cost * used * v <= limit)


def test_enough_time_gives_what_no_limit_gives(viewed: kit.Run, digits: Path, tmp_path: Path) -> None:
    answers, _ = kit.predict(viewed, digits, out=tmp_path / "a")
    within, path = kit.predict(viewed, digits, out=tmp_path / "b", time_budget=600)
    assert np.array_equal(answers.to_numpy(), within.to_numpy()) and list(answers.index) == list(within.index)
    assert kit.validate("digits", path, digits) == []


def test_little_time_leaves_members_out_and_still_answers_every_row(
    viewed: kit.Run, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each prediction takes a while that the test decides: a third of the budget for one member and view."""
    real, calls = prediction.predict, []

    def slow(module: object, x: object, rows: object, config: Config) -> np.ndarray:
        share = (len(x) if rows is None else len(rows)) / 360  # type: ignore[arg-type]
        time.sleep(0.5 * share * len(module.views))  # type: ignore[attr-defined]
        calls.append((rows is None, len(module.views)))  # type: ignore[attr-defined]
        return real(module, x, rows, config)  # type: ignore[arg-type]

    monkeypatch.setattr(prediction, "predict", slow)
    began = time.monotonic()
    code = main(["predict", str(viewed.path), "--data", str(digits), "--time-budget", "3s", "--out", str(tmp_path / "out")])
    assert code == 0 and "of 3 models" in capsys.readouterr().err
    members = [views for whole, views in calls if whole and views]
    assert 1 <= len(members) <= 3
    assert time.monotonic() - began < 3 + 20  # imports and reading on a busy machine
    assert kit.validate("digits", tmp_path / "out" / "submission.csv", digits) == []


def test_views_are_scored_on_rows_that_no_model_saw(viewed: kit.Run, digits: Path) -> None:
    scores = time_budget.scores_by_views(load_run(viewed, digits), 3, 10**6)
    assert list(scores) == [1, 2, 3]
    assert scores[3] == pytest.approx(viewed.scores["oof"], abs=1e-12)


def test_without_the_training_files_more_views_are_better(viewed: kit.Run, tmp_path: Path) -> None:
    assert time_budget.scores_by_views(replace(load_run(viewed), root=tmp_path), 3, 100) == {1: 1.0, 2: 2.0, 3: 3.0}


def test_the_best_fold_comes_first(viewed: kit.Run) -> None:
    import json

    scores = [json.loads((folder / "fold.json").read_text())["score"] for folder in time_budget.ranked(viewed)]
    assert scores == sorted(scores, reverse=True)
