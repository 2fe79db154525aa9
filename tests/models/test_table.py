"""Tables: columns are read as what they are, models learn inside their fold alone, and no odd cell costs a row."""

from collections.abc import Callable
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, strategies as st

import kit
from kit import competition
from kit.cli.app import main
from kit.competition import synthetic
from kit.config import Config
from kit.inputs import Table, cells as cells_module
from kit.inputs.cells import MOST, Cells
from kit.inputs.column_encoding import CATEGORIES, Encoding
from kit.labels import Columns, Grade, Labels, Numbers, OneOf
from kit.models import registry
from kit.models.batch import Batch
from kit.models.tables import lightgbm_module, xgboost_module
from kit.models.tables.encoded_module import units
from kit.models.tables.forest import Forest, joined
from kit.storage import files, frames
from kit.training import checkpoints
from kit.training.callbacks import Seeds

MODELS = ("mlp", "tabm", "lightgbm")
QUICK = {"epochs": 2, "folds": 2, "width": 8, "batch": 32, "trees": 10}
RESULTS = ("oof.csv", "test.csv", "submission.csv")


def cells(**columns: list[str]) -> Cells:
    return Cells(pd.DataFrame(columns, dtype=object))


def kind_of(*texts: str) -> str:
    return cells(x=list(texts)).kind("x", np.arange(len(texts)))


def sold(n: int = 120, seed: int = 0) -> pd.DataFrame:
    """A table with a number, a category, a date, blanks, and answers that follow from them."""
    rng = np.random.default_rng(seed)
    size, shape = rng.normal(50, 10, n).round(2), rng.choice(["flat", "house", "hut"], n)
    days = pd.Timestamp("2020-01-30") + pd.to_timedelta(rng.integers(0, 900, n), unit="D")
    price = size * 3 + (shape == "house") * 40 + rng.normal(0, 2, n)
    frame = pd.DataFrame({"size": size.astype(str), "shape": shape, "sold": days.strftime("%Y-%m-%d"), "price": price.round(1)})
    frame.loc[::11, "size"], frame.loc[::7, "shape"], frame.loc[::13, "sold"] = "", "", "NA"
    return frame.assign(dear=(price > 165).astype(int)).astype(str).astype(object)


def folder(path: Path, train: pd.DataFrame, test: pd.DataFrame) -> Path:
    """train.csv and test.csv with ids."""
    for name, frame in (("train.csv", train), ("test.csv", test)):
        named = frame.assign(Id=[f"{name[:2]}{i}" for i in range(len(frame))])
        frames.write_csv(path / name, named, index=False)
    return path


# Reading


def test_a_column_is_what_nearly_all_its_cells_are() -> None:
    assert kind_of("1", "2.5", "", "NA", "-3e4") == "number"
    assert kind_of(*"123456789", "oops") == "number"
    assert kind_of(*"12345678", "oops", "again") == "category"
    assert kind_of("2020-02-29", "2021-01-01 10:30", "", "2021/3/4") == "date"
    assert kind_of("31/12/2020", "1/2/2021") == kind_of("12.31.2020", "1.2.2021") == "date"
    assert kind_of("a", "b") == kind_of("True", "False") == "category"
    assert kind_of("", "NA", "nan") == kind_of("5", "5") == kind_of("x", " x ") == ""
    assert Cells(pd.DataFrame({"x": ["1", "2"]}, dtype=object), {"x": "category"}).kind("x", np.arange(2)) == "category"


@given(st.lists(st.floats(-1e29, 1e29, allow_nan=False), min_size=1, max_size=8))
def test_numbers_are_read_as_they_were_written(values: list[float]) -> None:
    assert cells(x=[repr(one) for one in values]).numbers("x").tolist() == values


def test_what_is_no_number_is_missing_and_what_is_too_large_is_bounded() -> None:
    read = cells(x=["inf", "-1e400", "1e31", "abc", "", "1_000", " 7 "])
    assert np.array_equal(read.numbers("x"), [MOST, -MOST, MOST, np.nan, np.nan, np.nan, 7], equal_nan=True)
    assert read.stray("x").tolist() == [False, False, False, True, False, True, False]


