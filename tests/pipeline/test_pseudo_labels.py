"""Pseudo-labels: test rows train, with answers of another run's same fold; no fold's truth reaches what it validates."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import flags
from test_extra_rows import MADE, ROWS, TEST, lay_out, refused, rows_of, run, same, trained
from test_resume import stop_in
from test_table import QUICK, folder, sold

import kit
from kit.cli import app
from kit.inputs.base import Loaded
from kit.kaggle import kernel
from kit.labels import Columns, Grade, Labels, OneOf, Tags
from kit.metrics import log_loss
from kit.pipeline import preparation
from kit.pipeline.plan import planned
from kit.pipeline.pseudo import gate, pseudo_labels
from kit.storage import files, frames, predictions
from kit.storage.run_folder import read_json, write_json
from kit.storage.runs import manifest
from kit.training import checkpoints
from kit.training.callbacks import Snapshots

KEPT = (*MADE, "pseudo.csv")
ALL = {"pseudo_share": 1}


def changed(made: kit.Run, fold: int, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Make a fold of a complete run have predicted otherwise, with right checksums."""
    folder = made.fold(fold)
    frame = predictions.load(folder, "test")
    predictions.save(folder, "test", pd.DataFrame(change(frame.to_numpy()), frame.index, frame.columns))
    stats = read_json(folder / "fold.json")
    stats["checksums"]["test.npz"] = files.checksum(folder / "test.npz")
    del stats["files"]
    write_json(folder / "fold.json", stats)
    manifest.write(made.path, made.submission.read_bytes())


def opposite(values: np.ndarray) -> np.ndarray:
    return values[:, ::-1]


