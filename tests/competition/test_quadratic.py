"""Quadratic equations: the text is computed as it was drawn, nothing of the test is trained on, bad files are named."""

import io
import shutil
import zipfile
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import flags, warm
from hypothesis import given, strategies as st
from PIL import Image
from test_resume import wait_for

import kit
from kit.cli.app import main
from kit.competition import load, submission
from kit.config import Config
from kit.inputs import rendered_text
from kit.inputs.decode import decode
from kit.pipeline import adapter_check

quadratic = load("quadratic")
module = import_module("competitions.quadratic")
FACTS = quadratic.competition
READS = quadratic.shaped(Config(model="reader")).competition
DETAILS, PICTURES = FACTS.train, "Images of Equations"
SMALL = {"width": 4, "epochs": 1, "folds": 2, "batch": 16, "precision": "fp32", "quiet": True}


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("x²+7x+4=0", (1, 7, 4)),
        ("15x²-22x=76", (15, -22, -76)),
        ("33x+22=-12x²", (12, 33, 22)),
        ("-6x+2=-4x²", (4, -6, 2)),
        ("-x=-15x²", (15, -1, 0)),
        ("10x²=8", (10, 0, -8)),
        ("4x²-x-1=0", (4, -1, -1)),
        ("(x+3)(x+16)=0", (1, -19, 48)),
        ("(x-61)(x+9)=0", (1, 52, -549)),
        ("x²+7x+4", None),
        ("x²+7x4=0", None),
        ("x²++7x=0", None),
        ("x²=", None),
        ("(x+3)(x)=0", None),
        ("x²+7x+4=0=0", None),
        ("", None),
    ],
)
def test_a_text_gives_its_coefficients_and_what_is_no_equation_gives_none(text: str, numbers: tuple[int, ...] | None) -> None:
    assert module.coefficients(text, -1) == numbers


@given(st.integers(-60, 60), st.integers(-60, 60), st.integers(-99, 99))
def test_spelling_is_undone_by_reading(a: int, b: int, c: int) -> None:
    text = module.spelled((a, "x²"), (b, "x"), (c, ""))
    assert module.polynomial(text.replace(" ", "")) == [a, b, c]


@given(st.integers(0, 10_000))
def test_an_equation_at_random_is_in_the_alphabet_and_the_declared_ranges(seed: int) -> None:
    text = module.equation(np.random.default_rng(seed)).replace(" ", "")
    assert set(text) <= set(module.ALPHABET) and len(text) <= READS.labels.longest
    assert READS.labels.numbers(text, 1) is not None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty drawn equations to learn from, twenty to answer. Look, don't touch."""
    root = tmp_path_factory.mktemp("drawn")
    module.lay_out(root, 60, 20)
    return root


@pytest.fixture
def own(folder: Path, tmp_path: Path) -> Path:
    """The same, to be spoilt; the pictures in a folder."""
    shutil.copytree(folder, tmp_path / "own")
    with zipfile.ZipFile(folder / f"{PICTURES}.zip") as archive:
        archive.extractall(tmp_path / "own")
    (tmp_path / "own" / f"{PICTURES}.zip").unlink()
    return tmp_path / "own"


def details(root: Path) -> pd.DataFrame:
    return pd.read_csv(root / DETAILS, dtype=str, keep_default_na=False)


def change(root: Path, row: int, **cells: str) -> None:
    table = details(root)
    for name, cell in cells.items():
        table.loc[row, name] = cell
    table.to_csv(root / DETAILS, index=False)


def test_both_kinds_of_labels_read_the_drawn_files(folder: Path) -> None:
    plain, read = FACTS.tables(folder), READS.tables(folder)
    y = read.labels.encode(read.train)
    assert np.array_equal(y[:, :3], plain.labels.encode(plain.train))
    assert read.labels.agreement(y)[1].all() and not read.labels.agreement(y)[0].all()
    assert list(read.test.index) == [f"eqn_{i:04d}" for i in range(60, 80)]


def test_the_samples_ids_are_not_trained_on_though_the_details_hold_them(own: Path) -> None:
    sample = pd.read_csv(own / FACTS.sample, dtype=str)
    sample.loc[len(sample)] = ["eqn_0003", "0", "0", "0"]
    sample.to_csv(own / FACTS.sample, index=False)
    tables = FACTS.tables(own)
    assert "eqn_0003" in tables.test.index and "eqn_0003" not in tables.train.index
    assert tables.solution is None