@given(st.dates(pd.Timestamp("1700-01-01").date(), pd.Timestamp("2200-01-01").date()), st.sampled_from(["ymd", "dmy", "mdy"]))
def test_dates_are_read_as_they_were_written(date: object, order: str) -> None:
    written = {"ymd": "%Y-%m-%d", "dmy": "%d/%m/%Y", "mdy": "%m.%d.%Y"}[order]
    text = date.strftime(written).rjust(10, "0")  # type: ignore[attr-defined]
    assert str(cells(x=[text]).dates("x", order)[0].astype("datetime64[D]")) == date.isoformat()  # type: ignore[attr-defined]


def test_a_date_that_is_none_is_missing() -> None:
    read = cells(x=["2021-02-29", "2020-02-29", "2020-13-01", "soon", "1-1-20", "2020-02-29T24:00"])
    assert np.isnat(read.dates("x", "ymd")).tolist() == [True, False, True, True, True, True]
    parts = read.parts("x", "ymd")
    assert parts[1].tolist() == [18321, 2020, 2, 29, 5, 0] and np.isnan(parts[0]).all()


def test_texts_are_not_read_as_dates_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a table with hundreds of such columns that took most of the time in which its model is chosen."""

    def refuse(values: np.ndarray, order: str) -> np.ndarray:
        raise AssertionError(values)

    monkeypatch.setattr(cells_module, "_dates", refuse)
    table = cells(x=["red", "blue", "3 of 4", "1-2"] * 5, y=["long words", "short", "2.5", ""] * 5)
    assert [name for name, _ in Encoding.learn(table, np.arange(20)).categories] == ["x", "y"]
    assert np.isnat(table.dates("x", "ymd")).all() and len(table.dates("x", "ymd")) == 20
    with pytest.raises(AssertionError, match="2020-01-01"):
        cells(x=["red", "2020-01-01"]).kind("x", np.arange(2))


# What is learned


def test_an_encoding_survives_being_saved_and_gives_unseen_categories_the_code_of_rare_ones() -> None:
    seen = cells(x=["b", "a", "b", "a", "b", "once"], y=list("123456"), z=["2020-01-01", "2020-02-01"] * 3)
    one = Encoding.learn(seen, np.arange(6))
    assert Encoding.from_json(one.json()) == one
    numbers, codes = one.encode(cells(x=["a", "b", "once", "new", ""], y=["1"] * 5, z=[""] * 5))
    assert codes[:, 0].tolist() == [2, 1, 0, 0, 0]
    assert numbers.shape == (5, one.width) and one.sizes == [3]
    with pytest.raises(kit.BadData, match="no column 'z'"):
        one.encode(cells(x=["a"], y=["1"]))


def test_a_column_that_is_written_otherwise_in_the_test_table_is_named() -> None:
    train = pd.DataFrame({"Rooms": ["1", "2", "3"], "size": ["5", "6", "8"], "lost": ["1", "2", "4"]})
    kept, notes = Table().agree(train, train.drop(columns="lost").rename(columns={"Rooms": "rooms "}), ())
    assert list(kept) == ["size"] and "not used: 'Rooms', 'lost'" in notes[0]
    assert "the test table's column 'rooms ' may be 'Rooms': give both the same name" in notes
    assert sum("give both" in note for note in notes) == 1


def test_a_column_of_many_categories_keeps_the_most_frequent() -> None:
    names = [f"c{i:03d}" for i in range(400) for _ in range(2)] + ["c399"] * 5
    encoding = Encoding.learn(cells(x=names), np.arange(len(names)))
    assert len(encoding.categories[0][1]) == CATEGORIES and encoding.categories[0][1][0] == "c399"


def module(model: str, table: pd.DataFrame, rows: np.ndarray, y: np.ndarray, labels: Labels) -> torch.nn.Module:
    """A module that has learned what is learned before the first step; a forest is grown."""
    torch.manual_seed(0)
    made = registry.make(Config(model=model, width=8, trees=10), labels, Cells(table), steps=1)
    made.learn(Cells(table), rows, y)
    if model == "lightgbm":
        made.training_step(Batch(None, torch.from_numpy(y[rows]), torch.from_numpy(rows)), 0)
    return made


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_learned_from_rows_outside_the_fold(model: str) -> None:
    table, rows = sold()[["size", "shape", "sold"]], np.arange(80)
    y = np.random.default_rng(0).normal(5, 2, (120, 1)).astype(np.float32)
    other, wild = table.copy(), y.copy()
    other.loc[80:, ["size", "shape", "sold"]] = ["text", "a castle", "1e30"]
    wild[80:] = 1e9
    one, two = (module(model, frame, rows, answers, Numbers(("price",))) for frame, answers in ((table, y), (other, wild)))
    assert one.get_extra_state() == two.get_extra_state()
    ours, theirs = one.state_dict(), two.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours if name != "_extra_state")


def test_units_are_those_of_the_numbers_that_differ() -> None:
    x = np.full((101, 4), np.nan)
    x[:, 0], x[:, 1], x[:90, 1], x[:, 2] = np.arange(101), 8, 0, 5
    centre, factor = units(x)
    assert centre.tolist() == [50, 0, 5, 0] and factor.tolist() == [1 / 50, 1 / 8, 0, 0]


def columns(rows: int, rng: np.random.Generator) -> np.ndarray:
    """A column of 40 categories and two of numbers, a tenth of the cells missing in two of the three."""
    x = rng.normal(size=(rows, 3))
    x[:, 0] = rng.integers(0, 40, rows)
    x[:, :2][rng.random((rows, 2)) < 0.1] = np.nan
    return x


@pytest.mark.parametrize("objective", ["regression", "cross_entropy", "multiclass"])
def test_a_forest_predicts_what_lightgbm_does(objective: str) -> None:
    x = columns(800, np.random.default_rng(0))
    y = (np.nan_to_num(x[:, 0]) % 3 > 1) + (x[:, 1] > 0) * 1.0
    outputs, y = (3, y) if objective == "multiclass" else (1, np.minimum(y, 1))
    settings = {"objective": objective, "num_class": outputs, "verbosity": -1, "min_data_per_group": 5, "num_threads": 1}
    booster = lightgbm.train(settings, lightgbm.Dataset(x[:500], y[:500], categorical_feature=[0]), 12)
    forest = Forest(joined(lightgbm_module.trees_of(booster.model_to_string(), outputs), np.zeros(outputs)))
    new = x[500:].copy()
    new[::3, 2] = np.nan  # where no training row has one missing
    assert len(forest.codes) and len(forest.root) == 12 * outputs
    assert np.array_equal(forest(torch.from_numpy(new)).numpy().squeeze(), booster.predict(new, raw_score=True))


@pytest.mark.parametrize("classes", [1, 3])
def test_a_forest_predicts_what_xgboost_does(classes: int) -> None:
    xgboost = pytest.importorskip("xgboost")
    x = columns(800, np.random.default_rng(0)).astype(np.float32)
    y = (np.nan_to_num(x[:, 0]) % 3 > 1) + (x[:, 1] > 0) * 1.0
    more = {"objective": "multi:softprob", "num_class": 3} if classes > 1 else {"objective": "reg:squarederror"}
    form = {"feature_types": ["c", "q", "q"], "enable_categorical": True, "nthread": 1}
    data, new = xgboost.QuantileDMatrix(x[:500], y[:500], **form), xgboost.DMatrix(x[500:], **form)
    booster = xgboost.train({"base_score": 0.25, "nthread": 1, **more}, data, 12)
    trees = xgboost_module.trees_of(booster, classes, 12)
    forest = Forest(joined(trees, np.full(classes, 0.25)))
    logits = forest(torch.from_numpy(x[500:]).double()).numpy().squeeze()
    assert len(forest.codes) and np.allclose(logits, booster.predict(new, output_margin=True), rtol=0, atol=1e-5)


KINDS: dict[str, tuple[Labels, Callable[[np.ndarray], np.ndarray]]] = {
    "two classes": (OneOf("x", ("a", "b")), lambda z: (z > 0).astype(np.int64)),
    "three classes, one unseen": (OneOf("x", ("a", "b", "c")), lambda z: (z > 0) * np.int64(2)),
    "one class seen": (OneOf("x", ("a", "b")), lambda z: np.zeros(len(z), np.int64)),
    "probabilities": (Columns(("a", "b", "c")), lambda z: np.stack([z > 0, z > 1, z > 9], axis=1).astype(np.float32)),
    "shares": (Columns(("a", "b"), exclusive=True), lambda z: np.stack([z > 0, z <= 0], axis=1).astype(np.float32)),
    "grades": (Grade("x", top=2), lambda z: (z > 0).astype(np.int64) + (z > 1)),
    "numbers": (Numbers(("a", "b")), lambda z: np.stack([z * 100, 5 - z], axis=1).astype(np.float32)),
}


@pytest.mark.parametrize("model", ["lightgbm", "xgboost", "catboost"])
@pytest.mark.parametrize("kind", KINDS)
def test_boosted_trees_learn_every_kind_of_answer(kind: str, model: str) -> None:
    pytest.importorskip(model)
    labels, answers = KINDS[kind]
    z = np.random.default_rng(0).normal(size=300)
    y = answers(z)
    grown = registry.make(Config(model=model, trees=60), labels, cells(z=["1"]), steps=1)
    table = cells(z=[f"{one:.4f}" for one in z])
    grown.learn(table, np.arange(300), y)
    grown.training_step(Batch(None, torch.from_numpy(y), torch.arange(300)), 0)
    predicted = grown.predict_step(grown.gather(table, np.arange(300))).numpy()
    wanted = labels.certain(y)
    assert predicted.shape == wanted.shape and np.isfinite(predicted).all()
    spread = np.maximum(wanted.std(axis=0), 0.1)
    assert (np.sqrt(((predicted - wanted) ** 2).mean(axis=0)) < 0.3 * spread).all()


# Runs


@pytest.mark.parametrize("model", MODELS)
def test_a_run_is_predicted_again_from_its_checkpoints(model: str, tmp_path: Path) -> None:
    table = sold()
    data = folder(tmp_path / "data", table[:90], table[90:].drop(columns=["price", "dear"]))
    run = kit.run("csv", data, out=tmp_path / "run", quiet=True, target="dear", model=model, **QUICK)
    answers, _ = kit.predict(run)
    assert answers.equals(run.test)
    turned = frames.read_csv((data / "test.csv").read_bytes(), "test")[::-1]
    frames.write_csv(tmp_path / "new" / "test.csv", pd.concat([turned, turned.head(3).assign(Id=["x", "y", "z"])]), index=False)
    again, _ = kit.predict(run, tmp_path / "new")
    assert len(again) == 33 and np.allclose(again.loc[run.test.index], run.test, rtol=0, atol=1e-6)  # sums in another order
    assert torch.load(run.fold(0) / "model.ckpt", weights_only=True)["hyper_parameters"]["config"]["model"] == model
    assert type(checkpoints.load_model(run.fold(0) / "model.ckpt")).__name__.lower() == f"{model}module"


@pytest.mark.parametrize(("model", "step"), [("mlp", 0), ("mlp", 1), ("tabm", 1)])
def test_a_fold_of_a_table_goes_on_in_mid_epoch_to_the_same_bytes(
    model: str, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = sold()
    data = folder(tmp_path / "data", table[:90], table[90:].drop(columns=["price", "dear"]))
    knobs = {"target": "price", "model": model, "dropout": 0.1, **QUICK}
    whole = kit.run("csv", data, out=tmp_path / "whole", quiet=True, **knobs)
    healthy = Seeds.on_train_batch_start

    def faulty(self: Seeds, trainer: object, pl_module: object, batch: Batch, index: int) -> None:
        healthy(self, trainer, pl_module, batch, index)
        if (self.fold.number, batch.epoch, batch.step) == (1, 1, step):
            raise RuntimeError("the power went")

    monkeypatch.setattr(Seeds, "on_train_batch_start", faulty)
    with pytest.raises(RuntimeError):
        kit.run("csv", data, out=tmp_path / "run", quiet=True, snapshot=0.0, **knobs)
    monkeypatch.setattr(Seeds, "on_train_batch_start", healthy)
    assert checkpoints.snapshots(tmp_path / "run" / "fold1")
    run = kit.run("csv", data, out=tmp_path / "run", quiet=True, **knobs)
    assert all((run.path / name).read_bytes() == (whole.path / name).read_bytes() for name in RESULTS)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ["titanic", "house-prices"])
def test_kaggles_tables_run_to_a_submission(name: str, model: str, tmp_path: Path) -> None:
    facts = competition.load(name).competition
    synthetic.fabricate(facts, tmp_path / "data", train=60, test=20)
    run = kit.run(name, tmp_path / "data", out=tmp_path / "run", quiet=True, model=model, **QUICK)
    assert kit.validate(name, run.submission, tmp_path / "data") == []
    assert np.isfinite(run.scores["oof"])


TITANIC = '''PassengerId,Survived,Pclass,Name,Sex,Age,SibSp,Parch,Ticket,Fare,Cabin,Embarked
1,0,3,"Braund, Mr. ""Owen""",male,22,1,0,A/5 21171,7.25,,S
2,1,1,"Cumings, Mrs. J",female,38,1,0,PC 17599,71.2833,C85,C
3,1,3,"Heikkinen, Miss. L",female,,0,0,STON/O2. 3101282,7.925,,S
4,0,2,"Allen, Mr. W",male,35,0,0,373450,8.05,,Q
'''


def test_titanic_as_kaggle_writes_it(tmp_path: Path) -> None:
    facts = competition.load("titanic").competition
    files.write(tmp_path / "train.csv", TITANIC)
    rows = frames.read_csv(TITANIC.encode(), "train").drop(columns="Survived").assign(PassengerId=["892", "893", "894", "895"])
    frames.write_csv(tmp_path / "test.csv", rows.assign(Fare=["", "1", "2", "3"]), index=False)
    files.write(tmp_path / "gender_submission.csv", "PassengerId,Survived\n892,0\n893,1\n894,1\n895,0\n")
    tables = facts.tables(tmp_path)
    read = facts.inputs.load(tmp_path, tables.train, "train", 0).rows
    assert read.names == ["Pclass", "Sex", "Age", "SibSp", "Parch", "Fare", "Cabin", "Embarked"]
    assert Encoding.learn(read, np.arange(4)).json()["numbers"] == ["Age", "SibSp", "Fare"]


def test_prices_are_learned_as_logarithms_and_answered_as_prices() -> None:
    labels = competition.load("house-prices").competition.labels
    frame = pd.DataFrame({"SalePrice": ["100000", "250000.5"]}, index=["1", "2"])
    y = labels.encode(frame)
    assert np.allclose(y[:, 0], np.log1p([100000, 250000.5]))
    assert np.allclose(labels.decode(labels.certain(y), ["SalePrice"])["SalePrice"], [100000, 250000.5], rtol=1e-6)
    assert labels.columns == ("log1p(SalePrice)",)
    with pytest.raises(kit.BadData, match=r"training row '2'.*-1 has no logarithm"):
        labels.encode(pd.DataFrame({"SalePrice": ["1", "-1"]}, index=["1", "2"]))


@pytest.mark.slow
def test_the_sum_of_a_row_is_learned_within_seconds() -> None:
    run = kit.run("rowsum", quiet=True)
    assert run.scores["oof"] >= 0.99 and run.scores["extra"]["held_out"] >= 0.99


# A CSV of any kind


def described(tmp_path: Path, table: pd.DataFrame, target: str, **more: str) -> competition.Competition:
    """The facts that `kit run csv` finds in a table, half of which is the test."""
    half = len(table) // 2
    data = folder(tmp_path / "data", table[:half], table[half:].drop(columns=target))
    for name, text in more.items():
        files.write(data / f"{name}.csv", text)
    return competition.load("csv").shaped(Config(target=target), data).competition


def test_what_the_answers_are_follows_from_the_files(tmp_path: Path) -> None:
    table = sold(100)
    assert described(tmp_path, table.drop(columns="dear"), "price").labels == Numbers(("price",))
    assert described(tmp_path, table.drop(columns="price"), "dear").labels == OneOf("dear")
    ids = [f"te{i}" for i in range(50)]
    for cell, wanted, metric in (("0.5", Columns(("dear",)), "auc"), ("0", OneOf("dear"), "accuracy")):
        sample = "\n".join(["Id,dear", *(f"{one},{cell}" for one in ids)]) + "\n"
        facts = described(tmp_path, table.drop(columns="price"), "dear", sample_submission=sample)
        assert (facts.labels, facts.metric.name, facts.id) == (wanted, metric, "Id")


def test_a_table_in_one_file_keeps_a_fifth_back_and_says_what_it_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames.write_csv(tmp_path / "homes.csv", sold().drop(columns="dear"), index=False)
    words = ["run", "csv", "--data", "homes.csv", "--target", "price", "--name", "mine", "--epochs", "2"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert "'price' is a number, scored by rmse; rows are numbered 1, 2, 3" in said.err
    assert "1 numbers ('size'); 1 categories ('shape'); 1 dates ('sold')" in said.err
    assert "held-out score" in said.out
    written = "runs/csv/mine/submission.csv"
    assert main(["validate", "csv", written, "--data", "homes.csv", "--target", "price"]) == 0
    frames.write_csv(tmp_path / "new.csv", sold(30, seed=1).drop(columns=["dear", "price"]), index=False)
    assert len(kit.predict("runs/csv/mine", "new.csv")[0]) == 30
    assert main([*words[:-4], "--target", "prize"]) == 65
    assert "no column 'prize'" in capsys.readouterr().err


def spoiled(table: pd.DataFrame, **changed: object) -> pd.DataFrame:
    return table.assign(**{name: value if isinstance(value, list) else [value] * len(table) for name, value in changed.items()})


def some(column: pd.Series, cell: str, every: int = 30) -> list[str]:
    return [cell if i % every == 3 else one for i, one in enumerate(column)]


BAD = {
    "constant": (lambda t: spoiled(t, same="7"), "are blank or constant in the training table are not used: 'same'"),
    "all missing": (lambda t: spoiled(t, none="NA"), "are blank or constant in the training table are not used: 'none'"),
    "text in a number": (
        lambda t: t.assign(size=some(t["size"], "big")),
        r"'size': \d training cells are no numbers and are taken as missing \(row 'tr3': 'big'\)",
    ),
    "infinite": (lambda t: t.assign(size=some(t["size"], "inf")), "'size': . training cells are beyond ±1e.30 and are"),
    "huge": (lambda t: t.assign(size=some(t["size"], "1e30")), "columns: 1 numbers"),
    "beyond": (
        lambda t: t.assign(size=some(t["size"], "-1e39")),
        r"'size': . test cells are beyond .*'te3': '-1e.?39'\)",
    ),
    "no date": (lambda t: t.assign(sold=some(t["sold"], "2021-02-30")), "'sold': . training cells are no dates"),
    "unseen": (
        lambda t: t.assign(shape=[f"{x}{i >= 90}" for i, x in enumerate(t["shape"])]),
        "30 test cells are of new or rare .*: in 'shape'",
    ),
    "blank test": (lambda t: t.assign(size=[*t["size"][:90], *[""] * 30]), "blank in the whole test table: 'size'"),
    "names": (lambda t: t.assign(name=[f"Mr {i}" for i in range(len(t))]), "text that hardly repeats .* are not used: 'name'"),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("fault", BAD)
def test_odd_cells_are_named_and_cost_no_row(fault: str, model: str, tmp_path: Path) -> None:
    change, words = BAD[fault]
    table = change(sold())
    data = folder(tmp_path / "data", table[:90].drop(columns="dear"), table[90:].drop(columns=["price", "dear"]))
    run = kit.run("csv", data, out=tmp_path / "run", quiet=True, target="price", model=model, **QUICK)
    assert len(run.test) == 30 and np.isfinite(run.test.to_numpy()).all()
    assert run.scores["oof"] < 500
    pd.Series([" ".join(run.info["notes"])]).str.contains(words).all() or pytest.fail(str(run.info["notes"]))


def test_the_answers_in_the_test_file_are_not_read(tmp_path: Path) -> None:
    table = sold().drop(columns="dear")
    data = folder(tmp_path / "data", table[:90], table[90:])
    run = kit.run("csv", data, out=tmp_path / "run", quiet=True, target="price", **QUICK)
    assert any("the test table has the answers' column 'price': it is not read" in note for note in run.info["notes"])
    assert "price" not in checkpoints.load_model(run.fold(0) / "model.ckpt").encoding.columns
    bare = folder(tmp_path / "bare", table[:90], table[90:].drop(columns="price"))
    assert kit.run("csv", bare, out=tmp_path / "other", quiet=True, target="price", **QUICK).test.equals(run.test)


REFUSED = {
    "nothing in common": (lambda a, b: (a, b[["Id"]]), "share no column besides ids and answers"),
    "nothing to learn": (lambda a, b: (spoiled(a, size="1", shape="", sold="x"), b), "nothing to learn"),
    "text for an amount": (lambda a, b: (a.assign(price=some(a["price"], "dear")), b), "row 'tr3'.*'dear' is not a number"),
    "an infinite amount": (
        lambda a, b: (a.assign(price=some(a["price"], "inf")), b),
        "row 'tr3'.*'inf' is not a number .3 such rows",
    ),
    "an amount beyond": (lambda a, b: (a.assign(price=some(a["price"], "1e39")), b), "'1e39' is too large a number"),
    "one amount": (
        lambda a, b: (spoiled(a, price="1.5"), b),
        "'price': every training row has '1.5'; there is nothing to learn",
    ),
    "codes": (lambda a, b: (a.assign(price="B" + a["price"]), b), r"no numbers \('B1\d\d\.\d'\)"),
    "texts alone": (lambda a, b: (a[["Id", "price"]].assign(x="tr" + a["Id"]), b[["Id"]].assign(x=b["Id"])), "--text COLUMN"),
    "ids and answers alone": (lambda a, b: (a[["Id", "price"]], b[["Id"]]), "train has no other"),
    "free text": (lambda a, b: (a.assign(price=[f"word {i}" for i in range(len(a))]), b), "90 different texts in the column"),
    "an id twice": (lambda a, b: (a, pd.concat([b, b.head(1)])), "stands in line"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_bad_tables_are_refused_in_words(fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change, words = REFUSED[fault]
    table = sold().drop(columns="dear")
    folder(tmp_path / "data", table[:90], table[90:].drop(columns="price"))
    pair = [frames.read_csv((tmp_path / "data" / name).read_bytes(), name) for name in ("train.csv", "test.csv")]
    sample = pair[1][["Id"]].assign(price="1")
    for name, frame in zip(("train.csv", "test.csv"), change(*pair), strict=True):
        frames.write_csv(tmp_path / "data" / name, frame, index=False)
    frames.write_csv(tmp_path / "data" / "sample_submission.csv", sample, index=False)
    assert main(["run", "csv", "--data", "data", "--target", "price", "--out", "run", "--quiet"]) == 65
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert pd.Series([said]).str.contains(words).all(), said


def test_answers_that_are_nan_are_left_out_and_classes_are_named(tmp_path: Path) -> None:
    table = sold()
    data = folder(tmp_path / "data", table[:90].assign(price=some(table["price"][:90], "NaN", 4)), table[90:])
    run = kit.run("csv", data, out=tmp_path / "run", quiet=True, target="price", **QUICK)
    assert any("22 rows have no answer and are left out" in note for note in run.info["notes"])
    run = kit.run("csv", data, out=tmp_path / "other", quiet=True, target="dear", **QUICK)
    assert any("'dear' is one class of 2 ('0', '1'), scored by accuracy" in note for note in run.info["notes"])


def test_a_sample_that_asks_for_more_is_refused_before_training(tmp_path: Path) -> None:
    table = sold()
    data = folder(tmp_path / "data", table[:90], table[90:])
    sample = pd.DataFrame({"Id": [f"te{i}" for i in range(30)], "price": "1", "other": "1"})
    frames.write_csv(data / "sample_submission.csv", sample, index=False)
    for target in ("price", "dear"):
        with pytest.raises(kit.BadData, match="the sample submission asks for 'price', 'other'"):
            kit.run("csv", data, out=tmp_path / target, quiet=True, target=target, **QUICK)
        assert not (tmp_path / target / "fold0").exists()


def test_a_table_of_ids_and_answers_alone_has_nothing_to_learn_from(tmp_path: Path) -> None:
    rows = pd.DataFrame({"id": range(40), "y": [one % 2 for one in range(40)]})
    for name, table in (("named", rows), ("numbered", rows[["y"]])):
        frames.write_csv(tmp_path / name / "train.csv", table, index=False)
        with pytest.raises(kit.BadData, match="share no column besides ids and answers"):
            kit.run("csv", tmp_path / name, out=tmp_path / "run", quiet=True, target="y", fresh=True)


def test_the_column_that_names_the_rows_holds_no_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder(tmp_path / "data", sold(), sold())
    assert main(["run", "csv", "--data", "data", "--target", "Id"]) == 2
    assert "--target Id: this column names the rows" in capsys.readouterr().err


def test_predictions_that_are_not_finite_are_a_diverged_training(tmp_path: Path) -> None:
    table = sold().drop(columns="price")
    data = folder(tmp_path / "data", table[:90], table[90:])
    with pytest.raises(kit.Diverged, match=r"the model predicts NaN or infinity for 45 rows\. Try a lower --lr"):
        kit.run("csv", data, out=tmp_path / "run", quiet=True, target="dear", **{**QUICK, "epochs": 1, "batch": 99, "lr": 1e8})


@pytest.mark.parametrize("model", MODELS)
def test_odd_rows_are_predicted_and_named(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = sold().drop(columns="dear")
    data = folder(tmp_path / "data", table[:90], table[90:].drop(columns="price"))
    run = kit.run("csv", data, out=tmp_path / "run", quiet=True, target="price", model=model, **QUICK)
    rows = pd.DataFrame({"size": ["big", "1e39"], "shape": ["tent", "hut"], "sold": ["soon", "2021-05-01"]}, index=["a", "b"])
    capsys.readouterr()
    assert np.isfinite(run.predict(rows).to_numpy()).all()
    said = capsys.readouterr().err
    assert "'size': 1 test cells are no numbers and are taken as missing (row 'a': 'big')" in said
    assert "are beyond ±1e+30" in said and "are no dates" in said and "of new or rare categories" in said
    assert len(run.predict(rows[:0])) == 0
    with pytest.raises(kit.BadData, match="no column 'size'"):
        run.predict(rows.drop(columns="size"))
    with pytest.raises(kit.BadData, match="line 3: the id is blank"):
        run.predict(rows.assign(Id=["a", None]))
    with pytest.raises(kit.BadData, match="an index of 2 levels"):
        run.predict(rows.set_index(["size", "shape"]))


def test_a_model_of_pictures_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames.write_csv(tmp_path / "homes.csv", sold(), index=False)
    assert main(["run", "csv", "--data", "homes.csv", "--target", "dear", "--model", "resnet18", "--quiet"]) == 2
    assert "--model resnet18: for a table there are mlp, tabm, lightgbm, xgboost and catboost." in capsys.readouterr().err


def test_a_table_is_audited(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = sold().drop(columns="dear")
    folder(tmp_path / "data", pd.concat([table[:90], table[:2]]), pd.concat([table[90:], table[:1]]).drop(columns="price"))
    assert main(["check", "csv", "--data", "data", "--target", "price"]) == 0
    said = capsys.readouterr().out
    assert "25 of 25 checks passed" in said
    assert "! 2 training rows repeat another one" in said and "! 1 test rows are training rows too" in said


def test_rows_that_repeat_each_other_stay_together_unless_nearly_all_do() -> None:
    inputs = Table()
    few = inputs.twins(cells(x=["a", "b"] * 10))
    assert len(np.unique(few)) == 20
    twins = inputs.twins(cells(x=[*map(str, range(18)), "3", "3"], y=["1"] * 20))
    assert len(np.unique(twins)) == 18 and twins[3] == twins[18] == twins[19]


@pytest.mark.parametrize("labels", [OneOf("y", ("a", "b", "c")), Columns(("y",))], ids=["classes", "probability"])
def test_a_class_of_one_row_among_very_many_is_grown(labels: Labels) -> None:
    """Some of the rows are kept back to decide when to stop; one row is there for training or for this."""
    x = np.random.default_rng(0).normal(size=10_100).round(3)
    rare = np.arange(len(x)) == 7
    y = np.where(rare, 2, (x > 0).astype(int)) if labels.exclusive else rare.astype(np.float32)[:, None]
    table = cells(x=[str(one) for one in x])
    module = registry.make(Config(model="lightgbm", trees=2), labels, table, steps=1)
    module.learn(table, np.arange(len(x)), y)
    module.training_step(Batch(None, torch.from_numpy(y), torch.arange(len(x))), 0)
    assert module.logits(module.encoded(table)).isfinite().all()


@pytest.mark.parametrize("model", ["mlp", "lightgbm"])
@pytest.mark.parametrize("kind", ["waves", "clusters", "categories"])
def test_the_best_preset_is_better_than_the_fast_one(kind: str, model: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.random((1200, 6))
    frame = pd.DataFrame(x, columns=list("abcdef"))
    if kind == "waves":  # Friedman 1991
        frame["label"] = (
            10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + rng.normal(size=1200)
        )
    elif kind == "clusters":
        frame["label"] = np.where((np.floor(3 * x[:, 0]) + np.floor(3 * x[:, 1])) % 2 > 0, "odd", "even")
    else:
        names, effects = rng.integers(0, 20, 1200), rng.normal(size=20)
        frame["g"] = [f"k{one}" for one in names]
        frame["label"] = effects[names] * (x[:, 0] > 0.5) + 0.1 * rng.normal(size=1200)
    frame.to_csv(tmp_path / "train.csv", index=False)
    found = {
        preset: kit.run("csv", tmp_path / "train.csv", preset=preset, out=tmp_path / preset, folds=2, quiet=True, model=model)
        for preset in ("fast", "best")
    }
    best, fast = (found[preset].scores for preset in ("best", "fast"))
    gain = best["oof"] - fast["oof"] if best["higher_is_better"] else fast["oof"] - best["oof"]
    rows = 3 if model == "lightgbm" and kind == "clusters" else 0  # of clusters, 1,000 rounds of trees know 99 of 100 rows
    assert gain > -rows / 960
