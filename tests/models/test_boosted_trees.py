"""Boosted trees by three libraries: the same bytes again, what a fold learns stays in it, and no library is needed unasked."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from test_table import cells, folder, sold

import kit
from kit import competition as competitions
from kit.cli.app import main
from kit.config import Config
from kit.inputs import Table, table as table_inputs
from kit.labels import Columns, Labels, Numbers, OneOf
from kit.models import registry
from kit.models.batch import Batch
from kit.models.tables import trees_module
from kit.models.tables.boosters import Task, kept_back, patience
from kit.models.tables.target_means import TargetMeans
from kit.pipeline.presets.resolution import resolved

LIBRARIES = ("lightgbm", "xgboost", "catboost")


def breeds(rows: int = 600, kinds: int = 150) -> tuple[Any, np.ndarray]:
    """A column of very many categories, each with a worth of its own, and one of numbers that says nothing."""
    rng = np.random.default_rng(0)
    kind, worth = rng.integers(0, kinds, rows), rng.normal(size=kinds)
    y = (worth[kind] + rng.normal(0, 0.1, rows)).astype(np.float32)[:, None]
    return cells(breed=[f"b{one}" for one in kind], z=[f"{one:.3f}" for one in rng.normal(size=rows)]), y


def grown(model: str, table: Any, y: np.ndarray, rows: int, **knobs: Any) -> Any:
    torch.manual_seed(0)
    made = registry.make(Config(model=model, trees=40, **knobs), Numbers(("n",)), table, steps=1)
    index = np.arange(rows)
    made.learn(table, index, y)
    made.training_step(Batch(None, torch.from_numpy(y[:rows]), torch.from_numpy(index)), 0)
    return made


@pytest.mark.parametrize("model", LIBRARIES)
@pytest.mark.parametrize(("rows", "share"), [(1, 0.8), (3, 0.01), (90, 0.01)])
def test_a_tree_has_a_row_at_least(model: str, rows: int, share: float) -> None:
    pytest.importorskip(model)
    table, y = breeds()
    made = grown(model, table, y, rows, rows_share=share)
    assert torch.isfinite(made.predict_step(made.gather(table, np.arange(5)))).all()


@pytest.mark.parametrize("model", LIBRARIES)
def test_a_checkpoint_and_the_same_seed_give_the_same_bytes(model: str) -> None:
    pytest.importorskip(model)
    table, y = breeds()
    first, second = (grown(model, table, y, 500) for _ in range(2))
    state, other = first.state_dict(), second.state_dict()
    assert all(torch.equal(state[name], other[name]) for name in state if name != "_extra_state")
    again = registry.rebuilt(registry.saved(first))
    again.load_state_dict(state)
    rows = np.arange(500, 600)
    predicted = first.predict_step(first.gather(table, rows))
    assert torch.equal(predicted, again.predict_step(again.gather(table, rows)))
    moved = grown(model, table, y, 500, seed=1)
    assert not torch.equal(predicted, moved.predict_step(moved.gather(table, rows)))


def test_columns_of_many_categories_are_learned_by_their_mean_answers() -> None:
    table, y = breeds()
    rows = np.arange(500, 600)
    errors = {}
    for least in (0, 20):
        made = grown("lightgbm", table, y, 500, target_encoding=least)
        errors[least] = (made.predict_step(made.gather(table, rows)).numpy() - y[rows]).std()
    assert errors[20] < 0.75 * errors[0]


def test_a_row_is_encoded_without_its_own_answer() -> None:
    codes, answers = np.array([[1], [1], [2], [2], [0]] * 8), np.random.default_rng(0).normal(size=(40, 1))
    means = TargetMeans.of([3], 2)
    whole = means.without_own(codes, answers, seed=0)
    for row in range(40):
        other = answers.copy()
        other[row] = 100.0
        assert means.without_own(codes, other, seed=0)[row] == whole[row]
    tables = means.learn(codes, answers)
    ones = codes[:, 0] == 1
    assert tables[1, 0] == pytest.approx((answers[ones].sum() + 10 * answers.mean()) / (ones.sum() + 10))
    assert not TargetMeans.of([3], 0).columns and not TargetMeans.of([20], 20).columns


def test_a_row_is_encoded_without_its_groups_answers() -> None:
    codes, answers = np.array([[1], [1], [2], [2], [0]] * 8), np.random.default_rng(0).normal(size=(40, 1))
    means, groups = TargetMeans.of([3], 2), np.arange(40) // 4
    whole = means.without_own(codes, answers, 0, groups)
    for row in range(40):
        other = answers.copy()
        other[row] = 100.0
        assert np.array_equal(means.without_own(codes, other, 0, groups)[groups == groups[row]], whole[groups == groups[row]])


def test_whole_groups_decide_when_to_stop() -> None:
    groups, x = np.random.default_rng(0).permutation(np.arange(400) // 8), np.zeros((400, 1))
    for kind in ("numbers", "classes"):
        chosen = kept_back(Task(kind, x, np.arange(400) % 2, groups=groups), 0)
        assert 8 <= chosen.sum() <= 40 and not set(groups[chosen]) & set(groups[~chosen])
    alone = kept_back(Task("classes", x, (groups == groups[0]).astype(float), groups=groups), 0)
    assert 0 < alone.sum() <= 41 and (groups[~alone] == groups[0]).any()  # its only group is not kept back


def test_weights_of_rows_are_learned_by() -> None:
    """Rows of no weight are as good as none."""
    table, y = cells(z=[str(one % 2) for one in range(80)]), np.arange(80, dtype=np.float32)[:, None] % 2
    wrong = np.arange(80) >= 40
    y[wrong] = 1 - y[wrong]
    made = registry.make(Config(model="lightgbm", trees=80, rows_share=1), Columns(("p",)), table, steps=1)
    made.learn(table, np.arange(80), y)
    made.grow(table, np.arange(80), y, np.where(wrong, 1e-6, 1.0))
    predicted = made.predict_step(made.gather(table, np.arange(80))).numpy()
    assert ((predicted > 0.5) == (y > 0.5))[~wrong].all()


def test_some_rows_of_every_class_decide_when_to_stop() -> None:
    y = np.repeat([0, 1], [900, 100])
    chosen = kept_back(Task("classes", np.zeros((1000, 1)), y), seed=0)
    assert [int((y[chosen] == one).sum()) for one in (0, 1)] == [90, 10]
    assert not kept_back(Task("classes", np.zeros((50, 1)), y[:50]), seed=0).any()


@pytest.mark.parametrize("model", LIBRARIES)
def test_a_missing_library_is_one_line(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trees_module, "find_spec", lambda name: None if name == model else find_spec(name))
    folder(tmp_path / "data", sold(60), sold(20, seed=1).drop(columns=["price", "dear"]))
    assert main(["run", "csv", "--data", str(tmp_path / "data"), "--target", "dear", "--model", model, "--quiet"]) == 2
    said = capsys.readouterr().err
    command = f"{sys.executable} -m pip install 'kaggle-baseline-kit[{model}]'"  # of this Python, not of the path's
    assert f"--model {model}: needs the extra `{model}` ({command})" in said
    assert "Traceback" not in said


def test_catboost_runs_predicts_and_has_no_graph(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("catboost")
    data = folder(tmp_path / "data", sold(90), sold(30, seed=1).drop(columns=["price", "dear"]))
    run = kit.run("csv", data, out=tmp_path / "run", quiet=True, target="dear", model="catboost", trees=20, folds=2)
    answers, _ = kit.predict(run)
    assert answers.equals(run.test)
    assert main(["export", str(run.path)]) == 2
    assert "a model of catboost has no graph" in capsys.readouterr().err


@pytest.mark.parametrize("odd", ["rows alike", "answers alike", "no row drawn", "class kept back"])
def test_catboost_learns_from_rows_that_it_would_refuse(odd: str, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("catboost")
    n = trees_module.AGAIN + 2 if odd == "class kept back" else 40
    rng = np.random.default_rng(0)
    table = cells(z=["1"] * n if odd == "rows alike" else [f"{one:.3f}" for one in rng.normal(size=n)])
    labels: Labels = Numbers(("y",))
    y: np.ndarray = np.full((n, 1), 3.0, np.float32) if odd == "answers alike" else rng.normal(size=(n, 1)).astype(np.float32)
    if odd in ("rows alike", "class kept back"):
        labels, y = OneOf("y", ("a", "b", "c")), np.repeat([0, 2], [25, n - 25])
        y[-1 if odd == "class kept back" else 0] = 1
    config = Config(model="catboost", trees=3, rows_share=0.01 if odd == "no row drawn" else 1)
    made = registry.make(config, labels, table, steps=1)
    made.learn(table, np.arange(n), y)
    made.grow(table, np.arange(n), made.wanted(y))
    predicted = made.predict_step(made.gather(table, np.arange(n))).numpy()
    assert np.isfinite(predicted).all() and capfd.readouterr() == ("", "")
    if odd == "rows alike":
        assert np.allclose(predicted, [[24 / 40, 1 / 40, 15 / 40]], atol=1e-6)
    if odd == "answers alike":
        assert np.allclose(predicted, 3.0)


def test_a_first_adapter_has_trees_unless_there_are_few_rows_of_many_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = pd.DataFrame(index=range(990))
    beginnings = [Table().beginning(tmp_path, train, outputs) for outputs in (1, 5, 99)]
    assert [one.fast.model for one in beginnings] == ["lightgbm", "lightgbm", "mlp"]
    monkeypatch.setattr(table_inputs, "find_spec", lambda name: None)
    assert Table().beginning(tmp_path, train, 1).fast.model == "mlp"


def test_a_table_is_not_said_to_have_presets_for_texts() -> None:
    _, origins, preset = resolved(competitions.load("csv"), "fast", {"model": "lightgbm", "target": "y"})
    assert preset == "fast" and not any("transformer" in one for one in origins.values())


def test_ids_that_are_dates_are_learned_from(tmp_path: Path) -> None:
    when = pd.date_range("2024-01-01", periods=240, freq="h")
    table = pd.DataFrame({"when": when.strftime("%Y-%m-%d %H:%M:%S"), "z": 1.5, "y": (when.hour < 12).astype(int)})
    table.loc[::7, "z"] = 2.5
    (tmp_path / "data").mkdir()
    back = np.arange(240) % 5 == 0
    table[~back].to_csv(tmp_path / "data" / "train.csv", index=False)
    table[back].drop(columns="y").to_csv(tmp_path / "data" / "test.csv", index=False)
    table.loc[back, ["when", "y"]].assign(y=0).to_csv(tmp_path / "data" / "sample_submission.csv", index=False)
    run = kit.run("csv", tmp_path / "data", out=tmp_path / "run", quiet=True, target="y", model="lightgbm", trees=20, folds=2)
    assert run.scores["oof"] > 0.95


def test_a_lower_rate_waits_longer_for_a_gain() -> None:
    """Else trees of a low rate, whose rounds gain little each, end by chance after the first few."""
    assert [patience(rate) for rate in (0.3, 0.1, 0.05, 0.03)] == [30, 30, 60, 100]
