"""Ray folds: each fold a task of the cluster. A fold whose node is lost goes on elsewhere from its last snapshot."""

from __future__ import annotations

import math
import time
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from kit.errors import DiskError, KitError, Stopped
from kit.pipeline import crossval
from kit.pipeline.clusters import parcel, ray_task
from kit.pipeline.clusters.ray_cluster import BEAT, POLL, RayCluster, lost, patient
from kit.pipeline.clusters.ray_task import ALL, LAST, PLACE, Mailbox, Order, Outcome
from kit.pipeline.preparation import Work, rows_of
from kit.storage import files
from kit.storage.runs.parts import RunPart
from kit.training import checkpoints

TRIES = 3  # times that a fold may be lost with no snapshot in between
SAVED = 60.0  # seconds that folds have to save their state, and to send it home
HOME = 10.0  # seconds for the mailbox to hand over what it has
PATIENCE = 15.0  # seconds without a node that has room for a fold, until it is said


def train(work: Work, cluster: RayCluster) -> None:
    """Every fold that is asked for wherever there is room, then the refit. Raises what a fold raises; the others are saved."""
    left = [part for part in work.asked if not crossval.finished(work.run.fold(part))]
    if not left:
        return

    try:
        with patient(work.stop):
            dispatch = Dispatch(work, cluster)
            for refits in (False, True):  # they need what the folds found
                dispatch.carry_out([part for part in left if (part.fold is None) is refits])
    except (ray.exceptions.RayError, ConnectionError) as fault:
        raise lost(cluster.on, fault) from fault


