"""Vectors: learned from texts alone, the same on every run, and no answer of a validation row reaches its prediction."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_text import sentences, trained

import kit
from kit import competition
from kit.cli.app import main
from kit.competition import synthetic
from kit.data import ngrams, text_embeddings
from kit.data.text_embeddings import Vectors
from kit.inputs.text import Texts
from kit.labels import Columns

BEST = {"preset": "best", "quiet": True, "folds": 2, "vectors": 8}


def learned(texts: Texts, order: int = 1, size: int = 8) -> Vectors:
    return text_embeddings.learn(texts.bags(order), order, size, 0, lambda line: None)


def equal(one: Vectors, two: Vectors) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(two, name)) for name in ("order", "columns", "values", "drawn"))


def test_the_same_texts_give_the_same_vectors_and_saving_keeps_them(tmp_path: Path) -> None:
    texts, _ = sentences(200)
    one = learned(texts)
    assert len(one.columns) > 5 and equal(one, learned(texts))
    assert np.allclose(np.linalg.norm(one.values.astype(np.float32), axis=1), 1, atol=1e-2)
    one.save(tmp_path / "v.npz")
    assert equal(one, text_embeddings.load(tmp_path / "v.npz", None))
    data = bytearray((tmp_path / "v.npz").read_bytes())
    for where in (len(data) // 3, len(data) // 2):
        (tmp_path / "v.npz").write_bytes(bytes(data[:where]) + bytes([data[where] ^ 1]) + bytes(data[where + 1 :]))
        with pytest.raises(kit.BadData, match=r"v\.npz: cannot be read"):
            text_embeddings.load(tmp_path / "v.npz", None)


def test_vectors_end_in_their_time_and_time_enough_changes_nothing() -> None:
    bags, said = sentences(200)[0].bags(1), []
    free = text_embeddings.learn(bags, 1, 8, 0, said.append)
    assert said[1:] == [f"vectors  epoch {i + 1}/{text_embeddings.EPOCHS}" for i in range(text_embeddings.EPOCHS)]
    assert equal(free, text_embeddings.learn(bags, 1, 8, 0, said.append, time.monotonic() + 600))
    none = text_embeddings.learn(bags, 1, 8, 0, said.append, time.monotonic())
    assert said[-1] == "there is no time for vectors" and not len(none.columns)
    assert not none.of(bags).any() and none.of(bags).shape == (200, 8)


def test_vectors_leave_the_time_that_giving_them_to_texts_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*rest: Any, **named: Any) -> None:
        time.sleep(0.06)
        plain(*rest, **named)

    plain = text_embeddings._step
    monkeypatch.setattr(text_embeddings, "_step", slow)
    bags, said, began = sentences(700)[0].bags(1), [], time.monotonic()
    count = -(-700 // text_embeddings.SMALL)
    pace = 0.06 * count  # an epoch takes 0.66 s
    found = text_embeddings.learn(bags, 1, 8, 0, said.append, began + 3 * pace, of=700)
    took = time.monotonic() - began
    assert said[-1].startswith("the time for vectors is up") and len(found.columns)
    assert pace < took < 2.3 * pace  # of three epochs' time the last is left
    assert np.allclose(np.linalg.norm(found.values.astype(np.float32), axis=1), 1, atol=1e-2)


def test_words_of_like_texts_come_together() -> None:
    rng = np.random.default_rng(0)
    themes = [["sun", "sand", "sea", "shell"], ["snow", "ice", "ski", "frost"]]
    texts = Texts([" ".join(["a", *rng.choice(themes[i % 2], 3, replace=False)]) for i in range(3000)])
    found = learned(texts)
    own = {word: ngrams.bags([word], 1).columns[0] for theme in themes for word in theme}
    at = [[found.values[np.searchsorted(found.columns, own[word])].astype(np.float32) for word in theme] for theme in themes]
    beach, winter = (np.array(one) for one in at)
    others = ~np.eye(4, dtype=bool)
    assert (beach @ beach.T)[others].mean() > (beach @ winter.T).mean() + 0.3
    point = Texts(["sun sea", "ice frost"])
    first, second = found.of(point.bags(1))
    assert (beach @ first).mean() > (beach @ second).mean() + 0.3


def test_a_text_has_its_vector_in_any_company() -> None:
    texts, _ = sentences(150)
    found = learned(texts)
    every = found.of(texts.bags(1))
    assert np.allclose(
        every[[7, 3]], found.of(Texts(texts[np.array([7, 3])]).bags(1)), atol=1e-4
    )  # the steps towards a vector magnify rounding
    assert not found.of(Texts(["", "unseen"]).bags(1)).any()
    assert not learned(Texts(["too few", "texts"])).of(texts.bags(1)).any()


@pytest.mark.parametrize("landmarks", [0, 50])
def test_no_answer_of_a_validation_row_reaches_its_prediction(landmarks: int) -> None:
    texts, y = sentences(120)
    texts.vectors = learned(texts)
    rows, valid = np.arange(80), np.arange(80, 120)
    answers = y[:, None].astype(np.float32)
    flipped = answers.copy()
    flipped[valid] = 1 - flipped[valid]
    models = [trained(texts, rows, one, Columns(("good",)), landmarks=landmarks) for one in (answers, flipped)]
    one, two = (model.predict_step(model.gather(texts, valid)).detach().numpy() for model in models)
    assert np.array_equal(one, two)
    assert ((one[:, 0] > 0.5) == (y[valid] == 1)).all()
    assert models[0].direction.shape == (8, 1) and models[0].direction.abs().max() > 0


@pytest.fixture
def data(tmp_path: Path) -> Path:
    synthetic.fabricate(competition.load("imdb").competition, tmp_path / "data", train=60, test=12)
    return tmp_path / "data"


def test_the_preset_best_runs_predicts_and_comes_out_as_before_from_what_is_left(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = kit.run("imdb", data, out=tmp_path / "run", **BEST)
    assert run.scores["oof"] > 0.9
    assert "vectors learned from texts alone: 60 of the training rows, 12 of the test, 120 unlabelled" in run.info["notes"]
    assert (run.path / "words.csv").exists()
    answers, _ = kit.predict(run)
    assert answers.equals(run.test)
    assert main(["predict", str(run.path), "--text", "a wonderful film", "--text", "a plain film", "--json"]) == 0
    one, two = json.loads(capsys.readouterr().out)["answers"]
    assert one["sentiment"] != two["sentiment"]
    before = {name: (run.path / name).read_bytes() for name in ("oof.csv", "test.csv", "submission.csv", "vectors.npz")}
    (run.path / "vectors.npz").write_bytes(before["vectors.npz"][:-99])
    with pytest.raises(kit.BadData, match=r"cannot be read[^$]*\nThe same `kit run` with --rewrite makes it anew"):
        kit.predict(run)
    run.submission.unlink()
    (run.fold(1) / "fold.json").unlink()
    kit.run("imdb", data, out=tmp_path / "run", **BEST)
    assert {name: (run.path / name).read_bytes() for name in before} == before


def test_a_run_whose_vectors_were_deleted_says_so_and_makes_them_anew(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = kit.run("imdb", data, out=tmp_path / "run", **BEST)
    path, before = run.path / "vectors.npz", (run.path / "vectors.npz").read_bytes()
    path.unlink()
    for command in (["export", "--format", "torchscript"], ["predict"], ["predict", "--time-budget", "1m"]):
        assert main([command[0], str(run.path), *command[1:]]) == 65
        assert f"{path}: no such file. The same `kit run` with --rewrite makes it anew." in capsys.readouterr().err
    kit.run("imdb", data, out=tmp_path / "run", rewrite=True, **BEST)
    assert path.read_bytes() == before and kit.predict(run)[0].equals(run.test)


def test_vectors_that_a_run_did_not_learn_from_are_never_taken_for_its_own(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = kit.run("imdb", data, out=tmp_path / "run", **BEST)
    path, before = run.path / "vectors.npz", (run.path / "vectors.npz").read_bytes()
    replace(text_embeddings.load(path, None), order=1).save(path)  # another run's
    with pytest.raises(kit.BadData, match="not the vectors that the run has learned from"):
        kit.predict(run)
    kit.run("imdb", data, out=tmp_path / "run", rewrite=True, **BEST)
    assert path.read_bytes() == before
    path.unlink()
    monkeypatch.setattr(text_embeddings, "EPOCHS", 1)  # as where there was less time
    with pytest.raises(kit.BadData, match=r"other vectors come out than the run's models have learned from"):
        kit.run("imdb", data, out=tmp_path / "run", rewrite=True, **BEST)
    assert not path.exists()
    kit.run("imdb", data, out=tmp_path / "run", fresh=True, **BEST)
    assert path.exists() and path.read_bytes() != before


def test_a_model_without_texts_needs_no_vectors_though_they_were_asked_for(tmp_path: Path) -> None:
    rows = pd.DataFrame({"x": range(80), "y": [one % 2 for one in range(80)]})
    rows.to_csv(tmp_path / "train.csv", index=False)
    run = kit.run("csv", tmp_path, out=tmp_path / "run", quiet=True, folds=2, epochs=1, target="y", model="mlp", vectors=4)
    assert kit.predict(run)[0].equals(run.test)


def test_unlabelled_texts_are_read_as_the_other_tables_are_said_to_be_written(tmp_path: Path) -> None:
    adapter = """import kit
