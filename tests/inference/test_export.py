"""Save and load: exported models answer as the run does, anywhere; a loaded run predicts frames, pictures and texts."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, strategies as st
from test_reading import log_probabilities
from test_table import folder, sold
from test_transformer import KNOBS, reviews, tiny  # noqa: F401

import kit
from kit import competition
from kit.cli.app import main
from kit.errors import BadData, Usage
from kit.inference import export, export_parity, members, safetensors_file
from kit.inference.loaded_run import load_run
from kit.inputs.cells import PARTS, Cells
from kit.labels import OneOf, ctc, to_json
from kit.models.graphs import readers, tables
from kit.models.texts.ngram_module import NgramModule
from kit.storage import frames

FORMATS = ["onnx", "torchscript", "torch-export", "safetensors"]
SLOW = [pytest.param(one, marks=pytest.mark.slow) if one in ("onnx", "torch-export") else one for one in FORMATS]


def exported(run: kit.Run, form: str, out: Path, data: Path | None = None) -> export.Exported:
    if form == "onnx":
        pytest.importorskip("onnxscript"), pytest.importorskip("onnxruntime")
    return export.export(run, form, data, out)


def graph_of(models: list[Any]) -> Any:
    return type(models[0]).graph(models, [1.0] * len(models))


@pytest.mark.parametrize("form", FORMATS)
def test_an_exported_run_answers_as_the_run_does(form: str, small_run: kit.Run, tmp_path: Path) -> None:
    done = exported(small_run, form, tmp_path)
    assert done.difference < 1e-5 and done.rows == export_parity.ROWS and done.path.stat().st_size > 1000
    card = done.card.read_text()
    for words in ("uint8 | [rows, 8, 8, 1]", f"{small_run.scores['oof']:.5f}", small_run.info["data"], "trained from scratch"):
        assert words in card
    assert not list(tmp_path.glob(".tmp*"))


def test_onnx_takes_raw_pictures_of_any_number_and_gives_probabilities(
    small_run: kit.Run, digits: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    done = exported(small_run, "onnx", tmp_path)
    session = onnxruntime.InferenceSession(str(done.path), providers=["CPUExecutionProvider"])
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), dtype=np.uint8)
    for rows in (images, images[:1]):
        got = session.run(None, {"images": rows})[0]
        own = small_run.predict(rows).to_numpy()
        assert np.allclose(got.sum(axis=1), 1, atol=1e-5) and np.abs(got - own).max() < 0.02  # the run may predict in bf16


@pytest.fixture(scope="module")
def texts_run(tmp_path_factory: pytest.TempPathFactory) -> kit.Run:
    folder = tmp_path_factory.mktemp("texts")
    reviews(folder / "reviews.csv")
    return kit.run("csv", folder / "reviews.csv", out=folder / "run", folds=2, quiet=True, text="review", target="sentiment")


@pytest.mark.parametrize("form", SLOW)
def test_n_grams_are_looked_up_in_the_graph(form: str, texts_run: kit.Run, tmp_path: Path) -> None:
    done = exported(texts_run, form, tmp_path)
    assert done.difference < 1e-5 and "kit.data.ngrams.bags(texts, 3)" in done.card.read_text()
    graph = graph_of(members.load(texts_run))
    empty, unknown = torch.tensor([0, 0]), torch.tensor([1, 5, 1 << 24])  # a text without n-grams, and one of none known
    with torch.no_grad():
        answers = graph(unknown, empty)
    assert torch.isfinite(answers).all() and torch.allclose(answers[0], answers[1])


def test_character_n_grams_are_in_the_graph(tmp_path: Path) -> None:
    reviews(tmp_path / "reviews.csv")
    words = {"text": "review", "target": "sentiment", "characters": 4, "inverse_penalty": 0}
    run = kit.run("csv", tmp_path / "reviews.csv", out=tmp_path / "run", folds=2, quiet=True, **words)
    done = exported(run, "torchscript", tmp_path / "export")
    assert done.difference < 1e-5 and "kit.data.ngrams.bags(texts, 3, 4)" in done.card.read_text()


@pytest.mark.parametrize("form", SLOW)
def test_vectors_of_texts_and_their_likeness_are_in_the_graph(form: str, tmp_path: Path) -> None:
    reviews(tmp_path / "reviews.csv")
    knobs = {"vectors": 8, "landmarks": 9, "inverse_penalty": 1.0, "folds": 2}
    words = {"text": "review", "target": "sentiment"}
    run = kit.run("csv", tmp_path / "reviews.csv", out=tmp_path / "run", quiet=True, **words, **knobs)
    models = members.load(run)
    assert models[0].likeness is not None and models[0].direction.abs().max() > 0.01
    assert exported(run, form, tmp_path / "export").difference < 1e-5


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"statistics": 1}, "statistics of style have no graph. Export a run with --statistics 0"),
        ({"characters": 4}, "vectors beside n-grams of characters have no graph. Export a run with --characters 0"),
        ({"statistics": 1, "characters": 4}, "Export a run with --statistics 0 and --characters 0"),
    ],
)
def test_what_n_grams_do_not_tell_is_refused_in_words(knobs: dict[str, int], said: str) -> None:
    config = kit.Config(model="ngrams", vectors=2).changed(**knobs)
    statistics = knobs.get("statistics", 0)
    module = NgramModule(
        config.json(), to_json(OneOf("label", ("a", "b"))), columns=1, size=2 + statistics, statistics=statistics
    )
    with pytest.raises(Usage, match=said):
        type(module).graph([module], [1.0])


@pytest.mark.parametrize("form", SLOW)
def test_a_transformer_takes_ids_and_mask(form: str, tiny: Path, tmp_path: Path) -> None:  # noqa: F811
    reviews(Path("reviews.csv"))
    knobs = {**KNOBS, "epochs": 1, "weights": str(tiny)}
    run = kit.run("csv", "reviews.csv", out=tmp_path / "run", text="review", target="sentiment", **knobs)
    done = exported(run, form, tmp_path / "export")
    assert done.difference < 1e-5 and "`mask` | int64 | [rows, tokens]" in done.card.read_text()
    assert "licence not known" in done.card.read_text()


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with numbers, categories and dates, in which the test has cells that no fold saw."""
    test = sold(70, seed=1)[["size", "shape", "sold"]]
    test.loc[:4, "size"] = ["inf", "-1e300", "no number", "", " 7 "]
    test.loc[:2, "shape"] = ["castle", "", " hut "]
    return folder(tmp_path_factory.mktemp("homes"), sold().assign(rare=["x"] * 3 + ["y"] * 117), test.assign(rare="x"))