class Dispatch:
    """Orders on their way: which folds wait, which are under way in which task, and how often each was lost."""

    def __init__(self, work: Work, cluster: RayCluster):
        self.work, self.cluster = work, cluster
        packed = parcel.pack(work, ray.cloudpickle.dumps)
        try:
            self.parcel = ray.put(packed)
        except (ray.exceptions.ObjectStoreFullError, ray.exceptions.OutOfDiskError) as fault:
            size = sum(len(one) for one in packed.arrays) / 1e9
            raise DiskError(
                f"--on {cluster.on}: the data ({size:.1f} GB) do not fit the object store of the cluster.\n"
                "Start its nodes with a larger --object-store-memory."
            ) from fault
        near = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self.mailbox = ray.remote(num_cpus=0, scheduling_strategy=near, max_restarts=-1, max_task_retries=-1)(Mailbox).remote()
        self.mails: list[Any] = []  # what the mailbox was asked for and has not answered
        self.nodes: dict[RunPart, str] = {}  # where folds are under way
        self.looked = time.monotonic()
        self.arrived: dict[RunPart, dict[str, bytes]] = {}  # the files of folds whose tasks are about to end
        self.waiting: list[RunPart] = []
        self.running: dict[Any, RunPart] = {}
        self.turns: dict[RunPart, int] = {}  # how often a fold was begun
        self.losses: dict[RunPart, int] = {}  # since its last snapshot
        self.seconds = 0.0
        self.roomless = math.inf  # since when no node has room for a fold

    def carry_out(self, parts: list[RunPart]) -> None:
        """Train these folds; their files are in the run's folder afterwards."""
        self.waiting, self.seconds = list(parts), self.share(parts)
        try:
            while self.waiting or self.running:
                self.begin()
                done = self.cluster.wait(list(self.running), 1, seconds=POLL)
                self.fetch()
                for task in done:
                    self.end(task, self.running.pop(task))
                self.look()
        finally:
            self.stop()

    def share(self, parts: list[RunPart]) -> float:
        """Seconds of the time budget for each of these parts, before refits that are no part of them; 0 without a budget."""
        if not math.isfinite(self.work.budget.left):
            return 0.0
        at_once = max(1, min(self.places(), self.work.config.jobs or math.inf))
        refits = [part for part in self.work.asked if part.fold is None and part not in parts]
        return max(1.0, self.work.budget.left / (math.ceil(len(parts) / at_once) + math.ceil(len(refits) / at_once)))

    def places(self) -> int:
        """How many folds the nodes of the right kind can train at a time."""
        nodes = [node["Resources"] for node in self.cluster.up() if node["NodeID"] not in self.cluster.unlike]
        gpus = self.cluster.gpus
        return sum(int(min(one.get("CPU", 0) / self.cluster.cores, one.get("GPU", 0) if gpus else math.inf)) for one in nodes)

    def begin(self) -> None:
        """Hand over what waits, as many at a time as `--jobs` allows."""
        most = self.work.config.jobs or math.inf
        while self.waiting and len(self.running) < most:
            part = self.waiting.pop(0)
            turn = self.turns[part] = self.turns.get(part, -1) + 1
            self.nodes.pop(part, None)
            order = Order(
                part=part, files=self.needed(part), kind=self.cluster.kind, cores=self.cluster.cores,
                seconds=min(self.seconds, self.work.budget.left), quiet=self.work.progress.quiet,
            )  # fmt: skip
            unlike = ",".join(sorted(self.cluster.unlike))
            task = ray.remote(ray_task.carry_out).options(
                max_retries=0, num_cpus=self.cluster.cores, num_gpus=self.cluster.gpus, name=f"kit {part.title}",
                label_selector={"ray.io/node-id": f"!in({unlike})"} if unlike else None,
            )  # fmt: skip
            self.running[task.remote(self.parcel, order, self.mailbox, turn)] = part

    def needed(self, part: RunPart) -> dict[str, bytes]:
        """The files of the run that a fold needs: what it may go on from, and of the other folds what the refit asks."""
        path, folder = self.work.run.path, self.work.run.fold(part)
        wanted = [path / "run.json", path / "folds.csv", *checkpoints.snapshots(folder)[:1]]
        if part.fold is None:
            wanted += path.glob(f"fold*/{LAST}")
        return {one.relative_to(path).as_posix(): one.read_bytes() for one in wanted}

    def fetch(self, seconds: float = 0.0) -> None:
        """Take what has come home: snapshots and lines. What a fold that was lost still sends is dropped.

        `seconds`: the longest time to wait for all that folds have sent until now.
        """
        if seconds or not self.mails:
            self.mails.append(self.mailbox.drain.remote())
        while self.mails and ray.wait(self.mails[:1], timeout=seconds)[0]:
            for part, turn, title, content in ray.get(self.mails.pop(0)):
                if turn == self.turns[part]:
                    self.take(part, title, content)

    def take(self, part: RunPart, title: str, content: Any) -> None:
        """A snapshot of a fold, all files of a finished one, the id of its node, or (without a title) a line."""
        if not title:
            self.work.progress.say(content, lines=True)
            return
        if title in (ALL, PLACE):
            (self.arrived if title == ALL else self.nodes)[part] = content
            return
        folder = self.work.run.fold(part)
        files.write(folder / title, content)
        for old in checkpoints.snapshots(folder)[checkpoints.KEPT :]:
            old.unlink(missing_ok=True)
        self.losses[part] = 0

    def end(self, task: Any, part: RunPart) -> None:
        """Keep the files of a fold that is done; begin one again whose node was lost. Raises what went wrong in it."""
        self.fetch(HOME)
        try:
            outcome: Outcome = ray.get(task)
        except (ray.exceptions.RayTaskError, ray.exceptions.RuntimeEnvSetupError) as fault:
            raise KitError(f"{part.title}: {self.cluster.said(fault)}.") from fault
        except ray.exceptions.RayError as fault:
            self.lost(part, fault)
            return
        if outcome.unlike:  # it joined later, or was too slow to say what it is
            self.cluster.unlike.add(outcome.node)
            self.waiting.append(part)
        elif isinstance(outcome.fault, Stopped):  # not by this process: its node was told to end
            self.lost(part, outcome.fault)
        elif outcome.fault:
            raise outcome.fault
        elif part in self.arrived:
            self.keep(part, self.arrived.pop(part))
        else:  # the mailbox was lost in between
            self.lost(part, ConnectionError())

    def keep(self, part: RunPart, content: dict[str, bytes]) -> None:
        """Write a finished fold's files, `fold.json` last."""
        folder = self.work.run.fold(part)
        for title in sorted(content, key=lambda one: one == LAST):
            files.write(folder / title, content[title])
        checkpoints.drop_snapshots(folder)
        if not crossval.finished(folder):
            raise KitError(f"{part.title}: its files did not arrive as they were sent. The same command trains it again.")
        self.work.progress.fold(folder.name, skipped=self.work.config.epochs * len(rows_of(self.work, part)[0]))

    def lost(self, part: RunPart, fault: BaseException) -> None:
        """Put a fold that came to no end back in line. Raises KitError where that happens again and again."""
        self.losses[part] = self.losses.get(part, 0) + 1
        memory = isinstance(fault, ray.exceptions.OutOfMemoryError)
        why = "the node has too little memory for it" if memory else f"its node or process was lost ({type(fault).__name__})"
        if self.losses[part] >= TRIES:
            advice = "Nodes with more memory are needed, or --jobs with a smaller number" if memory else "Is the cluster sound?"
            raise KitError(
                f"{part.title}: {why}, {TRIES} times. {advice}.\nWhat is finished is kept; the same command goes on."
            )
        known = checkpoints.snapshots(self.work.run.fold(part))
        self.work.progress.say(f"{part.title}: {why}; it goes on elsewhere{'' if known else ' from its beginning'}")
        self.waiting.append(part)

    def look(self) -> None:
        """Look at the nodes now and then: what is under way on one that is no more goes on elsewhere."""
        if time.monotonic() - self.looked < BEAT:
            return
        self.looked = time.monotonic()
        up = {node["NodeID"] for node in self.cluster.up()}
        for task, part in list(self.running.items()):  # where a connection was not closed, Ray waits for the task for ever
            if self.nodes.get(part, "") not in {"", *up}:
                self.running.pop(task)
                self.lost(part, ConnectionError())
        if not self.running or self.places():
            self.roomless = math.inf
        elif self.roomless == math.inf:
            self.roomless = time.monotonic()
        elif 0 < time.monotonic() - self.roomless > PATIENCE:
            self.work.progress.say("no node of the cluster has room for a fold now; waiting for one")
            self.roomless = -math.inf

    def stop(self) -> None:
        """End what still runs, with its state saved and sent home."""
        if self.running and not self.cluster.gone:
            for task in self.running:
                ray.cancel(task)
            ray.wait(list(self.running), num_returns=len(self.running), timeout=SAVED)
            self.fetch(HOME)
        self.running.clear()
