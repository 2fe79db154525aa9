"""Run locks: who works on a run's folder: one process on all of it, or several, each on folds of its own.

There are three kinds of lock, in the folder `.locks`, and none outlives its process: of a part (a fold, `refit`, or WHOLE),
held while it is worked on; the turn, to prepare the run or to finish it, one process after another; and of `run.json`, for as
long as a change of it takes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kit.errors import Usage
from kit.storage import files

FOLDER, WHOLE = ".locks", "whole"
CHANGING = 60.0  # seconds that others may take to change `run.json`, on a shared disk
MOMENT = 0.5  # seconds: who only looks whether a lock is free holds it for less


@contextmanager
def held(run: Path, name: str, patience: float = MOMENT) -> Iterator[None]:
    """Hold one lock of a run's folder. Raises Usage naming the process that holds it, once patience (-1: endless) is over."""
    from filelock import FileLock, Timeout

    folder = run / FOLDER
    lock, holder = FileLock(folder / name), folder / f"{name}.pid"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=patience)
    except Timeout:
        raise Usage(f"{run}: process {_pid(holder)} is working on this run. Wait for it, or use --name.") from None
    except OSError as fault:
        raise files.disk_error(run, fault) from fault
    try:
        _sign(holder)
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


@contextmanager
def whole(run: Path) -> Iterator[None]:
    """Hold all of a run. Raises Usage where a process works on it, or on a fold of it."""
    with held(run, WHOLE):
        at_work(run, but=(WHOLE,))
        files.sweep(run)
        yield


@contextmanager
def parts(run: Path, names: Iterable[str]) -> Iterator[None]:
    """Hold parts of a run. Raises Usage where a process works on one of them, or on the whole."""
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(held(run, name))
        with held(run, WHOLE):
            pass
        for name in names:
            files.sweep(run / name)
        yield


@contextmanager
def turn(run: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Wait until no other process prepares or finishes the run, and be the one that does."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(held(run, "turn"))
        except Usage as busy:
            say(f"{str(busy).split(' Wait')[0]} It is waited for.")
            stack.enter_context(held(run, "turn", patience=-1))
        files.sweep(run, deep=False)
        yield


def at_work(run: Path, but: Iterable[str]) -> None:
    """Raise Usage where a process works on a part of a run besides these."""
    for lock in sorted((run / FOLDER).glob("*")):
        if lock.suffix != ".pid" and lock.name not in (*but, "turn", "record"):
            with held(run, lock.name):
                pass


def _sign(holder: Path) -> None:
    """Write who holds a lock: in place, since a kill between a temporary file and its renaming would leave the first behind."""
    try:
        holder.write_text(str(os.getpid()))
    except OSError as fault:
        raise files.disk_error(holder, fault) from fault


def _pid(holder: Path) -> str:
    with contextlib.suppress(OSError):
        return holder.read_text() or "unknown"
    return "unknown"
