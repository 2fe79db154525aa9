"""Engines: what loads Lightning and what does without; a Trainer and none give the same bytes."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import kit
from kit.training import checkpoints

LIGHTNING = ("pytorch_lightning", "torchmetrics", "torchvision", "transformers", "torch._dynamo")
DRIVER = """
import sys
from kit.cli.app import main

code = main(sys.argv[2:])
print("loaded:", *sorted({*sys.argv[1].split()} & {*sys.modules}), file=sys.stderr)
sys.exit(code)
"""
needs_lightgbm = pytest.mark.skipif(find_spec("lightgbm") is None, reason="LightGBM is not installed")


def loaded(*words: object, of: tuple[str, ...] = LIGHTNING) -> list[str]:
    """Which of these modules a command, in a process of its own, has imported when it ends well."""
    command = [sys.executable, "-W", "error::UserWarning", "-c", DRIVER, " ".join(of), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    said = re.search(r"^loaded:(.*)$", done.stderr, re.MULTILINE)
    assert said is not None
    return said[1].split()


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small table of two classes; the working directory is beside it."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(160, 3)).round(3), columns=list("abc"))
    rows.insert(0, "id", range(len(rows)))
    rows["label"] = np.where(rows.a + 0.3 * rng.normal(size=len(rows)) > 0, "yes", "no")
    folder = tmp_path / "data"
    folder.mkdir()
    rows[:120].to_csv(folder / "train.csv", index=False)
    rows[120:].drop(columns="label").to_csv(folder / "test.csv", index=False)
    rows.loc[120:, ["id"]].assign(label="no").to_csv(folder / "sample_submission.csv", index=False)
    return folder


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a few texts of two classes; the working directory is beside it."""
    monkeypatch.chdir(tmp_path)
    words = ("good film", "bad film", "good book", "bad book", "good play", "bad play")
    rows = pd.DataFrame({"id": range(80), "text": [f"{words[i % 6]} {i} of all that there are" for i in range(80)]})
    folder = tmp_path / "data"
    folder.mkdir()
    rows[:60].assign(label=["yes", "no"] * 30).to_csv(folder / "train.csv", index=False)
    rows[60:].to_csv(folder / "test.csv", index=False)
    rows[60:][["id"]].assign(label="no").to_csv(folder / "sample_submission.csv", index=False)
    return folder


@needs_lightgbm
def test_no_command_on_trees_loads_lightning_and_judging_them_not_even_torch(table: Path) -> None:
    words = ("--data", table, "--model", "lightgbm", "--trees", 9, "--folds", 2, "--out", "one")
    assert loaded("run", "csv", *words) == []
    kit.run("csv", table, out="two", quiet=True, model="lightgbm", trees=9, folds=2, seed=1)
    assert loaded("predict", "one", "--data", table, "--out", "answers") == []
    for words in (("compare", "one", "two"), ("blend", "one", "two", "--out", "both"), ("report", "one")):
        assert loaded(*words, of=("torch", *LIGHTNING)) == [], words


def test_a_run_of_n_grams_loads_no_lightning(texts: Path) -> None:
    own = LIGHTNING[:-1]  # L-BFGS, as any optimizer of torch, loads torch._dynamo
    assert loaded("run", "csv", "--data", texts, "--text", "text", "--model", "ngrams", "--folds", 2, "--quiet", of=own) == []


def test_what_is_loaded_late_is_loaded_without_the_collector() -> None:
    code = (
        "import gc; from kit.models.families import MLP; before = gc.get_stats()[2]['collections'];"
        "kind = MLP.load(); print(kind.by_trainer, gc.isenabled(), gc.get_stats()[2]['collections'] - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=True)
    assert done.stdout == "True True 0\n"


@needs_lightgbm
def test_trees_grown_in_a_trainer_are_those_grown_without(table: Path) -> None:
    same_with_a_trainer(table, model="lightgbm", trees=9)


def test_n_grams_fitted_in_a_trainer_are_those_fitted_without(texts: Path) -> None:
    same_with_a_trainer(texts, text="text", model="ngrams")
    same_with_a_trainer(texts, text="text", model="ngrams", inverse_penalty=0.0)


def same_with_a_trainer(data: Path, **knobs: object) -> None:
    """A run is the same to the bit where an option of Lightning's Trainer, which changes nothing, has that take the step."""
    plain, by_trainer = (
        kit.run("csv", data, out=f"{knobs}{one}", quiet=True, folds=2, trainer=one, **knobs)
        for one in ("", "log_every_n_steps=1")
    )
    for name in ("oof.csv", "test.csv", "submission.csv"):
        assert (plain.path / name).read_bytes() == (by_trainer.path / name).read_bytes()
    for fold in (0, 1):
        models = [checkpoints.load_model(run.fold(fold) / "model.ckpt") for run in (plain, by_trainer)]
        assert type(models[0]) is type(models[1])
        states = [model.state_dict() for model in models]
        assert states[0].keys() == states[1].keys()
        same = [
            torch.equal(one, states[1][key]) if isinstance(one, torch.Tensor) else one == states[1][key]
            for key, one in states[0].items()
        ]
        assert all(same)
        rows = [pd.read_csv(run.fold(fold) / "history.csv").drop(columns="rows_per_second") for run in (plain, by_trainer)]
        pd.testing.assert_frame_equal(rows[0], rows[1], check_exact=True)
