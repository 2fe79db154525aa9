"""Fixtures: the digits laid out once, and one small finished run that many tests look at. Processes: fresh and warm ones."""

import contextlib
import multiprocessing
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from loopback import kaggle as kaggle  # a fixture

if "PYTEST_XDIST_WORKER" in os.environ:  # a core for each worker: threads that wait for each other's cores take twice as long
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

import kit
from kit import competition
from kit.cli import app

os.environ["NO_ALBUMENTATIONS_UPDATE"] = os.environ["ORT_DISABLE_TELEMETRY"] = "1"
settings.register_profile("kit", deadline=None, derandomize=True, database=None)
settings.load_profile("kit")
SMALL = {"epochs": 2, "folds": 3, "width": 8, "limit": 300, "dropout": 0.1}


@pytest.fixture(scope="session", autouse=True)
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What several tests share is made in a folder of its own too: a run is noted in the ledger of where one works."""
    with contextlib.chdir(tmp_path_factory.mktemp("apart")):
        yield


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the digits' files."""
    folder = tmp_path_factory.mktemp("digits")
    competition.load("digits").competition.embedded(folder)
    return folder


@pytest.fixture(scope="session")
def small_run(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> kit.Run:
    """A finished run of three small folds. Look, don't touch."""
    return kit.run("digits", digits, out=tmp_path_factory.mktemp("small") / "run", quiet=True, **SMALL)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works in a folder of its own, with no settings from the environment."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("KIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("KIT_CACHE", str(tmp_path / "cache"))


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As each process of `--jobs 2` has on two cores: sums in another order are other bits."""
    with torch_threads(1):
        yield


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Torch has two threads, whatever the machine."""
    with torch_threads(2):
        yield


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """No network: no name is resolved and no connection made; who waits to try again does not wait."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the hub's client tries for 46 seconds


def command(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run `kit` with these words in a fresh process."""
    return subprocess.run(
        [sys.executable, "-m", "kit", *map(str, words)], capture_output=True, text=True, timeout=240, **options
    )


WARM = multiprocessing.get_context("forkserver")
WARM.set_forkserver_preload(
    [
        "kit.cli.app",
        "kit.pipeline.run",
        "kit.pipeline.scoring",
        "kit.pipeline.crossval",
        "kit.training.fit",
        "kit.training.engines.lightning",
        "kit.models.images.image_module",
        "torch._dynamo",
    ]
)


def warm(*words: object, before: Callable[[], object] = int) -> multiprocessing.process.BaseProcess:
    """Run `kit` with these words in a process of its own that need not import torch again (5 s): a fork of one that has.

    What it says on stderr goes to `said`, a file in the working directory; `before` is called first, in the process.
    """
    process = WARM.Process(target=_kit, args=(list(map(str, words)), dict(os.environ), before))
    process.start()
    return process


def _kit(words: list[str], environment: dict[str, str], before: Callable[[], object]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    said = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    before()
    sys.exit(app.main(words))


def flags(knobs: dict[str, object]) -> list[str]:
    """Knobs as command-line flags."""
    return [part for name, value in knobs.items() for part in (f"--{name.replace('_', '-')}", str(value))]