def fold_files(made: kit.Run, fold: int) -> list[bytes]:
    return [(made.fold(fold) / f"{name}.npz").read_bytes() for name in ("oof", "test")]


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("table", "mlp"),
        ("text", "ngrams"),
        ("images", "convnet"),
        ("table", "lightgbm"),
        ("texts, table", ""),
        ("images, table", ""),
    ],
)
def test_test_rows_train_each_fold_and_the_refit_and_stand_in_no_other_file(kind: str, model: str) -> None:
    lay_out(kind, "", model=model)
    first = run("first", trees=5)
    made = run("made", pseudo="first", final="both", trees=5, **ALL)
    assert list(made.oof.index) == list(first.oof.index)
    assert [trained(made, k) for k in (0, 1, "refit")] == [ROWS // 2 + TEST, ROWS // 2 + TEST, ROWS + TEST]
    assert same(made, first, ("folds.csv", "truth.csv"))
    assert frames.read_by(made.path, "pseudo.csv").eq("1").all(axis=None)
    kit.predict(made, "data")
    assert (made.path / "predict" / "test.csv").read_bytes() == (made.path / "test.csv").read_bytes()


def test_progress_expects_the_test_rows_that_train(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counted(preparation.Progress):
        def close(self) -> None:
            super().close()
            ends.append((self.done, self.total))

    lay_out("table", "", model="mlp")
    run("first")
    ends: list[tuple[int, int]] = []
    monkeypatch.setattr(preparation, "Progress", Counted)
    made = run("made", pseudo="first", final="both", **ALL)
    every = sum(trained(made, k) for k in (0, 1, "refit"))
    assert ends[-1] == (made.record.config["epochs"] * every,) * 2


def test_the_answers_are_those_of_the_same_fold_alone() -> None:
    lay_out(facts="")
    first = run("first")
    before = run("before", pseudo="first")
    changed(first, 1, opposite)
    after = run("after", pseudo="first")
    assert fold_files(before, 0) == fold_files(after, 0)
    assert fold_files(before, 1) != fold_files(after, 1)


def test_the_truth_of_validation_rows_does_not_reach_their_fold() -> None:
    data = lay_out(facts="")
    table = pd.read_csv(data / "train.csv")
    fold = np.arange(ROWS) % 2
    pd.DataFrame({"id": table.id, "fold": fold}).to_csv("team.csv", index=False)
    knobs = {"folds_from": "team.csv"}
    run("first", **knobs)
    before = run("before", pseudo="first", **knobs)
    shuffled = np.random.default_rng(0).permutation(table.sold[fold == 0])
    table.loc[fold == 0, "sold"] = shuffled
    table.to_csv(data / "train.csv", index=False)
    run("other", **knobs)
    after = run("after", pseudo="other", **knobs)
    assert fold_files(before, 0) == fold_files(after, 0)
    assert fold_files(before, 1) != fold_files(after, 1)


def test_with_weight_zero_the_bytes_are_those_of_a_run_without_them() -> None:
    lay_out("text", "")
    first = run("first")
    zero, light, one = (run(f"run{w}", pseudo="first", pseudo_weight=w) for w in (0.0, 0.25, 1.0))
    assert same(zero, first)
    assert "pseudo" not in zero.scores and not (zero.path / "pseudo.csv").exists()
    assert len({(made.path / "oof.csv").read_bytes() for made in (first, light, one)}) == 3


def test_repeats_and_seeds_learn_from_the_same_repeat() -> None:
    lay_out(facts="")
    first = run("first", repeats=2)
    made = run("made", pseudo="first", repeats=2, seeds=2)
    assert list(frames.read_by(made.path, "pseudo.csv")) == ["fold0", "fold1", "fold0-repeat1", "fold1-repeat1"]
    changed(first, 0, opposite)
    other = run("other", pseudo="first", repeats=2, seeds=2)
    unlike = [
        part
        for part in made.record.parts
        if (made.fold(part) / "oof.npz").read_bytes() != (other.fold(part) / "oof.npz").read_bytes()
    ]
    assert [str(part) for part in unlike] == ["fold0", "fold0-seed1"]


@pytest.mark.parametrize(("kind", "model"), [("text", "ngrams"), ("table", "lightgbm")])
def test_where_there_are_groups_each_test_row_is_one(kind: str, model: str) -> None:
    """Groups choose penalties and rounds inside the training fold, where the test rows are too."""
    lay_out(kind, ', group="who"', model=model)
    run("first", inverse_penalty=0, trees=5)
    made = run("made", pseudo="first", inverse_penalty=0, trees=5, target_encoding=2, **ALL)
    assert trained(made, 0) > trained(run("alone", inverse_penalty=0, trees=5, target_encoding=2), 0)


def test_extra_rows_and_test_rows_train_together() -> None:
    lay_out()
    first = run("first", extra_weight=0.5)
    made = run("made", pseudo="first", extra_weight=0.5, pseudo_weight=0.25, **ALL)
    assert trained(made, 0) == trained(first, 0) + TEST
    study = kit.study("shop.py", "data", out="study", quiet=True, pseudo="first", extra_weight=0.5, pseudo_weight=0.25, **ALL)
    fold = next(iter(study))
    assert list(fold.train_ids[-TEST:]) == list(fold.test_ids)
    weights = fold.fit.weights
    assert weights is not None
    assert [sorted(set(some.tolist())) for some in (weights[:ROWS], weights[ROWS:-TEST], weights[-TEST:])] == [
        [1],
        [0.5],
        [0.25],
    ]


@pytest.mark.parametrize("kind", ["table", "text", "images"])
def test_a_test_row_that_repeats_a_validation_row_does_not_train_its_fold(kind: str) -> None:
    data = lay_out(kind, "")
    train, test = (pd.read_csv(data / f"{name}.csv") for name in ("train", "test"))
    columns = [name for name in test if name != "id"]
    test.loc[2, columns] = train.loc[5, columns]
    test.to_csv(data / "test.csv", index=False)
    if kind == "images":
        shutil.copy(data / "pictures" / "train5.png", data / "pictures" / "test2.png")
    first = run("first")
    made = run("made", pseudo="first", **ALL)
    found = frames.read_by(made.path, "pseudo.csv").astype(int)
    home = frames.read_folds(first.path)["train5"]
    assert [found.loc["test2", f"fold{k}"] for k in range(2)] == [int(k != home) for k in range(2)]
    assert (found.drop(index="test2") == 1).all(axis=None)


def test_a_share_takes_the_most_certain_rows_of_each_fold() -> None:
    lay_out(facts="")
    first = run("first")
    made = run("made", pseudo="first")
    found = frames.read_by(made.path, "pseudo.csv").astype(int)
    for k in range(2):
        certain = predictions.load(first.fold(k), "test").max(axis=1)
        assert set(found.index[found[f"fold{k}"] == 1]) == set(certain.sort_values().index[-TEST // 2 :])


def test_without_a_share_half_of_the_rows_train_and_all_for_ngrams() -> None:
    lay_out("text", "")
    run("first")
    made, half = run("made", pseudo="first"), run("half", pseudo="first", pseudo_share=0.5)
    assert [trained(one, 0) for one in (made, half)] == [ROWS // 2 + TEST, ROWS // 2 + TEST // 2]
    assert made.record.config["pseudo_share"] == 0  # auto: a run of any share but this is another run


def test_a_run_that_is_stopped_within_a_fold_goes_on_to_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    lay_out(facts="")
    run("first", epochs=2)
    knobs = {"pseudo": "first", "pseudo_weight": 0.5, "epochs": 2}
    whole = run("whole", **knobs)
    stop_in(monkeypatch, 1, 1, RuntimeError("the power went"))
    monkeypatch.setattr(Snapshots, "pause", 0.0)
    with pytest.raises(RuntimeError):
        run("half", **knobs)
    assert checkpoints.newest_sound(Path("half/fold1"))[0] is not None
    assert same(whole, run("half", **knobs), KEPT)


def test_a_run_whose_answers_changed_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    lay_out(facts="")
    first = run("first")
    kit.run("shop.py", "data", out="refused", only_fold=[0], quiet=True, pseudo="first")
    changed(first, 1, opposite)
    code, said = refused(capsys, "--pseudo", "first")
    assert (code, "pseudo: " in said) == (2, True), said


def test_one_line_says_whether_it_paid(capsys: pytest.CaptureFixture[str]) -> None:
    lay_out(facts="")
    run("first", epochs=2)
    made = run("made", pseudo="first", width=4, epochs=2)
    about = made.scores["pseudo"]
    assert about["paid"] == (about["gain"] > 2 * about["noise"] and about["gain"] > 0)
    assert (about["before"], about["now"]) == (kit.load("first").scores["oof"], made.scores["oof"])
    assert about["gain"] == pytest.approx(about["now"] - about["before"])
    assert about["differences"] == ["width: 8 → 4"]
    assert about["longer"] == (ROWS // 2 + TEST // 2) / (ROWS // 2)
    app.main(["run", "shop.py", "--data", "data", "--out", "made", "--pseudo", "first", "--width", "4", "--epochs", "2"])
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("pseudo-labels of first")]
    assert f"{about['gain']:+.5f} ± {about['noise']:.5f}" in line
    assert line.endswith("; besides, it saw 1.1 times as many rows in its epochs and the runs differ in width: 8 → 4")
    assert "pseudo-labels of first" in made._repr_html_()
    assert app.main(["recheck", "made"]) == 2
    assert "it learns from folds of first, which cannot be dealt anew" in capsys.readouterr().err


def test_whether_it_paid_is_judged_as_submissions_are_decided() -> None:
    """By log loss a temperature mends answers that are too sure; a run without decisions stays as it is."""
    lay_out(facts="")
    auto, none = run("auto"), run("none", decide="none")
    odds, rng = np.linspace(-2, 2, 400)[:, None], np.random.default_rng(0)
    y = (rng.random(odds.shape) < 1 / (1 + np.exp(-odds))).astype(np.float32)
    sure = (1 / (1 + np.exp(-4 * odds))).astype(np.float32)
    given = (Columns(("sold",)), log_loss, y, sure, np.arange(400) % 2)
    before, after = (log_loss(y, gate.decided(one, *given)) for one in (none, auto))
    assert after < before - 0.1
    assert before == log_loss(y, sure)


def other_folds() -> None:
    run("first", seed=1)


def pseudo_itself() -> None:
    run("zero")
    run("first", pseudo="zero")


def other_competition() -> None:
    shutil.copy("shop.py", "store.py")
    kit.run("store.py", "data", out="first", quiet=True)


def other_test() -> None:
    run("first")
    more = rows_of("test", TEST + 1, 2)
    more.to_csv("data/test.csv", index=False)
    more[["id"]].assign(sold=0).to_csv("data/sample_submission.csv", index=False)


def silent() -> None:
    made = run("first")
    (made.fold(0) / "test.npz").unlink()


def unfinished() -> None:
    run("first", only_fold=[0])


def a_blend() -> None:
    run("one")
    run("two", seed=1, folds_from="one")
    assert app.main(["blend", "one", "two", "--out", "first", "--quiet"]) == 0


FAULTS = {
    "is dealt to other folds": (other_folds, "Give --folds-from first too"),
    "learned from another run itself": (pseudo_itself, "Name the run that its answers came from: zero"),
    "is of another competition": (other_competition, "a run of another competition (store)"),
    "has other test rows": (other_test, "a run on other data"),
    "has a fold that does not answer": (silent, "fold 0 of this run has no predictions of the test"),
    "is not complete": (unfinished, "this run is not complete"),
    "is a blend": (a_blend, "a blend, which has no folds' predictions"),
    "is not there": (lambda: None, "no run (there is no run.json in it)"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_run_is_refused_that(fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    make, words = FAULTS[fault]
    lay_out(facts="")
    make()
    capsys.readouterr()
    code, said = refused(capsys, "--pseudo", "first")
    assert (code, words in said, len(said.splitlines())) == (2, True, 1), said


def test_numbers_are_learned_as_they_are_predicted_and_have_no_share(capsys: pytest.CaptureFixture[str]) -> None:
    Path("data").mkdir()
    data, knobs = folder(Path("data"), sold(60), sold(20, 1)[["size", "shape", "sold"]]), {**QUICK, "target": "price"}
    first = kit.run("csv", data, out="first", quiet=True, checkpoint="best", **knobs)
    made = kit.run("csv", data, out="made", quiet=True, pseudo="first", **knobs)
    assert trained(made, 0) == trained(first, 0) + 20
    assert any("first chose its epochs on the rows that are validated here" in note for note in made.record.notes)
    words = ["run", "csv", "--data", str(data), "--out", "share", "--pseudo", "first", "--pseudo-share", "0.5", *flags(knobs)]
    assert app.main(words) == 2
    assert capsys.readouterr().err.endswith("--pseudo-share 0.5: a number has no certainty to choose rows by. Leave it out.\n")


@pytest.mark.parametrize(("kind", "strategy"), [("images", "full"), ("images", "probe"), ("images, table", "full")])
def test_pictures_that_are_decoded_when_needed_give_the_same_bytes(kind: str, strategy: str) -> None:
    lay_out(kind, "")
    run("first", strategy=strategy)
    kept, streamed = (run(f"made{gb}", pseudo="first", cache_gb=gb, strategy=strategy, **ALL) for gb in (50.0, 0.0))
    assert trained(streamed, 0) == ROWS // 2 + TEST
    assert same(kept, streamed, KEPT)


def test_pictures_that_cannot_be_joined_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    lay_out("images", "")
    run("first")
    between = f"{(ROWS + TEST) / 2 * 8 * 8 * 3 / 2**30:.9f}"
    code, said = refused(capsys, "--pseudo", "first", "--cache-gb", between)
    assert (code, "only the training or only the test pictures fit --cache-gb" in said) == (2, True), said
    small, large = (Loaded(np.zeros((3, 8, width, 1), np.uint8)) for width in (8, 9))
    with pytest.raises(kit.BadData, match="training pictures are 8×8, test pictures 9×8"):
        pseudo_labels.refuse_apart(small, large)


def test_what_a_module_or_answers_cannot_do_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    lay_out(facts="")
    run("first")
    code, said = refused(capsys, "--pseudo", "first", "--model", "mine", "--pseudo-weight", "0.5")
    assert (code, "Mine has a training_step of its own" in said) == (2, True)
    notes = planned("shop.py", "data", "fast", {"pseudo_share": 0.5}).notes
    assert notes == ("--pseudo-share changes nothing without --pseudo",)
    code, said = refused(capsys, "--pseudo", "first", "--pseudo-share", "0.001")
    assert (code, "none of its rows is left to train on" in said) == (65, True)


@pytest.mark.parametrize(
    "labels",
    [OneOf("c", ("a", "b", "c")), Grade("g", 3), Tags("t", tuple("abc")), Columns(tuple("abc")), Columns(tuple("abc"), True)],
)
def test_certain_predictions_are_the_answers_that_they_came_from(labels: Labels) -> None:
    y = labels.encode(pd.DataFrame(labels.fabricate(12, np.random.default_rng(0))))
    found = labels.as_answers(labels.certain(y))
    np.testing.assert_array_equal(found, y)
    assert found.dtype == y.dtype
    certainty = labels.certainty(0.6 * labels.certain(y) + 0.2)
    assert certainty is not None and (certainty < labels.certainty(labels.certain(y))).all()


def test_a_kernel_that_trains_does_not_take_them(capsys: pytest.CaptureFixture[str]) -> None:
    lay_out(facts="")
    run("first")
    assert app.main(["kernel", "build", "shop.py", "--train", "--run", str(run("made", pseudo="first").path)]) == 2
    assert "a run's predictions are not attached" in capsys.readouterr().err
    assert kernel.build("shop.py", run("zero", pseudo="first", pseudo_weight=0), "train").settings["knobs"]["pseudo"] == ""
