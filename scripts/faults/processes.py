"""Faults of a run, in processes of its own: kills, signals, damage, a full disk, little memory, a moved clock, no network."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from counting import ROOT, Count

from kit.storage.files import TEMPORARY
from kit.training import checkpoints

KNOBS = ["--folds", "3", "--epochs", "40", "--width", "16", "--dropout", "0.1"]
RESULTS = ("oof.csv", "submission.csv")
SHORT = ["--folds", "2", "--epochs", "2", "--width", "16", "--quiet"]


def command(*words: str) -> list[str]:
    """The words of a command of the kit for a process of its own."""
    return [sys.executable, "-m", "kit", *words]


def start(folder: Path, run: str, *more: str, snapshot: float = 0.05, **named: object) -> subprocess.Popen[str]:
    """The run that most of these faults disturb, with snapshots every so many seconds."""
    words = command("run", "digits", "--quiet", *KNOBS, "--snapshot", str(snapshot), "--out", run, *more)
    return subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **named)  # type: ignore[call-overload]


def ends(folder: Path, run: str, **named: object) -> bool:
    """Does the same command end well, with the bytes of the undisturbed run and without temporary files?"""
    process = start(folder, run, **named)  # type: ignore[arg-type]
    process.communicate()
    whole = undisturbed(folder)[0]
    same = process.returncode == 0 and all(
        (folder / run / name).read_bytes() == (whole / name).read_bytes() for name in RESULTS
    )
    return same and not list((folder / run).rglob(f"{TEMPORARY}*"))


@cache
def undisturbed(folder: Path) -> tuple[Path, float]:
    """The run that the others are compared to, and the seconds that it took."""
    began = time.monotonic()
    if start(folder, "undisturbed").wait():
        raise SystemExit("the undisturbed run failed")
    return folder / "undisturbed", time.monotonic() - began


def killed(folder: Path) -> Count:
    held, (_, seconds) = 0, undisturbed(folder)
    for i in range(20):
        process = start(folder, f"killed{i}")
        time.sleep(random.Random(i).uniform(1, seconds))
        process.kill()
        process.communicate()
        held += ends(folder, f"killed{i}")
    return Count(held, 20)


def signalled(folder: Path) -> Count:
    held, slowest, (_, seconds) = 0, 0.0, undisturbed(folder)
    for i in range(15):
        signum = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)[i % 3]
        process = start(folder, f"signalled{i}")
        _until(process, lambda run=folder / f"signalled{i}": list(run.glob("fold0/snapshot*")))
        time.sleep(random.Random(i).uniform(0, seconds / 4))
        began = time.monotonic()
        process.send_signal(signum)
        process.communicate()
        took = time.monotonic() - began
        slowest = max(slowest, took)
        held += process.returncode == 128 + signum and took < 10 and ends(folder, f"signalled{i}")
    return Count(held, 15, f"slowest exit {slowest:.1f} s")


def killed_writers(folder: Path) -> Count:
    """Snapshots are written at every step, and $TMPDIR is another filesystem than the run's where /dev/shm is one."""
    elsewhere = {**os.environ, "TMPDIR": "/dev/shm"} if Path("/dev/shm").is_dir() else dict(os.environ)
    run, held = folder / "writers", 0
    for i in range(30):
        process = start(folder, "writers", "--fresh" if i % 10 == 0 else "--quiet", snapshot=0, env=elsewhere)
        began = time.time()
        _until(process, lambda began=began: _young(run, began))
        process.kill()
        process.communicate()
        found = [checkpoints.newest_sound(fold) for fold in run.glob("fold*")]
        held += all(not lines for _, lines in found)
    whole = ends(folder, "writers", snapshot=0, env=elsewhere)
    left = list(Path(elsewhere.get("TMPDIR", "/tmp")).glob(f"{TEMPORARY}*"))
    return Count(held if whole and not left else 0, 30, "then the same bytes" if whole else "then NOT the same bytes")


def _young(run: Path, since: float) -> bool:
    """Is a checkpoint being written?"""
    for fold in run.glob("fold*"):
        for path in fold.glob(f"{TEMPORARY}*"):
            if path.exists() and path.stat().st_mtime >= since:
                return True
    return False


def _until(process: subprocess.Popen[str], met: Callable[[], object]) -> None:
    while process.poll() is None and not met():
        time.sleep(0.0005)


def damaged(folder: Path) -> Count:
    process = start(folder, "damaged")
    snapshots = folder / "damaged" / "fold1"
    _until(process, lambda: len(checkpoints.snapshots(snapshots)) > 1)
    process.kill()
    process.communicate()
    held, rng, copy = 0, random.Random(0), folder / "copy"
    for i in range(50):
        shutil.copytree(snapshots, copy)
        newest = checkpoints.snapshots(copy)[0]
        data = bytearray(newest.read_bytes())
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        newest.write_bytes(data[: rng.randrange(len(data))] if i % 2 else data)
        state, lines = checkpoints.newest_sound(copy)
        newest.unlink()
        before, _ = checkpoints.newest_sound(copy)
        held += len(lines) == 1 and state is not None and (state["epoch"], state["step"]) == (before["epoch"], before["step"])
        shutil.rmtree(copy)
    whole = ends(folder, "damaged")
    return Count(held if whole else 0, 50, "then the same bytes" if whole else "then NOT the same bytes")


