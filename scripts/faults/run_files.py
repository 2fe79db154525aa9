"""Faults of a run's files: a dying disk, files that may not be read, flipped bits."""

from __future__ import annotations

import contextlib
import errno
import io
import itertools
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from counting import Count

from kit.cli.app import main
from kit.errors import BadData, DiskError, Usage
from kit.storage.runs import manifest

SMALL = ["--epochs", "1", "--folds", "2", "--width", "8", "--limit", "200", "--quiet"]
OTHER = ["--epochs", "1", "--folds", "2", "--width", "16", "--limit", "200", "--quiet"]
FLIPS = 20
NAMED = (BadData.code, Usage.code)  # a flipped bit in run.json may make it another run's


def kit(*words: str) -> tuple[int, str]:
    """The exit code of a command in this process, and what it said on stderr."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = main([*words])
    return code, said.getvalue().strip()


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Two small runs `one` and `two` in a folder that is worked in."""
    here, place = Path.cwd(), folder / "files"
    place.mkdir(exist_ok=True)
    os.chdir(place)
    try:
        for name, knobs in (("one", SMALL), ("two", OTHER)):
            if kit("run", "digits", "--out", name, "--fresh", *knobs)[0]:
                raise SystemExit(f"the run {name} failed without a fault")
        yield
    finally:
        os.chdir(here)


@contextlib.contextmanager
def failing(name: str, function: Callable[..., object]) -> Iterator[None]:
    """`os.NAME` or `io.NAME` is another function inside."""
    module = os if hasattr(os, name) and name != "open" else io
    true = getattr(module, name)
    setattr(module, name, function)
    try:
        yield
    finally:
        setattr(module, name, true)


def well_said(code: int, said: str, codes: tuple[int, ...]) -> bool:
    """Is this an error in words, of one of these exit codes?"""
    return code in codes and "error in the kit" not in said and 1 <= len(said.splitlines()) <= 3


def dying_disk(folder: Path) -> Count:
    """fsync fails once with EIO, at each of its calls in turn: exit 74; the same command ends with the same bytes."""
    good = total = 0
    with inside(folder):
        whole = Path("one/submission.csv").read_bytes()
        for number in itertools.count(1):
            flush = Flush(number)
            shutil.rmtree("dying", ignore_errors=True)
            with failing("fsync", flush):
                code, said = kit("run", "digits", "--out", "dying", *SMALL)
            if flush.calls < number:
                break
            again = kit("run", "digits", "--out", "dying", *SMALL)[0] == 0
            total += 1
            held = code == 0 or well_said(code, said, (DiskError.code,))  # a ledger that cannot be written breaks no run
            good += held and again and Path("dying/submission.csv").read_bytes() == whole
    return Count(good, total)


class Flush:
    """An `os.fsync` whose call of the number `fails` does."""

    def __init__(self, fails: int):
        self.fails, self.calls, self.true = fails, 0, os.fsync

    def __call__(self, handle: int) -> None:
        self.calls += 1
        if self.calls == self.fails:
            raise OSError(errno.EIO, "Input/output error")
        self.true(handle)


def unreadable(folder: Path) -> Count:
    """A table, a run's files, checkpoints that may not be read: exit 74, which file."""
    with inside(folder):
        root = next(Path("data").rglob("train.csv")).parent
        names = [
            *root.glob("*.csv"),
            *(path for path in Path("one").rglob("*") if path.is_file() and ".locks" not in path.parts),
        ]
        good, tried = 0, 0
        for path in names:
            held = [path.name in said for code, said in _refused(path, root) if code == DiskError.code]
            if held:  # a file that no command reads (a lock, a log) is no fault
                tried, good = tried + 1, good + all(held)
        faulty = [path for path in names if any(code == 1 for code, _ in _refused(path, root))]
        return Count(good if not faulty else 0, tried, "files")


def _refused(path: Path, root: Path) -> list[tuple[int, str]]:
    """What commands that read a run and its data answer when this file may not be opened."""
    true = io.open

    def opened(file: object, *words: object, **named: object) -> object:
        if isinstance(file, str | Path) and Path(file).resolve() == path.resolve():
            raise PermissionError(errno.EACCES, "Permission denied", str(file))
        return true(file, *words, **named)  # type: ignore[call-overload]

    with failing("open", opened):
        return [
            kit("report", "one"),
            kit("predict", "one", "--data", str(root), "--out", "predicted.csv"),
            kit("blend", "one", "two", "--fresh"),
        ]


def flipped(folder: Path) -> Count:
    """A bit flipped in each file of a complete run, 20 times each: report, predict or run name it, or none reads it."""
    good, total, rng = 0, 0, random.Random(0)
    rerun = ["run", "digits", "--out", "one", *SMALL]
    with inside(folder):
        root = next(Path("data").rglob("train.csv")).parent
        paths = [Path("one") / name for name in (*manifest.READ, manifest.FILE, "fold0/fold.json", "fold1/history.csv")]
        paths += [Path("one/fold0/model.ckpt"), Path("one/fold0/oof.npz")]
        for path in paths:
            before = path.read_bytes()
            for _ in range(FLIPS):
                data = bytearray(before)
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
                path.write_bytes(data)
                words = (["report", "one"], ["predict", "one", "--data", str(root), "--out", "answers.csv"], rerun)
                answers = [kit(*each) for each in words]
                total += 1
                named = any(well_said(code, said, NAMED) for code, said in answers)
                unread = path.suffix == ".npz"  # a complete run's are read no more, but by `--rewrite`
                good += all(code in (0, *NAMED) for code, _ in answers) and (named or unread)
            path.write_bytes(before)
    return Count(good, total)
