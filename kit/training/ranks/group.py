"""Group: this process's place among the ranks, and what they tell each other between fits. Without torch until they meet.

Rank 0 leads: it does the whole run, and the others take part in its fits. What it wants of them (`post`), and that it has
ended (`end`), goes through torchrun's store, where a rank looks when it waits or when a connection breaks. See
`kit.training.ranks.exchange` for what belongs to a step.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kit.errors import KitError, Unreachable, Usage

if TYPE_CHECKING:
    from kit.training.signals import Stop

POLL = 0.05  # seconds between looks into the store
PATIENCE = 15.0  # seconds after a signal, in which rank 0 saves and ends
LONG = timedelta(days=7)  # rank 0 may predict for hours meanwhile; a rank that has died is noticed by its closed connection


class Lost(KitError):
    """Another rank has ended in the middle of a fit."""


@dataclass
class Group:
    """Several ranks that have met. `store`: torchrun's; `tasks`: posted or received so far."""

    number: int
    count: int
    store: Any
    tasks: int = 0


_group: Group | None = None  # a process is one rank, from when it has joined to its end


def started() -> bool:
    """Did torchrun start this process as one of several? (A batch system may set WORLD_SIZE=1.)"""
    size = os.environ.get("WORLD_SIZE", "")
    return size.isdigit() and int(size) > 1 and {"RANK", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys()


def join() -> None:
    """Meet the other ranks. On a machine with GPUs each sees one only, by its LOCAL_RANK.

    Raises Unreachable where they do not come, Usage for a second run of the same processes.
    """
    global _group
    os.environ["CUDA_VISIBLE_DEVICES"] = own_gpu(os.environ)  # before CUDA is first used
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # its warnings are pages of addresses
    from torch import cuda, distributed

    if distributed.is_initialized():
        raise Usage("the ranks that torchrun started do one run, and have met already. Start torchrun again for another.")
    try:
        store, number, count = next(distributed.rendezvous("env://"))
        backend = "cpu:gloo,cuda:nccl" if cuda.is_available() else "gloo"
        distributed.init_process_group(backend, store=store, rank=number, world_size=count, timeout=LONG)
    except (RuntimeError, ValueError) as fault:
        raise Unreachable(f"the ranks cannot meet: {str(fault).splitlines()[0][:200]}") from fault
    _group = Group(number, count, distributed.PrefixStore("kit", store))


def own_gpu(environment: Mapping[str, str]) -> str:
    """The name of a rank's GPU, of those that are visible; "" where they are fewer than the ranks of this machine."""
    local, seen = int(environment.get("LOCAL_RANK", "0")), environment.get("CUDA_VISIBLE_DEVICES")
    return str(local) if seen is None else "".join([name for name in seen.split(",") if name][local : local + 1])


def number() -> int:
    """Which rank this process is, from 0."""
    return 0 if _group is None else _group.number


def count() -> int:
    """How many ranks train together; 1 where this process is alone."""
    return 1 if _group is None else _group.count


def post(task: dict[str, Any]) -> None:
    """Rank 0 wants this (plain values) of the others. Another rank, and who is alone, wants nothing."""
    if _group is not None and _group.number == 0:
        _group.store.set(f"task{_group.tasks}", json.dumps(task))
        _group.tasks += 1


def received(stop: Stop) -> dict[str, Any] | None:
    """What rank 0 wants next, once it does; None when it has ended, or does not end though this rank was told to stop."""
    assert _group is not None
    told = 0.0
    try:
        while True:
            if _group.store.check([f"task{_group.tasks}"]):
                _group.tasks += 1
                return json.loads(_group.store.get(f"task{_group.tasks - 1}"))
            told = told or (time.monotonic() if stop.signum else 0.0)
            if _group.store.check(["end"]) or (told and time.monotonic() - told > PATIENCE):
                return None
            time.sleep(POLL)
    except RuntimeError:  # the store is gone, and with it torchrun or rank 0
        return None


def end(code: int) -> None:
    """Rank 0 ends with this exit code: so do the others. It is alone then."""
    global _group
    assert _group is not None
    with suppress(RuntimeError):  # torchrun is gone, and the others with it
        _group.store.set("end", str(code))
    _group = None


def awaited_end() -> int | None:
    """The exit code of rank 0, once it has ended; None where it does not within PATIENCE, or cannot be asked."""
    assert _group is not None
    until = time.monotonic() + PATIENCE
    try:
        while not (over := _group.store.check(["end"])) and time.monotonic() < until:
            time.sleep(POLL)
        return int(_group.store.get("end")) if over else None
    except RuntimeError:
        return None
