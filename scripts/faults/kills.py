"""kill -9 of every other command at random moments: the same command then ends with the bytes of an undisturbed one."""

from __future__ import annotations

import csv
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from counting import ROOT, Count
from run_files import SMALL, inside

from kit.storage.files import TEMPORARY

KILLS = 10


@dataclass(frozen=True)
class Job:
    """A command; what it makes (a file or a folder, compared byte by byte where `bytes`); what else is removed before."""

    words: list[str]
    makes: str
    clears: tuple[str, ...] = ()
    bytes: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)


JOBS = {
    "blend": Job(["blend", "one", "two", "--out", "made"], "made/submission.csv", ("made",)),
    "tune": Job(["tune", "digits", "--trials", "2", "--knobs", "lr", "--out", "made", *SMALL], "made/trials.csv", ("made",)),
    "export": Job(["export", "one", "--format", "safetensors", "--out", "made"], "made", bytes=False),
    "report": Job(["report", "one"], "one/report.html"),
    "a cache being built": Job(
        ["run", "equations", "--out", "made", "--epochs", "1", "--folds", "2", "--limit", "200", "--quiet"],
        "made/submission.csv",
        ("made", "cache"),
        environment={"KIT_CACHE": "cache"},
    ),
}


def killed_commands(folder: Path) -> Count:
    held: dict[str, int] = {}
    with inside(folder):
        for name, job in JOBS.items():
            held[name] = _killed(job)
        held["download"] = _killed_download()
    return Count(sum(held.values()), KILLS * len(held), ", ".join(f"{name} {number}" for name, number in held.items()))


def _killed_download() -> int:
    """From a server on loopback that speaks Kaggle's protocol, by the real client."""
    sys.path.insert(0, str(ROOT / "tests"))
    from loopback import KEY, Loopback

    server = Loopback()
    server.files = {f"part{i}.csv": random.Random(i).randbytes(200_000 * (1 + i % 5)) for i in range(45)}
    login = {"KAGGLE_USERNAME": "ada", "KAGGLE_KEY": KEY, "HOME": str(Path.cwd())}
    try:
        return _killed(Job(["download", "digit-recognizer"], "data", environment={**server.environment(), **login}))
    finally:
        server.close()


def _killed(job: Job) -> int:
    _clear(job)
    began = time.monotonic()
    if _start(job).wait():
        raise SystemExit(f"kit {job.words[0]} failed without a fault")
    lasts, whole, held = time.monotonic() - began, _content(job), 0
    for i in range(KILLS):
        _clear(job)
        process = _start(job)
        time.sleep(random.Random(i).uniform(0.3, 1.0) * lasts)
        process.kill()
        process.wait()
        left = [path for path in Path("made").rglob(f"{TEMPORARY}*") if path.is_file()]
        ended = _start(job).wait() == 0
        held += ended and _content(job) == whole and not any(path.exists() for path in left)
    return held


def _clear(job: Job) -> None:
    for name in (job.makes, *job.clears):
        shutil.rmtree(name, ignore_errors=True)
        if Path(name).is_file():
            Path(name).unlink()


def _content(job: Job) -> dict[str, bytes]:
    """The files that it made: by name, with their bytes where these are the same each time."""
    at = Path(job.makes)
    files = [at] if at.is_file() else [path for path in sorted(at.rglob("*")) if path.is_file()]
    return {str(path): _lasting(path) if job.bytes else b"" for path in files}


def _lasting(path: Path) -> bytes:
    """The bytes of a file, of a table of trials without the seconds that they took."""
    if path.name != "trials.csv":
        return path.read_bytes()
    with path.open(newline="", encoding="utf-8") as file:
        return repr([{**row, "seconds": ""} for row in csv.DictReader(file)]).encode()


def _start(job: Job) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "kit", *job.words]
    return subprocess.Popen(words, env={**os.environ, **job.environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
