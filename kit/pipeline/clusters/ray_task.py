"""Ray task: one fit on a node, in a folder that ends with it; its files and snapshots travel home as bytes."""

from __future__ import annotations

import os
import pkgutil
import tempfile
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.console import Progress
from kit.errors import KitError, Stopped

if TYPE_CHECKING:
    from kit.pipeline.clusters.parcel import Parcel

POLL = 0.25  # seconds between looks at a fit's folder
PLACE = "place"  # the name under which a fit sends the id of its node
ALL = "all"  # the name under which the files of a finished fit are sent
Send = Callable[[str, "bytes | str"], None]  # a snapshot by its name, or (without a name) a line of text


@dataclass(frozen=True)
class Order:
    """A task to carry out (see `kit.pipeline.task.Task`): `call(work, *arguments)`. `folder`: where it saves its state, in the
    run's; `files`: of the run that it needs, by their path in its folder; `kind`: what the node must be (see `machine.Kind`);
    `rows`: that it trains, for the lines; `seconds`: of a time budget, 0 without one; `quiet`: are lines to be sent home?"""

    call: str
    arguments: tuple[Any, ...]
    name: str
    folder: str
    files: dict[str, bytes]
    kind: str
    cores: int
    rows: int = 0
    seconds: float = 0.0
    quiet: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a fit ended: its files by name, or what went wrong. `unlike`: the node is of another kind than was asked for."""

    files: dict[str, bytes] = field(default_factory=dict)
    fault: KitError | None = None
    unlike: bool = False
    node: str = ""


class Mailbox:
    """What fits under way send home: the newest snapshot of each, and their lines. Lives beside the process that waits."""

    def __init__(self) -> None:
        self.post: deque[tuple[str, int, str, Any]] = deque()

    def put(self, name: str, turn: int, title: str, content: Any) -> None:
        """`name`: of the task; `turn`: how often it was begun before; `title`: of a snapshot, `ALL` for the files of a finished
        fit, "" for a line."""
        if title != "":
            self.post = deque(one for one in self.post if one[0] != name or one[2] in ("", PLACE))
        self.post.append((name, turn, title, content))

    def drain(self) -> list[tuple[str, int, str, Any]]:
        """All that came since the last time."""
        post, self.post = list(self.post), deque()
        return post


class Letters(Progress):
    """A Progress whose lines are sent home."""

    def __init__(self, send: Send, quiet: bool):
        super().__init__(quiet=quiet)
        self.send = send

    def say(self, text: str, lines: bool = False) -> None:
        if not self.quiet:
            self.send("", text)


def carry_out(parcel: Parcel, order: Order, mailbox: Any, turn: int) -> Outcome:
    """The task itself. `mailbox`: the actor that takes what the fit sends home on the way; `turn`: how often it was begun
    before."""
    import ray

    def send(title: str, content: Any) -> None:
        ray.get(mailbox.put.remote(order.name, turn, title, content))

    node = ray.get_runtime_context().get_node_id()
    send(PLACE, node)
    outcome = train(parcel, order, send)
    if outcome.files:  # a task's own result stays on its node until it is fetched, and is lost with it
        send(ALL, outcome.files)
    return replace(outcome, files={}, node=node)


def train(parcel: Parcel, order: Order, send: Send) -> Outcome:
    """Make the fit of an order, or go on from a snapshot that is among its files. Snapshots are sent home as they come."""
    began = time.monotonic()  # before seconds of imports
    os.environ["LOKY_MAX_CPU_COUNT"] = str(order.cores)  # `kit.resources.core_count` heeds it
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # shared between tasks; nobody writes
    from kit.pipeline.clusters import machine, parcel as parcels
    from kit.pipeline.presets.resolution import family_of

    try:
        parts = parcels.unpack(parcel)
        kind = machine.kind_here(parts["config"], family_of(parts["adapter"], parts["config"]), order.cores)
        if kind.name != order.kind:
            return Outcome(unlike=True)
        with tempfile.TemporaryDirectory(prefix="kit-fold-") as scratch:
            return _train(Path(scratch) / "run", order, parts, send, began)
    except KitError as fault:
        return Outcome(fault=fault)


def _train(path: Path, order: Order, parts: dict[str, Any], send: Send, began: float) -> Outcome:
    from kit.models import threads
    from kit.pipeline.preparation import Work
    from kit.storage.run_folder import Run
    from kit.training.deadline import Budget
    from kit.training.signals import stoppable

    run = Run(path)
    folder = path / order.folder
    folder.mkdir(parents=True)
    for name, data in order.files.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_bytes(data)
    with stoppable() as stop, threads.at_most(order.cores):
        budget, progress = Budget(order.seconds, began), Letters(send, order.quiet)
        work = Work(run=run, stop=stop, progress=progress, budget=budget, asked=(), **parts)
        progress.expect(order.rows)
        with Courier(folder, send):
            try:
                pkgutil.resolve_name(order.call)(work, *order.arguments)
            except Stopped as fault:
                return Outcome(fault=fault)
    return Outcome(files_of(folder))


class Courier:
    """Sends the snapshots of a fit home inside the block, the newest at its end. `folder`: the fit's."""

    def __init__(self, folder: Path, send: Send):
        self.folder, self.send = folder, send
        self.known = {path.name for path in folder.glob("snapshot-*.pt")}
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()
        self.look()

    def watch(self) -> None:
        """Look, until it is over."""
        while not self.over.wait(POLL):
            self.look()

    def look(self) -> None:
        """Send the newest snapshot, unless it was sent."""
        for path in sorted(self.folder.glob("snapshot-*.pt"))[-1:]:
            if path.name not in self.known:
                try:
                    data = path.read_bytes()
                except OSError:  # a newer one has taken its place
                    return
                self.known.add(path.name)
                self.send(path.name, data)


def files_of(folder: Path) -> dict[str, bytes]:
    """A fit's files by their path in its folder, without what was under way."""
    if not folder.exists():
        return {}
    inside = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in inside}
