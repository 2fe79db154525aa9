"""Slurm job: one fit of a run whose folder is on a disk that all machines share. A job that is queued again goes on."""

from __future__ import annotations

import pkgutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import submitit
from filelock import FileLock, Timeout

from kit import competition as competitions
from kit.config import Config
from kit.errors import BadData, DiskError, Diverged, KitError, Stopped, Unreachable, Usage
from kit.models import threads
from kit.pipeline.clusters import machine
from kit.pipeline.clusters.machine import Kind
from kit.pipeline.preparation import Session, prepare
from kit.pipeline.presets.resolution import family_of
from kit.storage.run_folder import Run
from kit.training.deadline import Budget
from kit.training.signals import stoppable

HELD = 60.0  # seconds for a job of before, which was cancelled, to save its state and end
KINDS = {kind.code: kind for kind in (Usage, BadData, Unreachable, DiskError)}


@dataclass(frozen=True)
class FitJob:
    """A task (see `kit.pipeline.task.Task`) of the run in `folder`, on a machine of this kind: `call(work, *arguments)`, which
    saves its state in `within`, a folder in the run's."""

    folder: str
    kind: Kind
    cores: int
    seconds: float
    quiet: bool
    call: str
    arguments: tuple[Any, ...]
    name: str
    within: str

    def __call__(self) -> tuple[int, str]:
        """Carry it out. Returns the exit code of the kit, and what went wrong."""
        try:
            self.carry_out(time.monotonic())
        except KitError as fault:
            return fault.code, str(fault)
        return 0, ""

    def checkpoint(self) -> Any:
        """What is queued in its place when its time is over or another job takes the machine: itself."""
        return submitit.helpers.DelayedSubmission(self)

    def carry_out(self, began: float) -> None:
        """As the command does it, in a run that another process has prepared and holds; no two processes make one fit."""
        run = Run(Path(self.folder))
        record, lock = run.record, f".lock-{self.within.replace('/', '-')}"
        config, root = Config.of(record.config), Path(record.root)
        adapter = competitions.load(record.competition).shaped(config, root)
        here = machine.kind_here(self.kind.config, family_of(adapter, config), self.cores)
        if here.name != self.kind.name:
            raise Usage(
                f"{self.name}: this machine would compute other last digits ({here.name}) than the first one"
                f" ({self.kind.name}).\n"
                "Ask Slurm for machines of one kind: SBATCH_CONSTRAINT, SBATCH_PARTITION."
            )
        try:
            with FileLock(run.path / lock, timeout=HELD), stoppable() as stop, threads.at_most(self.cores):
                budget = Budget(self.seconds, began)
                session = Session(stop=stop, budget=budget, began=began, quiet=self.quiet, only=[], beside=True)
                work = prepare(run, adapter, here.config, root, session)
                pkgutil.resolve_name(self.call)(work, *self.arguments)
        except Timeout:
            raise KitError(f"{self.name}: another process trains it. Is an older job of this run still running?") from None


def fault_of(code: int, said: str) -> KitError:
    """The error that a job ended with."""
    if code == 75 or code > 128:
        return Stopped(said, max(code - 128, 0) if code > 128 else 0)
    return KINDS.get(code, Diverged)(said)