from kit.metrics import accuracy
competition = kit.Competition(
    "talk", "id", kit.Text("text", unlabelled="more.csv"), kit.OneOf("kind"), accuracy, delimiter="~", encoding="cp1250"
)
presets = {"fast": kit.Config(model="ngrams", epochs=1, vectors=4, folds=2)}
"""
    (tmp_path / "talk.py").write_text(adapter)
    rows = pd.DataFrame({"id": range(80), "text": ["dobry, zażółcił film", "zły, nudny film"] * 40, "kind": ["a", "b"] * 40})
    (tmp_path / "data").mkdir()
    parts = {"train": rows[:60], "test": rows[60:][["id", "text"]], "more": rows[["id", "text"]]}
    rows[60:][["id", "kind"]].to_csv(tmp_path / "data" / "sample_submission.csv", index=False)
    for name, table in parts.items():
        table.to_csv(tmp_path / "data" / f"{name}.csv", sep="~", index=False, encoding="cp1250")
    run = kit.run(str(tmp_path / "talk.py"), tmp_path / "data", out=tmp_path / "run", quiet=True, pseudo_rows="test")
    assert any("80 unlabelled" in note for note in run.info["notes"])
    facts = competition.load(str(tmp_path / "talk.py")).competition
    assert facts.inputs.further(tmp_path / "data", facts.form).texts == list(rows.text)


def test_unlabelled_texts_that_are_missing_are_told_and_others_are_another_run(data: Path, tmp_path: Path) -> None:
    facts = competition.load("imdb").competition
    path = data / facts.inputs.unlabelled
    run = kit.run("imdb", data, out=tmp_path / "run", **BEST)
    path.write_text(path.read_text().replace("film", "movie"))
    with pytest.raises(kit.Usage, match="holds another run"):
        kit.run("imdb", data, out=tmp_path / "run", **BEST)
    path.unlink()
    kit.run("imdb", data, out=tmp_path / "run", fresh=True, **BEST)
    assert any("none unlabelled (there is no unlabeledTrainData.tsv)" in note for note in run.info["notes"])
    path.write_text('"id"\t"text"\n"1"\t"a film"\n')
    with pytest.raises(kit.BadData, match=r"unlabeledTrainData\.tsv: no column 'review'"):
        kit.run("imdb", data, out=tmp_path / "other", **BEST)
