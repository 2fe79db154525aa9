"""Parallel: folds trained at a time, each share of them by a process with a GPU, or some of the cores, of its own.

Files are the interface: such a process finds the run in its folder, trains its folds as any process would, and leaves
theirs finished. `python -m kit.pipeline.parallel FOLDER FOLDS SECONDS QUIET` is one; it ends, with its state saved, when
the pipe from the process that started it is closed.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kit.config import Config
from kit.errors import BadData, DiskError, Diverged, KitError, Stopped, Usage
from kit.storage.run_folder import Run
from kit.training.deadline import Budget

if TYPE_CHECKING:
    from kit.pipeline.preparation import Work

POLL = 0.1  # seconds between looks at the processes
SAVED = 12.0  # seconds that a process has to save its state
KINDS: dict[int, type[KitError]] = {kind.code: kind for kind in (Usage, BadData, DiskError)}


def train(work: Work) -> None:
    """Every fold that is asked for, several at a time where there is more than one place for them; then the refit."""
    from kit.pipeline import crossval

    count = places(work.config)
    if count > 1:
        folds = [k for k in work.asked if isinstance(k, int) and not crossval.finished(work.run.fold(k))]
        if len(folds) > 1:
            _side_by_side(work, folds, min(count, len(folds)))
    crossval.train(work)  # the refit; a fold that is finished is only counted


def places(config: Config) -> int:
    """How many folds are trained at a time: as many as are asked for, else one for each GPU, and one on a CPU."""
    import torch

    return config.jobs or (torch.cuda.device_count() if config.devices == "gpu" else 1)


@dataclass
class Child:
    """A process that trains some folds. What it says is passed on; its errors are kept."""

    folds: list[int]
    process: subprocess.Popen[str]
    errors: deque[str] = field(default_factory=lambda: deque(maxlen=3))

    def listen(self, work: Work) -> None:
        """Pass its lines on until it ends."""
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                if line.startswith("kit: ") or self.errors:
                    self.errors.append(line.removeprefix("kit: ").rstrip())
                else:
                    work.progress.say(line.rstrip())

    def fault(self) -> KitError | None:
        """What went wrong in it, once it has ended."""
        code = self.process.returncode
        if not code:
            return None
        if code < 0:
            names = ", ".join(map(str, self.folds))
            return KitError(
                f"fold {names}: the process was killed (signal {-code}). Was the memory too small? See --jobs 1.\n"
                "What is finished is kept; the same command goes on."
            )
        said = "\n".join(self.errors) or f"the process ended with {code}"
        kind = KINDS.get(code, Diverged)
        return Stopped(said, max(code - 128, 0)) if code == 75 or code > 128 else kind(said)


def _side_by_side(work: Work, folds: list[int], count: int) -> None:
    """Train folds by `count` processes. Where one of them fails, or this one is stopped, all end with their state saved."""
    each = math.ceil(len(folds) / count)
    refit = any(not isinstance(one, int) for one in work.asked)
    seconds = work.budget.left * each / (each + refit) if math.isfinite(work.budget.left) else 0.0
    work.progress.say(f"{count} folds at a time, each in a process of its own")
    children = [_start(work, folds[i::count], i, count, seconds) for i in range(count)]
    threads = [threading.Thread(target=child.listen, args=(work,), daemon=True) for child in children]
    try:
        for thread in threads:
            thread.start()
        while any(child.process.poll() is None for child in children):
            if any(child.process.returncode for child in children):
                break
            time.sleep(POLL)
    finally:
        _end(children)
        for thread in threads:
            thread.join()
    faults = [fault for child in children if (fault := child.fault())]
    if faults:  # the others were only stopped
        raise next((one for one in faults if not isinstance(one, Stopped)), faults[0])


def _start(work: Work, folds: list[int], number: int, count: int, seconds: float) -> Child:
    import torch

    own = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    if work.config.devices == "gpu":
        seen = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        gpus = seen if seen != [""] else [str(i) for i in range(torch.cuda.device_count())]
        own["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
    else:
        own["OMP_NUM_THREADS"] = str(max(1, torch.get_num_threads() // count))
    words = [str(work.run.path), ",".join(map(str, folds)), str(seconds), str(int(work.progress.quiet))]
    process = subprocess.Popen(
        [sys.executable, "-m", "kit.pipeline.parallel", *words],
        env=os.environ | own, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    return Child(folds, process)


def _end(children: Sequence[Child]) -> None:
    """Ask those that still work to save and end; kill one that does not."""
    for child in children:
        if child.process.poll() is None:
            child.process.terminate()
    until = time.monotonic() + SAVED
    for child in children:
        try:
            child.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
        if child.process.stdin:
            child.process.stdin.close()


def work_on(folder: Path, folds: list[int], seconds: float, quiet: bool) -> None:
    """Train these folds of a run that another process has prepared, and holds."""
    began = time.monotonic()  # before seconds of imports
    budget = Budget(seconds, began)
    from kit import competition as competitions
    from kit.models import devices
    from kit.pipeline import crossval
    from kit.pipeline.plan import family_of
    from kit.pipeline.preparation import Session, prepare
    from kit.training.signals import stoppable

    run = Run(folder)
    record = run.record
    config, root = Config.of(record.config), Path(record.root)
    adapter = competitions.load(record.competition).shaped(config, root)
    with stoppable() as stop:
        here = devices.choose(config, family_of(adapter, config))
        session = Session(stop=stop, budget=budget, began=began, quiet=quiet, only=folds, beside=True)
        crossval.train(prepare(run, adapter, here, root, session))


def _die_with_parent() -> None:
    os.read(0, 1)  # nothing is ever written: it returns when the other process ends, however it ends
    os.kill(os.getpid(), signal.SIGTERM)


def main(words: Sequence[str]) -> int:
    """Be such a process; returns its exit code."""
    folder, folds, seconds, quiet = words
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        work_on(Path(folder), [int(one) for one in folds.split(",")], float(seconds), quiet == "1")
    except KitError as fault:
        print(f"kit: {fault}", file=sys.stderr)
        return fault.code
    except Exception as fault:
        print(
            f"kit: this is an error in the kit: {type(fault).__name__}: {fault}\n--jobs 1 --debug shows the traceback.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # as `kit.__main__` does: to take torch's modules apart takes seconds
