"""Fault row 29: image files of every kind, sound or broken, in train and test: the run ends, and what is broken is named."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from test_archives import memory_below

import kit
from kit import competition as competitions
from kit.competition import scaffold, submission
from kit.errors import BadData, KitError
from kit.inputs import Images
from kit.inputs.decode import resize

ADAPTER = """
from kit.competition import Competition
from kit.inputs import Images
from kit.labels import Columns
from kit.metrics import log_loss

competition = Competition(
    slug="plants", id="image_id", inputs=Images("images/{id}.jpg"), labels=Columns(("rust",)), metric=log_loss
)
"""
KNOBS = {"model": "convnet", "width": 4, "epochs": 1, "folds": 2, "batch": 16, "size": 16, "precision": "fp32", "quiet": True}


def photo(mode: str = "RGB", size: tuple[int, int] = (40, 30), seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    smooth = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize(size, Image.Resampling.BILINEAR)
    return smooth.convert("L").convert("I").point(lambda v: v * 257).convert("I;16") if mode == "I;16" else smooth.convert(mode)


def stored(kind: str, mode: str = "RGB", seed: int = 0, **how: object) -> bytes:
    buffer = io.BytesIO()
    photo(mode, seed=seed).save(buffer, format=kind, **how)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, colour: int, raw: bytes) -> bytes:
    """A PNG by hand, of kinds that Pillow does not write."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    )  # fmt: skip


def deep(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 65536, (30, 40, 3)).astype(">u2")
    return png(40, 30, 16, 2, b"".join(b"\0" + row.tobytes() for row in pixels))


def animated(seed: int) -> bytes:
    buffer = io.BytesIO()
    first, *rest = (photo("P", seed=seed + i) for i in range(4))
    first.save(buffer, format="GIF", save_all=True, append_images=rest)
    return buffer.getvalue()


