"""Layouts: however a competition's pictures were downloaded or unpacked, the same pictures are read and a run ends well."""

import pickle
import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from test_archives import pack, unpacked

import kit
from kit import competition as competitions
from kit.competition import submission, synthetic
from kit.config import Config
from kit.errors import BadData, Usage
from kit.inference import shared_pass
from kit.inputs import Images
from kit.inputs.base import Keep
from kit.inputs.image_files import Streamed
from kit.pipeline import crossval

KNOBS = {
    "model": "convnet", "width": 4, "epochs": 1, "folds": 2, "batch": 16, "views": 1, "augment": "none",
    "precision": "fp32", "workers": 0, "quiet": True,
}  # fmt: skip
RNG = np.random.default_rng(0)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def cifar10(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cifar10")
    synthetic.fabricate(competitions.load("cifar10").competition, root, train=40, test=12)
    return root


LAYOUTS = ("folder", "zip", "zip inside", "7z", "7z inside", "tar.gz inside", "tar.gz dotted", "doubled", "jpg", "capitals")


def laid_out(source: Path, root: Path, layout: str) -> Path:
    """The same data in another layout."""
    shutil.copytree(source, root, ignore=shutil.ignore_patterns("*.png"))
    for split in ("train", "test"):
        shutil.rmtree(root / split, ignore_errors=True)
        files = files_of(source / split)
        kind, _, how = layout.partition(" ")
        if kind in ("zip", "7z", "tar.gz"):
            before = {"": "", "inside": f"{split}/", "dotted": f"./{split}/"}[how]
            pack(root / f"{split}.{kind}", {f"{before}{name}": data for name, data in files.items()})
            continue
        unpacked(root / split / split if layout == "doubled" else root / split, files)
        for path in (root / split).glob("*.png"):
            if layout == "jpg":
                Image.open(path).save(path.with_suffix(".jpg"), quality=95)
                path.unlink()
            elif layout == "capitals":
                path.rename(path.with_suffix(".PNG"))
    return root


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_holds_the_same_pictures(layout: str, cifar10: Path, tmp_path: Path) -> None:
    facts = competitions.load("cifar10").competition
    root = laid_out(cifar10, tmp_path / "data", layout)
    assert facts.is_at(root) and facts.find(root) == root
    for split in ("train", "test"):
        frames = [getattr(facts.tables(place), split) for place in (cifar10, root)]
        plain, other = (facts.inputs.load(place, frame, split, 0) for place, frame in zip((cifar10, root), frames, strict=True))
        assert frames[0].equals(frames[1]) and not other.broken and plain.rows.shape == other.rows.shape
        if layout == "jpg":
            assert np.abs(plain.rows.astype(float) - other.rows).mean() < 16
        else:
            assert np.array_equal(plain.rows, other.rows)


@pytest.mark.parametrize("layout", ["folder", "zip inside", "7z", "doubled"])
def test_every_layout_runs_to_the_same_submission(layout: str, cifar10: Path, tmp_path: Path) -> None:
    facts = competitions.load("cifar10").competition
    plain = kit.run("cifar10", cifar10, out=tmp_path / "plain", **KNOBS)
    run = kit.run("cifar10", laid_out(cifar10, tmp_path / "data", layout), out=tmp_path / "run", **KNOBS)
    assert submission.faults(run.submission.read_bytes(), facts.sample_table(cifar10), facts.labels) == []
    for name in ("oof.csv", "test.csv", "submission.csv"):
        assert (run.path / name).read_bytes() == (plain.path / name).read_bytes()


@pytest.mark.parametrize("layout", ["folder", "zip inside"])
def test_what_is_streamed_gives_the_same_predictions(layout: str, cifar10: Path, tmp_path: Path) -> None:
    root = laid_out(cifar10, tmp_path / "data", layout)
    kept, streamed = (kit.run("cifar10", root, out=tmp_path / str(gb), **KNOBS, cache_gb=gb) for gb in (50.0, 0.0))
    assert streamed.oof.equals(kept.oof) and streamed.test.equals(kept.test)
    answers, _ = kit.predict(streamed)
    assert answers.equals(kept.test)


def test_streamed_pictures_are_indexed_as_an_array_is(cifar10: Path) -> None:
    facts = competitions.load("cifar10").competition
    train = facts.tables(cifar10).train
    said: list[str] = []
    whole = facts.inputs.load(cifar10, train, "train", 24).rows
    loaded = facts.inputs.load(cifar10, train, "train", 24, Keep(0, said.append))
    some = loaded.rows
    assert isinstance(some, Streamed) and "decoded when needed" in said[0]
    assert (len(some), some.shape, some.dtype, some.ndim) == (len(whole), whole.shape, whole.dtype, whole.ndim)
    assert loaded.look.shape == (40, 64, 64, 3)
    for rows in (3, np.int64(5), slice(2, 9), slice(None), [4, 1, 1], np.array([7, 0]), np.arange(40) > 30, []):
        assert np.array_equal(some[rows], whole[rows])
    with pytest.raises(Usage, match=r"train\.7z: 40 images do not fit .* unpack"):
        root = laid_out(cifar10, cifar10.parent / "packed", "7z")
        facts.inputs.load(root, train, "train", 24, Keep(0))


def test_pictures_that_are_not_square_are_streamed_as_they_are_kept(tmp_path: Path) -> None:
    for i in range(4):
        shape = (20, 30, 3) if i < 3 else (20, 20, 3)
        Image.fromarray(RNG.integers(0, 256, shape, dtype=np.uint8)).save(tmp_path / f"{i}.png")
    load, frame = Images("{id}.png").load, pd.DataFrame(index=["0", "1", "2"])
    for size in (0, 16):
        kept, streamed = (load(tmp_path, frame, "train", size, keep).rows for keep in (Keep(), Keep(0)))
        assert streamed.shape == kept.shape == ((3, 16, 16, 3) if size else (3, 20, 30, 3))
        assert np.array_equal(streamed[:], kept)
    odd = load(tmp_path, pd.DataFrame(index=["0", "3"]), "train", 0, Keep(0)).rows
    for rows in (1, slice(None)):
        with pytest.raises(BadData, match=r"3\.png \(id '3'\) is 20×20, other images 30×20: give one size to all with --size"):
            odd[rows]


def picture(path: Path, shade: int = 0, data: bytes = b"") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if data:
        path.write_bytes(data)
        return
    Image.fromarray(np.clip(RNG.normal(80 + 90 * shade, 30, (16, 16, 3)), 0, 255).astype(np.uint8)).save(path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two classes of ten pictures each."""
    for i in range(20):
        picture(tmp_path / "data/train" / ("ants", "bees")[i % 2] / f"{i}.jpg", i % 2)
    return tmp_path / "data"


def fit(root: Path, **knobs: object) -> kit.Run:
    return kit.run("folders", root, **{**KNOBS, "size": 16, **knobs})


@pytest.mark.parametrize("layout", ["val", "test by class", "test flat", "both"])
def test_val_and_test_folders_are_answered_and_scored_where_they_are_known(layout: str, tree: Path) -> None:
    asked = {
        "val": ["val/ants/a.jpg", "val/bees/b.jpg"],
        "test by class": ["test/ants/a.jpg", "test/bees/b.png"],
        "test flat": ["test/a.jpg", "test/b.jpg"],
        "both": ["test/c.jpg", "val/ants/a.jpg", "val/bees/b.jpg"],
    }[layout]
    for i, name in enumerate(asked):
        picture(tree / name, i % 2)
    (tree / "train/notes.txt").write_text("no picture")
    run = fit(tree)
    assert sorted(run.test.index) == asked and len(run.oof) == 20
    assert list(run.test.columns) == ["ants", "bees"]
    assert sorted(pd.read_csv(run.submission)["file"]) == asked
    assert ("held_out" in run.scores["extra"]) == (layout != "test flat")


def test_with_neither_a_fifth_is_kept_back_and_copies_stay_on_one_side(tree: Path) -> None:
    for i in range(0, 20, 2):  # each ant once more under another name, and one among the bees
        shutil.copy(tree / f"train/ants/{i}.jpg", tree / f"train/ants/copy{i}.jpg")
    facts = competitions.load("folders").competition
    tables = facts.tables(tree)
    asked, kept = set(tables.test.index), set(tables.train.index)
    assert not asked & kept and len(asked | kept) == 30
    assert sum("ants" in name for name in asked) == 4 and sum("bees" in name for name in asked) == 2
    assert all((f"train/ants/copy{i}.jpg" in asked) == (f"train/ants/{i}.jpg" in asked) for i in range(0, 20, 2))
    assert "no val/ or test/: 6 of 30 pictures are kept back as the test set" in tables.notes
    assert facts.tables(tree).test.index.equals(tables.test.index)
    run = fit(tree)
    assert set(run.test.index) == asked and set(run.oof.index) == kept and "held_out" in run.scores["extra"]


def test_what_is_odd_about_the_files_is_noted(tree: Path) -> None:
    picture(tree / "train/ants/odd.gif")
    picture(tree / "train/bees/broken.jpg", data=b"GIF89a and then nothing")
    picture(tree / "test/ants/1.jpg")
    picture(tree / "test/wasps/1.jpg")
    run = fit(tree)
    notes = "\n".join(run.info["notes"])
    assert "train/ants/odd.gif: the only .gif among 22 pictures" in notes
    assert "train/bees/broken.jpg (id 'train/bees/broken.jpg'): not a readable image" in notes
    assert "class 'wasps' is in the test set and not in train/" in notes
    assert len(run.oof) == 21 and len(run.test) == 2 and "held_out" in run.scores["extra"]


def test_loose_pictures_of_any_folder_are_predicted(tree: Path, tmp_path: Path) -> None:
    run = fit(tree)
    for name in ("b.png", "a.jpg", "more/c d.jpeg", "more/.hidden.jpg", "readme.txt"):
        picture(tmp_path / "loose" / name, data=b"x" if name.endswith("txt") else b"")
    answers, path = kit.predict(run, data=tmp_path / "loose")
    assert list(answers.index) == ["a.jpg", "b.png", "more/c d.jpeg"]
    assert set(pd.read_csv(path)["label"]) <= {"ants", "bees"}


def test_pictures_that_a_check_leaves_beside_the_data_change_nothing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`kit check` draws contact sheets into `runs/`, which may be where the data is."""
    monkeypatch.chdir(tree)
    run = fit(Path())
    picture(tree / "runs/folders/check/views.png")
    assert fit(Path()).path == run.path


def test_what_a_notebook_or_a_mac_keeps_beside_is_no_class(tree: Path) -> None:
    for name in (".ipynb_checkpoints/1.jpg", "__MACOSX/ants/1.jpg", "ants/.trash/1.jpg", "ants/._0.jpg"):
        picture(tree / "train" / name)
    train = competitions.load("folders").competition.tables(tree).train
    assert set(train["label"]) == {"ants", "bees"} and not any("/." in name or "__MACOSX" in name for name in train.index)


def test_what_lies_in_the_folders_and_is_not_used_is_noted(tree: Path) -> None:
    picture(tree / "train/loose.jpg")
    picture(tree / "train/ants/phone.heic", data=b"x")
    picture(tree / "valid/ants/1.jpg")
    (tree / "train/wasps").mkdir()
    tables = competitions.load("folders").competition.tables(tree)
    assert list(tables.test.index) == ["valid/ants/1.jpg"] and len(tables.train) == 20
    assert tables.notes == (
        "1 pictures lie in no class's folder of train/ and are left out: 'train/loose.jpg'",
        "1 files are no pictures by their suffix and are not read: 'train/ants/phone.heic'",
        "no pictures in train/ of 'wasps': no class",
    )


def test_a_file_name_that_is_no_utf8_is_named(tree: Path) -> None:
    (tree / "train/ants/0.jpg").rename(tree / "train/ants/caf\udce9.jpg")
    with pytest.raises(BadData, match=r"data: the file name 'train/ants/caf\\udce9\.jpg' is no UTF-8: rename it"):
        fit(tree)


def test_training_pictures_are_never_the_test_set(tree: Path) -> None:
    facts = competitions.load("folders").competition
    (tree / "test").mkdir()  # empty: a fifth is kept back all the same
    tables = facts.tables(tree)
    assert len(tables.test) == 4 and not set(tables.test.index) & set(tables.train.index)
    for path in sorted(tree.rglob("*.jpg"))[3:-3]:
        path.unlink()
    with pytest.raises(BadData, match=r"fewer than five pictures a class .* put a few into test/"):
        facts.tables(tree)


def test_a_held_out_score_by_training_pictures_is_said_to_flatter(tree: Path) -> None:
    (tree / "test/ants").mkdir(parents=True)
    shutil.copy(tree / "train/ants/0.jpg", tree / "test/ants/copy.jpg")
    picture(tree / "test/bees/b.jpg", 1)
    assert "1 test pictures are training pictures too: the held-out score flatters" in fit(tree).info["notes"]


def test_a_folder_without_pictures_is_refused_and_says_where_they_may_be(tree: Path, tmp_path: Path) -> None:
    facts, run = competitions.load("folders").competition, fit(tree)
    for root, said in ((tmp_path, r"Is it .*data\? See --data"), (tree / "train", r"Wanted is .* train/CLASS/PICTURE")):
        with pytest.raises(BadData, match=rf"no pictures in train/CLASS/\.\n{said}"):
            facts.tables(root)
    (tmp_path / "packed").mkdir()
    pack(tmp_path / "packed/photos.zip", files_of(tree))
    with pytest.raises(BadData, match=r"packed: no pictures in it\.\nUnpack photos\.zip there"):
        kit.predict(run, data=tmp_path / "packed")


def test_classes_behind_links_are_found(tree: Path, tmp_path: Path) -> None:
    shutil.move(tree / "train/bees", tmp_path / "bees")
    (tree / "train/bees").symlink_to(tmp_path / "bees")
    facts = competitions.load("folders").competition
    tables = facts.tables(tree)
    assert set(tables.train["label"]) == {"ants", "bees"}
    assert len(facts.inputs.load(tree, tables.train, "train", 16).rows) == len(tables.train)


@pytest.fixture(scope="module")
def cifar100(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cifar100")
    synthetic.fabricate(competitions.load("cifar100").competition, root, train=30, test=9)
    return root


@pytest.mark.parametrize("kind", ["fine", "coarse"])
def test_cifar100_is_read_from_its_folder_from_inside_it_and_from_its_archive(
    kind: str, cifar100: Path, tmp_path: Path
) -> None:
    name = "cifar100" if kind == "fine" else "cifar100_coarse"
    inner = files_of(cifar100)
    pack_to = {"tar.gz": "", "dotted.tar.gz": "./"}
    roots = [cifar100, cifar100 / "cifar-100-python"]
    for how, before in pack_to.items():
        (tmp_path / how).mkdir()
        pack(tmp_path / how / "cifar-100-python.tar.gz", {before + one: data for one, data in inner.items()})
        roots.append(tmp_path / how)
    facts = competitions.load(name).competition
    assert all(facts.is_at(root) for root in roots if root != roots[1])
    tables = [facts.tables(root) for root in roots]
    arrays = [facts.inputs.load(root, tables[0].train, "train", 0).rows for root in roots]
    assert all(one.train.equals(tables[0].train) and one.sample.frame.equals(tables[0].sample.frame) for one in tables)
    assert all(np.array_equal(array, arrays[0]) for array in arrays)
    assert arrays[0].shape == (30, 32, 32, 3)
    assert tables[0].labels.columns == (("apple", "bear", "cup") if kind == "fine" else ("alive", "dead"))
    runs = [kit.run(name, root, out=tmp_path / f"run{i}", **KNOBS) for i, root in enumerate(roots[::2])]
    assert runs[0].test.equals(runs[1].test) and "held_out" in runs[0].scores["extra"]
    with pytest.raises(BadData, match=r"cifar-100-python: no such folder \(nor \.zip"):
        facts.tables(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fine_labels": [9] * 30}, "train, row 0: fine label 9 is none of meta's 3 names"),
        ({"coarse_labels": [0.5] * 30}, "train, row 0: coarse label 0.5 is none of meta's 2 names"),
        ({"fine_labels": None}, "train has no list 'fine_labels'; it has 'data'"),
        ({"fine_labels": [1] * 20, "coarse_labels": [1] * 20}, "train: rows of pixels: 30, fine_label: 20, coarse_label: 20"),
        ({"data": np.zeros((4, 3072), np.uint8)}, "train: rows of pixels: 4, fine_label: 30"),
    ],
)
def test_labels_that_do_not_fit_the_pickled_pictures_are_refused(
    change: dict[str, object], said: str, cifar100: Path, tmp_path: Path
) -> None:
    shutil.copytree(cifar100, tmp_path / "data")
    place = tmp_path / "data/cifar-100-python/train"
    place.write_bytes(pickle.dumps(pickle.loads(place.read_bytes()) | change))
    with pytest.raises(BadData, match=re.escape(said)):
        competitions.load("cifar100").competition.tables(tmp_path / "data")


def test_streamed_pictures_are_decoded_once_for_all_models_and_views(
    cifar10: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test by all folds in one pass, validation rows in one for views and averages; a kill between loses nothing."""
    knobs = {**KNOBS, "views": 2, "ema": 0.5, "quiet": True}
    kept = kit.run("cifar10", cifar10, out=tmp_path / "kept", **knobs, cache_gb=50.0)
    decoded: Counter[str] = Counter()
    real = Streamed._or_blank

    def counted(self: Streamed, row: int) -> np.ndarray:
        decoded[self.pictures.ids[row]] += 1
        return real(self, row)

    with pytest.raises(RuntimeError, match="cut"), monkeypatch.context() as patch:
        patch.setattr(crossval, "write_answers", lambda *_: (_ for _ in ()).throw(RuntimeError("cut")))
        kit.run("cifar10", cifar10, out=tmp_path / "run", **knobs, cache_gb=0.0)
    trained = [(path, path.stat().st_mtime_ns) for path in (tmp_path / "run").glob("fold*/model.ckpt")]
    assert len(trained) == KNOBS["folds"] and not [*(tmp_path / "run").glob("fold*/test.npz")]
    monkeypatch.setattr(Streamed, "_or_blank", counted)
    run = kit.run("cifar10", cifar10, out=tmp_path / "run", **knobs, cache_gb=0.0)
    assert [(path, path.stat().st_mtime_ns) for path in (tmp_path / "run").glob("fold*/model.ckpt")] == trained
    assert run.oof.equals(kept.oof) and run.test.equals(kept.test) and run.scores["paid"] == kept.scores["paid"]
    assert decoded == dict.fromkeys(run.test.index, 1)
    decoded.clear()
    assert kit.predict(run)[0].equals(kept.test) and decoded == dict.fromkeys(run.test.index, 1)
    assert all(crossval.finished(run.fold(k)) for k in range(KNOBS["folds"]))


def test_validation_rows_are_decoded_once(cifar10: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = Streamed.__getitem__

    def counted(self: Streamed, rows: object) -> np.ndarray:
        asked.append(len(np.arange(len(self))[rows]))  # type: ignore[index]
        return real(self, rows)

    facts = competitions.load("cifar10").competition
    x = facts.inputs.load(cifar10, facts.tables(cifar10).train, "train", 24, Keep(0)).rows
    whole = real(x, slice(None))
    rows = np.array([7, 3, 3, 12, 0, 39])

    class Module:
        one_pass = False

        def rows_per_pass(self, device: str) -> int:
            return 2

    monkeypatch.setattr(Streamed, "__getitem__", counted)
    monkeypatch.setattr(shared_pass, "BYTES", 24 * 24 * 3 * 5)
    predict = [lambda some, which, k=k: some[slice(None) if which is None else which].sum((1, 2)) * k for k in (1, 2, 3)]
    config = Config(devices="cpu")
    found = shared_pass.each(predict, Module(), x, rows, config)  # type: ignore[arg-type]
    assert asked == [4, 2] and all(np.array_equal(one, whole[rows].sum((1, 2)) * k) for k, one in enumerate(found, start=1))
    every = shared_pass.each(predict, Module(), x, None, config)  # type: ignore[arg-type]
    assert np.array_equal(every[2], whole.sum((1, 2)) * 3) and asked[2:] == [4] * 10
    assert len(shared_pass.each(predict, Module(), x, rows[:0], config)[0]) == 0  # type: ignore[arg-type]
