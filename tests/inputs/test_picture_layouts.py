"""Layouts of picture files: `detect` finds each row's own picture, whatever the files and folders are called."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from test_archives import pack

from kit.competition import Competition, scaffold
from kit.competition.detection.facts import facts_of
from kit.competition.synthetic import fabricate
from kit.errors import BadData
from kit.inputs import Images
from kit.inputs.detection import Evidence
from kit.kaggle import hidden_test
from kit.labels import OneOf
from kit.metrics import accuracy

COUNT = {"train": 60, "test": 40}
OTHER = 250  # the grey of a file that is no row's picture


def save(path: Path, grey: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (9, 7), grey).save(path)


@dataclass
class Layout:
    """How row `i` of a split is called in the table, where its picture lies, and which other files lie there."""

    file: Callable[[str, int], str]
    row_id: Callable[[str, int], str] = lambda split, i: f"{split}{i}"
    others: Callable[[str, int], list[str]] = lambda split, i: []
    columns: dict[str, Callable[[str, int], str]] = field(default_factory=dict)
    train: str | tuple[str, ...] = "train/{id}.png"
    test: str | tuple[str, ...] = "test/{id}.png"
    said: str = ""  # by the notes of the rows
    asked: str = ""  # by a question


def number(split: str, i: int) -> int:
    return i + 1 + (split == "test") * COUNT["train"]


def label(split: str, i: int) -> str:
    return "ab"[i % 2]


def person(split: str, i: int) -> str:
    return f"p{i * 7 % 5}"


LAYOUTS = {
    "a folder called as the class": Layout(
        lambda s, i: f"imgs/{s}/{label(s, i)}/{s}{i}.png" if s == "train" else f"imgs/test/{s}{i}.png",
        train="imgs/train/{label}/{id}.png", test="imgs/test/{id}.png",
    ),
    "folders called as the class and a person": Layout(
        lambda s, i: f"train/{person(s, i)}/{label(s, i)}/{s}{i}.png" if s == "train" else f"test/{person(s, i)}/{s}{i}.png",
        columns={"person": person}, train="train/{person}/{label}/{id}.png", test="test/{person}/{id}.png",
    ),
    "a folder called as a padded number": Layout(
        lambda s, i: f"{s}/{i % 3:03d}/{s}{i}.png",
        columns={"place": lambda s, i: str(i % 3)}, train="train/{place:0>3}/{id}.png", test="test/{place:0>3}/{id}.png",
    ),
    "a folder a row": Layout(
        lambda s, i: f"{s}/{s}{i}/images/{s}{i}.png", train="train/{id}/images/{id}.png", test="test/{id}/images/{id}.png"
    ),
    "numbers that begin anew in each folder": Layout(
        lambda s, i: f"{s}/{'ab'[i % 2]}x/{i // 2}.png",
        columns={"place": lambda s, i: f"{'ab'[i % 2]}x", "number": lambda s, i: str(i // 2)},
        train="train/{place}/{number}.png", test="test/{place}/{number}.png",
    ),
    "test pictures in two folders": Layout(
        lambda s, i: f"{s}-jpg{'-more' if s == 'test' and i % 3 == 0 else ''}/{s}{i}.png",
        train="train-jpg/{id}.png", test=("test-jpg/{id}.png", "test-jpg-more/{id}.png"),
    ),
    "training pictures in three folders": Layout(
        lambda s, i: f"train_{i % 7 % 3}/{s}{i}.png" if s == "train" else f"test/{s}{i}.png",
        train=("train_0/{id}.png", "train_1/{id}.png", "train_2/{id}.png"),
    ),
    "padded": Layout(
        lambda s, i: f"{s}/{number(s, i):05d}.png", lambda s, i: str(number(s, i)),
        train="train/{id:0>5}.png", test="test/{id:0>5}.png",
    ),
    "padded, and in both folders": Layout(
        lambda s, i: f"{s}/{i:04d}.png", lambda s, i: f"{s}{i}",
        columns={"number": lambda s, i: str(i)}, train="train/{number:0>4}.png", test="test/{number:0>4}.png",
    ),
    "floats": Layout(lambda s, i: f"{s}/{number(s, i)}.png", lambda s, i: f"{number(s, i)}.0", said="are not called as"),
    "padded floats": Layout(
        lambda s, i: f"{s}/{number(s, i):05d}.png", lambda s, i: f"{number(s, i)}.0",
        train="train/{id:0>5}.png", test="test/{id:0>5}.png", said="are not called as",
    ),
    "shards": Layout(
        lambda s, i: f"{s}/{i * 5 % 7}/{s}{i}.png", train="train/*/{id}.png", test="test/*/{id}.png"
    ),
    "hashed shards": Layout(
        lambda s, i: f"{s}/{i % 2}/{i % 3}/{s}{i}.png", train="train/*/*/{id}.png", test="test/*/*/{id}.png"
    ),
    "shards of padded numbers": Layout(
        lambda s, i: f"{s}/{i % 10}/{number(s, i):06d}.png", lambda s, i: str(number(s, i)),
        train="train/*/{id:0>6}.png", test="test/*/{id:0>6}.png",
    ),
    "words around a number": Layout(
        lambda s, i: f"{s}/img_{number(s, i):03d}_crop.png", lambda s, i: str(number(s, i)),
        train="train/img_{id:0>3}_crop.png", test="test/img_{id:0>3}_crop.png",
    ),
    "a folder of its own name": Layout(
        lambda s, i: f"{s}/{s}/{s}{i}.png", train="train/train/{id}.png", test="test/test/{id}.png"
    ),
    "masks beside": Layout(
        lambda s, i: f"{s}/images/{s}{i}.png", others=lambda s, i: [f"{s}/masks/{s}{i}.png"],
        train="train/images/{id}.png", test="test/images/{id}.png", asked="'train/masks/{id}.png' leads to",
    ),
    "two files of one stem": Layout(
        lambda s, i: f"{s}/{s}{i}.jpg", others=lambda s, i: [f"{s}/{s}{i}.png"],
        train="train/{id}.jpg", test="test/{id}.jpg", said="several files fit", asked="a .jpg and a .png",
    ),
    "an id is another's beginning": Layout(
        lambda s, i: f"{s}/photo{number(s, i)}.png.crop.png", lambda s, i: f"photo{number(s, i)}.png.crop",
        others=lambda s, i: [f"{s}/photo{number(s, i)}.png"],
    ),
    "some ids have a suffix": Layout(
        lambda s, i: f"{s}/{s}{i}.png", lambda s, i: f"{s}{i}{'.png' if i % 3 else ''}", train="train/{id}", test="test/{id}"
    ),
    "other suffixes": Layout(lambda s, i: f"{s}/{s}{i}.{('png', 'PNG', 'bmp')[i % 9 % 3 if i % 9 < 3 else 0]}"),
    "umlauts": Layout(
        lambda s, i: unicodedata.normalize("NFD", f"{s}/Grün {s} ({i}) 100%.png"), lambda s, i: f"Grün {s} ({i}) 100%"
    ),
    "capitals": Layout(lambda s, i: f"{s}/IMG_{s}{i}.PNG", lambda s, i: f"img_{s}{i}", said="are not called as",
        train="train/{id}.PNG", test="test/{id}.PNG"),
    "paths": Layout(
        lambda s, i: f"data/{s}/x{i}.png", columns={"file": lambda s, i: f"./{s}/x{i}.png"},
        train="data/{file}", test="data/{file}",
    ),
    "paths of another system": Layout(
        lambda s, i: f"{s}/x{i}.png", columns={"file": lambda s, i: f"{s}\\x{i}.png"}, train="{file}", test="{file}",
    ),
    "paths of somebody's machine": Layout(
        lambda s, i: f"{s}/x{i}.png", columns={"file": lambda s, i: f"/home/x/all/x{i}.png"},
        train="train/{file}", test="test/{file}", said="are not called as",
    ),
    "addresses": Layout(
        lambda s, i: f"{s}/x{i}.png", columns={"url": lambda s, i: f"https://host/all/x{i}.png?size=9"},
        train="train/{url}", test="test/{url}", said="are not called as",
    ),
}  # fmt: skip


def laid_out(layout: Layout, root: Path) -> dict[str, pd.DataFrame]:
    """The pictures below a folder, row `i` of a split with its own grey, and the tables indexed by id."""
    tables = {}
    for split, count in COUNT.items():
        for i in range(count):
            save(root / layout.file(split, i), grey(split, i))
            for name in layout.others(split, i):
                save(root / name, OTHER)
        columns = {"label": label, **layout.columns} if split == "train" else layout.columns
        cells = {name: [cell(split, i) for i in range(count)] for name, cell in columns.items()}
        tables[split] = pd.DataFrame(
            cells, index=pd.Index([layout.row_id(split, i) for i in range(count)], name="key"), dtype=object
        )
    return tables


def grey(split: str, i: int) -> int:
    return 2 * number(split, i)


def greys(images: Images, root: Path, table: pd.DataFrame, split: str) -> tuple[list[int], list[str]]:
    loaded = images.load(root, table, split, 0)
    assert not loaded.broken
    return loaded.rows[:, 0, 0, 0].tolist(), loaded.notes


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_row_is_read_from_its_own_picture(name: str, tmp_path: Path) -> None:
    layout = LAYOUTS[name]
    tables = laid_out(layout, tmp_path)
    images = Images.detect(Evidence(tmp_path, tables["train"], tables["test"], frozenset(["label"])))
    assert images is not None
    assert (images.template, images.test or images.template) == (layout.train, layout.test)
    notes: list[str] = []
    for split, table in tables.items():
        found, said = greys(images, tmp_path, table, split)
        wanted = [grey(split, i) for i in range(len(table))]
        assert np.abs(np.array(found) - wanted).max() <= (2 if layout.train == "train/{id}.jpg" else 0)
        notes += said
    assert all(layout.said in note for note in notes) and bool(notes) == bool(layout.said)
    assert layout.asked in " ".join(images.doubts()) and len(images.doubts()) == 1 + 2 * bool(layout.asked)


def of(train: str | tuple[str, ...], test: str | tuple[str, ...], group: str | None = None) -> Competition:
    inputs = Images(train, test, alike=False)
    return Competition("pictures", "key", inputs, OneOf("label"), accuracy, test="test.csv", group=group)


STATED = {
    "the answer": of("imgs/{label}/{id}.png", "test/{id}.png"),
    "the id by its column": of("imgs/{label}/{key}", "test/{key}"),
    "the group": of("train/{person}/{id}.png", "test/{id}.png", group="person"),
    "two columns": of("train/{place}/{file}", "test/{place}/{file}"),
    "two folders": of(("a/{id}.png", "b/{id}.png"), ("c/{id}.png", "d/{id}.png", "e/{label_file}.png")),
    "any folder": of("train/*/{id}.png", "test/*/*/{id}"),
    "no folder": of("*/{id}.png", "{id}.png"),
    "padded": of("train/{id:0>20}.png", "test/no_{id:020d}.png"),
}


@pytest.mark.parametrize("name", STATED)
def test_stated_templates_read_what_they_fabricate_and_lay_out_again(name: str, tmp_path: Path) -> None:
    facts = STATED[name]
    fabricate(facts, tmp_path / "data", train=12, test=9)
    tables = facts.tables(tmp_path / "data")
    for split, table in (("train", tables.train), ("test", tables.test)):
        loaded = facts.inputs.load(tmp_path / "data", table, split, 0)
        assert len(loaded.rows) == len(table) and not loaded.broken and not loaded.notes
    known = dict(zip(tables.test.index, loaded.rows, strict=True))
    pictures = {path for path in (tmp_path / "data").rglob("*.*") if path.suffix != ".csv"}
    assert set(facts.inputs.files(tmp_path / "data")) == pictures
    originals = hidden_test.lay_out(facts, tmp_path / "data", tmp_path / "hidden")
    asked = facts.test_tables(tmp_path / "hidden")
    hidden = facts.inputs.load(tmp_path / "hidden", asked.test, "test", 0)
    assert not hidden.broken and len(asked.test) > len(tables.test)
    for row_id, picture in zip(asked.test.index, hidden.rows, strict=True):
        assert np.array_equal(picture, known[originals[row_id]])


def test_training_pictures_stay_beside_a_hidden_test_set(tmp_path: Path) -> None:
    facts = of("imgs/train/{label}/{id}.png", "imgs/test/{id}.png")
    fabricate(facts, tmp_path / "data", train=6, test=4)
    hidden_test.lay_out(facts, tmp_path / "data", tmp_path / "hidden")
    train = facts.tables(tmp_path / "hidden").train
    assert not facts.inputs.load(tmp_path / "hidden", train, "train", 0).broken
    assert len(list((tmp_path / "hidden/imgs/test").iterdir())) == 6 == len(list((tmp_path / "data/imgs/train").rglob("*.png")))


def test_addresses_without_their_pictures_are_refused(tmp_path: Path) -> None:
    cells = [f"https://host/p{i}.jpg" for i in range(30)]
    (tmp_path / "train.csv").write_text(
        "id,url,label\n" + "".join(f"{i},{cell},{'ab'[i % 2]}\n" for i, cell in enumerate(cells))
    )
    (tmp_path / "test.csv").write_text("id,url\n" + "".join(f"{i + 30},{cell}\n" for i, cell in enumerate(cells)))
    (tmp_path / "sample_submission.csv").write_text("id,label\n" + "".join(f"{i + 30},a\n" for i in range(30)))
    with pytest.raises(
        BadData, match=r"the column 'url' holds addresses \('https://host/p0\.jpg'\).*none\.\nFetch them into a folder"
    ):
        facts_of(tmp_path)
    for i in range(30):
        save(tmp_path / f"images/p{i}.jpg", i)
    assert facts_of(tmp_path).inputs == Images("images/{url}", channels=1)


def test_paths_in_cells_lead_out_of_no_folder(tmp_path: Path) -> None:
    images = Images("test/{file}")
    cells = pd.DataFrame({"file": ["/etc/a.png", "../../b.png", "C:\\x\\c.png"]}, index=pd.Index(["1", "2", "3"], name="id"))
    for i, name in enumerate("abc"):
        save(tmp_path / "data/test" / f"{name}.png", i)
    known = pd.Series(["1", "2", "3"], index=pd.Index(["4", "5", "6"], name="id"))
    images.lay_out_again(tmp_path / "data", tmp_path / "out", known, cells.set_index(known.index))
    assert {path.relative_to(tmp_path / "out").as_posix() for path in tmp_path.rglob("out/**/*.png")} == {
        "test/etc/a.png", "test/b.png", "test/x/c.png",
    }  # fmt: skip
    assert greys(images, tmp_path / "out", cells.set_index(known.index), "test")[0] == [0, 1, 2]


def test_folders_may_be_archives_each_and_one_that_is_missing_is_named(tmp_path: Path) -> None:
    layout = LAYOUTS["test pictures in two folders"]
    table = laid_out(layout, tmp_path / "plain")["test"]
    images = Images(layout.train, layout.test)
    (tmp_path / "packed").mkdir()
    for name in ("test-jpg", "test-jpg-more"):
        folder = tmp_path / "plain" / name
        pack(tmp_path / "packed" / f"{name}.zip", {f"{name}/{path.name}": path.read_bytes() for path in folder.iterdir()})
    assert greys(images, tmp_path / "packed", table, "test") == greys(images, tmp_path / "plain", table, "test")
    assert {path.name for path in images.files(tmp_path / "packed")} == {"test-jpg.zip", "test-jpg-more.zip"}
    (tmp_path / "packed/test-jpg-more.zip").unlink()
    with pytest.raises(BadData, match=r"packed/test-jpg-more: no such folder \(nor \.zip"):
        images.load(tmp_path / "packed", table, "test", 0)


def test_an_id_in_two_folders_is_counted_and_read_from_the_first(tmp_path: Path) -> None:
    for folder, names in (("a", "123"), ("b", "234")):
        for name in names:
            save(tmp_path / f"train/{folder}/{name}.png", ord(folder))
    table = pd.DataFrame(index=pd.Index(list("1234"), name="id"))
    for images in (Images("train/*/{id}.png"), Images(("train/a/{id}.png", "train/b/{id}.png"))):
        found, notes = greys(images, tmp_path, table, "train")
        assert found == [97, 97, 97, 98]
        assert len(notes) == 1 and notes[0].startswith(
            "several files fit 2 of 4 train rows: '2' is read from 'train/a/2.png', not from 'train/b/2.png'"
        )


def test_a_looser_spelling_never_gives_two_rows_one_picture(tmp_path: Path) -> None:
    save(tmp_path / "train/1.png", 7)
    save(tmp_path / "train/2.png", 8)
    table = pd.DataFrame({"file": ["a/1.png", "b/1.png", "a/2.png"]}, index=["x", "y", "z"])
    with pytest.raises(BadData, match=r"2 of 3 train images cannot be read; .*a/1\.png \(id 'x'\): no such image"):
        Images("train/{file}").load(tmp_path, table, "train", 0)


def test_where_most_pictures_are_missing_it_is_said_what_there_is(tmp_path: Path) -> None:
    save(tmp_path / "train/00001.png", 7)
    with pytest.raises(BadData, match=r"There are 1 pictures, such as '00001\.png'\. Is the download whole"):
        Images("train/{id}.png").load(tmp_path, pd.DataFrame(index=["1", "2"]), "train", 9)


@pytest.mark.parametrize("test", ["test", ("test/{id}.png", "more")])
def test_a_template_without_a_column_is_refused(test: str | tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"which column is in a picture's name\? In braces"):
        Images("train/{id}.png", test)


def test_an_answer_is_no_folder_of_a_test_picture(tmp_path: Path) -> None:
    tables = laid_out(LAYOUTS["a folder called as the class"], tmp_path)
    with pytest.raises(BadData, match=r"template 'imgs/\{label\}/\{id\}' needs a column 'label'"):
        Images("imgs/{label}/{id}").load(tmp_path, tables["test"], "test", 0)


def test_rare_folders_are_found_in_large_tables(tmp_path: Path) -> None:
    """Rows are looked at all over the table, and the class of the first rows is no folder of all."""
    rows = [f"{split}{i}" for split in "ab" for i in range(1500)]
    for i, row in enumerate(rows):
        place = tmp_path / ("train_b" if i > 2900 else "train_a") / f"{row}.png"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(b"")
    for row in ("t1", "t2"):
        save(tmp_path / f"test/{row}.png", 1)
    save(tmp_path / "train_a/a0.png", 1)
    index = pd.Index(rows, name="id")
    evidence = Evidence(tmp_path, pd.DataFrame(index=index), pd.DataFrame(index=["t1", "t2"]), frozenset())
    from kit.inputs.detection import templates

    assert templates(evidence, "train").texts == ("train_a/{id}.png", "train_b/{id}.png")
    assert templates(evidence, "test").texts == ("test/{id}.png",)


def test_an_adapter_is_written_for_a_layout_and_asks_what_no_file_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = LAYOUTS["test pictures in two folders"]
    tables = laid_out(layout, tmp_path / "data")
    tables["train"].to_csv(tmp_path / "data/train.csv")
    tables["test"].assign(label="a").to_csv(tmp_path / "data/sample_submission.csv")
    assert facts_of(tmp_path / "data").inputs == Images(layout.train, layout.test, channels=1)
    monkeypatch.chdir(tmp_path)
    path, _ = scaffold.write("pictures", tmp_path / "data")
    stated = 'Images("train-jpg/{id}.png", test=("test-jpg/{id}.png", "test-jpg-more/{id}.png"), channels=1)'
    assert f"inputs={stated}," in path.read_text()
