"""Fork server: a process that has imported and read all that a run's fits need, and forks a child for each of them.

`python -m kit.pipeline.processes.server PARENT` is one; its standard input is a socket. A line of JSON comes first that says
which run it is for, then one for each child, with two pipes: its standard error, and one that ends with PARENT, the process
that asked. The answers are `{"child": PID}`, and `{"ended": PID, "status": …}` when it has.

A child has the memory of the server until it writes to it: it is ready in 0.15 s, with 35 MB of its own (two cores, load 8).
A process started anew would import for 4 CPU seconds, hold 450 MB, and read the run's data again. What cannot be forked is not
used before: no more than one thread computes in the server, and no GPU is touched.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from kit.console import fail
from kit.errors import explained
from kit.pipeline.processes.order import Order, grace

POLL = 0.5  # seconds between looks at the children, should a signal have been missed


def main() -> int:
    """Be a fork server until whoever started it ends or closes the socket; returns the exit code."""
    orders = Orders(socket.socket(fileno=os.dup(0)))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    die_with_parent(signal.SIGKILL)  # as long as it imports and reads, it sees no pipe
    if os.getppid() != int(sys.argv[1]):  # it has ended before this was asked for
        return 0
    first = orders.next(pipes=0)
    return outcome(lambda: serve(orders, first[0])) if first else 0


def die_with_parent(signum: int) -> None:
    """Have Linux send this signal when the process that started this one ends; 0: none. Other systems do nothing."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signum)


def serve(orders: Orders, run: dict[str, Any]) -> None:
    """Prepare the work of a run, and carry out orders with it until no more come."""
    import torch

    torch.set_num_threads(1)  # libgomp's threads do not survive a fork, and whoever waits for them waits for ever
    from kit.pipeline.processes import forked

    Server(orders, partial(forked.carry_out, forked.prepared(**run))).serve()


class Orders:
    """The lines that come through a socket, each with its pipes, in their order."""

    def __init__(self, asked: socket.socket):
        self.asked, self.data, self.pipes = asked, b"", list[int]()

    @property
    def waiting(self) -> bool:
        """Has a whole line come already?"""
        return b"\n" in self.data

    def next(self, pipes: int) -> tuple[dict[str, Any], list[int]] | None:
        """The next line and so many pipes, waited for; None where no more come."""
        while not self.waiting:
            part, more, _, _ = socket.recv_fds(self.asked, 1 << 16, 64)
            if not part:
                return None
            self.data += part
            self.pipes += more
        line, _, self.data = self.data.partition(b"\n")
        own, self.pipes = self.pipes[:pipes], self.pipes[pipes:]
        return json.loads(line), own

    def answer(self, **answer: int) -> None:
        """Say something to whoever asked, if anybody is still there."""
        with contextlib.suppress(OSError):
            self.asked.sendall(json.dumps(answer).encode() + b"\n")


class Server:
    """Forks a child for each order, and says when it has ended. `carry_out(order, alive)`: what a child does."""

    def __init__(self, orders: Orders, carry_out: Callable[[Order, int], object]):
        self.orders, self.carry_out = orders, carry_out
        self.children: dict[int, Path] = {}  # where each saves its state
        self.ended, waker = os.pipe()  # readable when a child has ended
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        gc.collect()
        gc.freeze()  # a collection in a child would write to, and so copy, all that there is

    def serve(self) -> None:
        """Carry out orders until no more come; then wait for the children that are left, and kill those that do not end."""
        die_with_parent(0)
        while self.orders.waiting or self._look([self.ended, self.orders.asked]):
            order = self.orders.next(pipes=2)
            if order is None:
                break
            self._fork(Order(**order[0]), order[1])
        until = time.monotonic() + max((grace(folder) for folder in self.children.values()), default=0.0)
        while self.children:  # each is told to end by its own pipe
            self._look([self.ended])
            if time.monotonic() > until:
                for pid in self.children:
                    os.kill(pid, signal.SIGKILL)

    def _look(self, at: list[Any]) -> bool:
        """Wait until a child has ended, and say so, or (True) an order has come."""
        while True:
            ready, _, _ = select.select(at, [], [], POLL)
            if self.ended in ready:
                os.read(self.ended, 4096)
            for pid in list(self.children):
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    del self.children[pid]
                    self.orders.answer(ended=pid, status=os.waitstatus_to_exitcode(status))
            if len(at) == 1:
                return False
            if self.orders.asked in ready:
                return True

    def _fork(self, order: Order, pipes: list[int]) -> None:
        pid = os.fork()
        if not pid:
            self.orders.asked.close()
            _be_child(self.carry_out, order, *pipes)
        for pipe in pipes:
            os.close(pipe)
        self.children[pid] = Path(order.folder)
        self.orders.answer(child=pid)


def _be_child(carry_out: Callable[[Order, int], object], order: Order, errors: int, alive: int) -> NoReturn:
    """Carry out an order, and end: the server's own stack is never returned to."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(errors, 2)
    os.close(errors)
    code = outcome(lambda: carry_out(order, alive))
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(code)


def outcome(work: Callable[[], object]) -> int:
    """Do something; the exit code that says how it went. An error is said on standard error, in a few lines."""
    try:
        work()
    except Exception as fault:
        message, code = explained(fault)
        fail(message)
        return code
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # as `kit.__main__` does: to take torch's modules apart takes seconds
