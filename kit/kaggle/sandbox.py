"""Sandbox: a kernel's code run in a fresh process, without network, home and credentials, on input that it cannot change."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "SYSTEMROOT")
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


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, seconds of wall-clock time, and the most memory in bytes that it held."""

    code: int
    seconds: float
    memory: float


def run(stage: Path, code: Path, python: str, rerun: bool = False) -> Ended:
    """Run a script or notebook with the folder `stage / "input"` mounted; its log, output and violations stay in `stage`.

    `rerun`: as Kaggle reruns a code competition's kernel.
    """
    for name in ("working", "temp", "guard"):
        (stage / name).mkdir()
    cells = stage / "guard" / "cells.py"
    (stage / "guard" / "sitecustomize.py").write_text(GUARD)
    cells.write_text(CELLS)
    words = [*_without_network(), python, *([str(cells)] if code.suffix == ".ipynb" else []), str(code.resolve())]
    began = time.monotonic()
    with (stage / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            words, cwd=stage / "working", env=_environment(stage, rerun), stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        status, memory = _wait(process)
    return Ended(status, time.monotonic() - began, memory)


def violations(stage: Path) -> list[str]:
    """What the kernel tried that Kaggle does not allow, each once."""
    path = stage / "guard.txt"
    return sorted(set(path.read_text().splitlines())) if path.exists() else []


def log_of(stage: Path) -> str:
    """What the kernel printed."""
    return (stage / "log.txt").read_text(encoding="utf-8", errors="replace")


def _environment(stage: Path, rerun: bool) -> dict[str, str]:
    mounts = [str(path.resolve()) for path in (stage / "input").rglob("*") if path.is_symlink()]
    return {key: os.environ[key] for key in KEPT if key in os.environ} | {
        "KAGGLE_KERNEL_RUN_TYPE": "Batch",
        "KIT_MOUNT": str(stage / "input"),
        "HOME": os.devnull,  # no folder, and nobody can make it one
        "TMPDIR": str(stage / "temp"),
        "PYTHONPATH": str(stage / "guard"),
        "REHEARSAL_LOG": str(stage / "guard.txt"),
        "REHEARSAL_CLOSED": os.pathsep.join([str(stage / "input"), *mounts]),
        **({"KAGGLE_IS_COMPETITION_RERUN": "1"} if rerun else {}),
    }


def _without_network() -> list[str]:
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
