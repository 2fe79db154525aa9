"""Ranks: each fold trained by all processes that torchrun started. Rank 0 does the run; the others take part in its fits."""

from __future__ import annotations

import contextlib
import logging
import math
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from kit import competition as competitions
from kit.config import Config
from kit.console import fail
from kit.errors import KitError, Stopped, Usage
from kit.models import threads
from kit.pipeline import crossval
from kit.pipeline.clusters import machine
from kit.pipeline.preparation import Session, Work, fold_of, prepare
from kit.pipeline.presets.resolution import family_of
from kit.pipeline.task import Task
from kit.storage import files
from kit.storage.run_folder import Run
from kit.storage.runs.parts import RunPart
from kit.training.deadline import Budget
from kit.training.fit import fit
from kit.training.ranks import group
from kit.training.signals import Stop, stoppable

if TYPE_CHECKING:
    from kit.models.families import Family

COPIED = ("run.json", "folds.csv")  # what another rank finds of a run, in a folder of its own: it writes nothing to the run's


class Ranks:
    """The ranks as what trains the folds of a run, in the process of rank 0."""

    def __init__(self) -> None:
        self.kind = ""

    def choose(self, config: Config, family: Family) -> tuple[Config, dict[str, str]]:
        """The Config resolved for this machine, of whose kind the others must be. Raises Usage for what ranks cannot share."""
        if config.jobs > 1:
            raise Usage(f"--jobs {config.jobs}: the ranks train each fold together, one after another. Leave --jobs out.")
        if family.one_step or family.probing:
            what = "--strategy probe" if family.probing else f"--model {config.model}"
            raise Usage(f"{what}: a fit is one step on all rows, which ranks cannot share. Run it without torchrun.")
        here = kind_here(config, family)
        self.kind = here.name
        return here.config, here.note

    def train(self, work: Work) -> None:
        """Every fold that is asked for, then the refit."""
        line = f"{group.count()} ranks train each fold together"
        work.progress.say(line)
        work.run.change(lambda record: record.changed(notes=[*record.notes, line]))
        copies = {name: (work.run.path / name).read_text(encoding="utf-8") for name in COPIED}
        group.post({"files": copies, "config": work.config.json(), "kind": self.kind})
        crossval.train(work)

    def carry_out(self, work: Work, following: Iterable[Task]) -> None:
        """Nothing: only `kit run` is started by torchrun."""
        raise Usage("torchrun's ranks train the folds of `kit run` alone. Run it without torchrun.")


@contextlib.contextmanager
def led() -> Iterator[None]:
    """The block is rank 0's. The process of another rank takes part, and ends with rank 0's exit code (SystemExit)."""
    logging.getLogger("torch.distributed").setLevel(logging.ERROR)
    group.join()
    if group.number():
        raise SystemExit(follow())
    code = 1
    try:
        yield
        code = 0
    except KitError as fault:
        code = fault.code
        raise
    except KeyboardInterrupt:
        code = 130
        raise
    finally:
        group.end(code)


def follow() -> int:
    """Take part in rank 0's fits until it ends; returns its exit code. Says nothing but what is wrong with this rank alone."""
    try:
        with stoppable() as stop:
            stop.patient = True  # while nothing is trained, rank 0 decides
            _follow(stop)
    except (group.Lost, Stopped) as fault:  # rank 0 says why, or whoever ended
        return group.awaited_end() or fault.code
    except KitError as fault:
        fail(f"rank {group.number()}: {fault}")
        return fault.code
    code = group.awaited_end()
    return 1 if code is None else code


def _follow(stop: Stop) -> None:
    """Prepare what rank 0 has prepared, in a folder of its own, then train every fit that it begins."""
    begun = group.received(stop)
    if begun is None:
        return
    with tempfile.TemporaryDirectory(prefix="kit-rank-") as folder:
        run = Run(Path(folder))
        for name, text in begun["files"].items():
            files.write(run.path / name, text)
        with threads.within_quota():
            work = _prepared(run, begun, stop)
            while task := group.received(stop):
                _take_part(work, task)
                stop.patient = True


def _prepared(run: Run, begun: dict[str, Any], stop: Stop) -> Work:
    """The work of rank 0. Raises Usage where this process computes otherwise."""
    record = run.record
    config, root = Config.of(record.config), Path(record.root)
    adapter = competitions.load(record.competition).shaped(config, root)
    kind = kind_here(config, family_of(adapter, config)).name
    if kind != begun["kind"]:
        raise Usage(f"it computes with {kind}; rank 0 with {begun['kind']}. All ranks must be of one kind.")
    session = Session(stop=stop, budget=Budget(0.0, 0.0), began=time.monotonic(), quiet=True, beside=True)
    return prepare(run, adapter, Config.of(begun["config"]), root, session)


def _take_part(work: Work, task: dict[str, Any]) -> None:
    """Train a fit as rank 0 does, whose weights are kept."""
    part = RunPart(task["fold"] if task["fold"] >= 0 else None, task["repeat"])
    fold = replace(fold_of(work, part, work.config), config=Config.of(task["config"]).changed(logger=""))  # with its own seed
    fit(fold, work.stop, work.progress, lambda module: math.inf)


def kind_here(config: Config, family: Family) -> machine.Kind:
    """What this process computes with, in as many threads as it has."""
    return machine.kind_here(config, family, torch.get_num_threads())
