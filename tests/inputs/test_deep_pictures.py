"""Pictures of more than 8 bits: by one scale in training, validation, test and whatever a run predicts later."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps
from test_dicom import written as dicom_file
from test_image_faults import png
from test_tiff import written as tiff_file

import kit
from kit import competition as competitions
from kit.config import Config
from kit.errors import BadData
from kit.inference.loaded_run import load_run
from kit.inputs import Images
from kit.inputs.decode import decode
from kit.reporting import data_audit

RNG = np.random.default_rng(7)
ADAPTER = """
from kit.competition import Competition
from kit.inputs import Images
from kit.labels import OneOf
from kit.metrics import accuracy

competition = Competition(
    slug="scans", id="id", test="", inputs=Images("train/{id}.png", test="test/{id}.png", channels=1), labels=OneOf("kind"),
    metric=accuracy,
)
"""
KNOBS = {"model": "convnet", "width": 8, "epochs": 6, "folds": 2, "batch": 16, "precision": "fp32", "lr": 0.02, "quiet": True}


def bytes_of(values: np.ndarray, kind: str = "PNG", **how: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, format=kind, **how)
    return buffer.getvalue()


def striped(across: int, low: int = 1000, high: int = 1200) -> np.ndarray:
    """Stripes uint16 [12, 12] along or across, by far finer than 1/256 of 16 bits."""
    wave = np.sin(np.arange(12) * 1.6 + RNG.uniform(0, 6))
    stripes = np.tile(wave, (12, 1)) if across else np.tile(wave[:, None], (1, 12))
    return (low + (high - low) * (stripes + 1) / 2 + RNG.normal(0, 5, (12, 12))).clip(0, 65535).round().astype(np.uint16)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> kit.Run:
    """A run on 12 bits, whose test pictures have other classes' names in the sample."""
    root = tmp_path_factory.mktemp("scans")
    (root / "scans.py").write_text(ADAPTER)
    for split, count in (("train", 80), ("test", 20)):
        (root / "data" / split).mkdir(parents=True)
        for i in range(count):
            (root / f"data/{split}/{split}{i}.png").write_bytes(bytes_of(striped(i % 2)))
    train = pd.DataFrame({"id": [f"train{i}" for i in range(80)], "kind": ["along", "across"] * 40})
    train.to_csv(root / "data/train.csv", index=False)
    pd.DataFrame({"id": [f"test{i}" for i in range(20)], "kind": "along"}).to_csv(
        root / "data/sample_submission.csv", index=False
    )
    return kit.run(str(root / "scans.py"), root / "data", out=root / "run", **KNOBS)


def test_what_is_finer_than_a_256th_of_the_range_is_learned(run: kit.Run) -> None:
    answers = pd.read_csv(run.submission, index_col="id")["kind"]
    assert run.scores["oof"] > 0.95
    assert (answers == ["along", "across"] * 10).mean() > 0.95
    low, high = run.info["inputs"]["span"]
    assert low < 1010 and high > 1190
    assert f"16-bit pictures: values {low:,.0f} to {high:,.0f} are scaled to 0 to 255" in run.info["notes"]


def test_new_pictures_are_scaled_as_the_training_pictures_were(run: kit.Run, tmp_path: Path) -> None:
    whole = load_run(run)
    assert list(whole.facts.inputs.span) == run.info["inputs"]["span"]  # type: ignore[attr-defined]
    data = run.path.parent / "data"
    (tmp_path / "test").mkdir()
    for i in range(20):  # the same pictures but for one dark row: a scale of their own would differ
        values = np.asarray(Image.open(data / f"test/test{i}.png")).copy()
        values[0] = 0
        (tmp_path / f"test/test{i}.png").write_bytes(bytes_of(values))
    for name in ("train.csv", "sample_submission.csv"):
        (tmp_path / name).write_bytes((data / name).read_bytes())
    new = whole.facts.inputs.load(tmp_path, pd.DataFrame(index=["test1"]), "test", 0).rows
    old = whole.facts.inputs.load(data, pd.DataFrame(index=["test1"]), "test", 0).rows
    assert np.array_equal(new[:, 1:], old[:, 1:]) and (new[:, 0] == 0).all()
    answers, _ = kit.predict(run, tmp_path, out=tmp_path / "out")
    assert (answers.idxmax(axis=1).to_numpy() == run.test.idxmax(axis=1).to_numpy()).mean() > 0.9


def test_pictures_that_differ_by_less_than_a_256th_are_no_twins(run: kit.Run, tmp_path: Path) -> None:
    adapter = competitions.load(str(run.path.parent / "scans.py"))
    lines = [line for line, _ in data_audit.audit(adapter, run.path.parent / "data", tmp_path, Config(augment="none"))]
    assert "0 training pictures repeat another one (kept in one fold)" in lines
    assert "0 test pictures are training pictures too" in lines
    assert any(line.startswith("16-bit pictures: values") for line in lines)
    assert not any("of one colour" in line for line in lines)
    assert len(lines) == len({*lines})


