"""Ray dispatch: each fit a task of the cluster. One whose node is lost goes on elsewhere from its last snapshot."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from kit.errors import DiskError, KitError, Stopped
from kit.pipeline import crossval, task as tasks
from kit.pipeline.clusters import parcel, ray_task
from kit.pipeline.clusters.ray_cluster import BEAT, POLL, RayCluster, lost, patient
from kit.pipeline.clusters.ray_task import ALL, PLACE, Mailbox, Order, Outcome
from kit.pipeline.preparation import Work
from kit.pipeline.task import Task
from kit.storage import files
from kit.training import checkpoints

TRIES = 3  # times that a fit may be lost with no snapshot in between
SAVED = 60.0  # seconds that fits have to save their state, and to send it home
HOME = 10.0  # seconds for the mailbox to hand over what it has
PATIENCE = 15.0  # seconds without a node that has room for a fit, until it is said


class Dispatch:
    """Tasks on their way: which are under way in which task of Ray, which are to begin again, and how often each was lost.

    All are known by their names.
    """

    def __init__(self, work: Work, cluster: RayCluster):
        self.work, self.cluster = work, cluster
        self.mails: list[Any] = []  # what the mailbox was asked for and has not answered
        self.nodes: dict[str, str] = {}  # where tasks are under way
        self.looked = -math.inf
        self.arrived: dict[str, dict[str, bytes]] = {}  # the files of tasks that are about to end
        self.again: list[Task] = []
        self.running: dict[Any, Task] = {}
        self.begun: dict[str, Task] = {}
        self.turns: dict[str, int] = {}  # how often a task was begun
        self.losses: dict[str, int] = {}  # since its last snapshot
        self.seconds = 0.0
        self.room = 1  # tasks that the nodes can carry out at a time, as far as is known; one at least is handed over
        self.roomless = math.inf  # since when no node has room for a task

    @cached_property
    def parcel(self) -> Any:
        """What all tasks need of the run's work, in the object store."""
        packed = parcel.pack(self.work, ray.cloudpickle.dumps)
        try:
            return ray.put(packed)
        except (ray.exceptions.ObjectStoreFullError, ray.exceptions.OutOfDiskError) as fault:
            size = sum(len(one) for one in packed.arrays) / 1e9
            raise DiskError(
                f"--on {self.cluster.on}: the data ({size:.1f} GB) do not fit the object store of the cluster.\n"
                "Start its nodes with a larger --object-store-memory."
            ) from fault

    @cached_property
    def mailbox(self) -> Any:
        """The actor that takes what tasks send home."""
        near = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        return ray.remote(num_cpus=0, scheduling_strategy=near, max_restarts=-1, max_task_retries=-1)(Mailbox).remote()

    def train(self) -> None:
        """Every fold that is asked for, wherever there is room, then the refits. Raises what one raises; all are saved."""
        left = [part for part in self.work.asked if not crossval.finished(self.work.run.fold(part))]
        for refits in (False, True):  # they need what the folds found
            parts = [part for part in left if (part.fold is None) is refits]
            later = sum(part.fold is None for part in left) if not refits else 0
            self.carry_out(tasks.of_parts(self.work, parts), self.work.config.jobs or math.inf, self.share(len(parts), later))

    def carry_out(self, following: Iterable[Task], most: float = 0, seconds: float = 0.0) -> None:
        """Have tasks carried out; their files are in the run's folder afterwards. The next is asked for when it can begin.

        `most`: at a time, 0: as many as nodes have room for; `seconds`: of a time budget that each has, 0: any.
        """
        self.seconds, waiting = seconds, iter(following)
        try:
            with patient(self.work.stop):
                self._carry_out(waiting, most)
        except (ray.exceptions.RayError, ConnectionError) as fault:
            raise lost(self.cluster.on, fault) from fault

    def _carry_out(self, waiting: Iterator[Task], most: float) -> None:
        try:
            while self.begin(waiting, most):
                done = self.cluster.wait(list(self.running), 1, seconds=POLL)
                self.fetch()
                for one in done:
                    self.end(one, self.running.pop(one))
        finally:
            self.stop()

    def share(self, count: int, later: int) -> float:
        """Seconds of the time budget for each of so many folds, before `later` refits; 0 without a budget."""
        if not math.isfinite(self.work.budget.left) or not count:
            return 0.0
        at_once = max(1, min(self.places(), self.work.config.jobs or math.inf))
        return max(1.0, self.work.budget.left / (math.ceil(count / at_once) + math.ceil(later / at_once)))

    def places(self) -> int:
        """How many tasks the nodes of the right kind can carry out at a time."""
        nodes = [node["Resources"] for node in self.cluster.up() if node["NodeID"] not in self.cluster.unlike]
        gpus = self.cluster.gpus
        return sum(int(min(one.get("CPU", 0) / self.cluster.cores, one.get("GPU", 0) if gpus else math.inf)) for one in nodes)

    def begin(self, waiting: Iterator[Task], most: float) -> bool:
        """Hand over what waits, as many at a time as are allowed. Is any under way?"""
        self.look()
        while len(self.running) < (most or self.room):
            task = self.again.pop(0) if self.again else next(waiting, None)
            if task is None:
                break
            self.hand_over(task)
        return bool(self.running)

    def hand_over(self, task: Task) -> None:
        """Begin a task on whichever node has room for it."""
        turn = self.turns[task.name] = self.turns.get(task.name, -1) + 1
        self.begun[task.name] = task
        self.nodes.pop(task.name, None)
        order = Order(
            call=task.address, arguments=task.arguments, name=task.name, folder=self.home(task), rows=task.rows,
            files=self.needed(task), kind=self.cluster.kind, cores=self.cluster.cores,
            seconds=min(self.seconds, self.work.budget.left), quiet=self.work.progress.quiet,
        )  # fmt: skip
        unlike = ",".join(sorted(self.cluster.unlike))
        remote = ray.remote(ray_task.carry_out).options(
            max_retries=0, num_cpus=self.cluster.cores, num_gpus=self.cluster.gpus, name=f"kit {task.name}",
            label_selector={"ray.io/node-id": f"!in({unlike})"} if unlike else None,
        )  # fmt: skip
        self.running[remote.remote(self.parcel, order, self.mailbox, turn)] = task

    def home(self, task: Task) -> str:
        """A task's folder in the run's."""
        return task.folder.relative_to(self.work.run.path).as_posix()

    def needed(self, task: Task) -> dict[str, bytes]:
        """The files of the run that a task needs: what it may go on from, and of the others what it asks for."""
        path = self.work.run.path
        wanted = [path / "run.json", path / "folds.csv", *checkpoints.snapshots(task.folder)[:1]]
        for pattern in task.reads:
            wanted += path.glob(pattern)
        return {one.relative_to(path).as_posix(): one.read_bytes() for one in wanted}

    def fetch(self, seconds: float = 0.0) -> None:
        """Take what has come home: snapshots and lines. What a task that was lost still sends is dropped.

        `seconds`: the longest time to wait for all that tasks have sent until now.
        """
        if seconds or not self.mails:
            self.mails.append(self.mailbox.drain.remote())
        while self.mails and ray.wait(self.mails[:1], timeout=seconds)[0]:
            for name, turn, title, content in ray.get(self.mails.pop(0)):
                if turn == self.turns[name]:
                    self.take(self.begun[name], title, content)

    def take(self, task: Task, title: str, content: Any) -> None:
        """A snapshot of a task, all files of a finished one, the id of its node, or (without a title) a line."""
        if not title:
            self.work.progress.say(content, lines=True)
            return
        if title in (ALL, PLACE):
            (self.arrived if title == ALL else self.nodes)[task.name] = content
            return
        files.write(task.folder / title, content)
        for old in checkpoints.snapshots(task.folder)[checkpoints.KEPT :]:
            old.unlink(missing_ok=True)
        self.losses[task.name] = 0

    def end(self, remote: Any, task: Task) -> None:
        """Keep the files of a task that is done; begin one again whose node was lost. Raises what went wrong in it."""
        self.fetch(HOME)
        try:
            outcome: Outcome = ray.get(remote)
        except (ray.exceptions.RayTaskError, ray.exceptions.RuntimeEnvSetupError) as fault:
            raise KitError(f"{task.name}: {self.cluster.said(fault)}.") from fault
        except ray.exceptions.RayError as fault:
            self.lost(task, fault)
            return
        if outcome.unlike:  # it joined later, or was too slow to say what it is
            self.cluster.unlike.add(outcome.node)
            self.again.append(task)
        elif isinstance(outcome.fault, Stopped):  # not by this process: its node was told to end
            self.lost(task, outcome.fault)
        elif outcome.fault:
            raise outcome.fault
        elif task.name in self.arrived:
            self.keep(task, self.arrived.pop(task.name))
        else:  # the mailbox was lost in between
            self.lost(task, ConnectionError())

    def keep(self, task: Task, content: dict[str, bytes]) -> None:
        """Write a finished task's files, its result last."""
        for title in sorted(content, key=lambda one: one == task.result):
            files.write(task.folder / title, content[title])
        checkpoints.drop_snapshots(task.folder)
        if not task.finished:
            raise KitError(f"{task.name}: its files did not arrive as they were sent. The same command trains it again.")
        self.work.progress.fold(task.folder.name, skipped=task.rows)

    def lost(self, task: Task, fault: BaseException) -> None:
        """Put a task that came to no end back in line. Where that happens TRIES times it is given up, or raises KitError."""
        losses = self.losses[task.name] = self.losses.get(task.name, 0) + 1
        memory = isinstance(fault, ray.exceptions.OutOfMemoryError)
        why = "the node has too little memory for it" if memory else f"its node or process was lost ({type(fault).__name__})"
        if losses >= TRIES and task.forgo is not None:
            task.forgo(f"{why}, {TRIES} times")
            return
        if losses >= TRIES:
            advice = "Nodes with more memory are needed, or --jobs with a smaller number" if memory else "Is the cluster sound?"
            raise KitError(f"{task.name}: {why}, {TRIES} times. {advice}.\nWhat is finished is kept; the same command goes on.")
        known = checkpoints.snapshots(task.folder)
        self.work.progress.say(f"{task.name}: {why}; it goes on elsewhere{'' if known else ' from its beginning'}")
        self.again.append(task)

    def look(self) -> None:
        """Look at the nodes now and then: what is under way on one that is no more goes on elsewhere."""
        if time.monotonic() - self.looked < BEAT:
            return
        self.looked = time.monotonic()
        up = {node["NodeID"] for node in self.cluster.up()}
        for remote, task in list(self.running.items()):  # a connection that was not closed is waited for by Ray for ever
            if self.nodes.get(task.name, "") not in {"", *up}:
                self.running.pop(remote)
                self.lost(task, ConnectionError())
        places = self.places()
        self.room = max(1, places)
        if not self.running or places:
            self.roomless = math.inf
        elif self.roomless == math.inf:
            self.roomless = time.monotonic()
        elif 0 < time.monotonic() - self.roomless > PATIENCE:
            self.work.progress.say("no node of the cluster has room for a task now; waiting for one")
            self.roomless = -math.inf

    def stop(self) -> None:
        """End what still runs, with its state saved and sent home."""
        if self.running and not self.cluster.gone:
            for remote in self.running:
                ray.cancel(remote)
            ray.wait(list(self.running), num_returns=len(self.running), timeout=SAVED)
            self.fetch(HOME)
        self.running.clear()
