"""A run from files to submission: what it writes, and that all of it agrees."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

import kit
from kit.competition import load, submission
from kit.storage import frames, predictions


def test_every_file_of_the_contract_is_there(small_run: kit.Run) -> None:
    expected = {
        "run.json",
        "folds.csv",
        "truth.csv",
        "oof.csv",
        "test.csv",
        "scores.json",
        "submission.csv",
        "manifest.json",
        "fold0",
        "fold1",
        "fold2",
    }
    assert {path.name for path in small_run.path.iterdir() if not path.name.startswith(".")} == expected
    for fold in range(3):
        inside = {path.name for path in small_run.fold(fold).iterdir()}
        assert inside == {"model.ckpt", "oof.npz", "oof-raw-weights.npz", "test.npz", "history.csv", "fold.json"}


def test_the_out_of_fold_score_is_the_metric_of_the_out_of_fold_file(small_run: kit.Run, digits: Path) -> None:
    tables = load("digits").competition.tables(digits)
    truth = tables.train.loc[small_run.oof.index, "label"].astype(int).to_numpy()
    probabilities = small_run.oof.to_numpy(np.float64)
    scores = small_run.scores
    assert scores["oof"] == accuracy_score(truth, probabilities.argmax(axis=1))
    assert scores["extra"]["f1"] == pytest.approx(f1_score(truth, probabilities.argmax(axis=1), average="macro"), abs=1e-6)
    rescaled = probabilities / probabilities.sum(axis=1, keepdims=True)
    assert scores["extra"]["auroc"] == pytest.approx(roc_auc_score(truth, rescaled, multi_class="ovr"), abs=1e-6)
    assert scores["mean"] == pytest.approx(np.mean(scores["folds"]))
    assert scores["rows"] == {"train": 300, "test": 360, "broken_test": 0}


def test_each_row_is_predicted_by_the_fold_that_did_not_train_on_it(small_run: kit.Run) -> None:
    folds = frames.read_csv((small_run.path / "folds.csv").read_bytes(), "folds.csv").set_index("id")["fold"]
    for fold in range(3):
        own = predictions.load(small_run.fold(fold), "oof")
        assert set(own.index) == set(folds.index[folds == str(fold)])
    assert set(small_run.oof.index) == set(folds.index)


def test_the_test_predictions_are_the_mean_of_the_folds(small_run: kit.Run) -> None:
    parts = [predictions.load(small_run.fold(fold), "test").to_numpy(np.float64) for fold in range(3)]
    assert np.array_equal(small_run.test.to_numpy(), np.mean(parts, axis=0).astype(np.float32))


def test_the_submission_passes_its_own_check(small_run: kit.Run, digits: Path) -> None:
    facts = load("digits").competition
    assert submission.faults(small_run.submission.read_bytes(), facts.sample_table(digits), facts.labels) == []


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(small_run: kit.Run, digits: Path, tmp_path: Path) -> None:
    again = kit.run("digits", digits, out=tmp_path / "again", quiet=True, **SMALL)
    other = kit.run("digits", digits, out=tmp_path / "other", quiet=True, **{**SMALL, "seed": 1})
    for name in ("oof.csv", "test.csv", "submission.csv", "folds.csv"):
        assert (again.path / name).read_bytes() == (small_run.path / name).read_bytes()
    assert (other.path / "oof.csv").read_bytes() != (small_run.path / "oof.csv").read_bytes()


def test_a_complete_run_is_not_touched(small_run: kit.Run, digits: Path) -> None:
    before = {
        path: path.stat().st_mtime_ns for path in small_run.path.rglob("*") if path.is_file() and ".locks" not in path.parts
    }
    kit.run("digits", digits, out=small_run.path, quiet=True, **SMALL)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_run_json_says_where_each_value_came_from(small_run: kit.Run) -> None:
    info = small_run.info
    assert info["status"] == "complete"
    assert info["config"]["epochs"] == 2
    assert info["origins"]["epochs"] == "flag"
    assert info["origins"]["lr"] == "preset fast"
    assert info["origins"]["views"] == "default"
    assert info["precision"] in ("fp32", "bf16", "fp16")
    assert info["sessions"][0]["versions"]["torch"]


def test_only_some_folds_then_the_rest_equals_all_at_once(small_run: kit.Run, digits: Path, tmp_path: Path) -> None:
    part = kit.run("digits", digits, out=tmp_path / "part", only_fold=[2], quiet=True, **SMALL)
    assert part.info["status"] == "stopped"
    assert not part.submission.exists()
    whole = kit.run("digits", digits, out=tmp_path / "part", quiet=True, **SMALL)
    for name in ("oof.csv", "test.csv", "submission.csv"):
        assert (whole.path / name).read_bytes() == (small_run.path / name).read_bytes()


@pytest.mark.parametrize("final", ["refit", "both"])
def test_the_refit_answers_the_test_alone_or_beside_the_folds(
    final: str, small_run: kit.Run, digits: Path, tmp_path: Path
) -> None:
    run = kit.run("digits", digits, out=tmp_path / "run", quiet=True, **SMALL, final=final)
    refit = predictions.load(run.path / "refit", "test").to_numpy(np.float64)
    assert json.loads((run.path / "refit" / "fold.json").read_text())["rows"] == 300
    expected = refit if final == "refit" else (refit + small_run.test.to_numpy(np.float64)) / 2
    assert np.allclose(run.test.to_numpy(), expected, atol=1e-6)
    assert (run.path / "oof.csv").read_bytes() == (small_run.path / "oof.csv").read_bytes()


def test_the_best_checkpoint_says_how_much_it_flatters(digits: Path, tmp_path: Path) -> None:
    knobs = {**SMALL, "epochs": 4, "ema": 0.0, "lr": 0.05, "warmup": 0.1}
    best = kit.run("digits", digits, out=tmp_path / "best", quiet=True, **knobs, checkpoint="best")
    end = kit.run("digits", digits, out=tmp_path / "end", quiet=True, **knobs)
    gains = np.array(best.scores["folds"]) - np.array(end.scores["folds"])
    assert (gains >= 0).all()
    assert best.scores["extra"]["flattered_by"] == pytest.approx(gains.mean())


def test_the_last_validation_sees_the_weights_that_predict(digits: Path, tmp_path: Path) -> None:
    """The averaged weights too: a validation before the last step's update would see others."""
    knobs = {**SMALL, "epochs": 4, "ema": 0.5, "lr": 0.02, "val_every": 1}
    run = kit.run("digits", digits, out=tmp_path / "run", quiet=True, **knobs)
    for fold, score in enumerate(run.scores["folds"]):
        header, *_, last = (run.fold(fold) / "history.csv").read_text().splitlines()
        seen = dict(zip(header.split(","), last.split(","), strict=True))
        own = predictions.load(run.fold(fold), "oof").to_numpy(np.float64)
        truth = load("digits").competition.tables(digits).train["label"]
        truth = truth.loc[predictions.load(run.fold(fold), "oof").index].astype(int).to_numpy()
        assert float(seen["val_accuracy"]) == pytest.approx(score, abs=1e-6)
        auroc = roc_auc_score(truth, own / own.sum(axis=1, keepdims=True), multi_class="ovr")
        assert float(seen["val_auroc"]) == pytest.approx(auroc, abs=1e-5)


