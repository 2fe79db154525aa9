"""How a fault was answered: how many were injected and how many were held."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Count:
    """`held` of `injected`; of nothing where this machine lacks what the fault needs, and `note` says what."""

    held: int
    injected: int
    note: str = ""

    def __str__(self) -> str:
        if not self.injected:
            return f"skipped: {self.note}"
        return f"{self.held:,} of {self.injected:,}{'; ' if self.note else ''}{self.note}"


@dataclass(frozen=True)
class Fault:
    """What is injected and what must happen; `count` does it, in a folder of its own."""

    name: str
    about: str
    count: Callable[[Path], Count]


@dataclass(frozen=True)
class Tested:
    """A fault that the test suite injects at full length: the tests that do, each a file or `file::name`, under `tests/`."""

    names: tuple[str, ...]

    def __call__(self, folder: Path) -> Count:
        words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *(f"tests/{name}" for name in self.names)]
        answer = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        last = answer.stdout.strip().splitlines()[-1] if answer.stdout.strip() else answer.stderr.strip()[-200:]
        found = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error|skipped)", last)}
        total = sum(found.values()) - found.get("skipped", 0)
        if not total:
            return Count(0, 1, last)
        return Count(found.get("passed", 0), total, "tests")


def tested(*names: str) -> Tested:
    """The tests of these names."""
    return Tested(names)
