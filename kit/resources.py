"""Resources of this machine: cores that may be used, imports without garbage collection, freed memory given back."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kit import console

SPIN = {"GOMP_SPINCOUNT": "1000"}  # turns of a waiting thread's loop before it sleeps; libgomp's own are 300,000
CGROUP = Path("/sys/fs/cgroup")
SAMPLE = 0.3  # seconds that a look at the cores takes at least: the system counts in hundredths
CROWDED = 0.5  # cores that others keep busy, beyond those that are left free
WAITING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "KMP_BLOCKTIME")  # whoever sets one of these has decided for himself


def wait_briefly() -> None:
    """Let OpenMP's threads sleep soon where they wait for each other, unless the environment says how they wait.

    As torch comes, they turn in a loop at every barrier, in the way of whoever they wait for: beside two busy processes on
    two cores a fit took 15 times as long, and with a short turn 3 times, for 5 % of the time on idle cores. libgomp reads the
    environment when torch is imported, so this comes before.
    """
    if not any(name in os.environ for name in WAITING):
        os.environ.update(SPIN)


def free_memory() -> int | None:
    """Bytes of memory that may still be taken: of the machine, of the container, of the process; None where nothing tells."""
    free = []
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free.append(int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) << 10)
    with contextlib.suppress(OSError, ValueError, StopIteration):  # a container without a limit says "max": no number
        most, used = (int((CGROUP / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
        lines = (CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()
        files_kept = int(next(line for line in lines if line.startswith("inactive_file")).split()[1])
        free.append(most - used + files_kept)  # files that are only kept in memory until something else needs it
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        free += [] if limit == resource.RLIM_INFINITY else [limit - pages * resource.getpagesize()]
    return max(0, min(free)) if free else None


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Without the collector: torch and Lightning make half a million objects that stay, and a sixth of the time of importing
    them went into looking for garbage among them. In a notebook the bar comes first, as Lightning's import of it warns."""
    if console.in_notebook():
        console.bar_class()
    watched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if watched:
            gc.enable()


@contextlib.contextmanager
def settled() -> Iterator[None]:
    """What there is at the start (imported modules above all) is left out of every collection inside: each took 0.3 s."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def give_back() -> None:
    """Return what was freed to the system. glibc keeps it (350 MB of a run on 50,000 reviews); elsewhere nothing is done."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


@contextlib.contextmanager
def reusing() -> Iterator[None]:
    """What is freed inside serves the next tensor. Else glibc returns large ones to the system and has new pages zeroed.

    An EfficientNet's forward pass over 128 pictures of 128 pixels on two cores: 161 a CPU second without, 222 to 259 with.
    """
    _tune_glibc(mmap_max=0, trim_threshold=(1 << 31) - 1, top_pad=1 << 26, mmap_threshold=1 << 25)
    try:
        yield
    finally:  # to where glibc's own, which this ends, would have got
        _tune_glibc(mmap_max=1 << 16, trim_threshold=1 << 26, top_pad=0, mmap_threshold=1 << 25)
        give_back()


def _tune_glibc(**options: int) -> None:
    """Set options of glibc's malloc; elsewhere nothing is done."""
    numbers = {"trim_threshold": -1, "top_pad": -2, "mmap_threshold": -3, "mmap_max": -4}
    with contextlib.suppress(OSError, AttributeError, TypeError):
        for name, value in options.items():
            ctypes.CDLL(None).mallopt(numbers[name], value)


def core_count() -> int:
    """How many cores this process may use, at least 1. On a cluster, in a container or under `taskset` the machine has more."""
    import joblib  # knows affinity, quotas of containers, and LOKY_MAX_CPU_COUNT

    return joblib.cpu_count()


def narrowed() -> str:
    """A line where affinity or a quota leaves this process fewer cores than the machine has; else an empty string."""
    machine, allowed = os.cpu_count() or 1, len(_own_cores())
    why = "its affinity" if core_count() == allowed else "a quota"
    return f"this process may use {core_count()} of the machine's {machine} cores, by {why}" if core_count() < machine else ""


@dataclass(frozen=True)
class CoreTime:
    """CPU seconds of the cores that this process may use: of everybody, and its own (those of ended children among them)."""

    everybody: float
    own: float
    clock: float

    @classmethod
    def now(cls) -> CoreTime | None:
        """Until now; None where the system does not tell."""
        try:
            lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
            cores = {f"cpu{core}" for core in _own_cores()}
            ticks = [list(map(int, rest)) for name, *rest in map(str.split, lines) if name in cores]
        except (OSError, ValueError):
            return None
        busy = sum(sum(some[:3]) + sum(some[5:8]) for some in ticks)  # all but idle and waiting for the disk
        return cls(busy / os.sysconf("SC_CLK_TCK"), sum(os.times()[:4]), time.monotonic())

    def shared(self, threads: int) -> str:
        """A line where others have kept so many cores busy since then that these threads must share; else an empty string."""
        now = CoreTime.now()
        if now is None or now.clock - self.clock < SAMPLE:
            return ""
        others = (now.everybody - self.everybody - (now.own - self.own)) / (now.clock - self.clock)
        if others < core_count() - threads + CROWDED:
            return ""
        advice = ". Threads wait for each other then: OMP_NUM_THREADS=1 may be faster" if threads > 1 else ""
        return (
            f"the cores are shared: other processes keep {others:.1f} of {core_count()} busy, so training takes longer{advice}"
        )


def _own_cores() -> set[int]:
    """The numbers of the cores that this process's affinity allows."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
