"""Children: the processes that a fork server starts for this one, which carry out tasks; heard, asked to end, and outlived."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import torch

from kit import resources
from kit.errors import BadData, DiskError, Diverged, KitError, Stopped, Usage
from kit.models.threads import available, use_all
from kit.pipeline.preparation import Work
from kit.pipeline.processes.order import SAVING, Order, grace
from kit.pipeline.task import Task

KINDS: dict[int, type[KitError]] = {kind.code: kind for kind in (Usage, BadData, DiskError)}
POLL, SPARE = 0.1, 5.0  # seconds: between looks at the server; beyond what it gives its children to end


@dataclass
class Voice:
    """What a process says on standard error: passed on line by line, but the last lines from its error on are kept."""

    errors: deque[str] = field(default_factory=lambda: deque(maxlen=3))
    thread: threading.Thread | None = None

    def listen(self, pipe: int, say: Callable[[str], None]) -> None:
        """Listen, in a thread, until the other end of the pipe is closed."""

        def pass_on() -> None:
            with open(pipe, encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    if line.startswith("kit: ") or self.errors:
                        self.errors.append(line.removeprefix("kit: ").rstrip())
                    else:
                        say(line.rstrip())

        self.thread = threading.Thread(target=pass_on, daemon=True)
        self.thread.start()

    def end(self) -> None:
        """Wait for the last lines of a process that has ended; not for what a process of its own still holds open."""
        if self.thread is not None:
            self.thread.join(SPARE)

    def fault(self, name: str, code: int) -> KitError:
        """What went wrong in the process, which has ended with this code, not 0 (-n: by signal n)."""
        if code < 0:
            return KitError(
                f"{name}: the process was killed (signal {-code}). Was the memory too small? See --jobs 1.\n"
                "What is finished is kept; the same command goes on."
            )
        said = "\n".join(self.errors) or f"{name}: the process ended with {code}"
        kind = KINDS.get(code, Diverged)
        return Stopped(said, max(code - 128, 0)) if code == 75 or code > 128 else kind(said)


@dataclass(frozen=True)
class Child:
    """A process that carries out a task, in one of the places. `alive`: it ends when this end of its pipe is closed."""

    task: Task
    place: int
    alive: int
    voice: Voice


class Children:
    """Processes of a run, at most `count` at a time, and the server that forks them; all gone when the block ends."""

    def __init__(self, work: Work, count: int):
        self.work, self.count, self.share = work, count, Share.of(work, count)
        self.working: dict[int, Child] = {}  # by process
        self.ordered: deque[Child] = deque()  # of whom the server has not told yet that they are there
        self.voice, self.unread = Voice(), b""

    def __enter__(self) -> Self:
        self.asked, theirs = socket.socketpair()
        said, errors = os.pipe()
        own = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": str(self.share.threads)}
        own["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # whether there is a GPU is answered without touching it
        self.server = subprocess.Popen(
            [sys.executable, "-m", "kit.pipeline.processes.server", str(os.getpid())],
            env={**os.environ, **own},
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )  # fmt: skip  (a session of its own: Ctrl-C is for this process, which asks the others to end, once)
        theirs.close()
        os.close(errors)
        self.voice.listen(said, self.work.progress.say)
        run = self.work.run.path.resolve()
        self._send({"folder": str(run), "config": self.work.config.json(), "quiet": self.work.progress.quiet})
        return self

    @property
    def full(self) -> bool:
        """Is there no place for another one?"""
        return len(self.working) + len(self.ordered) == self.count

    def start(self, task: Task, seconds: float) -> None:
        """Have a task carried out in a free place. `seconds`: that it has, 0: any. Raises what the server died of."""
        taken = {child.place for child in (*self.working.values(), *self.ordered)}
        place = min({*range(self.count)} - taken)
        (said, errors), (watched, alive) = os.pipe(), os.pipe()
        child = Child(task, place, alive, Voice())
        child.voice.listen(said, self.work.progress.say)
        self.ordered.append(child)
        order = Order(
            call=task.address, arguments=task.arguments,
            folder=str(task.folder.resolve()), seconds=seconds, began=time.monotonic(), threads=self.share.threads,
            workers=self.share.workers, gpu=self.share.gpu(place),
        )  # fmt: skip
        self._send(asdict(order), [errors, watched])
        os.close(errors)
        os.close(watched)

    def wait(self) -> None:
        """Wait until a child has ended. Raises what it died of, where it did not end well."""
        while not (ended := self._heard()):
            pass
        for child, code in ended:
            if code:
                raise child.voice.fault(child.task.name, code)

    def _send(self, order: dict[str, Any], pipes: list[int] | None = None) -> None:
        try:
            socket.send_fds(self.asked, [json.dumps(order).encode() + b"\n"], pipes or [])
        except OSError:
            raise self._died() from None

    def _heard(self, seconds: float | None = None) -> list[tuple[Child, int]]:
        """The children that have ended, each with its exit code, as far as the server's next words tell.

        `seconds`: to wait for them, None: as long as it takes. Raises what the server died of.
        """
        if not select.select([self.asked], [], [], seconds)[0]:
            return []
        data = b""
        with contextlib.suppress(ConnectionError):
            data = self.asked.recv(1 << 16)
        if not data:
            raise self._died()
        *lines, self.unread = (self.unread + data).split(b"\n")
        ended = []
        for answer in map(json.loads, lines):
            if "child" in answer:
                self.working[answer["child"]] = self.ordered.popleft()
            else:
                child = self.working.pop(answer["ended"])
                os.close(child.alive)
                child.voice.end()
                ended.append((child, answer["status"]))
        return ended

    def _died(self) -> KitError:
        code = self.server.wait()
        self.voice.end()
        return self.voice.fault("the process that starts the others", code or 1)

    def __exit__(self, *raised: object) -> None:
        """Ask those that still work to save and end; kill one that does not."""
        left = [*self.working.items()]
        for pid, _ in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        if not left:  # it may be reading for minutes; what it forks in this moment is ended by its own pipe
            self.server.kill()
        try:
            with contextlib.suppress(OSError):
                self.asked.shutdown(socket.SHUT_WR)  # no more orders: it ends when its children have, or kills them
            until = time.monotonic() + max((grace(child.task.folder) for _, child in left), default=SAVING)
            with contextlib.suppress(KitError):  # it has ended
                while time.monotonic() < until + SPARE:
                    self._heard(POLL)
        finally:
            for child in (*self.working.values(), *self.ordered):
                os.close(child.alive)
            self.asked.close()
            self.server.kill()
            self.server.wait()


@dataclass(frozen=True)
class Share:
    """What of this machine each of the processes at a time may use. `gpus`: their names for CUDA; none on a CPU."""

    threads: int
    workers: int
    gpus: list[str]

    @classmethod
    def of(cls, work: Work, count: int) -> Share:
        """An equal part of this process's threads and cores; `--workers` of each, where it is given."""
        use_all()
        gpu, cores = work.config.devices == "gpu", resources.core_count()
        threads = cores if gpu else available()
        workers = work.config.workers if work.config.workers >= 0 else max(1, cores // count)
        return cls(max(1, threads // count), workers, _gpus() if gpu else [])

    def gpu(self, place: int) -> str:
        """The GPU of one of them, in turn; an empty string on a CPU."""
        return self.gpus[place % len(self.gpus)] if self.gpus else ""


def _gpus() -> list[str]:
    """The GPUs that this process sees, as CUDA_VISIBLE_DEVICES names them."""
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return seen if seen != [""] else [str(index) for index in range(torch.cuda.device_count())]
