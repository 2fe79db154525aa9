"""Rehearsal: a built kernel run as Kaggle would run it, before it costs one of the day's five tries.

Kaggle mounts its input at /kaggle/input; here it is mounted wherever `$KIT_MOUNT` says, which the kit reads anyway: so a
rehearsal needs no privileges and works on any system. The kernel sees read-only input in Kaggle's old or new layout, an empty
working folder, a batch environment, no home, no credentials, no network, and none of this machine's own kit.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kit import competition as competitions
from kit.competition import validation
from kit.console import clock
from kit.errors import BadData, listed
from kit.kaggle import hidden_test, kernel
from kit.storage import frames, run_folder
from kit.storage.run_folder import Run

LAYOUTS = ("new", "old")
HOURS, HOURS_CODE = 12.0, 9.0  # a session's limit, and the usual one in code competitions
MEMORY = 29e9
DISK = 20e9
KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "SYSTEMROOT")
CLOSE = 0.02  # how far a prediction may move with the rows it shares a batch with (bf16)
# Python runs this before the kernel, and in every Python that the kernel starts. An audit hook cannot be removed.
GUARD = """
import os, sys
LOG, CLOSED = os.environ["REHEARSAL_LOG"], tuple(os.environ["REHEARSAL_CLOSED"].split(os.pathsep))
NETWORK = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1, "socket.getaddrinfo": 0, "socket.gethostbyname": 0}
CHANGES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.utime"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

def note(text):
    handle = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, (text + "\\n").encode())
    os.close(handle)

def closed(path):
    return isinstance(path, (str, bytes)) and os.path.abspath(os.fsdecode(path)).startswith(CLOSED)

def guard(event, arguments):
    if event in NETWORK:
        address = arguments[NETWORK[event]]
        if event.startswith("socket.get") or isinstance(address, tuple):
            note(f"network: {event} {address}")
            raise OSError(101, "the network is off")
    elif event == "open" and arguments[2] and arguments[2] & WRITES and closed(arguments[0]):
        raise OSError(30, "read-only file system", arguments[0])
    elif event in CHANGES and any(map(closed, arguments[1:2] if event == "os.symlink" else arguments[:2])):
        raise OSError(30, "read-only file system", arguments[0])

