"""The model of a table that nobody names: trees or a perceptron, as its rows and the installed libraries have it."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import kit
from kit import competition as competitions
from kit.cli.app import main
from kit.inputs import table as table_inputs
from kit.inputs.cells import Cells
from kit.inputs.columns import straight_line
from kit.pipeline.dealing import folds_file
from kit.pipeline.plan import Plan, planned
from kit.storage import files

COLUMNS = [f"n{j}" for j in range(12)]


def drawn(rows: int, seed: int = 0) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(rows, len(COLUMNS))).round(4), columns=COLUMNS)


def summed(rows: int) -> pd.DataFrame:
    """Is the sum of the columns above zero? A straight line tells."""
    table = drawn(rows)
    return table.assign(y=np.where(table.sum(axis=1) > 0, "yes", "no"))


def chequered(rows: int) -> pd.DataFrame:
    """Are two columns on the same side of zero? No straight line tells."""
    table = drawn(rows)
    return table.assign(y=np.where(table["n0"] * table["n1"] > 0, "yes", "no"))


def laid_out(folder: Path, table: pd.DataFrame) -> Path:
    folder.mkdir()
    back = np.arange(len(table)) % 4 == 0
    table[~back].to_csv(folder / "train.csv", index_label="id")
    table[back].drop(columns="y").to_csv(folder / "test.csv", index_label="id")
    return folder


def plan(data: Path, preset: str = "fast", **knobs: object) -> Plan:
    return planned("csv", data, preset, {"target": "y", **knobs})


@pytest.fixture
def no_lightgbm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_inputs, "find_spec", lambda name: None)


@pytest.mark.parametrize(
    ("answer", "better"),
    [
        (lambda x: x.sum(axis=1), True),
        (lambda x: np.exp(x.sum(axis=1) / 3), True),
        (lambda x: np.where(x.sum(axis=1) > 0, 1.0, 0.0), True),
        (lambda x: x[:, 0] * x[:, 1], False),
        (lambda x: (x[:, 0] > 0) * (x[:, 1] > 0) * 1.0, False),
        (lambda x: np.random.default_rng(1).normal(size=len(x)), False),
        (lambda x: np.ones(len(x)), False),
    ],
)
def test_a_straight_line_is_better_where_the_answer_is_one(answer, better: bool) -> None:  # type: ignore[no-untyped-def]
    table = drawn(600)
    noise = np.random.default_rng(2).normal(size=600) * 1e-3
    blank = table.mask(np.random.default_rng(3).random(table.shape) < 0.01)
    y = answer(table.to_numpy()) * (1 + noise)
    assert straight_line.is_better(Cells(blank), y) is better
    assert not straight_line.is_better(Cells(blank[:50]), y[:50])  # too few rows tell


def test_a_line_sees_categories_and_very_wide_tables_are_not_asked() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 6, (900, 6))
    y = rng.normal(size=(6, 6))[np.arange(6), codes].sum(axis=1)
    table = pd.DataFrame({f"c{j}": [f"k{one}" for one in codes[:, j]] for j in range(6)})
    assert straight_line.is_better(Cells(table), y)
    wide = pd.concat([table, pd.DataFrame(rng.normal(size=(900, straight_line.WIDEST)))], axis=1)
    assert not straight_line.is_better(Cells(wide.rename(columns=str)), y)
    many = pd.DataFrame({f"c{j}": rng.integers(0, 100, 900).astype(str) + "k" for j in range(20)}).assign(sure=y)
    assert not straight_line.is_better(Cells(many), y)
    assert straight_line.is_better(Cells(many.iloc[:, 10:]), y)


@pytest.mark.parametrize("preset", ["fast", "best"])
def test_a_table_is_learned_by_trees_unless_a_line_tells_more(tmp_path: Path, preset: str) -> None:
    trees = plan(laid_out(tmp_path / "chequered", chequered(600)), preset)
    presets = competitions.load("csv").presets
    assert trees.config.changed(target="label") == presets[f"{preset}-lightgbm"]
    assert not trees.notes and trees.origins["model"] == f"preset {preset}"
    line = plan(laid_out(tmp_path / "summed", summed(600)), preset)
    assert line.config.changed(target="label") == presets[preset]
    assert line.notes == (
        "model mlp: suits tables whose answers a straight line tells better than boosted trees do; --model names another",
    )


def test_few_rows_of_many_classes_are_learned_by_a_perceptron(tmp_path: Path) -> None:
    for rows, model in ((650, "mlp"), (1300, "lightgbm")):  # a quarter is the test
        data = laid_out(tmp_path / model, drawn(rows).assign(y=[f"kind {row % 13}" for row in range(rows)]))
        assert plan(data).config.model == model


def test_columns_that_the_test_does_not_have_do_not_decide(tmp_path: Path) -> None:
    data = laid_out(tmp_path / "data", chequered(600))
    train = pd.read_csv(data / "train.csv")
    train.assign(told=np.where(train["y"] == "yes", 1.5, -1.5) + train["n0"] * 0.01).to_csv(data / "train.csv", index=False)
    assert plan(data).config.model == "lightgbm"


def test_under_a_limit_the_rows_that_are_learned_decide(tmp_path: Path) -> None:
    blank = drawn(50).assign(y="")  # no training rows, so they do not count
    (tmp_path / "train.csv").write_text(pd.concat([blank, summed(600), chequered(4000)]).to_csv(index=False))
    (tmp_path / "test.csv").write_text(drawn(20).to_csv(index=False))
    for limit, model in ((600, "mlp"), (4600, "lightgbm"), (0, "lightgbm")):
        asked = plan(tmp_path, limit=limit)
        assert asked.config.model == model
    assert plan(tmp_path, limit=90).config.model == "lightgbm"  # too few rows to tell


def test_answers_that_are_kept_back_do_not_decide(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(pd.concat([chequered(600), summed(300)]).to_csv(index=False))
    assert plan(tmp_path / "train.csv").config.model == "lightgbm"
    for rows, model in ((range(600), "mlp"), (range(600, 900), "lightgbm")):
        part = ["private" if row in rows else "train" for row in range(900)]
        ids = pd.Index(range(1, 901), name="id")
        (tmp_path / "parts.csv").write_text(pd.DataFrame({"part": part}, index=ids).to_csv())
        assert plan(tmp_path / "train.csv", kept_back=str(tmp_path / "parts.csv")).config.model == model


def test_the_file_of_folds_is_read_once_whatever_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = laid_out(tmp_path / "data", chequered(160))
    folds = tmp_path / "folds.csv"
    pd.DataFrame({"id": range(160), "fold": np.arange(160) % 4, "repeat1": np.arange(160) // 40}).to_csv(folds, index=False)
    reads: list[str] = []

    def read(folder: Path, name: str) -> bytes:
        reads.append(name)
        return files.read(folder, name)

    monkeypatch.setattr(folds_file, "files", SimpleNamespace(read=read))
    asked = plan(data, folds_from=str(folds), repeats=2)
    assert (asked.config.model, asked.config.folds, reads) == ("lightgbm", 4, ["folds.csv"])


def test_without_lightgbm_a_perceptron_learns_and_a_note_names_the_extra(tmp_path: Path, no_lightgbm: None) -> None:
    asked = plan(laid_out(tmp_path / "data", chequered(200)))
    assert asked.config.model == "mlp"
    (note,) = asked.notes
    assert note.startswith("model mlp: suits tables where the extra `lightgbm` is missing") and "pip install" in note


def test_who_names_a_model_or_a_knob_of_the_perceptron_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chequers, sums = laid_out(tmp_path / "chequered", chequered(600)), laid_out(tmp_path / "summed", summed(600))
    assert plan(chequers, model="mlp").config.model == plan(chequers, width=8).config.model == "mlp"
    assert plan(sums, model="lightgbm").config.trees == plan(chequers).config.trees
    assert plan(sums, "best", model="lightgbm").config.trees == plan(chequers, "best").config.trees > 1000
    assert plan(sums, model="catboost").config.leaves == 64  # by its recipe
    assert plan(chequers, trees=7, folds=3).config.model == "lightgbm"
    monkeypatch.setenv("KIT_MODEL", "xgboost")
    assert plan(chequers).config.model == "xgboost"


def test_a_run_keeps_its_model_when_a_library_comes_or_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, knobs = laid_out(tmp_path / "data", chequered(160)), {"target": "y", "folds": 2}
    words = ["run", "csv", "--data", str(data), "--target", "y", "--folds", "2"]
    with monkeypatch.context() as missing:
        missing.setattr(table_inputs, "find_spec", lambda name: None)
        whole = kit.run("csv", data, out=tmp_path / "whole", quiet=True, **knobs)
        kit.run("csv", data, out=tmp_path / "run", quiet=True, only_fold=[0], **knobs)
    capsys.readouterr()
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().err
    assert said.count(f"{tmp_path / 'run'} began with --model mlp and goes on with it; --fresh takes lightgbm") == 1
    run = kit.load(tmp_path / "run")
    assert run.record.config["model"] == "mlp"
    for name in ("oof.csv", "submission.csv"):
        assert (run.path / name).read_bytes() == (whole.path / name).read_bytes()
    trees = kit.run("csv", data, out=tmp_path / "trees", quiet=True, trees=5, **knobs)
    with monkeypatch.context() as missing:
        missing.setattr(table_inputs, "find_spec", lambda name: None)
        assert kit.run("csv", data, out=tmp_path / "trees", quiet=True, trees=5, **knobs).record == trees.record
    fresh = kit.run("csv", data, out=tmp_path / "run", quiet=True, fresh=True, **knobs)
    assert fresh.record.config["model"] == "lightgbm"


def test_a_study_has_the_presets_own_model(tmp_path: Path) -> None:
    study = kit.study("csv", laid_out(tmp_path / "data", chequered(160)), out=tmp_path / "study", quiet=True, target="y")
    assert study.plan.config.model == "mlp"


def test_explain_says_that_the_files_may_ask_for_another_model(capsys: pytest.CaptureFixture[str]) -> None:
    for words, told in ((["csv"], True), (["csv", "--model", "mlp"], False), (["rowsum"], False)):
        assert main(["explain", "model", *words]) == 0
        assert ("The files may ask for another" in capsys.readouterr().out) is told
