"""Drafts: what `kit new` infers from a folder is what the folder was fabricated from."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import kit
from kit import competition as competitions
from kit.competition import Competition, scaffold
from kit.competition.detection.facts import facts_of
from kit.competition.detection.labels import labels_of
from kit.competition.synthetic import fabricate
from kit.errors import BadData
from kit.inputs import Images, Pixels, Table, Text
from kit.inputs.detection import photos
from kit.labels import Columns, Grade, Labels, Numbers, OneOf, Tags
from kit.metrics import accuracy, auc, f1_samples, log_loss, mcrmse, qwk, rmse
from kit.pipeline import adapter_check
from kit.storage import frames

# What the adapters of these competitions state, and no file tells.
UNTOLD: dict[str, dict[str, Any]] = {
    "digits": {"labels": OneOf("label")},
    "mnist": {"labels": OneOf("label")},
    "cifar10": {"labels": OneOf("label")},
    "plant2020": {},
    "plant2021": {},
    "aptos2019": {},
    "ranzcr": {"inputs": Images("train/{id}.jpg", test="test/{id}.jpg")},
    "imdb": {"inputs": Text("review", delimiter="\t", unlabelled="unlabeledTrainData.tsv")},
    "rowsum": {"inputs": Table(), "labels": OneOf("positive")},
    "titanic": {"inputs": Table(), "labels": OneOf("Survived")},
    "house-prices": {"inputs": Table(), "labels": Numbers(("SalePrice",)), "metric": rmse},
}
SHAPES = {
    "a probability": (Images("{id}.png"), Columns(("target",)), auc, {}),
    "a probability for each class": (Images("images/{id}.png"), Columns(column="breed"), log_loss, {"test": ""}),
    "grey pictures by a column": (Images("all/{file}", channels=1), Tags("tags"), f1_samples, {}),
    "pixels of sixteen greys": (Pixels(12, "p", top=16), Numbers(("a", "b")), mcrmse, {}),
    "a text by its author": (Text("essay"), Grade("score", top=3), qwk, {"group": "author_id"}),
    "a table by time": (Table(), Numbers(("price",)), rmse, {"time": "day"}),
    "a probability for each class, called otherwise": (Table(), Columns(column="Status", prefix="Status_"), log_loss, {}),
    "a probability of one class": (Table(), Columns(("yes",), column="survived"), auc, {}),
    "grades from one": (Text("essay"), Numbers(("score",), True, (1,), (5,)), qwk, {"group": "essay_id"}),
}


def laid_out(facts: Competition, root: Path, train: int = 40, test: int = 20) -> Path:
    """The folder of a competition, called as its slug is."""
    fabricate(facts, root / facts.slug, train, test)
    return root / facts.slug


def same(one: Competition, other: Competition) -> bool:
    names = ("slug", "id", "inputs", "labels", "metric", "train", "test", "sample", "group", "time")
    return {name: getattr(one, name) for name in names} == {name: getattr(other, name) for name in names}


@pytest.mark.parametrize("name", UNTOLD)
def test_an_adapters_facts_are_found_in_its_files(name: str, tmp_path: Path) -> None:
    facts = competitions.load(name).competition
    found = facts_of(laid_out(facts, tmp_path))
    assert same(found, replace(facts, **UNTOLD[name]))


def shaped(shape: str, root: Path) -> tuple[Competition, Path]:
    """A competition of one of the SHAPES, and its folder."""
    inputs, labels, metric, more = SHAPES[shape]
    facts = Competition("a-slug", "key", inputs, labels, metric, **more)
    laid_out(facts, root)
    if "{file}" in str(inputs):  # the ids name no pictures
        for name in ("train.csv", "test.csv", "sample_submission.csv"):
            rows = pd.read_csv(root / "a-slug" / name, dtype=str)
            frames.write_csv(root / "a-slug" / name, rows.assign(key="k" + rows["key"]), index=False)
    if facts.time:
        rows = pd.read_csv(root / "a-slug/test.csv", dtype=str).assign(day="99")
        frames.write_csv(root / "a-slug/test.csv", rows, index=False)
    return facts, root / "a-slug"


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_found_written_loaded_checked_and_run(shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts, root = shaped(shape, tmp_path)
    monkeypatch.chdir(tmp_path)
    path, lines = scaffold.write("mine", root)
    assert path == Path("competitions/mine.py") and any(line.startswith("?") for line in lines)
    adapter = competitions.load("mine")
    assert same(adapter.competition, facts)
    assert set(adapter.presets) >= {"fast", "best"}
    assert {name: fault for name, fault in adapter_check.adapter(adapter) if fault} == {}
    assert all(len(line) <= 128 for line in path.read_text().splitlines())
    quick = {"epochs": 1, "batch": 8, "width": 4, "folds": 2, "size": 0} | (
        {"model": "convnet"} if "{" in str(facts.inputs) else {}
    )
    run = kit.run("mine", root, quiet=True, **quick)
    assert run.complete and kit.validate("mine", run.submission, root) == []


def test_archives_are_looked_into(tmp_path: Path) -> None:
    import shutil

    root = laid_out(competitions.load("cifar10").competition, tmp_path)
    labels = (root / "trainLabels.csv").rename(root / "labels.csv")
    (root / "trainLabels.csv").mkdir()  # as some mounts have it
    labels.rename(root / "trainLabels.csv/trainLabels.csv")
    for split in ("train", "test"):
        shutil.make_archive(str(root / split), "zip", root, split)
        shutil.rmtree(root / split)
    assert facts_of(root).inputs == Images("train/{id}.png", test="test/{id}.png")


def test_pictures_of_another_folder_are_not_taken(tmp_path: Path) -> None:
    """Test pictures have the training rows' names, and every row has a thumbnail: the fitting folder wins."""
    root = tmp_path / "named"
    rows = pd.DataFrame({"id": [str(i) for i in range(12)], "label": ["a", "b"] * 6})
    for split in ("test", "train"):
        (root / split).mkdir(parents=True)
        for one in rows["id"]:
            Image.new("RGB", (8, 8), (int(one) * 9, 20, 30)).save(root / split / f"{one}.png")
    frames.write_csv(root / "train.csv", rows, index=False)
    frames.write_csv(root / "sample_submission.csv", rows.assign(label="a"), index=False)
    assert facts_of(root).inputs == Images("train/{id}.png", test="test/{id}.png")