sys.addaudithook(guard)
"""
CELLS = """
import json, sys
for cell in json.load(open(sys.argv[1], encoding="utf-8"))["cells"]:
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), cell.get("id", "cell"), "exec"), globals())
"""


@dataclass
class Showing:
    """One run of the kernel: how it was set up, what it took, what is wrong."""

    about: str
    rows: int = 0
    seconds: float = 0.0
    memory: float = 0.0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def rehearse(
    name: str,
    data: str | Path | None = None,
    layouts: tuple[str, ...] = LAYOUTS,
    *,
    rerun: bool = False,
    python: str = sys.executable,
    folder: Path | None = None,
) -> list[Showing]:
    """Run the built kernel in each layout and, for a code competition (or `rerun`), once more with a hidden test set.

    A kernel that trains is run in the new layout only, unless it is asked for otherwise: twice is twice the time.
    """
    adapter = competitions.load(name)
    built = kernel.Built(folder or kernel.folder_of(name))
    settings = built.settings
    root = adapter.competition.find(data or _data_of(settings))
    local = _local(settings)
    done = [_show(built, adapter, layout, root, python, local) for layout in layouts]
    if rerun or adapter.competition.code:
        with tempfile.TemporaryDirectory(prefix="kit-hidden-") as place:
            known = hidden_test.lay_out(adapter.competition, root, Path(place) / "data")
            done.append(_show(built, adapter, layouts[-1], Path(place) / "data", python, local, known))
    return done


def _data_of(settings: dict[str, Any]) -> str | None:
    """The data of the run that the kernel was built from, if it is still there."""
    place = Path(settings["run"]) if settings["run"] else None
    root = Run(place).record.root if place and Run(place).exists else None
    return root if root and Path(root).is_dir() else None


def _local(settings: dict[str, Any]) -> Run | None:
    """The run that must come out again: the one that predicts, or was trained with the same knobs."""
    return Run(Path(settings["run"])) if settings["run"] and Run(Path(settings["run"])).complete else None


def _show(
    built: kernel.Built,
    adapter: competitions.Adapter,
    layout: str,
    root: Path,
    python: str,
    local: Run | None,
    known: Any = None,
) -> Showing:
    one = Showing(f"{layout} layout" + (", hidden test set" if known is not None else ""))
    with tempfile.TemporaryDirectory(prefix="kit-rehearsal-") as name:
        stage = Path(name)
        mounts = _mount(stage / "input", built, adapter.competition.slug, layout, root)
        before = list(_listing(mounts))
        code = _run(stage, built, python, one, rerun=known is not None)
        log = (stage / "log.txt").read_text(encoding="utf-8", errors="replace")
        if code:
            last = "\n".join(log.strip().splitlines()[-3:])
            one.faults.append(f"the kernel ended with {code}: {last}")
        one.faults += sorted(set((stage / "guard.txt").read_text().splitlines())) if (stage / "guard.txt").exists() else []
        if list(_listing(mounts)) != before:
            one.faults.append("the input was changed: on Kaggle it is read-only")
        size = sum(path.stat().st_size for path in (stage / "working").rglob("*") if path.is_file())
        if size > DISK:
            one.faults.append(f"/kaggle/working holds {size / 1e9:.1f} GB; Kaggle keeps {DISK / 1e9:.0f}")
        if not code:
            _check(one, stage / "working", adapter, root, local, known)
    return one


def _mount(place: Path, built: kernel.Built, slug: str, layout: str, root: Path) -> list[Path]:
    """The input as Kaggle lays it out: links, as its mounts are; returns the folders behind them."""
    links = {place / "competitions" / slug if layout == "new" else place / slug: root.resolve()}
    if built.dataset:
        dataset = run_folder.read_json(built.dataset / "dataset-metadata.json")["id"]
        # a dataset may be renamed after the kernel was built: the kernel must not go by its name
        where = place / "datasets" / dataset if layout == "new" else place / "renamed-dataset"
        links[where] = built.dataset.resolve()
    for link, goal in links.items():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(goal, target_is_directory=True)
    return list(links.values())


def _listing(mounts: list[Path]) -> Iterator[tuple[str, int, int]]:
    for mount in mounts:
        for path in sorted(mount.rglob("*")):
            if path.is_file():
                facts = path.stat()
                yield str(path), facts.st_size, facts.st_mtime_ns


def _run(stage: Path, built: kernel.Built, python: str, one: Showing, rerun: bool) -> int:
    """Run the kernel in a fresh process; notes its time and memory; returns its exit code."""
    for name in ("working", "temp", "guard"):
        (stage / name).mkdir()
    (stage / "guard" / "sitecustomize.py").write_text(GUARD)
    code = built.code.resolve()
    (stage / "guard" / "cells.py").write_text(CELLS)
    mounts = [str(path.resolve()) for path in (stage / "input").rglob("*") if path.is_symlink()]
    environment = {key: os.environ[key] for key in KEPT if key in os.environ} | {
        "KAGGLE_KERNEL_RUN_TYPE": "Batch",
        "KIT_MOUNT": str(stage / "input"),
        "HOME": os.devnull,  # no folder, and nobody can make it one
        "TMPDIR": str(stage / "temp"),
        "PYTHONPATH": str(stage / "guard"),
        "REHEARSAL_LOG": str(stage / "guard.txt"),
        "REHEARSAL_CLOSED": os.pathsep.join([str(stage / "input"), *mounts]),
        **({"KAGGLE_IS_COMPETITION_RERUN": "1"} if rerun else {}),
    }
    words = [*_apart(), python, *([str(stage / "guard" / "cells.py")] if code.suffix == ".ipynb" else []), str(code)]
    began = time.monotonic()
    with (stage / "log.txt").open("wb") as log:
        process = subprocess.Popen(words, cwd=stage / "working", env=environment, stdout=log, stderr=subprocess.STDOUT)
        status, one.memory = _wait(process)
    one.seconds = time.monotonic() - began
    return status


def _apart() -> list[str]:
    """What takes the network from a process for good, where the system lets anyone do that; the guard counts tries."""
    words = ["unshare", "--map-root-user", "--net"]
    works = shutil.which("unshare") and subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0
    return words if works else []


def _wait(process: subprocess.Popen[bytes]) -> tuple[int, float]:
    """The exit code, and the most memory in bytes that the process held."""
    if not hasattr(os, "wait4"):
        return process.wait(), 0.0
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _check(one: Showing, working: Path, adapter: competitions.Adapter, root: Path, local: Run | None, known: Any) -> None:
    """Is there a submission, would Kaggle take it, and are its predictions the local run's?"""
    made = working / "submission.csv"
    if not made.exists():
        one.faults.append("no submission.csv in /kaggle/working")
        return
    faults = validation.validate(adapter.source, made, root)
    one.faults += [f"submission.csv: {fault}" for fault in faults[:3]]
    one.rows = len(made.read_bytes().splitlines()) - 1
    if local is None:
        one.notes.append("no local run to compare with")
        return
    predicted = next((path for path in (working / "predict" / "test.csv", working / "run" / "test.csv") if path.exists()), None)
    if predicted is None:
        one.faults.append("no test.csv in /kaggle/working")
        return
    answers, expected = frames.read_predictions(predicted), local.test
    if known is None:
        same = predicted.read_bytes() == (local.path / "test.csv").read_bytes()
        equal = made.read_bytes() == local.submission.read_bytes()
        apart = 0.0 if same else _apart_by(answers, expected)
        if same and equal:
            one.notes.append("predictions and submission are the local run's, byte for byte")
        else:
            one.faults.append(f"predictions differ from the local run's by up to {apart:.2g}")
    else:
        apart = _apart_by(answers, expected.loc[known.loc[answers.index]].set_axis(answers.index))
        text = f"each hidden row is answered as its known twin (largest difference {apart:.2g})"
        (one.notes if apart <= CLOSE else one.faults).append(text if apart <= CLOSE else f"not {text}")


