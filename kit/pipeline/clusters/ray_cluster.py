"""Ray cluster: the connection, the nodes of one kind that train the folds, and what a fold takes of a node."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
import torch
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

import kit
from kit.config import Config
from kit.console import say
from kit.errors import KitError, Unreachable, Usage
from kit.models.families import Family
from kit.pipeline.clusters import machine
from kit.pipeline.clusters.machine import Kind
from kit.training.signals import Stop

if TYPE_CHECKING:
    from kit.pipeline.clusters.ray_dispatch import Dispatch
    from kit.pipeline.preparation import Work
    from kit.pipeline.task import Task

ANSWER = 5.0  # seconds for a connection to be accepted
OTHERS = 30.0  # seconds that the other nodes have to say what they are, once one has
ARRIVAL = 300.0  # seconds for a first node that can train
BEAT, GONE = 3.0, 15.0  # seconds between looks at the head of the cluster, and without its answer until it is given up
POLL = 0.25  # seconds between looks at signals
OPEN = "this Ray cluster asks for no token (RAY_AUTH_MODE=token): who reaches its ports can run any code on its nodes"


@contextlib.contextmanager
def joined(on: str, stop: Stop, quiet: bool) -> Iterator[RayCluster]:
    """A connection to the cluster inside the block; one that the program has already is used, and kept.

    Raises Unreachable where the cluster is not there, or refuses.
    """
    mine = not ray.is_initialized()
    if mine:
        connect(on)
        stop.install()  # Ray takes the signals over
    address = on if "://" in on else ray.get_runtime_context().gcs_address
    cluster = RayCluster(on, address, stop, quiet)
    try:
        if not quiet and os.environ.get("RAY_AUTH_MODE") != "token":
            say(OPEN)
        yield cluster
    finally:
        if mine and not cluster.gone:  # it would wait for the cluster
            ray.shutdown()


def connect(on: str) -> None:
    """Join the cluster: at the address in `on`, else in RAY_ADDRESS, else the one that runs on this machine."""
    address = on if "://" in on else os.environ.get("RAY_ADDRESS") or "auto"
    reach(on, address)
    environment = {
        "py_modules": [str(Path(kit.__file__).parent)],  # the nodes need not have the kit
        "env_vars": {"OMP_NUM_THREADS": str(torch.get_num_threads())},
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(address=address, runtime_env=environment, log_to_driver=False, logging_level="CRITICAL")
    except Exception as fault:  # ConnectionError, RuntimeError (other versions), TypeError and errors of gRPC
        raise Unreachable(f"--on {on}: {_plain(fault)}.\nIs it there (`ray status`), with this Python and this Ray?") from fault


def reach(on: str, address: str) -> None:
    """Raise Unreachable where nobody listens; Ray would try for half a minute."""
    host, _, port = address.rpartition("://")[2].partition("/")[0].rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER).close()
    except OSError as fault:
        raise Unreachable(f"--on {on}: nobody answers at {address} ({fault.strerror or fault}). Is the cluster up?") from fault


def lost(on: str, fault: BaseException) -> Unreachable:
    """The error for a cluster that was there, and is there no more."""
    return Unreachable(
        f"--on {on}: the cluster was lost ({_plain(fault)}).\nWhat is finished is kept; the same command goes on."
    )


def _plain(fault: BaseException) -> str:
    """What an error of Ray says, in one line."""
    text = " ".join(str(fault).split()) or type(fault).__name__
    return (text if len(text) <= 300 else text[:300] + "…").rstrip(".")


@contextlib.contextmanager
def patient(stop: Stop) -> Iterator[None]:
    """Signals only leave their number inside the block: an exception in the midst of a call of Ray would be a SystemError."""
    stop.patient = True
    try:
        yield
    finally:
        stop.patient = False


class RayCluster:
    """The nodes that train the folds of one run. `cores`, `gpus`: what a fold takes; `kind`: of the nodes, which are alike, or
    sums would have other last digits; `unlike`: the ids of nodes that are not; `gone`: does the head answer no more?"""

    def __init__(self, on: str, address: str, stop: Stop, quiet: bool):
        self.on, self.address, self.stop, self.quiet = on, address, stop, quiet
        self.looked = self.answered = time.monotonic()
        self.gone = False
        self.known: list[dict[str, Any]] = []
        self.cores, self.gpus = 1, 0
        self.kind = ""
        self.unlike: set[str] = set()
        self.sent: Dispatch | None = None

    def choose(self, config: Config, family: Family) -> tuple[Config, dict[str, str]]:
        """The Config resolved on the nodes, by the kind that most of them are; the others train nothing.

        Raises KitError where no node can train, Usage where something is left to this machine that it cannot find out.
        """
        with patient(self.stop):
            self.divide(config, family)
            kinds = self.ask(config, family)
        counts = Counter(kind.name for kind in kinds.values())
        self.kind = counts.most_common(1)[0][0]
        self.unlike = {node for node, kind in kinds.items() if kind.name != self.kind}
        chosen = next(kind for kind in kinds.values() if kind.name == self.kind)
        each = f"{self.cores} core{'s' * (self.cores > 1)}" + " and a GPU" * self.gpus
        count = counts[self.kind]
        self.say(f"Ray: {count} node{'s' * (count > 1)}, {each} a fold, {chosen.note['device']}")
        if self.unlike:
            self.say(f"{len(self.unlike)} nodes are left out, as they would compute other last digits: {self._others(kinds)}")
        refuse_measuring(self.on, chosen.config, family)
        return chosen.config.changed(on=""), chosen.note  # what a fold keeps of its Config is as of a run alone

    def divide(self, config: Config, family: Family) -> None:
        """Find what a fold takes: as many cores as it would have threads here, or a GPU and its share of the cores."""
        nodes = [node["Resources"] for node in self.nodes() if node["Resources"].get("CPU", 0) >= 1]
        with_gpu = [node for node in nodes if node.get("GPU", 0) >= 1]
        self.gpus = int(config.devices != "cpu" and not family.one_step and bool(with_gpu))
        if config.devices == "gpu" and not self.gpus and not family.one_step:
            raise Usage("--devices gpu: no node of the cluster has a GPU.")
        most = (
            max(int(node["CPU"] / node["GPU"]) for node in with_gpu) if self.gpus else max(int(node["CPU"]) for node in nodes)
        )
        self.cores = max(1, min(torch.get_num_threads(), most))

    def nodes(self) -> list[dict[str, Any]]:
        """The nodes that are up, once one of them has a core. Raises KitError where none comes."""
        if not any(node["Resources"].get("CPU", 0) >= 1 for node in self.up()):
            self.say("no node of the cluster has a core for tasks yet; waiting for one")
            wish = ray.remote(num_cpus=1)(lambda: None).remote()  # a cluster that grows on demand must be asked
            if not self.wait([wish], 1, ARRIVAL):
                ray.cancel(wish)
                raise KitError(f"--on {self.on}: no node of the cluster has a core for tasks (ray start --address HOST:PORT).")
        return self.up()

    def up(self) -> list[dict[str, Any]]:
        """The nodes that are up; those of the last time where the head does not answer, for which Ray would wait a minute."""
        with contextlib.suppress(Unreachable):
            reach(self.on, self.address)
            self.known = [node for node in ray.nodes() if node["Alive"]]
        return self.known

    def ask(self, config: Config, family: Family) -> dict[str, Kind]:
        """What kind each node that has room for a fold is, by the node's id; those that do not say so in time are left out."""
        task = ray.remote(max_retries=0, num_cpus=0, num_gpus=0.01 * self.gpus)(machine.kind_here)
        wanted = {"CPU": self.cores, "GPU": self.gpus}
        asked = {}
        for node in self.nodes():
            if all(node["Resources"].get(name, 0) >= count for name, count in wanted.items()):
                pinned = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                asked[task.options(scheduling_strategy=pinned).remote(config, family, self.cores)] = node["NodeID"]
        self.wait(list(asked), 1)
        done = self.wait(list(asked), len(asked), OTHERS)
        for one in asked.keys() - set(done):
            ray.cancel(one)
        kinds, faults = {}, []
        for one in done:
            try:
                kinds[asked[one]] = ray.get(one)
            except ray.exceptions.RayError as fault:
                faults.append(fault)
        if not kinds:
            cause = getattr(faults[0], "cause", None)
            raise cause if isinstance(cause, KitError) else KitError(f"--on {self.on}: {self.said(faults[0])}") from faults[0]
        return kinds

    def wait(self, tasks: list[Any], count: int, seconds: float = math.inf) -> list[Any]:
        """The tasks that are done, once `count` are, or after so many seconds. Raises Stopped when a signal came."""
        until = time.monotonic() + seconds
        while True:
            done, _ = ray.wait(tasks, num_returns=min(count, len(tasks)), timeout=POLL)
            if self.stop.signum:
                raise self.stop.error()
            self.refuse_gone()
            if len(done) >= count or time.monotonic() >= until:
                return done

    def refuse_gone(self) -> None:
        """Raise Unreachable where the head of the cluster answers no more. Ray itself would end the whole process, later."""
        now = time.monotonic()
        if now - self.looked < BEAT:
            return
        try:
            reach(self.on, self.address)
            self.answered = time.monotonic()
        except Unreachable as fault:
            if now - self.answered > GONE:
                self.gone = True
                raise lost(self.on, fault) from fault
        self.looked = time.monotonic()

    def said(self, fault: BaseException) -> str:
        """What a task that failed says, in one line, and how to mend it."""
        cause = getattr(fault, "cause", None) or fault
        text = _plain(cause)
        if isinstance(cause, ModuleNotFoundError):
            return f"{text} on a node. Its Python needs what requirements.txt of the kit lists"
        return f"{type(cause).__name__}: {text}"

    def say(self, text: str) -> None:
        """A line on stderr."""
        if not self.quiet:
            say(text)

    def train(self, work: Work) -> None:
        """Every fold that is asked for, then the refit."""
        self.dispatch(work).train()

    def carry_out(self, work: Work, following: Iterable[Task]) -> None:
        """Fits, each asked for when a node has room for it."""
        self.dispatch(work).carry_out(following, work.config.jobs)

    def dispatch(self, work: Work) -> Dispatch:
        """What sends the tasks of a run: its data are in the object store once."""
        from kit.pipeline.clusters.ray_dispatch import Dispatch

        if self.sent is None:
            self.sent = Dispatch(work, self)
        return self.sent

    def _others(self, kinds: dict[str, Kind]) -> str:
        names = {kinds[node].name for node in self.unlike}
        own = set(self.kind.split(", "))
        differing = [", ".join(part for part in name.split(", ") if part not in own) for name in sorted(names)]
        return "; ".join(differing)


def refuse_measuring(on: str, config: Config, family: Family) -> None:
    """Raise Usage where a knob is left to be measured before the folds, on a device that this machine does not have."""
    if config.devices == "gpu" and not torch.cuda.is_available():
        open_ones = [name for name in ("lr", "batch") if getattr(config, name) == 0 and name in family.heeds]
        if open_ones or config.time_budget:
            name = f"--{open_ones[0]} auto" if open_ones else "--time-budget"
            raise Usage(
                f"{name} with --on {on}: it is measured on this machine, which has no GPU as the nodes have. Give a number."
            )
