"""Slurm job: one fold of a run whose folder is on a disk that all machines share. A job that is queued again goes on."""

from __future__ import annotations

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
from kit.pipeline import crossval
from kit.pipeline.clusters import machine
from kit.pipeline.clusters.machine import Kind
from kit.pipeline.plan import family_of
from kit.pipeline.preparation import Session, prepare
from kit.storage.run_folder import Run
from kit.storage.runs.parts import RunPart
from kit.training.deadline import Budget
from kit.training.signals import stoppable

HELD = 60.0  # seconds for a job of before, which was cancelled, to save its state and end
KINDS = {kind.code: kind for kind in (Usage, BadData, Unreachable, DiskError)}


@dataclass(frozen=True)
class FoldJob:
    """What is to be trained, where: a part of the run in `folder`, on a machine of this kind."""

    folder: str
    part: RunPart
    kind: Kind
    cores: int
    seconds: float
    quiet: bool

    def __call__(self) -> tuple[int, str]:
        """Train it. Returns the exit code of the kit, and what went wrong."""
        try:
            self.train(time.monotonic())
        except KitError as fault:
            return fault.code, str(fault)
        return 0, ""

    def checkpoint(self) -> Any:
        """What is queued in its place when its time is over or another job takes the machine: itself."""
        return submitit.helpers.DelayedSubmission(self)

    def train(self, began: float) -> None:
        """As `kit run` does it, in a run that another process has prepared and holds; no two processes train one fold."""
        run = Run(Path(self.folder))
        record, name = run.record, str(self.part)
        config, root = Config.of(record.config), Path(record.root)
        adapter = competitions.load(record.competition).shaped(config, root)
        here = machine.kind_here(self.kind.config, family_of(adapter, config), self.cores)
        if here.name != self.kind.name:
            raise Usage(
                f"{name}: this machine would compute other last digits ({here.name}) than the first one ({self.kind.name}).\n"
                "Ask Slurm for machines of one kind: SBATCH_CONSTRAINT, SBATCH_PARTITION."
            )
        try:
            with FileLock(run.path / f".lock-{name}", timeout=HELD), stoppable() as stop, threads.at_most(self.cores):
                budget = Budget(self.seconds, began)
                session = Session(stop=stop, budget=budget, began=began, quiet=self.quiet, only=[], beside=True)
                crossval.train_alone(prepare(run, adapter, here.config, root, session), name)
        except Timeout:
            raise KitError(f"{name}: another process trains it. Is an older job of this run still running?") from None


def fault_of(code: int, said: str) -> KitError:
    """The error that a job ended with."""
    if code == 75 or code > 128:
        return Stopped(said, max(code - 128, 0) if code > 128 else 0)
    return KINDS.get(code, Diverged)(said)
