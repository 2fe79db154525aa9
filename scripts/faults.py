"""The faults the kit must survive, at full length: `bash scripts/faults.sh [NAME …]` prints a line for each."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from faults_files import dying_disk, flipped, killed_commands, unreadable
from faults_images import little_shared_memory, many, mutated

from kit.training import checkpoints

ROOT = Path(__file__).resolve().parent.parent
KNOBS = ["--folds", "3", "--epochs", "40", "--width", "16", "--dropout", "0.1", "--snapshot", "0.05"]
COMMAND = ["run", "digits", "--quiet", *KNOBS]
RESULTS = ("oof.csv", "submission.csv")


def start(folder: Path, run: str) -> subprocess.Popen[str]:
    """The run, in a process of its own."""
    words = [sys.executable, "-m", "kit", *COMMAND, "--out", run]
    return subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def same(folder: Path, run: str) -> bool:
    """Has this run the bytes of the undisturbed one?"""
    return all((folder / run / name).read_bytes() == (folder / "undisturbed" / name).read_bytes() for name in RESULTS)


def undisturbed(folder: Path) -> float:
    """The run that the others are compared to; returns its seconds."""
    began = time.monotonic()
    if start(folder, "undisturbed").wait():
        raise SystemExit("the undisturbed run failed")
    return time.monotonic() - began


def killed(folder: Path, seconds: float) -> str:
    """kill -9 at 20 random moments; the same command again."""
    good = 0
    for i in range(20):
        process = start(folder, f"killed{i}")
        time.sleep(random.Random(i).uniform(1, seconds))
        process.kill()
        process.communicate()
        good += start(folder, f"killed{i}").wait() == 0 and same(folder, f"killed{i}")
    return f"{good} of 20 byte-identical"


def signalled(folder: Path, seconds: float) -> str:
    """SIGTERM, SIGINT, SIGHUP, 5 each: saved within 10 s, 128+n; the same command again."""
    good, slowest = 0, 0.0
    for i in range(15):
        signum = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)[i % 3]
        process = start(folder, f"signalled{i}")
        while process.poll() is None and not list((folder / f"signalled{i}").glob("fold0/snapshot*")):
            time.sleep(0.05)
        time.sleep(random.Random(i).uniform(0, seconds / 4))
        began = time.monotonic()
        process.send_signal(signum)
        process.communicate()
        slowest = max(slowest, time.monotonic() - began)
        stopped = process.returncode == 128 + signum
        good += stopped and start(folder, f"signalled{i}").wait() == 0 and same(folder, f"signalled{i}")
    return f"{good} of 15 stopped with 128+n and then byte-identical; slowest exit {slowest:.1f} s"


def damaged(folder: Path, seconds: float) -> str:
    """50 truncations and bit flips of the newest checkpoint: noticed, the one before is used."""
    process = start(folder, "damaged")
    snapshots = folder / "damaged" / "fold1"
    while process.poll() is None and len(checkpoints.snapshots(snapshots)) < 2:
        time.sleep(0.001)
    process.kill()
    process.communicate()
    noticed, rng = 0, random.Random(0)
    for i in range(50):
        copy = folder / "copy"
        shutil.copytree(snapshots, copy)
        newest = checkpoints.snapshots(copy)[0]
        data = bytearray(newest.read_bytes())
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        newest.write_bytes(data[: rng.randrange(len(data))] if i % 2 else data)
        state, lines = checkpoints.newest_sound(copy)
        newest.unlink()
        expected, _ = checkpoints.newest_sound(copy)
        noticed += (
            len(lines) == 1 and state is not None and (state["epoch"], state["step"]) == (expected["epoch"], expected["step"])
        )
        shutil.rmtree(copy)
    again = start(folder, "damaged").wait() == 0 and same(folder, "damaged")
    return f"{noticed} of 50 noticed; the run then {'byte-identical' if again else 'DIFFERENT'}"


def tests(folder: Path, seconds: float) -> str:
    """The other faults: resume with another configuration, two processes, rows, labels, submissions, adapters."""
    chosen = ["tests", "-k", "not kill_9 and not signal_saves"]
    answer = subprocess.run([sys.executable, "-m", "pytest", *chosen], cwd=ROOT, capture_output=True, text=True, check=False)
    return answer.stdout.strip().splitlines()[-1]


OF_RUNS = (killed, signalled, damaged, killed_commands, dying_disk, unreadable, flipped)
OTHERS = (mutated, little_shared_memory, many, tests)
FAULTS: dict[str, Callable[[Path, float], str]] = {one.__name__: one for one in (*OF_RUNS, *OTHERS)}
RUNS = ("killed", "signalled", "damaged")


def main() -> None:
    """Run the named faults, or all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chosen = sys.argv[1:] or list(FAULTS)
        seconds = undisturbed(folder) if any(fault in RUNS for fault in chosen) else 0.0
        for fault in chosen:
            about = (FAULTS[fault].__doc__ or "").strip()
            print(f"{fault:16} {about}\n{'':16} → {FAULTS[fault](folder, seconds)}", flush=True)


if __name__ == "__main__":
    main()
