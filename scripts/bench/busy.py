"""What short waiting saves on busy cores, and costs on idle ones: the training of fold 0, in seconds.

    python scripts/bench/busy.py NAME [--data DIR] [--rounds 3] [--spins 1000,as-it-comes] [--busy 0,2]
        [--threads 1,2] [--most 300] [--KNOB VALUE …]

Each fit runs in a fresh process. `--spins`: values of GOMP_SPINCOUNT; `as-it-comes` leaves it to OpenMP (300,000). `--busy`:
processes that compute all the time beside it; `--most`: seconds after which a process is given up (inf). All combinations take
turns, so that what else the machine does meets each alike; printed are medians over the rounds, with all values.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kit.resources import CoreTime

COMES = "as-it-comes"
FIT = """
import json, os, sys
import kit
if os.environ.get("KIT_BENCH_SPIN") == "as-it-comes":
    os.environ.pop("GOMP_SPINCOUNT")
os.environ.pop("KIT_BENCH_SPIN", None)
import torch
threads = int(sys.argv[4])
torch.set_num_threads(threads) if threads else None
run = kit.run(sys.argv[1], sys.argv[2] or None, out=sys.argv[3], only_fold=[0], quiet=True, **json.loads(sys.argv[5]))
print(json.loads((run.fold(0) / "fold.json").read_text())["seconds"]["train"], torch.get_num_threads())
"""


@contextmanager
def beside(count: int) -> Iterator[None]:
    """So many processes that compute all the time."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for one in others:
            one.kill()
            one.wait()


def fit(name: str, data: str, spin: str, threads: int, knobs: dict[str, str], most: float) -> tuple[float, int]:
    """Seconds of training, and its threads."""
    environ = {key: value for key, value in os.environ.items() if key not in ("GOMP_SPINCOUNT", "OMP_NUM_THREADS")}
    environ |= {"KIT_BENCH_SPIN": spin} if spin == COMES else {"GOMP_SPINCOUNT": spin}
    with tempfile.TemporaryDirectory() as folder:
        words = [name, data, str(Path(folder) / "run"), str(threads), json.dumps(knobs)]
        try:
            done = subprocess.run(
                [sys.executable, "-c", FIT, *words], env=environ, capture_output=True, text=True, timeout=most
            )
        except subprocess.TimeoutExpired:
            return math.inf, threads
    if done.returncode:
        sys.exit(done.stderr)
    seconds, used = done.stdout.split()[-2:]
    return float(seconds), int(used)


def main() -> None:
    """Take turns, and print a line for each combination."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the busy processes end too
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--data", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--spins", default=f"1000,{COMES}")
    parser.add_argument("--busy", default="0,2")
    parser.add_argument("--most", type=float, default=300.0)
    parser.add_argument("--threads", default="0", help="threads of the fit; 0: as the kit chooses")
    known, rest = parser.parse_known_args()
    knobs = dict(zip((word.removeprefix("--").replace("-", "_") for word in rest[::2]), rest[1::2], strict=True))
    spins, busy, threads = known.spins.split(","), known.busy.split(","), known.threads.split(",")
    ways = list(itertools.product(map(int, busy), spins, map(int, threads)))
    taken: dict[tuple[int, str, int], list[float]] = {way: [] for way in ways}
    for _ in range(known.rounds):
        for way in ways:
            count, spin, wanted = way
            with beside(count):
                before = CoreTime.now()
                seconds, used = fit(known.name, known.data, spin, wanted, knobs, known.most)
                after = CoreTime.now()
            taken[way].append(seconds)
            known_times = before is not None and after is not None
            cores = (after.everybody - before.everybody) / (after.clock - before.clock) if known_times else math.nan
            print(f"{count} busy, spin {spin}, {used} threads: {seconds:.1f} s, {cores:.1f} cores at work", flush=True)
    for (count, spin, wanted), values in taken.items():
        shown, middle = " ".join(f"{one:.1f}" for one in values), statistics.median(values)
        print(f"{known.name} beside {count} busy, spin {spin}, threads {wanted or 'auto'}: median {middle:.1f} s ({shown})")


if __name__ == "__main__":
    main()