def full_disk(folder: Path) -> Count:
    """Disks of 40 KB and more, of which each lets the run come further; then the same command on a larger one."""
    whole = folder / "enough"
    if subprocess.run(command("run", "digits", "--out", str(whole), *SHORT), cwd=folder, capture_output=True).returncode:
        raise SystemExit("the run without a fault failed")
    needed = sum(path.stat().st_blocks for path in whole.rglob("*")) // 2  # in KB
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        return Count(0, 0, "only root may mount a small disk")
    held, sizes = 0, [40 + needed * i // 10 for i in range(10)]
    run = " ".join(command("run", "digits", "--out", '"$0/disk/run"', *SHORT))
    for size in sizes:
        steps = [
            f'mkdir -p "$0/disk" && mount -t tmpfs -o size={size}k tmpfs "$0/disk" || exit',
            f"{run}; first=$?",
            f'mount -o remount,size=64m "$0/disk" && {run} && cmp "$0/disk/run/submission.csv" "$0/enough/submission.csv" && '
            'echo "code $first"',
        ]
        words = ["unshare", "-m", "sh", "-c", "\n".join(steps), str(folder)]
        answer = subprocess.run(words, cwd=folder, capture_output=True, text=True)
        full = answer.stdout.strip().split("\n")[-1] in ("code 74", "code 0")  # 0: it had room enough
        held += full and "Traceback" not in answer.stderr and "error in the kit" not in answer.stderr
    return Count(held, len(sizes), f"a run of {needed:,} KB on disks of {sizes[0]} to {sizes[-1]:,} KB")


def little_memory(folder: Path) -> Count:
    held, sizes = 0, range(500, 6500, 500)  # MB of address space
    for size in sizes:

        def limit(size: int = size) -> None:
            resource.setrlimit(resource.RLIMIT_AS, (size << 20, size << 20))

        words = command("run", "digits", "--out", f"memory{size}", *SHORT)
        answer = subprocess.run(words, cwd=folder, preexec_fn=limit, capture_output=True, text=True)
        said = answer.stderr.strip()
        wordy = 0 < len(said.splitlines()) <= 3 and "error in the kit" not in said and "MemoryError" not in said
        held += answer.returncode == 0 or wordy
    return Count(held, len(sizes), f"limits of {sizes[0] / 1000} to {sizes[-1] / 1000} GB")


MOVED = """
import sys, time
true, start, by = time.time, time.monotonic(), float(sys.argv.pop(1))
time.time = lambda: true() + (by if time.monotonic() > start + 3 else 0)
from kit.__main__ import enter
enter()
"""


def budgets(folder: Path) -> Count:
    """Each of 10 runs gets two budgets, one after the other: the second must not be less for what the first took."""
    from kit import competition

    competition.load("digits").competition.embedded(folder / "digits")  # type: ignore[misc]
    held, worst, day = 0, 0.0, 86400
    for i in range(20):
        budget = 8 + i // 2
        knobs = [
            "--epochs",
            "5000",
            "--time-budget",
            f"{budget}s",
            "--seed",
            str(i // 2),
            "--quiet",
            "--fresh" if i % 2 == 0 else "--debug",
        ]
        words = [sys.executable, "-c", MOVED, str(day if i % 4 < 2 else -day), "run", "digits", "--data", "digits"]
        began = time.monotonic()
        answer = subprocess.run([*words, "--out", f"budget{i // 2}", *knobs], cwd=folder, capture_output=True, text=True)
        over = time.monotonic() - began - budget
        worst = max(worst, over)
        checked = subprocess.run(
            command("validate", "digits", f"budget{i // 2}/submission.csv", "--data", "digits"), cwd=folder, capture_output=True
        )
        held += answer.returncode == 0 and checked.returncode == 0 and over <= 1.5
    return Count(held, 20, f"the latest end {worst:+.1f} s from its budget")


def offline(folder: Path) -> Count:
    """In a namespace without a network, with the data and $HOME mounted read-only."""
    from kit import competition

    if subprocess.run(["unshare", "-m", "-n", "true"], capture_output=True).returncode:
        return Count(0, 0, "only root may take the network away")
    held, names = 0, ("digits", "rowsum", "equations")
    for name in names:
        place = folder / "offline" / name
        competition.load(name).competition.embedded(place)  # type: ignore[misc]
        (folder / "home").mkdir(exist_ok=True)
        run = " ".join(
            command("run", name, "--data", f"offline/{name}", "--out", f"offline-{name}", "--folds", "2", "--limit", "200")
        )
        steps = [
            f'mount --bind "$0/{each}" "$0/{each}" && mount -o remount,ro,bind "$0/{each}" &&' for each in ("offline", "home")
        ]
        steps.append(f'HOME="$0/home" {run} --fresh')
        answer = subprocess.run(
            ["unshare", "-m", "-n", "sh", "-c", "\n".join(steps), str(folder)], cwd=folder, capture_output=True
        )
        held += answer.returncode == 0 and (folder / f"offline-{name}" / "submission.csv").exists()
    return Count(held, len(names), "competitions")


def adapters(folder: Path) -> Count:
    from kit import competition

    held, names, slowest = 0, competition.names(), 0.0
    for name in names:
        began = time.monotonic()
        answer = subprocess.run(
            command("check", name, "--data", str(folder / "none")), cwd=folder, capture_output=True, text=True
        )
        slowest = max(slowest, time.monotonic() - began)
        held += "25 of 25 checks passed" in answer.stdout
    return Count(held, len(names), f"the slowest took {slowest:.0f} s")


def gpu(folder: Path) -> Count:
    import torch

    if not torch.cuda.is_available():
        return Count(0, 0, "there is no GPU here")
    answer = subprocess.run(["bash", str(ROOT / "scripts" / "gpu.sh")], capture_output=True, text=True)
    return Count(int(answer.returncode == 0), 1, "scripts/gpu.sh")