def _apart_by(answers: Any, expected: Any) -> float:
    """The largest difference, as a share of the range of the expected values."""
    if set(answers.index) != set(expected.index):
        raise BadData(f"the predictions have other ids than expected: {listed(answers.index.difference(expected.index), 3)}.")
    values = expected.loc[answers.index].to_numpy(float)
    return float(abs(answers.to_numpy(float) - values).max() / max(values.max() - values.min(), 1e-9))


def verdict(showings: list[Showing], code: bool, asked: int = 0) -> list[str]:
    """What was measured, and what Kaggle's limits allow by it. `asked`: rows that the hidden test set may have."""
    hours = HOURS_CODE if code else HOURS
    lines = []
    for one in showings:
        lines.append(
            f"{'✗' if one.faults else '✓'} {one.about}: {one.rows:,} rows, {clock(one.seconds)}, {one.memory / 1e9:.1f} GB"
            + "".join(f"\n    {fault}" for fault in one.faults)
            + "".join(f"\n    {note}" for note in one.notes)
        )
    slowest = max(one.seconds for one in showings)
    most = max(one.memory for one in showings)
    shares = slowest / 3600 / hours, most / MEMORY
    lines.append(
        f"of Kaggle's limits: {shares[0]:.1%} of {hours:.0f} h, {shares[1]:.1%} of {MEMORY / 1e9:.0f} GB"
        " (this machine's speed, not Kaggle's 4 cores and 2 T4)"
    )
    small, large = min(showings, key=lambda one: one.rows), max(showings, key=lambda one: one.rows)
    if large.rows > small.rows and large.seconds > small.seconds:
        each = (large.seconds - small.seconds) / (large.rows - small.rows)
        lines.append(f"{1000 * each:.2f} ms a row more: {hours:.0f} h are enough for about {hours * 3600 / each:,.0f} rows")
        if asked:
            lines.append(f"{asked:,} rows would take about {clock(small.seconds + (asked - small.rows) * each)}")
    return lines
