"""Comparing and rechecking: a difference with its noise, on the same rows, on other folds, and where it comes from."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_table import QUICK, folder, sold

import kit
from kit.cli.app import main
from kit.inference.blend import blend
from kit.pipeline.comparison import paired, public_score
from kit.pipeline.comparison.paired import Difference
from kit.pipeline.comparison.recheck import recheck
from kit.storage import frames, ledger, predictions


def changed(run: kit.Run, path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> kit.Run:
    """A copy of a run with other out-of-fold predictions."""
    shutil.copytree(run.path, path)
    (path / "manifest.json").unlink()
    predictions.write_csv(path / "oof.csv", change(run.oof))
    return kit.load(path)


def better(run: kit.Run, path: Path, rows: int = 60) -> kit.Run:
    """A copy that knows the answers of its first rows."""
    truth = frames.read_by(run.path, "truth.csv")["label"].astype(float).astype(int)

    def know(oof: pd.DataFrame) -> pd.DataFrame:
        oof.iloc[:rows] = np.eye(10, dtype=np.float32)[truth[oof.index[:rows]]]
        return oof

    return changed(run, path, know)


def test_the_noise_is_that_of_the_rows() -> None:
    rng = np.random.default_rng(0)
    right = np.stack([rng.random(2000) < 0.9, rng.random(2000) < 0.87])
    drawn = paired.bootstrap(lambda rows: [float(one[rows].mean()) for one in right], 2000, 4000)
    gap = right[0].astype(float) - right[1]
    found = Difference.of(float(gap.mean()), drawn[:, 0] - drawn[:, 1])
    assert found.noise == pytest.approx(gap.std() / np.sqrt(2000), rel=0.15)
    assert found.probability > 0.9
    assert Difference.of(0.0, np.zeros(100)).probability == 0.5


def test_the_better_run_is_named_with_its_noise_and_its_rows(small_run: kit.Run, tmp_path: Path) -> None:
    best = better(small_run, tmp_path / "better")
    found = kit.compare([small_run.path, best])
    assert list(found.scores) == [str(best.path), str(small_run.path)]
    assert found.scores[str(small_run.path)] == pytest.approx(small_run.scores["oof"])
    (pair,) = found.pairs
    assert pair.difference.gain > 2 * pair.difference.noise > 0 and pair.difference.probability == 1
    assert pair.folds is not None and pair.folds.won == 3
    alone = sum(one.better_alone - one.other_alone for one in found.pairs[0].groups if one.better_alone is not None)
    assert alone == pytest.approx(pair.difference.gain * found.count)
    assert {one.id for one in pair.rows if one.gain > 0} <= set(small_run.oof.index[:60])
    truth = frames.read_by(small_run.path, "truth.csv")["label"].astype(float)
    assert all(float(row.truth) == truth[row.id] for row in pair.rows)
    assert found.table["behind"].tolist()[1] == pair.difference.gain
    again = kit.compare([best, small_run])
    assert again.json() == found.json()


def test_a_run_beside_its_copy_is_no_better(small_run: kit.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(small_run.path, tmp_path / "copy")
    assert main(["compare", str(small_run.path), "copy"]) == 0
    said = capsys.readouterr().out
    assert "+0.00000 ± 0.00000: no more than chance may make" in said and "correlate by 1.0000" in said
    assert "better in 50.0% of the draws" in said and "better in 0 of 3" in said


def test_three_runs_are_each_compared_with_the_best(
    small_run: kit.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [better(small_run, tmp_path / f"better{rows}", rows) for rows in (30, 90)]
    assert main(["compare", *(str(one.path) for one in (small_run, *others)), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [Path(one["other"]).name for one in found["pairs"]] == ["better30", small_run.path.name]
    assert found["pairs"][0]["difference"]["gain"] < found["pairs"][1]["difference"]["gain"]
    assert all(Path(one["better"]).name == "better90" for one in found["pairs"])


def test_a_column_groups_the_rows(small_run: kit.Run, digits: Path, tmp_path: Path) -> None:
    other = better(small_run, tmp_path / "better")
    found = kit.compare([small_run, other], by="pixel20", data=digits)
    groups = found.pairs[0].groups
    assert found.grouped == "pixel20" and 2 <= len(groups) <= 12
    assert sum(one.rows * one.better for one in groups) / found.count == pytest.approx(found.scores[str(other.path)])
    with pytest.raises(kit.Usage, match=r"--by pixel2O: no such column.*Did you mean"):
        kit.compare([small_run, other], by="pixel2O", data=digits)


def test_other_rows_and_folds_are_compared_on_what_both_have(small_run: kit.Run, digits: Path, tmp_path: Path) -> None:
    fewer = changed(small_run, tmp_path / "fewer", lambda oof: oof.iloc[:200])
    found = kit.compare([small_run, fewer])
    assert found.count == 200 and "200 rows that all runs have; the largest has 300" in found.text()
    none = changed(small_run, tmp_path / "none", lambda oof: oof.iloc[200:])
    with pytest.raises(kit.Usage, match="no training row in common"):
        kit.compare([fewer, none])
    dealt = better(small_run, tmp_path / "dealt")
    folds = frames.read_folds(small_run.path)
    frames.write_csv(dealt.path / "folds.csv", ((folds + 1) % 3).to_frame("fold"))
    found = kit.compare([small_run, dealt])
    assert found.pairs[0].folds is None and "the runs have other folds" in found.text()


def test_what_cannot_be_compared_is_refused_in_a_line(
    small_run: kit.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = sold()
    data = folder(tmp_path / "data", table[:90], table[90:].drop(columns=["price", "dear"]))
    priced = kit.run("csv", data, out=tmp_path / "priced", quiet=True, target="price", model="lightgbm", **QUICK)
    bare = Path(shutil.copytree(small_run.path, tmp_path / "bare"))
    for name in ("truth.csv", "manifest.json"):
        (bare / name).unlink()
    for words, code, said in (
        ([], 2, "two runs at least are compared"),
        ([str(small_run.path)], 2, "two runs at least are compared, each named once"),
        ([str(priced.path)], 2, "cannot be compared (competition: digits → csv)"),
        ([str(bare)], 65, "bare: no truth.csv with the answers of its rows"),
        (["nowhere"], 2, "nowhere: no run"),
    ):
        assert main(["compare", str(small_run.path), *words]) == code
        error = capsys.readouterr().err
        assert said in error and len(error.strip().splitlines()) == 1


# Folds dealt anew


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> list[kit.Run]:
    """Boosting of forty trees and, not nearly as good, of four."""
    place = tmp_path_factory.mktemp("priced")
    table = sold(240)
    data = folder(place / "data", table[:200].drop(columns="dear"), table[200:].drop(columns=["price", "dear"]))
    knobs = {**QUICK, "folds": 3, "model": "lightgbm", "target": "price"}
    return [kit.run("csv", data, out=place / f"trees{n}", quiet=True, **{**knobs, "trees": n}) for n in (40, 4)]


def test_a_gain_survives_on_other_folds_and_the_same_command_trains_nothing_again(
    priced: list[kit.Run], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["recheck", str(priced[0].path), "--against", str(priced[1].path), "--quiet"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "the gain survives: +" in said and "with seed 1000 (before +" in said
    place = Path("runs/csv/recheck-trees40-against-trees4-seed1000")
    anew = kit.load(place / "trees40")
    assert anew.info["config"] == {**priced[0].info["config"], "seed": 1000}
    assert not frames.read_folds(anew.path).equals(frames.read_folds(priced[0].path))
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*.csv")}
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert before == {path: path.stat().st_mtime_ns for path in place.rglob("*.csv")}
    assert found["survives"] and found["gain"] > 2 * found["noise"]
    assert found["gain"] == pytest.approx(found["other"] - found["score"])


def test_the_gain_of_a_worse_run_is_a_loss_and_that_of_one_like_it_none(priced: list[kit.Run], tmp_path: Path) -> None:
    found = recheck(priced[1], priced[0], out=tmp_path / "loss", quiet=True)
    assert not found.survives and "the gain is a loss: -" in found.text()
    knobs = {**QUICK, "folds": 3, "model": "lightgbm", "target": "price", "trees": 4}
    like = kit.run("csv", priced[1].info["root"], out=tmp_path / "like", quiet=True, **{**knobs, "epochs": 3})  # not heeded
    found = recheck(priced[1], like, seed=7, limit=120, out=tmp_path / "same", quiet=True)
    assert not found.survives and found.gain == 0 and "seed 7" in found.text()
    assert kit.load(tmp_path / "same" / "like").scores["rows"]["train"] == 120


def test_two_runs_of_one_configuration_are_not_trained_twice(priced: list[kit.Run], tmp_path: Path) -> None:
    copy = kit.load(shutil.copytree(priced[1].path, tmp_path / "copy"))
    with pytest.raises(
        kit.Usage, match=r"copy has the same configuration, so the same would be trained twice\. Name another run"
    ):
        recheck(priced[1], copy, out=tmp_path / "out")
    named = kit.run(
        "csv", priced[0].info["root"], out=tmp_path / "named", quiet=True, model="lightgbm", target="price", limit=90, folds=2
    )  # which the files ask for without being told
    with pytest.raises(kit.Usage, match="its preset fast comes to the same configuration"):
        recheck(named, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_both_are_trained_on_the_same_folds(priced: list[kit.Run], tmp_path: Path) -> None:
    knobs = {**QUICK, "folds": 2, "model": "lightgbm", "target": "price", "limit": 90}
    other = kit.run("csv", priced[0].info["root"], out=tmp_path / "other", quiet=True, **knobs)
    recheck(priced[1], other, limit=120, out=tmp_path / "both", quiet=True)
    first, second = (frames.read_folds(tmp_path / "both" / name) for name in (priced[1].path.name, "other"))
    assert len(first) == 120 and first.equals(second)


def test_without_another_run_the_preset_is_trained_on_the_same_data(priced: list[kit.Run], tmp_path: Path) -> None:
    found = recheck(priced[1], limit=100, out=tmp_path / "preset", quiet=True)
    assert found.against == "preset fast" and np.isnan(found.before)
    other = kit.load(tmp_path / "preset" / "preset-fast").info["config"]
    assert (other["target"], other["folds"], other["limit"], other["seed"]) == ("price", 3, 100, 1000)
    assert other["trees"] != 4


def test_what_cannot_be_dealt_anew_is_refused_in_a_line(priced: list[kit.Run], tmp_path: Path) -> None:
    both = blend(priced, out=tmp_path / "both", quiet=True)
    with pytest.raises(kit.Usage, match="a blend, which trains nothing"):
        recheck(kit.load(both.path))
    data = Path(priced[0].info["root"])
    plain = kit.run("csv", data, out=tmp_path / "plain", quiet=True, target="price", limit=60, folds=2)
    with pytest.raises(kit.Usage, match=r"nothing of its preset fast was changed. Name another run with --against"):
        recheck(plain)
    with pytest.raises(kit.Usage, match="is rechecked against itself"):
        recheck(plain, kit.load(plain.path))
    given = kit.run("csv", data, out=tmp_path / "given", quiet=True, target="price", folds_from=str(plain.path), limit=60)
    with pytest.raises(kit.Usage, match="which cannot be dealt anew"):
        recheck(given)


# The ledger


def test_the_ledger_tells_how_far_a_public_score_strays(
    small_run: kit.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, other = (
        kit.load(shutil.copytree(small_run.path, tmp_path / "runs" / "digits" / "a")),
        better(small_run, tmp_path / "b"),
    )
    told = public_score.strays(run)
    share, rows = run.scores["oof"], len(run.test)
    assert (told.public, told.test) == (round(rows / 3), rows)
    assert told.error == pytest.approx((share * (1 - share) / told.public) ** 0.5, rel=0.15)
    for ref, one in enumerate((run, other), 1):
        ledger.add_run(one)
        ledger.add("submission", competition="digits", ref=ref, run=ledger.place(one.path), message="m")
        ledger.add("score", ref=ref, status="COMPLETE", public=str(share), private=None, reason="")
    assert main(["ledger", "digits"]) == 0
    said = capsys.readouterr().out
    assert (
        "the two correlate by 1.0000" in said and f"strays by ± {told.error:.5f}" in said and "is 0.0 of these from CV" in said
    )
    shutil.rmtree(other.path)
    assert main(["ledger", "digits", "--json"]) == 0
    (facts,) = json.loads(capsys.readouterr().out)["competitions"]
    assert facts["alike"] is None and len(facts["strays"]) == 1
