"""Stopping: SIGTERM, SIGINT and SIGHUP end a run with its state saved, never in the middle of a step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from kit.errors import Stopped

SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)]


class Stop:
    """What was asked for. While `patient`, a signal only leaves its number here and the training loop acts on it."""

    def __init__(self) -> None:
        self.signum = 0
        self.patient = False

    def install(self) -> None:
        """Take the signals over (again: Lightning replaces SIGTERM's handler when a fit starts)."""
        if threading.current_thread() is threading.main_thread():
            for one in SIGNALS:
                signal.signal(one, self._handle)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """A signal inside the block ends the run after it: an exception in a destructor, say, would be lost."""
        self.patient = True
        yield
        self.patient = False
        if self.signum:
            raise self.error()

    def error(self) -> Stopped:
        """The exception that ends the run."""
        name = signal.Signals(self.signum).name
        return Stopped(f"stopped by {name}; the state is saved, and the same command goes on from it.", self.signum)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        again, self.signum = bool(self.signum), signum
        if again or not self.patient:
            raise self.error()


@contextmanager
def stoppable() -> Iterator[Stop]:
    """A Stop that listens inside the block; the handlers from before are back afterwards."""
    stop = Stop()
    main = threading.current_thread() is threading.main_thread()
    before = {one: signal.getsignal(one) for one in SIGNALS} if main else {}
    stop.install()
    try:
        yield stop
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
