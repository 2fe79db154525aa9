"""Images: paths from a template of the table's cells, one array for all rows, and mutated files never crash."""

import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kit.errors import BadData
from kit.inputs import Images
from kit.inputs.decode import decode, resize


def put(path: Path, value: int = 100, size: tuple[int, int] = (8, 6)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value, value)).save(path)


def test_the_template_may_name_any_column_and_tests_may_have_their_own(tmp_path: Path) -> None:
    images = Images("train/{kind}/{id}.png", test="test/{id}.png")
    frame = pd.DataFrame({"kind": ["a", "b"]}, index=["01", "1"])
    put(tmp_path / "train/a/01.png", 1)
    put(tmp_path / "train/b/1.png", 2)
    for i, row in enumerate(frame.index):
        put(tmp_path / f"test/{row}.png", 3 + i)
    assert images.load(tmp_path, frame, "train", 0).rows[:, 0, 0, 0].tolist() == [1, 2]
    assert images.load(tmp_path, frame, "test", 0).rows[:, 0, 0, 0].tolist() == [3, 4]
    assert images.load(tmp_path, frame[[]], "test", 0).rows.shape == (2, 6, 8, 3)
    with pytest.raises(BadData, match=r"needs a column 'kind'; there are 'sort'"):
        images.load(tmp_path, frame.rename(columns={"kind": "sort"}), "train", 0)


def test_the_files_of_the_images_are_those_that_rows_are_loaded_from(tmp_path: Path) -> None:
    images = Images("train/{kind}/{id}.png", test="test/{id}.png")
    for name in ("train/a/01.png", "train/b/1.png", "test/9.png", "test/9.txt", "train/a/deep/1.png", "other.png"):
        put(tmp_path / name) if name.endswith("png") else (tmp_path / name).write_text("x")
    found = {path.relative_to(tmp_path).as_posix() for path in images.files(tmp_path)}
    assert found == {"train/a/01.png", "train/b/1.png", "test/9.png"}
    assert len(Images("{id}.png").files(tmp_path)) == 5  # a bare id may hold folders


def test_a_missing_image_is_named_by_path_and_id(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"x\.png \(id 'x'\): no such image") as caught:
        Images("{id}.png").load(tmp_path, pd.DataFrame(index=["x"]), "train", 0)
    assert str(tmp_path) in str(caught.value)
    (tmp_path / "y.png").mkdir()
    with pytest.raises(BadData, match="id 'y'"):
        Images("{id}.png").load(tmp_path, pd.DataFrame(index=["y"]), "train", 0)


def test_images_of_different_sizes_need_a_size(tmp_path: Path) -> None:
    put(tmp_path / "a.png")
    put(tmp_path / "b.png", size=(5, 9))
    frame = pd.DataFrame(index=["a", "b"])
    with pytest.raises(BadData, match=r"b\.png \(id 'b'\) is 5×9, other images 8×6: give one size to all with --size"):
        Images("{id}.png").load(tmp_path, frame, "train", 0)
    assert Images("{id}.png").load(tmp_path, frame, "train", 7).rows.shape == (2, 7, 7, 3)
    assert Images("{id}.png", channels=1).load(tmp_path, frame, "train", 7).rows.shape == (2, 7, 7, 1)


@pytest.mark.parametrize("side", [4, 16, 40])
@pytest.mark.parametrize("channels", [1, 3])
def test_resizing_keeps_the_mean_and_the_channels(side: int, channels: int) -> None:
    small = Image.fromarray(np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8))
    image = np.asarray(small.resize((16, 24), Image.Resampling.BILINEAR))[..., :channels]
    resized = resize(image, side)
    assert resized.shape == (side, side, channels)
    assert resized.dtype == np.uint8
    assert np.abs(resized.mean(axis=(0, 1)) - image.mean(axis=(0, 1))).max() < 6


def test_shrinking_takes_area_means_so_that_nothing_aliases() -> None:
    stripes = np.tile(np.array([255, 0, 0, 255], np.uint8), (32, 8))[..., None]
    assert set(np.unique(resize(stripes, 8))) <= {127, 128}


@pytest.mark.parametrize("channels", [1, 3])
def test_what_was_fabricated_is_loaded(channels: int, tmp_path: Path) -> None:
    images = Images("{id}.png", channels=channels)
    assert images.fabricate(tmp_path, ["a", "b"], "train", [0, 1], np.random.default_rng(0)) == {}
    loaded = images.load(tmp_path, pd.DataFrame(index=["a", "b"]), "train", 0).rows
    assert loaded.shape == (2, 32, 32, channels)
    assert abs(loaded[0].mean() - loaded[1].mean()) > 10


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_mutated_images_are_read_or_refused_and_nothing_else(kind: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((24, 24), Image.Resampling.BILINEAR).save(tmp_path / "whole", format=kind)
    whole, rng, refused = (tmp_path / "whole").read_bytes(), random.Random(0), 0
    for _ in range(250):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            data[min(int(rng.expovariate(4 / len(data))), len(data) - 1)] = rng.randrange(256)
        (tmp_path / "a").write_bytes(data[: rng.randint(len(data) // 2, 2 * len(data))])
        try:
            assert decode((tmp_path / "a").read_bytes(), "id7", 3, 8).shape == (8, 8, 3)
        except BadData as fault:
            assert "id7" in str(fault)
            refused += 1
    assert refused > 20