def load(folder: Path, files: dict[str, bytes], images: Images | None = None, **more: Any) -> Any:
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    images = images or Images("{name}", channels=1)
    return images.load(folder, pd.DataFrame({"name": list(files)}, index=list(files)), more.get("split", "train"), 0)


def test_pictures_of_8_bits_learn_nothing_and_are_as_they_were(tmp_path: Path) -> None:
    grey = RNG.integers(50, 99, (5, 4), dtype=np.uint8)
    loaded = load(
        tmp_path, {"a.png": bytes_of(grey), "b.png": bytes_of(grey[::-1].copy())}, Images("{name}", channels=1, span=(0, 9))
    )
    assert loaded.learned == {} and loaded.notes == []
    assert np.array_equal(loaded.rows[..., 0], [grey, grey[::-1]])


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_whole_numbers_and_floats_below_zero_are_read(kind: type, tmp_path: Path) -> None:
    values = np.linspace(-1000, 1000, 20).reshape(4, 5).astype(kind)
    loaded = load(tmp_path, {"a.tif": bytes_of(values, "TIFF")})
    assert loaded.learned["span"] == (-1000, 1000)
    assert np.abs(loaded.rows[0, ..., 0] - (values + 1000) * 255 / 2000).max() <= 0.51
    assert "values -1,000 to 1,000" in loaded.notes[0]


def test_their_sizes_are_known_before_their_scale_is(tmp_path: Path) -> None:
    for name, shape in {"a": (12, 8), "b": (20, 16)}.items():
        (tmp_path / f"{name}.png").write_bytes(bytes_of(np.full(shape, 3000, np.uint16)))
    (tmp_path / "c.png").write_bytes(b"no picture")
    frame = pd.DataFrame(index=pd.Index(list("abcd"), name="id"))
    assert Images("{id}.png", channels=1).sides(tmp_path, frame) == [(12, 8), (20, 16)]


def test_what_is_no_number_is_named_and_low(tmp_path: Path) -> None:
    values = np.array([[0, 1], [np.nan, np.inf]], np.float32)
    loaded = load(tmp_path, {"a.tif": bytes_of(values, "TIFF"), "b.tif": bytes_of(values[:1].repeat(2, 0), "TIFF")})
    assert loaded.rows[0, ..., 0].tolist() == [[0, 255], [0, 0]]
    assert any("no numbers" in note and "1 of 2 pictures, ids 'a.tif'" in note for note in loaded.notes)


def test_a_change_of_scale_is_another_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.storage.array_cache.SMALL", 0)
    data = {"a.png": bytes_of(np.array([[0, 600], [900, 1000]], np.uint16))}
    first, again = load(tmp_path, data), load(tmp_path, data)
    assert np.array_equal(first.rows, again.rows) and first.notes == again.notes and first.learned == again.learned
    assert load(tmp_path, data, Images("{name}", channels=1, span=(0, 500))).rows[0, ..., 0].tolist() == [[0, 255], [255, 255]]


def test_training_pictures_of_more_bits_among_others_are_found_and_teach_the_scale(tmp_path: Path) -> None:
    files = {f"{i}.png": bytes_of(np.full((4, 4), i % 250, np.uint8)) for i in range(600)}
    files |= {"x.png": bytes_of(np.arange(1000, 1016, dtype=np.uint16).reshape(4, 4))}
    loaded = load(tmp_path, files)
    assert loaded.learned["span"] == (1000, 1015)
    assert loaded.rows[7].max() == 7 and loaded.rows[-1].max() == 255
    assert "(1 of 601 pictures, ids 'x.png')" in loaded.notes[0]


def test_test_pictures_in_another_unit_are_named(tmp_path: Path) -> None:
    loaded = load(
        tmp_path, {"a.png": bytes_of(np.full((4, 4), 60000, np.uint16))}, Images("{name}", channels=1, span=(0, 1000))
    )
    assert any("another unit" in note for note in loaded.notes)


@pytest.mark.parametrize("bands", [2, 4, 7])
def test_of_many_bands_the_first_are_taken_and_it_is_said(bands: int, tmp_path: Path) -> None:
    values = RNG.integers(0, 4096, (10, 9, bands), dtype=np.uint16)
    values[0, 0], values[0, 1] = 0, 4095
    file = {"a.tif": tiff_file(values)}
    grey, colour = load(tmp_path, file), load(tmp_path, file, Images("{name}"))
    assert np.array_equal(grey.rows[0, ..., 0], (values[..., 0] / 4095 * 255).round())
    wanted = values[..., :3] if bands > 2 else values[..., :1].repeat(3, 2)
    assert np.array_equal(colour.rows[0], (wanted / 4095 * 255).round())
    assert f"16-bit pictures of {bands} bands: the first band is taken" in grey.notes
    assert f"16-bit pictures of {bands} bands: the first {'three are' if bands > 2 else 'band is'} taken" in colour.notes