def test_long_names_stand_on_several_lines(tmp_path: Path) -> None:
    names = tuple(f"a long name, number {i}" for i in range(30))
    facts = Competition("many", "id", Table(), Columns(names), auc)
    text = scaffold.text("many", facts, facts.inputs.beginning(tmp_path, None))
    (tmp_path / "many.py").write_text(text)
    assert max(map(len, text.splitlines())) <= 128
    assert same(competitions.load(str(tmp_path / "many.py")).competition, facts)


TABLE = pd.DataFrame({"id": list("abcdef"), "x": list("123456"), "y": list("010101"), "z": list("110010")})


def written(root: Path, **tables: pd.DataFrame) -> Path:
    """A folder of tables."""
    root.mkdir()
    for name, table in tables.items():
        frames.write_csv(root / f"{name}.csv", table, index=False)
    return root


def test_the_answers_column_may_be_named(tmp_path: Path) -> None:
    sample = TABLE[["id"]].assign(answer="0")
    root = written(tmp_path / "d", train=TABLE, test=TABLE[["id", "x"]], sample_submission=sample)
    with pytest.raises(kit.BadData, match="asks for 'answer'; which column of the training table holds the answers"):
        facts_of(root)
    assert facts_of(root, "z").labels == OneOf("z")
    with pytest.raises(kit.BadData, match="--target q: the training table has no such column; it has 'x', 'y', 'z'"):
        facts_of(root, "q")


def test_the_only_column_that_the_test_lacks_holds_the_answers(tmp_path: Path) -> None:
    sample = TABLE[["id"]].assign(answer="0")
    for number, test in enumerate((TABLE[["id", "x"]], TABLE[["id", "x"]].assign(y=""))):  # or leaves blank
        root = written(tmp_path / f"d{number}", train=TABLE.drop(columns="z"), test=test, sample_submission=sample)
        assert facts_of(root).labels == OneOf("y")


def test_a_shared_group_is_no_group(tmp_path: Path) -> None:
    """The test has the same customers: to know a customer is no leak."""
    more = TABLE.assign(customer_id=list("ppqqrr"))
    sample = TABLE[["id"]].assign(y="0")
    shared = written(tmp_path / "shared", train=more.drop(columns="z"), test=more[["id", "x", "customer_id"]], sample=sample)
    assert facts_of(shared).group is None
    others = more[["id", "x"]].assign(customer_id=list("sttuvv"))
    apart = written(tmp_path / "apart", train=more.drop(columns="z"), test=others, sample=sample)
    assert facts_of(apart).group == "customer_id"