def turned(seed: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return stored("JPEG", seed=seed, exif=exif)


def small(size: tuple[int, int], seed: int) -> bytes:
    buffer = io.BytesIO()
    photo(size=size, seed=seed).save(buffer, format="PNG")
    return buffer.getvalue()


HOLDS = {
    "PNG": ["RGB", "L", "1", "P", "LA", "RGBA", "I;16"],
    "JPEG": ["RGB", "L", "CMYK", "YCbCr"],
    "GIF": ["RGB", "L", "1", "P", "RGBA"],
    "TIFF": ["RGB", "L", "1", "P", "LA", "RGBA", "CMYK", "YCbCr", "I;16"],
    "WEBP": ["RGB", "L", "RGBA"],
    "BMP": ["RGB", "L", "1", "P"],
}
SUFFIX = {"JPEG": "jpg", "TIFF": "tif"}
SOUND = {
    f"{kind} {mode}": (SUFFIX.get(kind, kind.lower()), lambda seed, kind=kind, mode=mode: stored(kind, mode, seed))
    for kind, modes in HOLDS.items()
    for mode in modes
} | {
    "16-bit colour png": ("png", deep),
    "turned by exif": ("jpg", turned),
    "a gif named jpg": ("jpg", lambda seed: stored("GIF", "P", seed)),
    "a png named jpg": ("jpg", lambda seed: stored("PNG", "RGB", seed)),
    "an animated gif": ("gif", animated),
    "one pixel": ("png", lambda seed: small((1, 1), seed)),
    "a line": ("png", lambda seed: small((500, 1), seed)),
    "progressive": ("jpg", lambda seed: stored("JPEG", seed=seed, progressive=True)),
    "in capitals": ("JPG", lambda seed: stored("JPEG", seed=seed)),
    "jpeg": ("jpeg", lambda seed: stored("JPEG", seed=seed)),
}
DEEP = io.BytesIO()
Image.fromarray(np.ones((40, 40), np.uint16)).save(DEEP, format="TIFF")
BROKEN = {
    "half a jpg": ("jpg", stored("JPEG")[: len(stored("JPEG")) // 2]),
    "half a png": ("png", stored("PNG")[:-300]),
    "empty": ("jpg", b""),
    "text": ("jpg", b"<html>404 Not Found</html>\n"),
    "half a tif of 16 bits": ("tif", DEEP.getvalue()[:-1500]),
    "no dicom": ("dcm", b"\0" * 128 + b"DICM" + b"\7" * 500),
    "a bomb": ("png", png(60_000, 60_000, 8, 2, b"\0" * 1000)),
    "too large": ("png", png(1 << 30, 1 << 30, 8, 2, b"")),
    "no pixels": ("png", png(5, 5, 8, 2, b"")),
    "missing": ("jpg", None),
}


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind once in train and once in test, and some usual ones that the classes can be learned from."""
    root = tmp_path_factory.mktemp("plants")
    (root / "plants.py").write_text(ADAPTER)
    (root / "data/images").mkdir(parents=True)
    rows: dict[str, list[str]] = {"train": [], "test": []}
    for seed, (split, ids) in enumerate(rows.items()):
        for i, (suffix, data) in enumerate(BROKEN.values()):
            ids.append(f"{split}_broken{i}")
            if data is not None:
                (root / f"data/images/{ids[-1]}.{suffix}").write_bytes(data)
        for i, (suffix, make) in enumerate(SOUND.values()):
            ids.append(f"{split}_sound{i}")
            (root / f"data/images/{ids[-1]}.{suffix}").write_bytes(make(100 * seed + i))
    answers = [str(i % 3 // 2) for i in range(len(rows["train"]))]
    train = pd.DataFrame({"image_id": rows["train"], "rust": answers})
    train.to_csv(root / "data/train.csv", index=False)
    pd.DataFrame({"image_id": rows["test"]}).to_csv(root / "data/test.csv", index=False)
    pd.DataFrame({"image_id": rows["test"], "rust": 0.5}).to_csv(root / "data/sample_submission.csv", index=False)
    return root


@pytest.fixture(scope="module")
def run(laid_out: Path) -> kit.Run:
    """A run of two folds over all that."""
    return kit.run(str(laid_out / "plants.py"), laid_out / "data", out=laid_out / "run", **KNOBS)


def broken_ids(split: str) -> list[str]:
    return [f"{split}_broken{i}" for i in range(len(BROKEN))]


def test_there_are_enough_kinds() -> None:
    assert len(SOUND) + len(BROKEN) >= 24


def test_broken_training_images_are_left_out_and_named(run: kit.Run) -> None:
    folds = pd.read_csv(run.path / "folds.csv", dtype=str)["id"]
    sound = [f"train_sound{i}" for i in range(len(SOUND))]
    assert sorted(folds) == sorted(run.oof.index) == sorted(sound)
    assert np.isfinite(run.scores["oof"]) and run.scores["rows"]["train"] == len(SOUND)
    notes = [note for note in run.info["notes"] if note.startswith("left out of training: ")]
    assert len(notes) == len(BROKEN)
    for i, (suffix, data) in enumerate(BROKEN.values()):
        note = next(note for note in notes if f"(id 'train_broken{i}')" in note)
        assert f"images/train_broken{i}.{suffix}" in note
        assert ("no such image" if data is None else "not a readable image") in note


def test_every_test_row_is_answered_and_broken_ones_by_the_prior(run: kit.Run, laid_out: Path) -> None:
    facts = competitions.load(str(laid_out / "plants.py")).competition
    assert submission.faults(run.submission.read_bytes(), facts.sample_table(laid_out / "data"), facts.labels) == []
    assert list(run.test.index) == [*broken_ids("test"), *(f"test_sound{i}" for i in range(len(SOUND)))]
    answers = pd.read_csv(laid_out / "data/train.csv").set_index("image_id")["rust"]
    prior = answers.drop(broken_ids("train")).mean()
    assert run.info["prior"] == pytest.approx([prior])
    assert run.test.loc[broken_ids("test"), "rust"].tolist() == pytest.approx([prior] * len(BROKEN))
    assert run.test.drop(broken_ids("test"))["rust"].nunique() > len(SOUND) // 2
    assert run.scores["rows"]["broken_test"] == len(BROKEN)
    notes = [note for note in run.info["notes"] if note.startswith("answered by the training rows' prior: ")]
    assert [note.split("(id '")[1].split("'")[0] for note in notes] == broken_ids("test")


def test_predicting_again_gives_the_same(run: kit.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers, path = kit.predict(run, out=tmp_path / "again")
    assert answers.equals(run.test)
    assert path.read_bytes() == run.submission.read_bytes()
    told = capsys.readouterr().err
    assert all(f"(id '{one}')" in told for one in broken_ids("test"))


@pytest.mark.parametrize("name", SOUND)
def test_each_sound_kind_is_read_as_what_it_shows(name: str, laid_out: Path) -> None:
    i, mode = list(SOUND).index(name), name.split()[-1]
    images = Images("images/{id}.jpg", span=(0, 65535))
    loaded = images.load(laid_out / "data", pd.DataFrame(index=[f"train_sound{i}"]), "train", 16)
    assert loaded.broken == {} and loaded.rows.shape == (1, 16, 16, 3)
    if mode in {one for modes in HOLDS.values() for one in modes}:
        shown = photo("L" if mode == "I;16" else mode, seed=i).convert("RGB")
        assert np.abs(loaded.rows[0] - resize(np.asarray(shown), 16).astype(float)).mean() < 8
    assert np.ptp(loaded.rows) > 30 or name == "one pixel"


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_takes_neither_much_time_nor_much_memory(name: str, laid_out: Path) -> None:
    i = list(BROKEN).index(name)
    frame = pd.DataFrame(index=[f"train_broken{i}", "train_sound0", "train_sound1"])
    with memory_below(20 << 20):
        loaded = Images("images/{id}.jpg").load(laid_out / "data", frame, "train", 16)
    assert list(loaded.broken) == [f"train_broken{i}"] and len(loaded.rows) == 2


@pytest.mark.parametrize("broken", [5, 6])
def test_more_broken_than_sound_is_a_broken_download(broken: int, laid_out: Path) -> None:
    frame = pd.DataFrame(index=[*(f"test_sound{i}" for i in range(5)), *broken_ids("test")[:broken]])
    if broken == 5:
        assert len(Images("images/{id}.jpg").load(laid_out / "data", frame, "test", 16).broken) == 5
        return
    with pytest.raises(BadData, match=r"6 of 11 test images cannot be read; the first: .*test_broken0\.jpg"):
        Images("images/{id}.jpg").load(laid_out / "data", frame, "test", 16)


@pytest.mark.parametrize("size", [0, 16])
def test_where_all_images_are_missing_it_says_where_it_looked(size: int, tmp_path: Path) -> None:
    frame = pd.DataFrame(index=["a", "b"])
    with pytest.raises(BadData, match=r"images: no such folder \(nor \.zip, \.7z, \.tar(?s:.*)See --data") as caught:
        Images("images/{id}.jpg").load(tmp_path, frame, "train", size)
    assert str(tmp_path / "images") in str(caught.value)
    (tmp_path / "images").mkdir()
    with pytest.raises(KitError, match=r"images/a\.jpg \(id 'a'\): no such image"):
        Images("images/{id}.jpg").load(tmp_path, frame, "train", size)


def test_test_pictures_that_the_model_cannot_take_are_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for split, side in (("train", 16), ("test", 24)):
        for i in range(8):
            path = tmp_path / "d" / split / f"{split}{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (side, side), (20 * i, 0, 0)).save(path)
    (tmp_path / "d/train.csv").write_text("id,y\n" + "".join(f"train{i},k{i % 2}\n" for i in range(8)))
    (tmp_path / "d/sample_submission.csv").write_text("id,y\n" + "".join(f"test{i},k0\n" for i in range(8)))
    scaffold.write("mine", tmp_path / "d")
    knobs = {"epochs": 1, "folds": 2, "quiet": True, "views": 1}
    with pytest.raises(BadData, match=r"cannot predict the test pictures \(24×24, those to train on 16×16\)") as fault:
        kit.run("mine", tmp_path / "d", out=tmp_path / "run", model="vit_tiny_patch16_224", **knobs)
    assert "--size" in str(fault.value) and not list((tmp_path / "run").glob("*/history.csv"))
    assert kit.run("mine", tmp_path / "d", out=tmp_path / "sized", size=16, model="convnet", width=4, **knobs).complete
