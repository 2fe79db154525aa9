"""Seeds and repeats: the mean of as many runs, to the last bit; resumed, predicted again; one model where all agree."""

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import SMALL, flags, warm
from test_table import folder, sold

import kit
from kit import labels
from kit.cli.app import main
from kit.data.folds import Folds
from kit.errors import Usage
from kit.inference import members
from kit.inference.blend import blend
from kit.models.base import FoldModel
from kit.models.registry import kind_class
from kit.pipeline.plan import planned
from kit.pipeline.preparation import asked
from kit.reporting.report import page
from kit.reporting.summary import summary
from kit.storage import frames, predictions
from kit.storage.runs.parts import RunPart

BY_TIME = """
from dataclasses import replace
from competitions import digits
competition, presets = replace(digits.competition, time="pixel10"), digits.presets
"""
RESULTS = ("oof.csv", "test.csv", "submission.csv", "folds.csv")
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def two_seeds(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> kit.Run:
    """A finished run as the small one, of two models a fold. Look, don't touch."""
    return kit.run("digits", digits, out=tmp_path_factory.mktemp("seeds") / "run", quiet=True, seeds=2, **SMALL)


def same_results(one: kit.Run, other: kit.Run) -> bool:
    return all((one.path / name).read_bytes() == (other.path / name).read_bytes() for name in RESULTS)


def mean_of(frames: list[pd.DataFrame]) -> pd.DataFrame:
    values = sum(frame.to_numpy(np.float64) for frame in frames) / len(frames)
    return pd.DataFrame(values.astype(np.float32), index=frames[0].index, columns=frames[0].columns)


def test_a_part_is_its_folder_and_the_parts_of_old_runs_are_as_they_were() -> None:
    every = RunPart.every([[0, 2], [0, 1]], seeds=2, final="both")
    assert [str(one) for one in every] == [
        "fold0", "fold2", "fold0-repeat1", "fold1-repeat1", "fold0-seed1", "fold2-seed1", "fold0-repeat1-seed1",
        "fold1-repeat1-seed1", "refit", "refit-seed1",
    ]  # fmt: skip
    assert [RunPart.of(str(one)) for one in every] == every
    assert [str(one) for one in RunPart.every([[0, 1]], 1, "refit")] == ["fold0", "fold1", "refit"]


def test_one_fold_is_asked_for_in_every_repeat_and_seed(digits: Path) -> None:
    plan = planned("digits", digits, "fast", {"seeds": 2, "repeats": 2, "final": "both", "folds": 3})
    by_fold = [{*plan.parts([k])} for k in range(3)]
    assert by_fold[1] == {"fold1", "fold1-seed1", "fold1-repeat1", "fold1-repeat1-seed1"}
    assert set.union(*by_fold) | {"refit", "refit-seed1"} == {*plan.parts()} and len(plan.parts()) == 14
    dealt = Folds(np.arange(3), further=(Folds(np.arange(3)),))
    assert {str(part) for part in asked(plan.config, dealt, [1])} == by_fold[1]
    assert [str(part) for part in asked(plan.config, dealt, None)] == plan.parts()


def test_seeds_are_the_mean_of_runs_with_the_same_folds_and_these_seeds(digits: Path, tmp_path: Path) -> None:
    """By time, folds are the same whatever the seed."""
    (tmp_path / "by_time.py").write_text(BY_TIME)
    knobs: dict[str, Any] = {**SMALL, "folds": 2, "final": "both"}
    alone = [kit.run("by_time.py", digits, out=tmp_path / f"alone{s}", quiet=True, seed=s, **knobs) for s in range(3)]
    run = kit.run("by_time.py", digits, out=tmp_path / "run", quiet=True, seeds=3, **knobs)
    assert len({(one.path / "folds.csv").read_bytes() for one in (*alone, run)}) == 1
    assert run.oof.equals(mean_of([one.oof for one in alone])) and run.test.equals(mean_of([one.test for one in alone]))
    about = run.scores["rounds"]
    assert about["oof"] == [one.scores["oof"] for one in alone] and about["seeds"] == 3
    assert about["error"] == pytest.approx(np.std(about["oof"], ddof=1) / 3**0.5)
    assert run.scores["oof"] not in about["oof"]
    assert f"3 seeds, each alone  {alone[0].scores['oof']:.5f}  " in summary(run)
    assert main(["predict", str(run.path), "--data", str(digits), "--out", "again", "--quiet"]) == 0
    assert Path("again/submission.csv").read_bytes() == run.submission.read_bytes()
    tests = [predictions.load(one, "test") for one in members.members(run)]
    weighed = labels.from_json(run.record.labels).average(tests, members.member_weights(run))
    assert len(tests) == 9 and np.allclose(weighed, run.test, atol=1e-6)  # what an exported graph computes
    text = page.write(run, digits).read_text()
    assert "3 seeds, each alone" in text and "is not defined" not in text


def test_repeats_are_the_mean_of_runs_with_these_seeds_and_so_is_their_blend(digits: Path, tmp_path: Path) -> None:
    alone = [kit.run("digits", digits, out=tmp_path / f"alone{s}", quiet=True, seed=s, **SMALL) for s in range(2)]
    run = kit.run("digits", digits, out=tmp_path / "run", quiet=True, repeats=2, **SMALL)
    for repeat, one in enumerate(alone):
        assert frames.read_folds(run.path, repeat).equals(frames.read_folds(one.path))
    assert run.oof.equals(mean_of([one.oof for one in alone])) and run.test.equals(mean_of([one.test for one in alone]))
    assert run.scores["folds"] == [score for one in alone for score in one.scores["folds"]]
    both = blend(alone, out=tmp_path / "blend", quiet=True)
    assert [one["weight"] for one in both.record.members or []] == [0.5, 0.5]
    assert np.allclose(both.oof, run.oof, atol=1e-6) and np.allclose(both.test, run.test, atol=1e-6)
    assert both.scores["oof"] == pytest.approx(run.scores["oof"], abs=1e-3)
    assert "the average of the 2 runs that differ by their seed alone is the answer" in summary(both)
    assert any("averaged with equal weights" in note for note in both.record.notes)
    assert main(["predict", str(both.path), "--data", str(digits), "--out", "again", "--quiet"]) == 0
    assert np.allclose(frames.read_csv(Path("again/submission.csv").read_bytes(), "")["Label"].astype(int),
                       frames.read_csv(both.submission.read_bytes(), "")["Label"].astype(int))  # fmt: skip


def test_a_run_that_gets_another_seed_and_is_killed_ends_as_if_undisturbed(
    digits: Path, small_run: kit.Run, two_seeds: kit.Run, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(small_run.path, out)
    process = warm("run", "digits", "--data", digits, "--out", out, "--quiet", "--snapshot", 0, "--seeds", 2, *flags(SMALL))
    while process.is_alive() and not list(out.glob("fold1-seed1/snapshot-*")):
        time.sleep(0.005)
    process.kill()
    process.join()
    assert not kit.load(out).complete
    run = kit.run("digits", digits, out=out, quiet=True, seeds=2, **SMALL)
    assert same_results(run, two_seeds)
    kept = ["oof.npz", "model.ckpt", "fold.json"]  # of the first seed nothing was written again
    assert all((run.fold(0) / one).read_bytes() == (small_run.fold(0) / one).read_bytes() for one in kept)
    with pytest.raises(Usage, match="seeds: 2 → 1"):
        kit.run("digits", digits, out=out, quiet=True, **SMALL)


@pytest.mark.parametrize("model", ["lightgbm", "ngrams"])
def test_a_seed_that_changes_nothing_is_trained_once(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = sold(80)
    words = table["shape"] + " of " + table["sold"].str[:4]
    table = table[["dear"]].assign(review=words) if model == "ngrams" else table.drop(columns="price")
    data = folder(tmp_path, table, table.drop(columns="dear"))
    drawn_from_nothing = {"trees": 5, "rows_share": 1, "columns_share": 1, "target_encoding": 0}
    shape = {"target": "dear", "model": model, "folds": 2, **({"text": "review"} if model == "ngrams" else drawn_from_nothing)}
    run = kit.run("csv", data, out=tmp_path / "run", quiet=True, seeds=3, **shape)
    assert [one.name for one in sorted(run.path.glob("fold*/"))] == ["fold0", "fold1"] and "rounds" not in run.scores
    assert any("--seeds 3: the seed changes nothing" in note for note in run.record.notes)
    kind = kind_class(model, "text" if model == "ngrams" else "table", False)
    monkeypatch.setattr(kind, "seeded", FoldModel.seeded)
    more = kit.run("csv", data, out=tmp_path / "more", quiet=True, seeds=2, **shape)
    for k in (0, 1):
        first, second = (predictions.load(more.fold(RunPart(k, seed=s)), "test") for s in (0, 1))
        assert first.equals(second)


def test_what_cannot_be_is_said(digits: Path, small_run: kit.Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "by_time.py").write_text(BY_TIME)
    with pytest.raises(Usage, match="folds by time are the same each time"):
        planned("by_time.py", digits, "fast", {"repeats": 2})
    with pytest.raises(Usage, match=r"kit.study\(seeds=…\): your own loop"):
        kit.study("digits", digits, seeds=2)
    assert main(["run", "digits", "--data", str(digits), "--seeds", "0"]) == 2
    shutil.copytree(small_run.path, "runs/digits/fast-dropout0.1-epochs2-folds3-limit300-width8")
    capfd.readouterr()
    main(["run", "digits", "--data", str(digits), "--repeats", "2", "--only-fold", "0", *map(str, flags(SMALL))])
    assert "has some of these models: with --name fast-dropout0.1-epochs2-folds3-limit300-width8 only" in capfd.readouterr().err
