"""Workers: processes that die, hang or meet a broken file are replaced or named in time, and change no picture."""

import collections
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import kit
from kit.competition import load, synthetic
from kit.config import Config
from kit.data import augmentation
from kit.errors import BadData, KitError
from kit.inputs import Images
from kit.inputs.base import Keep
from kit.inputs.image_files import Streamed
from kit.models.batch import Batch, Feed
from kit.models.images.image_module import ImageModule
from kit.training import workers as data_workers
from kit.training.workers import WorkerBatches

RNG = np.random.default_rng(0)
COUNT, SIDE = 30, 16
IMAGES = RNG.integers(0, 256, (COUNT, SIDE, SIDE, 3), dtype=np.uint8)
Make = Callable[..., WorkerBatches]


@pytest.fixture
def streamed(tmp_path: Path) -> Streamed:
    """The same pictures as files."""
    for i, image in enumerate(IMAGES):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    frame = pd.DataFrame(index=[str(i) for i in range(COUNT)])
    return Images("{id}.png").load(tmp_path, frame, "train", SIDE, Keep(0)).rows


@pytest.fixture
def said() -> list[str]:
    return []


def wanted(images: Any, policy: str, batch: int) -> Feed:
    """How a module wants pictures, but one by one whatever the policy."""
    config = Config(augment=policy, batch=batch)
    return replace(ImageModule.feed(images, config, images.shape[0], mirror=True), pictures=images)


@pytest.fixture
def feed(said: list[str]) -> Iterator[Make]:
    """Makes feeds; at the end no child is left, not even a stopped one."""

    def make(images: Any = IMAGES, workers: int = 2, policy: str = "photo", batch: int = 4) -> WorkerBatches:
        y, rows = np.arange(COUNT) * 10, np.arange(0, COUNT, 1)
        return WorkerBatches(wanted(images, policy, batch), y, rows, seed=0, fold=0, workers=workers, say=said.append)

    yield make
    for child in multiprocessing.active_children():
        child.kill()
        child.join()


