"""Parallel: fits trained at a time, each by a process with a GPU, or its share of the cores, of its own.

Files are the interface: such a process has the run's work as it was prepared, trains as any process would, and leaves the
fit's folder finished.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence

import torch

from kit.config import Config
from kit.errors import Usage
from kit.pipeline import crossval, task
from kit.pipeline.preparation import Work
from kit.pipeline.processes.children import Children
from kit.pipeline.task import Task
from kit.storage.runs.parts import RunPart
from kit.training.deadline import Budget


def train(work: Work) -> None:
    """Every fold that is asked for, several at a time where there is more than one place for them; then likewise the refits."""
    left = [part for part in work.asked if not crossval.finished(work.run.fold(part))]
    refits = [part for part in left if part.fold is None]
    for parts in ([part for part in left if part.fold is not None], refits):
        count = min(places(work.config), len(parts))
        if count > 1:
            work.progress.say(f"{count} {'refits' if parts is refits else 'folds'} at a time, each in a process of its own")
            later = 0 if parts is refits else math.ceil(len(refits) / min(places(work.config), max(1, len(refits))))
            _at_a_time(work, parts, count, later)
    crossval.train(work)  # a single refit; what is finished is only counted


def _at_a_time(work: Work, parts: Sequence[RunPart], count: int, later: int) -> None:
    """Train these parts, `count` at a time, before so many rounds of others (`later`)."""
    tasks = task.of_parts(work, parts)
    side_by_side(work, tasks, count, lambda number: _seconds(work.budget, len(parts) - number, count, later))


def places(config: Config) -> int:
    """How many fits are trained at a time: as many as are asked for, else one for each GPU, and one on a CPU.

    Raises Usage where more than one is asked for and this system has no fork.
    """
    wanted = config.jobs or (torch.cuda.device_count() if config.devices == "gpu" else 1)
    if wanted > 1 and not hasattr(os, "fork"):
        if config.jobs:
            raise Usage(f"--jobs {config.jobs}: this system cannot fork processes. Leave it out.")
        return 1
    return wanted


def side_by_side(work: Work, tasks: Iterable[Task], count: int, seconds: Callable[[int], float] = lambda number: 0.0) -> None:
    """Carry out tasks, `count` at a time. Where one of them fails, or this process is stopped, all end with their state saved.

    The next task is asked for when there is a place for it. `seconds`: what the task of this number may take, 0: any. Raises
    what a task died of.
    """
    waiting, more = enumerate(tasks), True
    with Children(work, count) as children:
        while more or children.working or children.ordered:
            if not more or children.full:
                children.wait()
                continue
            following = next(waiting, None)
            more = following is not None
            if following is not None:
                children.start(following[1], seconds(following[0]))


def _seconds(budget: Budget, left: int, count: int, later: int) -> float:
    """The time of the next of so many parts that are left, `count` at a time, before `later` rounds of others; 0: any."""
    rounds = math.ceil(left / count) + later
    return max(budget.left / rounds, 0.01) if math.isfinite(budget.left) else 0.0