def test_prediction_of_a_larger_test_set_in_another_order(small_run: kit.Run, digits: Path, tmp_path: Path) -> None:
    """The hidden test set of a code competition: other ids, more rows, shuffled."""
    test = frames.read_csv((digits / "test.csv").read_bytes(), "test.csv")
    order = np.random.default_rng(0).permutation(np.tile(np.arange(len(test)), 2))
    hidden = test.iloc[order].reset_index(drop=True)
    hidden.insert(0, "ImageId", [f"{i:05d}" for i in range(len(order))])
    sample = hidden[["ImageId"]].iloc[::-1].assign(Label="0")
    for name in ("train.csv",):
        (tmp_path / name).write_bytes((digits / name).read_bytes())
    frames.write_csv(tmp_path / "test.csv", hidden, index=False)
    frames.write_csv(tmp_path / "sample_submission.csv", sample, index=False)
    answers, path = kit.predict(small_run, tmp_path, out=tmp_path / "out")
    assert list(answers.index) == list(sample["ImageId"])
    # bfloat16 kernels round differently for another batch size or order of rows; the answers are the same
    same = small_run.test.to_numpy()[order][::-1]
    assert np.abs(answers.to_numpy() - same).max() < 0.05
    assert path.read_text().splitlines()[0] == "ImageId,Label"
    assert len(path.read_text().splitlines()) == len(order) + 1


def test_prediction_of_the_runs_own_test_set_is_the_runs(small_run: kit.Run, tmp_path: Path) -> None:
    answers, path = kit.predict(small_run.path, out=tmp_path / "out")
    assert (tmp_path / "out" / "test.csv").read_bytes() == (small_run.path / "test.csv").read_bytes()
    assert path.read_bytes() == small_run.submission.read_bytes()
    several, _ = kit.predict(small_run.path, views=3, out=tmp_path / "views")
    assert not several.equals(answers)


def test_shuffled_labels_score_as_chance(digits: Path, tmp_path: Path) -> None:
    """Nothing leaks: with labels that mean nothing, cross-validation finds nothing."""
    for name in ("test.csv", "sample_submission.csv"):
        (tmp_path / name).write_bytes((digits / name).read_bytes())
    train = frames.read_csv((digits / "train.csv").read_bytes(), "train.csv")
    train["label"] = np.random.default_rng(0).permutation(train["label"].to_numpy())
    frames.write_csv(tmp_path / "train.csv", train, index=False)
    run = kit.run("digits", tmp_path, out=tmp_path / "run", quiet=True, epochs=4, width=8, folds=3)
    largest = train["label"].value_counts(normalize=True).max()
    assert abs(run.scores["oof"] - 0.1) < 3 * np.sqrt(0.1 * 0.9 / len(train)) + (largest - 0.1)


