"""Fixtures: the digits laid out once, and one small finished run that many tests look at."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from loopback import kaggle as kaggle  # a fixture

import kit
from kit import competition

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
settings.register_profile("kit", deadline=None, derandomize=True, database=None)
settings.load_profile("kit")
SMALL = {"epochs": 2, "folds": 3, "width": 8, "limit": 300, "dropout": 0.1}


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


def command(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run `kit` with these words in a fresh process."""
    return subprocess.run(
        [sys.executable, "-m", "kit", *map(str, words)], capture_output=True, text=True, timeout=240, **options
    )


def flags(knobs: dict[str, object]) -> list[str]:
    """Knobs as command-line flags."""
    return [part for name, value in knobs.items() for part in (f"--{name.replace('_', '-')}", str(value))]
