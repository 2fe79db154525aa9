"""Forked: a run's work as the fork server prepares it, and what a child does with it. Loads all that a fit needs."""

from __future__ import annotations

import os
import pkgutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # what the first optimizer of each child would import

from kit import competition as competitions
from kit.config import Config
from kit.console import Progress
from kit.models.threads import at_most
from kit.pipeline import crossval  # noqa: F401 (what each child needs)
from kit.pipeline.preparation import Pace, Session, Work, module_of, prepare
from kit.pipeline.processes.order import Order, grace
from kit.storage.run_folder import Run
from kit.training import engines
from kit.training.deadline import Budget
from kit.training.profile import Timings
from kit.training.signals import Stop, stoppable


def prepared(folder: str, config: dict[str, Any], quiet: bool) -> Work:
    """The work of a run that another process has prepared, as that has it; `config`: resolved for this machine."""
    run, here = Run(Path(folder)), Config.of(config)
    root = Path(run.record.root)
    adapter = competitions.load(run.record.competition).shaped(here, root)
    now = time.monotonic()
    session = Session(stop=Stop(), budget=Budget(0.0, now), began=now, quiet=quiet, only=[], beside=True)
    here = here.declaring(adapter.preset(run.record.preset).declared)
    work = prepare(run, adapter, here, root, session)
    engines.of(module_of(adapter, here), here, adapter.parts)  # what each child would import
    assert not torch.cuda.is_initialized(), "a GPU that was touched before a fork is lost to the child"
    return work


def carry_out(work: Work, order: Order, alive: int) -> None:
    """Do what is ordered, as a process of its own. `alive`: a pipe that ends with the process that ordered it."""
    if order.gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = order.gpu
    with stoppable() as stop, at_most(order.threads):
        end_with(alive, lambda: stop.signum > 0, lambda: grace(Path(order.folder)))
        config = work.config.changed(workers=order.workers)
        own = replace(
            work, config=config, stop=stop, budget=Budget(order.seconds, order.began),
            progress=Progress(quiet=work.progress.quiet), pace=Pace(), timings=Timings(),
        )  # fmt: skip
        pkgutil.resolve_name(order.call)(own, *order.arguments)
        if own.timings.seconds:
            own.progress.say(own.timings.table(), lines=True)


def end_with(alive: int, told: Callable[[], bool], patience: Callable[[], float]) -> None:
    """End this process, with its state saved, when the other end of a pipe is closed; kill it where it takes too long.

    `told`: was it asked to end before? Asked twice, it would end at once.
    """

    def watch() -> None:
        os.read(alive, 1)  # nothing is ever written: it returns when the other process ends, however it ends
        if not told():
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(patience())
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