def test_a_command_that_failed_before_it_read_the_data_is_no_run(digits: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(kit.BadData):
        kit.run("digits", tmp_path / "empty", out=tmp_path / "run", quiet=True, **SMALL)
    run = kit.run("digits", digits, out=tmp_path / "run", only_fold=[0], quiet=True, **SMALL)
    assert len(run.info["sessions"]) == 1 and "reason" in run.info
    with pytest.raises(kit.Usage, match="holds another run"):
        kit.run("digits", digits, out=tmp_path / "run", quiet=True, **{**SMALL, "epochs": 3})
    (run.path / "folds.csv").unlink()  # lost, but the fold is trained
    with pytest.raises(kit.Usage, match="holds another run"):
        kit.run("digits", digits, out=tmp_path / "run", quiet=True, **{**SMALL, "epochs": 3})


def test_rows_that_repeat_each_other_share_a_fold(digits: Path, tmp_path: Path) -> None:
    header, *rows = (digits / "train.csv").read_text().splitlines()
    data = Path(shutil.copytree(digits, tmp_path / "data"))
    (data / "train.csv").write_text("\n".join([header, *rows[:300], *rows[:60]]) + "\n")
    study = kit.study("digits", data, out=tmp_path / "study", quiet=True, folds=5)
    fold = frames.read_folds(study.run.path).to_numpy()
    assert np.array_equal(fold[:60], fold[300:])
    assert "60 training rows repeat another one: each stays in the fold of its twin" in study.notes


def test_a_wrong_folder_is_named_before_a_run_is_refused_or_removed(digits: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    run = kit.run("digits", digits, only_fold=[0], quiet=True, **SMALL)
    for fresh in (False, True):
        with pytest.raises(kit.BadData, match=r"empty: no such file in it: train.csv\.\n.*--data"):
            kit.run("digits", tmp_path / "empty", run_name=run.path.name, fresh=fresh, quiet=True, **SMALL)
    assert run.began
    for name in ("train.csv", "test.csv", "sample_submission.csv"):
        (tmp_path / "other" / name).write_bytes((digits / name).read_bytes() + b"\n")
    with pytest.raises(kit.Usage, match=rf"\(data: other files than those it was trained on, in {digits}\)\.\n"):
        kit.run("digits", tmp_path / "other", run_name=run.path.name, quiet=True, **SMALL)


def test_a_column_that_the_adapter_states_is_not_taken_from_a_flag(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kit.run("digits", digits, only_fold=[0], target="digit", **SMALL)
    said = capsys.readouterr().err
    assert "--target changes nothing for digits, whose file states its columns\n" in said and "target=label" not in said


MINE = """import kit
from kit.metrics import accuracy

competition = kit.Competition("mine", "ImageId", kit.Pixels(side=8, top=16), kit.OneOf("label"), accuracy)
presets = {"fast": kit.Config()}
"""


def test_the_data_of_an_earlier_run_is_found_or_named(digits: Path, tmp_path: Path) -> None:
    Path("competitions").mkdir()
    Path("competitions/mine.py").write_text(MINE)
    with pytest.raises(kit.BadData, match=r"name its folder with --data\.$"):
        kit.run("mine", quiet=True)
    run = kit.run("mine", digits, quiet=True, **SMALL)
    assert kit.validate("mine", run.submission) == []  # by the data of its run
    elsewhere = Path("submission.csv")
    elsewhere.write_bytes(run.submission.read_bytes())
    for command in (lambda: kit.run("mine", quiet=True), lambda: kit.validate("mine", elsewhere)):
        with pytest.raises(kit.BadData, match=rf"\n{run.path} was trained on the files in {digits}: --data {digits}$"):
            command()
    (run.path / "run.json").write_text("{}")  # a broken run's is not said
    with pytest.raises(kit.BadData, match=r"name its folder with --data\.$"):
        kit.run("mine", quiet=True)


def test_what_python_is_asked_for_by_a_newcomer_is_answered_in_words(small_run: kit.Run) -> None:
    assert str(small_run).startswith("digits · fast · ") and f"out-of-fold accuracy  {small_run.scores['oof']:.5f}" in str(
        small_run
    )
    assert str(kit.Run(Path("nowhere"))) == "nowhere"
    for call in (kit.compare, kit.blend):
        with pytest.raises(kit.Usage, match=rf"as one list: kit.{call.__name__}\(\[run, other\]\)"):
            call(small_run, small_run)  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match=r"no attribute 'report'; .*`!python -m kit report …`"):
        kit.report(small_run)