def equal(one: list[Batch], other: list[Batch]) -> bool:
    return len(one) == len(other) and all(
        (a.epoch, a.step) == (b.epoch, b.step)
        and all(torch.equal(getattr(a, name), getattr(b, name)) for name in ("x", "y", "rows"))
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("kind", ["photo", "streamed", "streamed photo"])
def test_the_number_of_workers_changes_nothing(kind: str, feed: Make, streamed: Streamed) -> None:
    images, policy = (IMAGES if kind == "photo" else streamed), ("none" if kind == "streamed" else "photo")
    runs = []
    for workers in (0, 1, 2, 4):
        one = feed(images, workers, policy, 8)
        runs.append([*one, *one])
    assert len(runs[0]) == 8 and all(equal(runs[0], other) for other in runs[1:])
    if kind == "streamed":
        assert all(torch.equal(torch.from_numpy(IMAGES).permute(0, 3, 1, 2)[one.rows], one.x) for one in runs[0])


def interrupted(one: WorkerBatches, signum: int, at: tuple[int, ...]) -> list[Batch]:
    """An epoch in which a worker gets this signal while a batch is used, some time before the next is asked for."""
    passed = []
    for batch in one:
        passed.append(batch)
        if len(passed) in at:
            child = multiprocessing.active_children()[0]
            assert child.pid
            os.kill(child.pid, signum)
            time.sleep(0.3)
    return passed


@pytest.mark.parametrize("at", [1, 3])
def test_a_worker_that_dies_is_replaced_and_changes_nothing(
    at: int, feed: Make, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_workers, "TIMEOUT", 2)
    whole = list(feed(workers=0))
    one = feed(workers=2)
    assert equal(interrupted(one, signal.SIGKILL, (at,)), whole)
    assert (one.epoch, one.start) == (1, 0) and len(said) == 1
    assert "a data worker died" in said[0] and "trying once more from step" in said[0]
    assert len(list(one)) == len(whole) and len(said) == 1  # the next epoch


class Stuck:
    """Pictures of a mount that does not answer: the first worker to ask for the fifth waits for ever."""

    def __init__(self, marker: Path):
        self.marker, self.shape = marker, IMAGES.shape

    def __getitem__(self, row: int) -> np.ndarray:
        if row == 5 and not self.marker.exists():
            self.marker.touch()
            time.sleep(1000)
        return IMAGES[row].copy()


def test_a_worker_that_hangs_is_replaced_in_time(
    feed: Make, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_workers, "TIMEOUT", 2)
    whole = list(feed(IMAGES.copy(), workers=0, policy="none"))
    began = time.monotonic()
    assert equal(list(feed(Stuck(tmp_path / "asked"), workers=1, policy="none")), whole)
    assert len(said) == 1 and "trying once more" in said[0]
    assert time.monotonic() - began < 20
    assert not multiprocessing.active_children()


def test_workers_that_die_again_end_the_run_with_their_cause(
    feed: Make, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 2 * data_workers.TIMEOUT < 60
    monkeypatch.setattr(data_workers, "TIMEOUT", 2)
    began = time.monotonic()
    with pytest.raises(KitError, match=r"a data worker died again \(DataLoader worker.*\).*--workers 0") as caught:
        interrupted(feed(workers=1, batch=2), signal.SIGKILL, (2, 6))
    assert caught.value.code == 1 and len(said) == 1
    assert time.monotonic() - began < 20


def test_a_fault_in_a_worker_is_not_taken_for_its_death(feed: Make, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Faulty:
        def set_random_seed(self, seed: int) -> None:
            raise RuntimeError("the augmentation itself is at fault")

    monkeypatch.setattr(augmentation, "photo", lambda *_: Faulty())
    with pytest.raises(RuntimeError, match="the augmentation itself is at fault") as caught:
        list(feed(workers=1))
    assert not isinstance(caught.value, KitError) and said == []


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("how", ["truncated", "gone", "another size"])
def test_a_file_that_breaks_later_is_named_by_path_and_id(
    how: str, workers: int, feed: Make, streamed: Streamed, tmp_path: Path
) -> None:
    one = feed(streamed, workers, "none")
    list(one)
    path = tmp_path / "7.png"
    data = path.read_bytes()
    path.unlink()
    if how == "truncated":
        path.write_bytes(data[:-200])
    elif how == "another size":
        streamed.size = 0
        Image.new("RGB", (SIDE + 1, SIDE)).save(path)
    with pytest.raises(BadData, match=r"7\.png \(id '7'\)"):
        list(one)


Usage = collections.namedtuple("Usage", "total used free")


@pytest.mark.parametrize(("free", "workers"), [(0, 0), (1000, 0), (64 << 20, 2)])
def test_where_shared_memory_is_small_there_are_no_workers(
    free: int, workers: int, feed: Make, said: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(data_workers, "SHARED", tmp_path)
    monkeypatch.setattr(data_workers.shutil, "disk_usage", lambda path: Usage(free, 0, free) if path == tmp_path else 1 / 0)
    one = feed(workers=2)
    assert one.workers == workers
    assert (len(said) == 1 and "goes on with 0 workers" in said[0]) if not workers else not said
    assert equal(list(one), list(feed(workers=0)))


def test_a_picture_too_large_for_a_containers_shared_memory_needs_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 MB, as docker gives."""
    monkeypatch.setattr(data_workers.shutil, "disk_usage", lambda path: Usage(64 << 20, 0, 64 << 20))
    large = np.broadcast_to(np.zeros(3, np.uint8), (64, 512, 512, 3))
    lines: list[str] = []

    def feed(workers: int) -> WorkerBatches:
        pictures, y, rows = Blank(large), np.zeros(64), np.arange(64)
        return WorkerBatches(wanted(pictures, "none", 32), y, rows, seed=0, fold=0, workers=workers, say=lines.append)

    assert feed(4).workers == 0 and "/dev/shm has 64 MB, 4 workers need 216" in lines[0]
    assert feed(1).workers == 0 and feed(0).workers == 0 and len(lines) == 2


class Blank:
    """What is indexed like an array, and takes no memory."""

    def __init__(self, array: np.ndarray):
        self.array, self.shape = array, array.shape

    def __getitem__(self, row: int) -> np.ndarray:
        return self.array[row]


@pytest.mark.slow
def test_a_run_whose_worker_is_killed_in_mid_step_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    synthetic.fabricate(load("cifar10").competition, tmp_path / "data", train=40, test=4)
    knobs = {"model": "convnet", "width": 4, "epochs": 2, "folds": 2, "batch": 2, "views": 1, "augment": "photo"}
    whole = kit.run("cifar10", tmp_path / "data", out=tmp_path / "whole", **knobs, workers=0)
    healthy = ImageModule.training_step
    killed: list[int] = []

    def killing(self: ImageModule, batch: Batch, index: int) -> Any:
        if not killed and (batch.epoch, batch.step) == (1, 0):
            killed.append(multiprocessing.active_children()[0].pid or 0)
            os.kill(killed[0], signal.SIGKILL)
            time.sleep(0.5)
        return healthy(self, batch, index)

    monkeypatch.setattr(ImageModule, "training_step", killing)
    monkeypatch.setattr(data_workers, "TIMEOUT", 3)
    run = kit.run("cifar10", tmp_path / "data", out=tmp_path / "run", **knobs, workers=2)
    assert killed and "a data worker died" in capsys.readouterr().err
    for name in ("oof.csv", "test.csv", "submission.csv"):
        assert (run.path / name).read_bytes() == (whole.path / name).read_bytes()
