"""Execution: a planned run from its files read to its submission written. Loads all that it takes to train and to score."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from kit import resources
from kit.console import say
from kit.models import devices, threads
from kit.pipeline import clusters, crossval, parallel, scoring
from kit.pipeline.plan import Plan
from kit.pipeline.preparation import Session, Work, module_of, prepare
from kit.pipeline.presets.resolution import family_of
from kit.storage import ledger, run_locks
from kit.storage.run_folder import Run
from kit.storage.run_lifecycle import note_pause
from kit.training import engines

__all__ = ["Session", "begun", "train"]


@contextlib.contextmanager
def begun(target: Run, plan: Plan, session: Session, cores: resources.CoreTime | None) -> Iterator[Work]:
    """The files read and the folds dealt, on this machine or its cluster. `cores`: their time when the command began."""
    engines.of(module_of(plan.adapter, plan.config), plan.config, plan.adapter.parts)  # imports what stays from here on
    with contextlib.ExitStack() as frozen:
        frozen.enter_context(resources.settled())
        cluster = frozen.enter_context(clusters.joined(plan.config.on, target.path, session.stop, session.quiet))
        family = family_of(plan.adapter, plan.config)
        if cluster is None:
            here = devices.choose(plan.config, family)
            noted = devices.note(here)
        else:
            here, noted = cluster.choose(plan.config, family)
        frozen.enter_context(threads.within_quota())
        target.note(**noted)
        work = replace(prepare(target, plan.adapter, here, plan.root, session), cluster=cluster)
        if here.devices == "cpu" and cluster is None:
            note_cores(work, resources.narrowed(), cores.shared(threads.available()) if cores else "")
        try:
            yield work
        finally:
            work.progress.close()
            if work.timings.seconds:
                say(work.timings.table(), lines=True)


def note_cores(work: Work, *lines: str) -> None:
    """Say, and note in `run.json`, what there is to say of the cores: that there are few, or that others use them too."""
    for line in filter(None, lines):
        work.progress.say(line)
    work.run.change(lambda record: record.changed(notes=[*record.notes, *filter(None, lines)]))


def train(work: Work, parts: list[str]) -> None:
    """Train what is missing and, once every fold is there, score and write the submission. `parts`: that this process holds."""
    if work.cluster is None:
        parallel.train(work)
    else:
        work.cluster.train(work)
    work.progress.close()
    with run_locks.turn(work.run.path, work.progress.say):
        if not crossval.complete(work):
            note_pause(work.run, parts)
        elif not work.run.complete:  # of several processes, the last one
            scoring.finish(work)
            ledger.add_run(work.run)
