"""Checkpoints: what was saved is loaded, what is broken is noticed by its checksum, and nothing in a file is executed."""

import hashlib
import os
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kit.config import Config
from kit.errors import BadData
from kit.labels import Numbers, OneOf
from kit.models.batch import Batch
from kit.models.images.image_module import ImageModule
from kit.training import checkpoints


def state(step: int) -> dict[str, Any]:
    torch.manual_seed(step)
    return {"step": step, "net": {"w": torch.randn(40, 5), "n": torch.tensor(step)}, "rng": torch.get_rng_state(), "note": "é"}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def test_the_newest_snapshot_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    assert checkpoints.newest_sound(tmp_path / "none") == (None, [])
    for step in (1, 20, 3_000_000):
        checkpoints.save_snapshot(tmp_path, state(step), step)
        loaded, broken = checkpoints.newest_sound(tmp_path)
        assert same(loaded, state(step))
        assert broken == []


def test_only_the_newest_two_are_kept_and_none_of_a_finished_fold(tmp_path: Path) -> None:
    (tmp_path / "model.ckpt").write_text("stays")
    for step in (9, 10, 99, 100, 101):
        checkpoints.save_snapshot(tmp_path, state(step), step)
    kept = [path.name.split("-")[1] for path in checkpoints.snapshots(tmp_path)]
    assert kept == ["00000101", "00000100"]
    checkpoints.drop_snapshots(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.ckpt"]


def test_fifty_truncations_and_bit_flips_are_noticed_and_the_one_before_is_used(tmp_path: Path) -> None:
    for step in (1, 2):
        checkpoints.save_snapshot(tmp_path, state(step), step)
    newest = checkpoints.snapshots(tmp_path)[0]
    whole, rng = newest.read_bytes(), random.Random(0)
    for number in range(50):
        data = bytearray(whole)
        if number % 2:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        else:
            del data[rng.randrange(len(data)) :]
        newest.write_bytes(data)
        loaded, broken = checkpoints.newest_sound(tmp_path)
        assert same(loaded, state(1))
        assert len(broken) == 1
        assert str(newest) in broken[0]
        assert "broken" in broken[0]
    newest.write_bytes(whole)
    assert same(checkpoints.newest_sound(tmp_path)[0], state(2))


def test_with_no_sound_snapshot_left_there_is_none(tmp_path: Path) -> None:
    for step in (1, 2):
        checkpoints.save_snapshot(tmp_path, state(step), step)
    for path in checkpoints.snapshots(tmp_path):
        path.write_bytes(path.read_bytes()[:-1])
    loaded, broken = checkpoints.newest_sound(tmp_path)
    assert loaded is None
    assert len(broken) == 2


def module(**knobs: Any) -> ImageModule:
    torch.manual_seed(0)
    config = Config().changed(width=4, layout="contiguous", **knobs)
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), dtype=np.uint8)
    made = ImageModule.of(config, OneOf("label", ("a", "b", "c")), images, steps=5)
    made.learn(images, np.arange(20), np.arange(20) % 3)
    return made


@pytest.mark.parametrize("knobs", [{}, {"ema": 0}, {"views": 3, "dropout": 0.5}])
def test_a_model_predicts_after_loading_as_before(knobs: dict[str, Any], tmp_path: Path) -> None:
    saved = module(**knobs).eval()
    checksum = checkpoints.save_model(tmp_path / "model.ckpt", saved)
    assert checksum == hashlib.sha256((tmp_path / "model.ckpt").read_bytes()).hexdigest()
    loaded = checkpoints.load_model(tmp_path / "model.ckpt", checksum)
    assert not loaded.training
    batch = Batch(torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8), None, torch.arange(4))
    with torch.inference_mode():
        assert torch.equal(loaded.predict_step(batch), saved.predict_step(batch))
    assert loaded.labels == saved.labels
    assert loaded.config == saved.config


def test_a_models_target_scaling_is_saved_with_it(tmp_path: Path) -> None:
    labels, images = Numbers(("v",)), np.zeros((3, 8, 8, 1), np.uint8)
    saved = ImageModule.of(Config(width=4, layout="contiguous"), labels, images, steps=1)
    saved.learn(images, np.arange(3), np.array([[10], [20], [30]], np.float32))
    checkpoints.save_model(tmp_path / "m", saved)
    loaded = checkpoints.load_model(tmp_path / "m")
    assert loaded.shift.tolist() == [20]
    assert loaded.scale.tolist() == pytest.approx([np.sqrt(200 / 3)])


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, str]:
    """A model's file and its checksum."""
    path = tmp_path_factory.mktemp("model") / "model.ckpt"
    checksum = checkpoints.save_model(path, module())
    return path.read_bytes(), checksum


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "flipped", "text"])
def test_a_broken_model_is_refused_by_its_path(damage: str, sound: tuple[bytes, str], tmp_path: Path) -> None:
    whole, checksum = sound
    path = tmp_path / "model.ckpt"
    middle = len(whole) // 2
    changed = {
        "empty": b"",
        "truncated": whole[:middle],
        "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "text": b"a page that says 404",
    }
    if damage != "missing":
        path.write_bytes(changed[damage])
    with pytest.raises(BadData) as caught:
        checkpoints.load_model(path, checksum)
    assert str(path) in str(caught.value)
    if damage in ("missing", "empty", "truncated", "text"):
        with pytest.raises(BadData):
            checkpoints.load_model(path)


class Hostile:
    """Unpickled, it would make a folder."""

    def __init__(self, target: str):
        self.target = target

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (self.target,)


@pytest.mark.parametrize("form", ["pickle", "torch", "torch, old format", "inside a state"])
def test_a_hostile_file_is_refused_and_never_executed(form: str, tmp_path: Path, sound: tuple[bytes, str]) -> None:
    evil, path = Hostile(str(tmp_path / "executed")), tmp_path / "model.ckpt"
    if form == "pickle":
        path.write_bytes(pickle.dumps(evil, protocol=2))
    elif form == "inside a state":
        (tmp_path / "sound").write_bytes(sound[0])
        torch.save({**torch.load(tmp_path / "sound", weights_only=True), "more": evil}, path)
    else:
        torch.save(evil, path, _use_new_zipfile_serialization=form == "torch")
    data = path.read_bytes()
    checksum = hashlib.sha256(data).hexdigest()
    with pytest.raises(BadData, match="not a checkpoint"):
        checkpoints.load_model(path, checksum)
    path.rename(tmp_path / f"snapshot-00000001-{checksum[:16]}.pt")  # its checksum is right: made, not broken
    with pytest.raises(BadData, match="not a checkpoint"):
        checkpoints.newest_sound(tmp_path)
    assert not (tmp_path / "executed").exists()
    pickle.loads(pickle.dumps(evil))  # it would have
    assert (tmp_path / "executed").exists()
