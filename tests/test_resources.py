"""Resources: how threads wait, which cores there are, and who else is at work on them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kit import resources
from kit.resources import CoreTime


def waiting(**environment: str) -> str:
    """GOMP_SPINCOUNT where torch is imported after the kit, in a fresh process with this environment."""
    plain = {name: value for name, value in os.environ.items() if name not in resources.WAITING}
    code = "import sys, kit, os; assert 'torch' not in sys.modules; print(os.environ.get('GOMP_SPINCOUNT'))"
    done = subprocess.run([sys.executable, "-c", code], env=plain | environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_threads_sleep_soon_unless_the_environment_says_how_they_wait() -> None:
    assert waiting() == "1000"
    assert waiting(GOMP_SPINCOUNT="7") == "7"
    assert waiting(OMP_WAIT_POLICY="active") == "None"


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that compute all the time."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for one in others:
            one.kill()
            one.wait()


def turn(began: CoreTime) -> None:
    """Compute until enough time for a look has passed."""
    while (now := CoreTime.now()) and now.clock - began.clock < 2 * resources.SAMPLE:
        pass


@pytest.mark.skipif(CoreTime.now() is None, reason="the system does not tell")
def test_cores_are_shared_where_others_compute_and_not_by_oneself() -> None:
    began = CoreTime.now()
    assert began is not None and not began.shared(1000)  # too soon to tell
    turn(began)
    now = CoreTime.now()
    assert now is not None and now.own - began.own > resources.SAMPLE / 10  # what is computed here is one's own ...
    assert not began.shared(-resources.core_count())  # ... and nobody is crowded who wants no core
    with busy(2 * resources.core_count()):
        began = CoreTime.now()
        assert began is not None
        turn(began)
        assert "the cores are shared: other processes keep" in began.shared(resources.core_count())
        assert began.shared(max(2, resources.core_count())).endswith("OMP_NUM_THREADS=1 may be faster")
        assert "OMP_NUM_THREADS" not in began.shared(1)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2, reason="one core only")
def test_what_affinity_leaves_is_said_and_counted() -> None:
    one = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from kit import resources"
    code = f"{one}; print(resources.core_count(), resources.narrowed())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("1 this process may use 1 of the machine's") and done.stdout.endswith("by its affinity\n")