N = 40
ROWS = {"id": [f"r{i}" for i in range(N)], "x": [str(i % 7) for i in range(N)], "y": [str(i % 2) for i in range(N)]}
CALLED = [f"{name} of the old town, by the sea" for name in ROWS["id"]]
SENTENCES = [f"number {i} " + " ".join(f"w{(i * j) % 11}" for j in range(9)) for i in range(N)]
EVERY: list[tuple[dict[str, list[str]], dict[str, list[str]], str, dict[str, Any]]] = [  # training columns, test's, sample
    ({}, {}, "0", {"inputs": Table(), "labels": OneOf("y"), "group": None, "time": None}),
    ({}, {}, "0.5", {"labels": Columns(("y",)), "metric": auc}),
    ({"y": [f"{i % 2}.0" for i in range(N)]}, {}, "0.5", {"labels": Columns(("y",))}),
    # What names rows is no feature, and what is only called nearly so is one.
    ({"": [str(i) for i in range(N)]}, {"": ["0", "1"]}, "0", {"inputs": Table(without=("",))}),
    ({"rowId": [str(i) for i in range(N)]}, {"rowId": ["0", "1"]}, "0", {"inputs": Table(without=("rowId",))}),
    ({"humid": [str(i) for i in range(N)]}, {"humid": ["0", "1"]}, "0", {"inputs": Table()}),
    # Groups: of which the test has others, or which it does not tell.
    ({"PhotoId": [str(i // 2) for i in range(N)]}, {"PhotoId": ["90", "91"]}, "0", {"group": "PhotoId"}),
    ({"PhotoId": [str(i // 2) for i in range(N)]}, {"PhotoId": ["1", "91"]}, "0", {"group": None}),
    ({"PhotoId": [str(i // 2) for i in range(N)]}, {}, "0", {"group": None}),
    ({"PatientID": [str(i // 2) for i in range(N)]}, {}, "0", {"group": "PatientID"}),
    ({"website_visits": [str(i // 2) for i in range(N)]}, {"website_visits": ["90", "91"]}, "0", {"group": None}),
    # Many columns of one name are pixels only where they hold whole numbers.
    ({f"p{i}": ["0.5"] * N for i in range(64)}, {f"p{i}": ["0", "1"] for i in range(64)}, "0", {"inputs": Table()}),
    ({f"p{i}": ["A"] * N for i in range(64)}, {f"p{i}": ["A", "B"] for i in range(64)}, "0", {"inputs": Table()}),
    ({f"p{i}": ["3"] * N for i in range(64)}, {f"p{i}": ["0", "1"] for i in range(64)}, "0", {"inputs": Pixels(8, "p", 15)}),
    # A text has more words than the row has other columns.
    ({"name": CALLED}, {"name": CALLED[:2]}, "0", {"inputs": Text("name")}),
    ({"name": [f"{i} 2 3 4 5 6 7 8" for i in range(N)]}, {"name": ["7 2", "9 2"]}, "0", {"inputs": Table()}),
    ({f"x{i}": ROWS["x"] for i in range(9)} | {"name": CALLED}, {f"x{i}": ["1", "2"] for i in range(9)} | {"name": CALLED[:2]},
     "0", {"inputs": Table()}),
    ({"y": [f"{i % 5} {i % 3 + 5}" for i in range(N)]}, {}, "0 1", {"labels": Tags("y")}),
    ({"y": [f"{i % 5}.5 {i % 3}.5" for i in range(N)]}, {}, "0", {"labels": OneOf("y")}),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(EVERY)))
def test_a_table_is_read_as_what_it_is(case: int, tmp_path: Path) -> None:
    columns, asked, answer, wanted = EVERY[case]
    root = written(
        tmp_path / "d",
        train=pd.DataFrame(ROWS | columns),
        test=pd.DataFrame({"id": ["a", "b"], "x": ["1", "2"]} | asked),
        sample_submission=pd.DataFrame({"id": ["a", "b"], "y": answer}),
    )
    found = facts_of(root)
    assert same(found, replace(found, **wanted))


DOUBTS = {  # training answers, the sample's, what is said of them
    "a probability?": ("01", "0", 'state Columns(("y",)) and, say, auc'),
    "classes or amounts?": ("123", "1", 'state Numbers(("y",), True)'),
    "classes spelled otherwise": ("abc", "0.5", "the sample has other answers: '0.5' is no class"),
    "whose probability?": (("no", "yes"), "0.5", "a fraction in the sample is read as the probability of 'yes'"),
    "several classes": ("ab", "a b", "the sample has other answers: 'a b' is no class"),
    "tags?": (("a", "b", "a b"), "a", 'state OneOf("y")'),
    "one column of two": ("ab", "a", "nothing is learned from 'x': Table() would, but not from the text"),
    "ids that say when": ("ab", "a", "'id day' names the rows, so nothing is learned from it"),
    "tables": ("ab", "a", "tables that are not read: 'oof.csv', 'submission.csv', 'train_more.csv'"),
}


@pytest.mark.parametrize("doubt", DOUBTS)
def test_what_is_guessed_is_said(doubt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answers, answer, said = DOUBTS[doubt]
    train = pd.DataFrame(ROWS | {"y": [answers[i % len(answers)] for i in range(N)]})
    train = train.assign(id=[f"20{i + 10}-01-01" for i in range(N)], text=SENTENCES).rename(columns={"id": "id day"})
    root = written(
        tmp_path / "d",
        train=train,
        train_more=train,
        test=train.drop(columns="y"),
        oof=train,
        submission=train[["id day"]].assign(y="b"),
        sample_submission=train[["id day"]].assign(y=answer),
    )
    _, lines = scaffold.write("mine", root)
    assert any(said in line for line in lines), lines
    other = [one for name, (*_, one) in DOUBTS.items() if name not in (doubt, *list(DOUBTS)[-3:])]
    assert not any(one in line for line in lines for one in other)


def test_pictures_of_several_sizes_get_one_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    root = laid_out(competitions.load("plant2020").competition, tmp_path)
    Image.new("RGB", (40, 30)).save(root / "images/train_0003.jpg")
    scaffold.write("mine", root)
    assert {preset.size for preset in competitions.load("mine").presets.values()} == {32}
    Path("competitions/mine.py").unlink()
    Image.new("RGB", (400, 300)).save(root / "images/train_0003.jpg")
    scaffold.write("mine", root)
    assert competitions.load("mine").presets["fast"].size == photos(8, True).fast.size


def test_pictures_of_training_rows_only_are_of_no_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    root = written(tmp_path / "d", train=TABLE, test=TABLE[["id", "x"]].assign(id=list("uvwxyz")))
    frames.write_csv(root / "sample.csv", TABLE[["id", "y"]].assign(id=list("uvwxyz")), index=False)
    for one in TABLE["id"]:
        Image.new("RGB", (8, 8)).save(root / f"{one}.png")
    assert any("pictures such as 'a.png' are not used" in line for line in scaffold.write("mine", root)[1])
    assert isinstance(facts_of(root).inputs, Table)


SAMPLE = TABLE[["id", "y"]]
SAID: list[tuple[dict[str, pd.DataFrame], str]] = [
    ({}, r"no table \(.csv, .tsv\)"),
    (
        {"sample": SAMPLE},
        r"no table .* to train on beside sample.csv.\nMake a train.csv of what is there: id,y; a row an answer",
    ),
    ({"sample": TABLE[["id"]], "train": TABLE}, "sample.csv: a column of ids and columns to fill are expected; it has 'id'"),
    (
        {"sample": SAMPLE.rename(columns={"id": ""}), "train": TABLE},
        "sample.csv: a column of ids and columns to fill are expected; it has ''",
    ),
    ({"sample": SAMPLE.iloc[:0], "train": TABLE}, "sample.csv: a header and no rows"),
    (
        {"sample": SAMPLE, "train": TABLE.assign(id="a")},
        "train.csv: 5 rows have an id that another row has, and differ from it: id 'a'",
    ),
    ({"sample": SAMPLE, "train": TABLE}, r"nothing tells what the rows are: .* \(there are none"),
    (
        {"sample": SAMPLE, "train": TABLE, "test": TABLE.rename(columns={"id": "name"})},
        "say 'a'.; its column 'name' holds them",
    ),
    ({"sample": SAMPLE, "train": TABLE, "test": TABLE[["x"]].assign(n="1")}, "no column holds them: it has 'x', 'n'"),
]


def test_what_cannot_be_inferred_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kit.BadData, match=r"no sample submission among 'train.csv': it tells what is asked.\n`kit run csv"):
        facts_of(written(tmp_path / "a", train=TABLE))
    (tmp_path / "tree/train/cats").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "tree/train/cats/1.png")
    with pytest.raises(kit.BadData, match="`kit run folders --data DIR` takes train/CLASS/PICTURE without an adapter"):
        facts_of(tmp_path / "tree")
    for number, (tables, said) in enumerate(SAID):
        with pytest.raises(kit.BadData, match=said):
            facts_of(written(tmp_path / f"d{number}", **tables))
    for name, said in (
        ("mnist", "mnist.py is there already"),
        ("my comp", "a name may have letters"),
        ("mine", "no such folder"),
    ):
        with pytest.raises(kit.Usage, match=said):
            scaffold.write(name, tmp_path / "nowhere")
    assert not Path("competitions").exists()


def test_a_draft_that_does_not_read_its_files_is_written_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sample = TABLE[["id"]].assign(y="0")
    root = written(tmp_path / "d", train=TABLE.drop(columns="z"), test=TABLE[["id", "x"]].iloc[1:], sample_submission=sample)
    with pytest.raises(
        kit.BadData, match=r"mine.py is written, but these facts do not read the files yet: .*does not have: 'a'"
    ):
        scaffold.write("mine", root)
    assert competitions.load("mine").competition.labels == OneOf("y")


def test_the_command_says_what_it_found_and_what_it_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from kit.cli.app import main

    root = laid_out(competitions.load("plant2020").competition, tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["new", "leaves", "--from", str(root)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(
        "competitions/leaves.py\n"
        "· 40 training rows (train.csv); 20 to be answered (sample_submission.csv), named by 'image_id'\n"
        '· Images("images/{id}.jpg")\n'
        '· Columns(names=("healthy", "multiple_diseases", "rust", "scab"), exclusive=True)\n'
        "? auc is what such answers are mostly scored by"
    )
    assert said.endswith(f"Read the file, then run:\n  kit check leaves --data {root}\n  kit run leaves --data {root}\n")
    assert main(["new", "leaves", "--from", str(root)]) == 2
    assert "leaves.py is there already" in capsys.readouterr().err
    assert accuracy.name not in said


def answered(answers: pd.DataFrame, asked: list[str]) -> Labels:
    """The labels found for these answers, beside a number, and a sample with these columns."""
    train = answers.assign(x=[str(i) for i in range(len(answers))])
    sample = pd.DataFrame("0.5", index=train.index, columns=asked)
    return labels_of(train, train[["x"]], sample)


def test_classes_are_found_where_the_sample_has_fewer_or_more() -> None:
    names = pd.DataFrame({"species": list("abcde") * 8})
    for asked in ("abcd", "abcdef", "bcdef", "edcba"):
        assert answered(names, list(asked)) == Columns(column="species")
    assert answered(names, [f"is_{one}" for one in "abcf"]) == Columns(column="species", prefix="is_")
    assert answered(names, list("abcdefghijkl")) == Columns(tuple("abcdefghijkl"), column="species")
    for asked in ("awxyz", "vwxyz"):
        with pytest.raises(BadData, match="which column of the training table holds the answers"):
            answered(names, list(asked))


def test_columns_of_classes_that_the_sample_lacks_are_found() -> None:
    indicators = pd.DataFrame(np.tile(np.eye(4, dtype=int), (10, 1)).astype(str), columns=list("abcd"))
    assert answered(indicators, list("abc")) == Columns(tuple("abcd"), exclusive=True)
    assert answered(indicators.assign(d=list("01" * 20)), list("abc")) == Columns(tuple("abc"))
    assert answered(indicators, list("abcd")) == Columns(tuple("abcd"), exclusive=True)


def test_answers_that_some_rows_lack_are_answers() -> None:
    rng = np.random.default_rng(0)
    for cells, kind in ((rng.normal(size=(40, 3)).round(2), Numbers), (rng.integers(0, 2, (40, 3)), Columns)):
        for blank in ("", "n/a", "NaN"):
            gone = np.arange(40)[:, None] % 3 == np.arange(3)  # no row is whole
            table = pd.DataFrame(np.where(gone, blank, cells.astype(str)), columns=list("abc"))
            assert answered(table, list("abc")) == kind(tuple("abc"))
    with pytest.raises(BadData, match="column 'b': no numbers in most of the training rows"):
        answered(table.assign(b="word"), list("abc"))
