"""A time budget inside a fit that is one step: n-grams and boosted trees end with what they have, and it is sound."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_resume import same_results
from test_table import cells, folder, sold
from test_text import reviews

import kit
from kit.competition import validation
from kit.config import Config
from kit.labels import Columns, Labels, Numbers, OneOf
from kit.models import registry
from kit.models.batch import Batch
from kit.models.tables import boosters
from kit.models.texts.ngram_matrix import Incidence
from kit.storage.run_folder import read_json

ENDLESS: dict[str, dict[str, Any]] = {
    "ngrams": {"text": "review", "target": "sentiment", "iterations": 1000},
    "lightgbm": {"target": "dear", "model": "lightgbm", "trees": 100_000},
}
ONE_STEP = pytest.mark.parametrize("model", ENDLESS)


def fitted(model: str, path: Path, **knobs: Any) -> kit.Run:
    """A run of two folds; reviews or a table, made once."""
    data = path / "data"
    if not data.exists():
        data.mkdir()
        reviews(data / "reviews.csv", 200)
        folder(data / "sold", sold(200), sold(40, seed=1).drop(columns=["price", "dear"]))
    of = {"ngrams": data / "reviews.csv", "lightgbm": data / "sold"}[model]
    return kit.run("csv", of, out=path / f"run{len(list(path.iterdir()))}", folds=2, quiet=True, **ENDLESS[model] | knobs)


def epochs(run: kit.Run) -> list[float]:
    return [read_json(run.fold(k) / "fold.json")["epochs"] for k in run.info["folds"]]


@ONE_STEP
def test_a_fit_ends_in_its_time_and_predicts_soundly(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Incidence.times

    def slow(*rest: Any) -> np.ndarray:
        time.sleep(0.05)  # else this solver is done in time
        return plain(*rest)

    monkeypatch.setattr(Incidence, "times", slow)
    monkeypatch.setattr(boosters, "STOPPED", 1 << 30)  # else few rounds suffice
    began = time.monotonic()
    run = fitted(model, tmp_path, time_budget=4)
    assert 1.0 < time.monotonic() - began < 8  # undisturbed they would take minutes
    shape = {key: value for key, value in ENDLESS[model].items() if key in ("text", "target")}
    assert run.complete and not validation.validate("csv", run.submission, run.info["root"], shape)
    assert all(0 < one < 1 for one in epochs(run)), epochs(run)
    assert run.scores["oof"] > 0.6  # more than a guess


@ONE_STEP
def test_a_fit_without_any_time_makes_one_step(model: str, tmp_path: Path) -> None:
    run = fitted(model, tmp_path, time_budget=0.01)
    assert run.complete and all(0 < one <= 0.01 for one in epochs(run))
    assert run.scores["oof"] > 0.6  # more than a guess


@ONE_STEP
def test_a_fit_with_time_enough_is_the_same_to_the_byte(model: str, tmp_path: Path) -> None:
    knobs = {"iterations": 15, "trees": 40}
    run = fitted(model, tmp_path, **knobs, time_budget="10m")
    assert epochs(run) == [1, 1] and same_results(run.path, fitted(model, tmp_path, **knobs).path)


@pytest.mark.parametrize("labels", [OneOf("x", ("a", "b", "c")), Columns(("a", "b")), Numbers(("a", "b"))])
def test_boosting_in_time_stops_early_at_the_same_round(labels: Labels) -> None:
    """Looking at the time changes nothing where there is enough."""
    z = np.random.default_rng(0).normal(size=(11_000, 3))
    y = z[:, 2].clip(-1, 1).round().astype(np.int64) + 1
    y = y if isinstance(labels, OneOf) else np.stack([y > 0, y > 1], axis=1).astype(np.float32)
    table, grown = cells(p=[f"{one:.4f}" for one in z[:, 0]], q=[f"{one:.4f}" for one in z[:, 1]]), []
    for seconds in (np.inf, 600):
        module = registry.make(Config(model="lightgbm", trees=40, shrinkage=0.5), labels, table, steps=1)
        module.learn(table, np.arange(len(y)), y)
        module.end_by(time.monotonic() + seconds)
        module.training_step(Batch(None, torch.from_numpy(y), torch.arange(len(y))), 0)
        assert module.part == 1
        grown.append(module.forest.state_dict())
    assert all(torch.equal(one, grown[1][name]) for name, one in grown[0].items())
    assert len(grown[0]["root"]) < 40 * len(labels.columns)


def test_columns_of_boosting_share_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def tick() -> float:
        now[0] += 0.5
        return now[0]

    monkeypatch.setattr(boosters.time, "monotonic", tick)
    labels, z = Numbers(tuple("abcd")), np.random.default_rng(0).normal(size=(60, 4))
    table = cells(p=[f"{one:.4f}" for one in z[:, 0]])
    module = registry.make(Config(model="lightgbm", trees=1000), labels, table, steps=1)
    module.learn(table, np.arange(60), z)
    module.end_by(400.0)
    module.grow(table, np.arange(60), z)
    rounds = np.bincount(module.forest.output.numpy())
    assert len(rounds) == 4 and max(rounds) < 1000 and max(rounds) < 3 * min(rounds) and now[0] < 400