@pytest.mark.parametrize("colour_type", [2, 4, 6])
def test_16_bits_of_a_png_are_kept_and_its_transparency_is_white(colour_type: int) -> None:
    bands = {2: 3, 4: 2, 6: 4}[colour_type]
    values = RNG.integers(0, 1000, (6, 5, bands), dtype=np.uint16)
    if bands != 3:
        values[..., -1] = 65535
        values[0, 0, -1] = 0
    data = png(5, 6, 16, colour_type, b"".join(b"\0" + row.astype(">u2").tobytes() for row in values))
    got = decode(data, "a", 3, span=(0, 999)).astype(int)
    wanted = (values[..., :3] if bands > 2 else values[..., :1].repeat(3, 2)) / 999 * 255
    if bands != 3:
        assert (got[0, 0] == 255).all()
        wanted[0, 0] = 255
    assert np.abs(got - wanted).max() <= 1


def test_16_bits_of_colour_in_a_tiff_and_a_ppm_are_kept() -> None:
    values = RNG.integers(0, 1000, (6, 5, 3), dtype=np.uint16)
    for data in (tiff_file(values), b"P6 # a scan\n5 6\n1000\n" + values.astype(">u2").tobytes()):
        assert np.abs(decode(data, "a", 3, span=(0, 999)) - values / 999 * 255).max() <= 0.51


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_pictures_are_turned_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    grey = RNG.integers(0, 256, (4, 7), dtype=np.uint8)
    shown = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(bytes_of(grey, "PNG", exif=exif)))))
    deep = grey.astype(np.uint16)
    files = [
        bytes_of(deep, "PNG", exif=exif),
        bytes_of(deep, "TIFF", exif=exif),
        bytes_of(grey.astype(np.float32), "TIFF", exif=exif),
    ]
    files += [tiff_file(deep[..., None].repeat(bands, 2), turn=orientation) for bands in (3, 5)]
    for data in files:
        assert np.array_equal(decode(data, "a", 1, span=(0, 255))[..., 0], shown)


def test_8_bit_pictures_of_four_bands_are_what_pillow_shows() -> None:
    values = RNG.integers(0, 256, (6, 5, 4), dtype=np.uint8)
    said: list[str] = []
    for channels in (1, 3):
        with Image.open(io.BytesIO(tiff_file(values))) as image:
            shown = np.asarray(image.convert("L" if channels == 1 else "RGB")).reshape(6, 5, channels)
        assert np.array_equal(decode(tiff_file(values), "a", channels, say=said.append), shown)
    assert said == ["8-bit pictures of 4 bands: the first three are taken"] * 2


def test_dicom_files_are_pictures(tmp_path: Path) -> None:
    pytest.importorskip("pydicom")
    values = np.arange(1000, 1100, dtype=np.uint16).reshape(10, 10)
    windowed = dicom_file(values, WindowCenter=1050, WindowWidth=101)
    inverted = dicom_file(values, PhotometricInterpretation="MONOCHROME1")
    loaded = load(tmp_path, {"a.dcm": dicom_file(values), "b.dcm": windowed, "c.dcm": inverted})
    measured = (values - 1000) * 255 / 99
    assert loaded.learned["span"] == (1000, 1099) and loaded.broken == {}
    assert np.abs(loaded.rows[..., 0] - [measured, (values - 999.5) * 2.55, 255 - measured]).max() <= 1
    assert any("DICOM pictures: values 1,000 to 1,099" in note for note in loaded.notes)
    assert any("window" in note and "1 of 3 pictures, ids 'b.dcm'" in note for note in loaded.notes)
    with pytest.raises(BadData, match=r"d\.dcm \(id 'd\.dcm'\): not a readable image"):
        load(tmp_path, {"d.dcm": b"\0" * 128 + b"DICM" + b"\7" * 90})


def test_an_adapter_for_dicom_files_can_be_tried_without_them(tmp_path: Path) -> None:
    images = Images("train/{id}.dcm")
    images.fabricate(tmp_path, ["a", "b"], split="train", classes=[0, 1], rng=RNG)
    assert images.load(tmp_path, pd.DataFrame(index=["a", "b"]), "train", 0).rows.shape == (2, 32, 32, 3)


@pytest.mark.parametrize("span", [(5,), (5, 5), (9, 1), (1, 2, 3)])
def test_a_span_is_two_values(span: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"as span=\(0, 4095\)"):
        Images("{id}.png", span=span)