@pytest.fixture(scope="module", params=["mlp", "tabm", "lightgbm"])
def table_run(request: pytest.FixtureRequest, homes: Path, tmp_path_factory: pytest.TempPathFactory) -> kit.Run:
    out = tmp_path_factory.mktemp("table") / "run"
    knobs = {"epochs": 2, "folds": 3, "width": 8, "batch": 32, "trees": 6}
    return kit.run("csv", homes, out=out, quiet=True, target="price", model=request.param, **knobs)


def of_the_card(card: Path, form: str, **known: np.ndarray) -> np.ndarray:
    """What the card's own Python gives, where it is started; `known`: inputs that it leaves to its reader."""
    names: dict[str, object] = {**known}
    for code in card.read_text().split("```python")[1:]:
        exec(code.split("```")[0], names)
    answers = names["predictions"]
    return answers.numpy() if form != "onnx" else answers


@pytest.mark.filterwarnings("ignore:.torch.jit.load. is deprecated")
@pytest.mark.parametrize("form", SLOW[:3])
def test_a_table_is_read_by_the_cards_own_code(
    form: str, table_run: kit.Run, homes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = exported(table_run, form, tmp_path)
    assert done.difference < 1e-5 and float(done.stored) < 1e-4
    monkeypatch.chdir(tmp_path)
    shutil.copy(homes / "test.csv", "test.csv")
    frame = pd.read_csv("test.csv", dtype=str, keep_default_na=False)
    assert frame["size"][0] == "inf"
    answers = of_the_card(done.card, form)
    assert np.allclose(answers, table_run.test.to_numpy(), rtol=1e-4)


def test_logarithms_come_out_as_the_numbers_themselves(homes: Path, tmp_path: Path) -> None:
    rows = pd.DataFrame({"LotArea": np.arange(60) * 37 % 101, "MSSubClass": ["20", "60"] * 30}).astype(str).astype(object)
    table = rows.assign(Id=[str(i) for i in range(60)], SalePrice=[str(100_000 + 5000 * i) for i in range(60)])
    frames.write_csv(tmp_path / "train.csv", table, index=False)
    frames.write_csv(tmp_path / "test.csv", table.drop(columns="SalePrice"), index=False)
    frames.write_csv(tmp_path / "sample_submission.csv", table[["Id", "SalePrice"]], index=False)
    run = kit.run("house-prices", tmp_path, out=tmp_path / "run", quiet=True, epochs=2, folds=2, width=8, batch=16)
    done = exported(run, "torchscript", tmp_path / "export")
    x = export_parity.rows(load_run(run, tmp_path), kit.Config(**run.info["config"]))
    graph = graph_of(members.load(run))
    with torch.no_grad():
        answers = graph(*graph.first.inputs(x.x, np.arange(60))).numpy()
    submitted = pd.read_csv(run.submission)["SalePrice"].to_numpy()
    assert done.difference < 1e-5 and np.allclose(answers[:, 0], submitted, rtol=1e-4)
    assert "`SalePrice`. Learned as logarithms" in done.card.read_text()


def test_boosted_trees_are_no_weights(homes: Path, table_run: kit.Run, tmp_path: Path) -> None:
    if table_run.info["config"]["model"] == "lightgbm":
        with pytest.raises(Usage, match="boosted trees take onnx"):
            exported(table_run, "safetensors", tmp_path)
    else:
        assert exported(table_run, "safetensors", tmp_path).difference < 1e-5


def test_a_file_of_weights_holds_all_that_a_model_of_many_categories_is_made_of(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({f"c{j}": rng.permutation(np.arange(1200) // 4 % 250).astype(str) for j in range(20)}) + "k"
    table = table.assign(n=rng.normal(size=1200), y=rng.integers(0, 2, 1200))
    run = kit.run(
        "csv", folder(tmp_path / "data", table[:1100], table[1100:].drop(columns="y")), out=tmp_path / "run", quiet=True,
        target="y", model="mlp", epochs=1, folds=2, width=8, batch=512,
    )  # fmt: skip
    done = exported(run, "safetensors", tmp_path / "out")
    assert done.difference < 1e-5
    whole = load_run(run)
    graph = graph_of(members.answering_models(whole))
    x = export_parity.rows(whole, kit.Config(**run.info["config"])).x
    asked = graph.first.inputs(x, np.arange(len(x)))
    with torch.no_grad():
        wanted = graph(*asked)
        for one in [*graph.parameters(), *(buffer for member in graph.members for buffer in member.buffers())]:
            one.zero_()
        assert not torch.allclose(graph(*asked), wanted)
        for i, member in enumerate(graph.members):
            safetensors_file.read(tmp_path / "out" / f"fold{i}.safetensors", member)
        assert torch.equal(graph(*asked), wanted)


@given(st.lists(st.integers(-30_610_224_000, 9_214_646_399), min_size=1, max_size=20))
def test_the_graph_knows_the_calendar(seconds: list[int]) -> None:
    when = np.array(seconds, dtype="datetime64[s]")
    wanted = Cells(pd.DataFrame({"x": [str(one) for one in when]}, dtype=object)).parts("x", "ymd")
    assert np.array_equal(tables.calendar(torch.tensor(seconds, dtype=torch.float64)[:, None])[:, 0].numpy(), wanted)
    assert wanted.shape[1] == len(PARTS)


def test_the_graph_reads_and_votes_as_the_labels_do() -> None:
    folds, views, rows = 3, 2, 40
    every = log_probabilities(folds * views * rows)
    steps = every.argmax(dim=-1)
    for longest in (2, 5):
        codes = readers.greedy(steps, longest)
        assert np.array_equal(codes.numpy(), ctc.greedy(steps.numpy(), longest))
        assert torch.allclose(readers.probability(every, codes), ctc.probability(every, codes), atol=1e-6)
    parts = every.reshape(folds, views, rows, *every.shape[1:])
    weights = torch.tensor([1.0, 1.0, 2.0])
    texts, sure = export_parity.elected(parts.numpy(), weights.numpy(), 5)
    codes, found = readers.greedy(steps, 5), readers.probability(every, readers.greedy(steps, 5))
    by_view = (codes.reshape(folds, views, rows, 5).transpose(0, 1), found.reshape(folds, views, rows).transpose(0, 1))
    won, confidence = readers.vote(*readers.vote(*by_view, torch.full((views,), 0.5)), weights / weights.sum())
    assert np.array_equal(won.numpy(), texts) and np.allclose(confidence.numpy(), sure, atol=1e-6)


@pytest.fixture(scope="module", params=["best", "fast"])
def equations_run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> kit.Run:
    """A reader with two views, or a net that gives numbers; both look at a box of the picture."""
    folder, facts = tmp_path_factory.mktemp("equations"), competition.load("equations").competition
    facts.invent(facts, folder / "data", 40, 12)
    knobs = {"epochs": 1, "folds": 2, "width": 4, "devices": "cpu", "views": 2}
    return kit.run("equations", folder / "data", out=folder / "run", preset=request.param, quiet=True, **knobs)


@pytest.mark.parametrize("form", [SLOW[0], "torchscript", "safetensors"])
def test_a_reader_shows_what_it_saw_and_the_text_that_won(form: str, equations_run: kit.Run, tmp_path: Path) -> None:
    done = exported(equations_run, form, tmp_path)
    card = done.card.read_text()
    assert done.difference < 1e-4 and "the box that is looked at" in card and "trained from scratch" in card
    if equations_run.info["preset"] == "best":
        assert "of 12 rows" in done.stored
        assert "`log_probabilities` float32 [4, rows, steps" in card and "models that vote" in card


def test_a_difference_is_refused_and_nothing_is_left(
    small_run: kit.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    with pytest.raises(BadData, match="differs from the run's models"):
        export.export(small_run, "torchscript", None, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_is_said_in_words(
    small_run: kit.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = kit.load(shutil.copytree(small_run.path, tmp_path / "run"))
    assert main(["export", str(run.path), "--format", "onx"]) == 2
    assert "one of onnx" in capsys.readouterr().err
    monkeypatch.setattr("kit.inference.export.find_spec", lambda name: None)
    assert main(["export", str(run.path), "--format", "onnx"]) == 2
    assert "kaggle-baseline-kit[onnx]" in capsys.readouterr().err
    monkeypatch.undo()
    run.note(status="stopped")
    assert main(["export", str(run.path), "--format", "torchscript"]) == 2
    assert "this run is not complete" in capsys.readouterr().err


def test_a_run_that_never_read_its_data_is_refused_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.csv").write_text("id,y\n" + "".join(f"{one},{one % 2}\n" for one in range(40)))
    out = str(tmp_path / "run")
    assert main(["run", "csv", "--data", str(tmp_path), "--target", "y", "--model", "mlp", "--out", out, "--quiet"]) == 65
    for command in (["export", out, "--format", "torchscript"], ["predict", out]):
        assert main(command) == 2
        assert "ended before it had read its data" in capsys.readouterr().err


def test_export_prints_where_it_is_and_how_near(small_run: kit.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["export", str(small_run.path), "--format", "torchscript", "--out", str(tmp_path)]
    assert main(words) == 0
    assert "largest difference from the models of the run on 64 test rows" in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == str(tmp_path / "model.torchscript")


def test_a_loaded_run_predicts_a_frame_as_it_predicted_the_test(small_run: kit.Run, digits: Path) -> None:
    frame = pd.read_csv(digits / "test.csv")
    answers = kit.load(small_run.path).predict(frame)
    assert answers.index.name == "ImageId" and list(answers.columns) == list(small_run.test.columns)
    assert np.array_equal(answers.to_numpy(), small_run.test.to_numpy())
    some = frame.iloc[[7, 3]].assign(ImageId=["b", "a"])
    assert list(small_run.predict(some).index) == ["b", "a"]
    assert np.allclose(small_run.predict(some).to_numpy(), answers.to_numpy()[[7, 3]], atol=1e-2)
    with pytest.raises(BadData, match="no column 'pixel0'"):
        small_run.predict(frame.drop(columns="pixel0"))
    with pytest.raises(BadData, match="stands in line 2 already"):
        small_run.predict(frame.iloc[[1, 1]])


def test_pictures_are_predicted_from_an_array(small_run: kit.Run, digits: Path) -> None:
    pixels = frames.read_csv((digits / "test.csv").read_bytes(), "test").to_numpy(np.float64)
    images = np.round(pixels * 255 / 16).astype(np.uint8).reshape(-1, 8, 8)
    assert np.array_equal(small_run.predict(images).to_numpy(), small_run.test.to_numpy())
    assert small_run.predict(images[:3].repeat(2, axis=1).repeat(2, axis=2)).shape == (3, 10)
    with pytest.raises(BadData, match="pictures are uint8"):
        small_run.predict(images / 255)
    with pytest.raises(Usage, match="a run on pixels"):
        small_run.predict(["a text"])


def test_texts_are_predicted_from_a_frame_or_a_list(texts_run: kit.Run) -> None:
    frame = pd.DataFrame({"review": ["lovely", 'awful, "really"\nawful', None]}, index=["x", "y", "z"])
    answers = texts_run.predict(frame)
    assert list(answers.index) == ["x", "y", "z"] and answers.loc["x", "positive"] > 0.5 > answers.loc["y", "positive"]
    assert np.array_equal(texts_run.predict(["lovely", 'awful, "really"\nawful', ""]).to_numpy(), answers.to_numpy())
