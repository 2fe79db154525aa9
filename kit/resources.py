"""Resources of this machine: cores that may be used, imports without garbage collection, freed memory given back."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Without the collector: torch and Lightning make half a million objects that stay, and a sixth of the time of importing
    them went into looking for garbage among them."""
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
