"""Parallel: fits trained at a time, each by a process with a GPU, or its share of the cores, of its own.

Files are the interface: such a process has the run's work as it was prepared, trains as any process would, and leaves the
fit's folder finished.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from kit.config import Config
from kit.errors import Usage
from kit.pipeline.processes.children import Children, Task
from kit.training.deadline import Budget

if TYPE_CHECKING:
    from kit.pipeline.preparation import Work


def train(work: Work) -> None:
    """Every fold that is asked for, several at a time where there is more than one place for them; then the refit."""
    from kit.pipeline import crossval

    folds = [k for k in work.asked if isinstance(k, int) and not crossval.finished(work.run.fold(k))]
    count = min(places(work.config), len(folds))
    if count > 1:
        refit = len(work.asked) - sum(isinstance(one, int) for one in work.asked)
        tasks = [Task(f"fold {k}", crossval.train_alone, (k,), work.run.fold(k)) for k in folds]
        work.progress.say(f"{count} folds at a time, each in a process of its own")
        side_by_side(work, tasks, count, lambda number: _seconds(work.budget, len(folds) - number, count, refit))
    crossval.train(work)  # the refit; a fold that is finished is only counted


def places(config: Config) -> int:
    """How many fits are trained at a time: as many as are asked for, else one for each GPU, and one on a CPU.

    Raises Usage where more than one is asked for and this system has no fork.
    """
    import torch

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


def _seconds(budget: Budget, left: int, count: int, refit: int) -> float:
    """The time of the next of so many folds that are left, `count` at a time, before the refit; 0: any."""
    rounds = math.ceil(left / count) + refit
    return max(budget.left / rounds, 0.01) if math.isfinite(budget.left) else 0.0