def test_without_a_sample_a_fifth_is_kept_back_and_equal_pictures_stay_together(own: Path) -> None:
    (own / FACTS.sample).unlink()
    for i in range(0, 40, 2):  # twenty pairs
        shutil.copy(own / PICTURES / f"eqn_{i:04d}.png", own / PICTURES / f"eqn_{i + 1:04d}.png")
    tables = FACTS.tables(own)
    back, train = set(tables.test.index), set(tables.train.index)
    assert not back & train and len(back | train) == 60
    assert 5 <= len(back) <= 16
    pairs = [(f"eqn_{i:04d}", f"eqn_{i + 1:04d}") for i in range(0, 40, 2)]
    assert all((one in back) == (other in back) for one, other in pairs)
    assert any("kept back" in note for note in tables.notes)
    assert set(tables.solution.index) == back


def test_equal_pictures_share_a_fold_and_alike_ones_need_not() -> None:
    pictures = np.stack([rendered_text.line(text, 300, 100)[..., :1] for text in ("x²+7x=4", "x²+7x=6", "x²+7x=4", "x²+7x=1")])
    assert pd.factorize(FACTS.inputs.twins(pictures))[0].tolist() == [0, 1, 0, 2]


def test_the_test_answers_are_asked_for_without_the_details(own: Path) -> None:
    (own / DETAILS).unlink()
    assert len(FACTS.test_tables(own).sample) == 20


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ({"b": "x"}, "row 'eqn_0007', column 'b': 'x' is not a number"),
        ({"c": "601"}, "row 'eqn_0007', column 'c': '601' is not a whole number from -792 to 600"),
        ({"a": "0"}, "row 'eqn_0007', column 'a': '0' is not a whole number from 1 to 20"),
        ({"a": "1.5"}, "row 'eqn_0007', column 'a': '1.5' is not a whole number from 1 to 20"),
        ({"equation": "y² = 4"}, "row 'eqn_0007', column 'equation': 'y² = 4' has the unknown character 'y'"),
    ],
)
def test_a_bad_answer_is_named_by_row_and_column(cells: dict[str, str], says: str, own: Path) -> None:
    change(own, 7, **cells)
    tables = READS.tables(own)
    with pytest.raises(kit.BadData) as caught:
        tables.labels.encode(tables.train)
    assert says in str(caught.value) and len(str(caught.value).splitlines()) <= 3


