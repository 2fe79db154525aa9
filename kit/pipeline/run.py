"""Pipeline: the verbs `run` and `validate`, each from names to files. Nothing heavy before it is needed."""

from __future__ import annotations

import contextlib
import shutil
import textwrap
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit import config as configs, resources
from kit.console import in_notebook, say
from kit.errors import Stopped
from kit.models import families
from kit.pipeline import clusters
from kit.pipeline.plan import Plan, family_of, planned
from kit.storage import ledger, run_locks
from kit.storage.run_folder import Run
from kit.storage.run_lifecycle import grown, note_end, note_pause, refuse_other, start, unseal
from kit.storage.runs import manifest
from kit.training.deadline import Budget
from kit.training.signals import stoppable

if TYPE_CHECKING:
    from kit.pipeline.preparation import Work


def run(
    name: str,
    data: str | Path | None,
    preset: str,
    run_name: str | None,
    out: str | Path | None,
    only_fold: list[int] | None,
    fresh: bool,
    rewrite: bool,
    quiet: bool,
    knobs: Mapping[str, Any],
) -> Run:
    """See `kit.run`. A complete run of the same configuration and data is returned as it is.

    Raises BadData where files of a complete run were changed.
    """
    began = time.monotonic()
    with clusters.ranks_led():
        plan = planned(name, data, preset, knobs)
        target = Run(plan.folder(run_name, out))
        parts = plan.parts(None if fresh else only_fold)  # what starting over removes, nobody else may work on
        with target.locked(parts), contextlib.ExitStack() as turn:
            turn.enter_context(run_locks.turn(target.path, say))
            refuse_other(target, plan.known, fresh)
            if rewrite:
                unseal(target)
            if target.complete:
                manifest.verify(target.path, submission=True)
            if target.complete and not grown(target.record.config, plan.config.json()):
                if not quiet:
                    say(f"{target.path} is complete; nothing to do (--fresh starts over)")
                return target
            new = not target.exists
            start(target, plan.known, plan.origins, plan.preset, plan.root)
            if not quiet:
                announce(target, plan)
                if new and not (run_name or out) and (other := fewer(plan)):
                    say(f"  {other.path} has some of these models: with --name {other.path.name} only the others are trained")
            with working(target, plan, only_fold, quiet, Budget(plan.config.time_budget, began)) as work:
                turn.close()
                _train(work, parts)
    return target


def announce(target: Run, plan: Plan) -> None:
    """The resolved configuration on stderr, by where each value came from; the rest is in `run.json`.

    In a notebook, which keeps what is printed, without the defaults.
    """
    config, origins, family = plan.config, plan.origins, family_of(plan.adapter, plan.config)
    heeded = {*family.heeds, *config.own}
    say(f"{target.path}  from {plan.root}")
    by_hand = configs.by_hand(origins)
    for origin in sorted(set(origins.values()), key=lambda one: (one == "default", one)):
        values = {key: getattr(config, key) for key in origins if origins[key] == origin}
        if origin == "default":
            values = {key: value for key, value in values.items() if value}
        values = {key: value for key, value in values.items() if key in by_hand or key in heeded}
        words = [f"{key}={configs.shown(key, value)}" for key, value in values.items()]
        line, wide = f"  {origin}: " + " ".join(words), shutil.get_terminal_size((128, 24)).columns
        if words and not (origin == "default" and in_notebook()):
            say(textwrap.fill(line, wide, subsequent_indent="    ", break_on_hyphens=False), lines=True)
    for line in plan.notes:
        say(f"  {line}")
    for key in by_hand:
        if key not in heeded:
            whose = "--strategy probe" if family.probing else f"--model {config.model}"
            say(f"  {configs.flag(key)} changes nothing for {whose}")
    for line in families.vain(config, family):
        say(f"  {line}")


def fewer(plan: Plan) -> Run | None:
    """The run of the same configuration with one seed and one repeat, where it has its usual name; None where there is none."""
    one = dict.fromkeys(configs.GROWING, 1)
    origins = {name: origin for name, origin in plan.origins.items() if name not in one}
    smaller = replace(plan, config=plan.config.changed(**one), origins=origins)
    run = Run(smaller.folder(None, None))
    if smaller.name == plan.name or not run.exists:
        return None
    same = run.record.data == plan.known["data"] and not configs.difference(run.record.config, smaller.config.json())
    return run if same else None


@contextlib.contextmanager
def working(target: Run, plan: Plan, only_fold: list[int] | None, quiet: bool, budget: Budget) -> Iterator[Work]:
    """The files read and the folds dealt; signals stop what is done inside the block, and how it ended is noted."""
    try:
        with stoppable() as stop, contextlib.ExitStack() as frozen:
            began, cores = time.monotonic(), resources.CoreTime.now()
            with resources.importing():  # seconds of imports: only when there is something to do
                from kit.models import devices, threads
                from kit.pipeline import crossval, scoring  # noqa: F401 (what comes next needs them)
                from kit.pipeline.preparation import Session, prepare
            frozen.enter_context(resources.settled())
            cluster = frozen.enter_context(clusters.joined(plan.config.on, target.path, stop, quiet))
            family = family_of(plan.adapter, plan.config)
            if cluster is None:
                here = devices.choose(plan.config, family)
                noted = devices.note(here)
            else:
                here, noted = cluster.choose(plan.config, family)
            frozen.enter_context(threads.within_quota())
            target.note(**noted)
            session = Session(stop=stop, budget=budget, began=began, quiet=quiet, only=only_fold)
            work = replace(prepare(target, plan.adapter, here, plan.root, session), cluster=cluster)
            if here.devices == "cpu" and cluster is None:
                note_cores(work, resources.narrowed(), cores.shared(threads.available()) if cores else "")
            try:
                yield work
            finally:
                work.progress.close()
                if work.timings.seconds:
                    say(work.timings.table(), lines=True)
    except BaseException as fault:
        note_end(target, "stopped" if isinstance(fault, Stopped | KeyboardInterrupt) else "failed", str(fault))
        raise


def note_cores(work: Work, *lines: str) -> None:
    """Say, and note in `run.json`, what there is to say of the cores: that there are few, or that others use them too."""
    for line in filter(None, lines):
        work.progress.say(line)
    work.run.change(lambda record: record.changed(notes=[*record.notes, *filter(None, lines)]))


def _train(work: Work, parts: list[str]) -> None:
    """Train what is missing and, once every fold is there, score and write the submission. `parts`: that this process holds."""
    from kit.pipeline import crossval, parallel, scoring

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