def test_a_bad_answer_ends_the_run_with_65(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(own, 7, c="601")
    assert main(["run", "quadratic", "--data", str(own), "--quiet"]) == 65
    assert "'601' is not a whole number from -792 to 600" in capsys.readouterr().err


def test_a_missing_answer_is_left_out_and_the_others_of_its_row_are_learned_from(own: Path) -> None:
    change(own, 7, b="")
    change(own, 8, a="", b="", c="")
    tables = FACTS.tables(own)
    missing = np.isnan(tables.encoded()).sum(axis=1)
    assert len(tables.train) == 59 and sorted(missing)[-2:] == [0, 1] and "1 rows have no answer" in " ".join(tables.notes)


def stored(picture: Image.Image, **how: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", **how)
    return buffer.getvalue()


def test_every_kind_of_picture_reads_as_the_same_grey() -> None:
    """Transparent is white, and EXIF turns it upright."""
    rgba = rendered_text.line("x² + 7x = 4", 300, 100)
    plain = rgba[..., 0]
    clear = np.zeros_like(rgba)
    clear[..., 3] = 255 - plain  # black ink on nothing
    turned = Image.fromarray(plain).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds = {
        "rgba": stored(Image.fromarray(rgba)),
        "grey": stored(Image.fromarray(plain)),
        "rgb": stored(Image.fromarray(rgba[..., :3])),
        "transparent": stored(Image.fromarray(clear)),
        "turned": stored(turned, exif=exif),
    }
    for name, data in kinds.items():
        assert np.abs(decode(data, name, 1)[..., 0].astype(int) - plain).max() <= 1, name


@pytest.mark.parametrize("preset", ["fast", "best"])
def test_broken_pictures_are_named_left_out_or_answered_by_the_medians(preset: str, own: Path, tmp_path: Path) -> None:
    place = own / PICTURES
    (place / "eqn_0001.png").write_bytes(b"")
    (place / "eqn_0002.png").unlink()
    (place / "eqn_0070.png").write_bytes((place / "eqn_0070.png").read_bytes()[:400])
    Image.new("RGBA", (300, 100), "white").save(place / "eqn_0071.png")  # no ink
    Image.fromarray(rendered_text.line("(x - 13)(x + 22) = 0", 300, 100, 60)).save(place / "eqn_0072.png")  # ink all over
    run = kit.run("quadratic", own, preset=preset, out=tmp_path / "run", **SMALL)
    notes = " ".join(run.info["notes"])
    assert all(f"'eqn_{i:04d}'" in notes for i in (1, 2, 70))
    assert run.scores["rows"] == {"train": 58, "test": 20, "broken_test": 1}
    tables = FACTS.tables(own)
    sound = tables.train.drop(["eqn_0001", "eqn_0002"])[list("abc")].astype(float)
    answer = pd.read_csv(run.submission, index_col="id")
    assert answer.loc["eqn_0070"].tolist() == np.floor(sound.median() + 0.5).astype(int).tolist()
    assert submission.faults(run.submission.read_bytes(), tables.sample, tables.labels) == []


def test_a_test_picture_of_another_size_is_named_and_answered(own: Path) -> None:
    place = own / PICTURES
    sample = pd.DataFrame({"id": [f"eqn_{i:04d}" for i in range(1000, 1060)], "a": "0", "b": "0", "c": "0"})
    sample.to_csv(own / FACTS.sample, index=False)
    for one in sample["id"]:
        shutil.copy(place / "eqn_0060.png", place / f"{one}.png")
    Image.new("L", (200, 100), "white").save(place / "eqn_1005.png")
    loaded = FACTS.inputs.load(own, FACTS.tables(own).test, "test", 0)
    assert len(loaded.rows) == 60 and list(loaded.broken) == ["eqn_1005"]
    assert "is 200×100, other images 300×100" in loaded.broken["eqn_1005"]
    for i in range(1010, 1015):
        shutil.copy(place / "eqn_1005.png", place / f"eqn_{i}.png")
    with pytest.raises(kit.BadData, match="other images 300×100"):
        FACTS.inputs.load(own, FACTS.tables(own).test, "test", 0)


def test_a_picture_of_another_size_is_named(own: Path) -> None:
    Image.new("L", (200, 100), "white").save(own / PICTURES / "eqn_0005.png")
    with pytest.raises(kit.BadData, match=r"eqn_0005.*is 200×100, other images 300×100"):
        kit.run("quadratic", own, **SMALL)


@pytest.mark.parametrize("preset", ["fast", "best"])
def test_a_run_reports_each_coefficient_and_predicts_again_the_same(preset: str, folder: Path, tmp_path: Path) -> None:
    run = kit.run("quadratic", folder, preset=preset, out=tmp_path / "run", **SMALL)
    assert {"mae a", "mae b", "mae c", "r2 a", "scaled_mse", "exact"} <= set(run.scores["extra"])
    answers, path = kit.predict(run)
    assert answers.equals(run.test) and path.read_bytes() == run.submission.read_bytes()
    assert (run.path / "numbers.png").exists()
    assert (run.path / "readings.png").exists() == (path.parent / "readings.png").exists() == (preset == "best")


def test_the_adapter_holds_its_laws_with_a_reader_too() -> None:
    results = dict(adapter_check.adapter(quadratic.shaped(Config(model="reader"))))
    assert {name: fault for name, fault in results.items() if fault} == {}


@pytest.mark.slow
def test_a_killed_reader_goes_on_to_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    knobs = {**SMALL, "preset": "best", "epochs": 12}
    whole = kit.run("quadratic", folder, out=tmp_path / "whole", **knobs)
    words = flags({name: value for name, value in knobs.items() if name != "quiet"})
    process = warm("run", "quadratic", "--data", folder, "--out", tmp_path / "cut", *words, "--snapshot", 0)
    wait_for(tmp_path / "cut", "fold1/snapshot-*", process)
    process.kill()
    process.join()
    assert not (tmp_path / "cut" / "submission.csv").exists()
    cut = kit.run("quadratic", folder, out=tmp_path / "cut", **knobs)
    for name in ("oof.csv", "test.csv", "submission.csv", "readings.csv"):
        assert (cut.path / name).read_bytes() == (whole.path / name).read_bytes(), name


@pytest.mark.slow
def test_a_reader_learns_to_read_drawn_equations_and_lists_what_it_doubts(tmp_path: Path) -> None:
    module.lay_out(tmp_path / "data", 300, 60)
    place = tmp_path / "data" / f"{PICTURES}.zip"
    with zipfile.ZipFile(place) as archive:
        pictures = {name: archive.read(name) for name in archive.namelist()}
    pictures[f"{PICTURES}/eqn_0330.png"] = stored(Image.fromarray(rendered_text.line("hello, world", 300, 100)))
    with zipfile.ZipFile(place, "w") as archive:
        for name, data in pictures.items():
            archive.writestr(name, data)
    knobs = {"epochs": 20, "folds": 2, "batch": 16, "precision": "fp32", "quiet": True}
    run = kit.run("quadratic", tmp_path / "data", preset="best", out=tmp_path / "run", **knobs)
    assert run.scores["extra"]["exact"] > 0.95
    read = pd.read_csv(run.path / "readings.csv", index_col="id")
    assert read[read["rows"] == "test"].index[0] == "eqn_0330" and read.loc["eqn_0330", "confidence"] < 0.5
    assert (read["rows"] == "train").sum() == 300
    truth = details(tmp_path / "data").set_index("id")["equation"].str.replace(" ", "")
    same = read.loc[truth.index, "reading"] == truth
    assert same.mean() > 0.95
