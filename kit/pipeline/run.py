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
from kit.pipeline.plan import LEFT_OPEN, Plan, continued, planned
from kit.pipeline.presets.resolution import family_of
from kit.storage import run_locks
from kit.storage.run_folder import Run
from kit.storage.run_lifecycle import grown, note_end, refuse_other, start, unseal
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
        plan = plan if fresh else continued(plan, target, name, data, preset, knobs)
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
                from kit.pipeline import execution  # loaded by now

                execution.train(work, parts)
    return target


def announce(target: Run, plan: Plan) -> None:
    """The resolved configuration on stderr, by where each value came from; the rest is in `run.json`.

    In a notebook, which keeps what is printed, without the defaults.
    """
    config, origins, family = plan.config, plan.origins, family_of(plan.adapter, plan.config)
    stated = () if plan.adapter.competition.shape else LEFT_OPEN
    heeded = {*family.heeds, *config.own} - {*stated}
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
            whose = f"{plan.adapter.name}, whose file states its columns" if key in stated else whose
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
        with stoppable() as stop:
            began, cores = time.monotonic(), resources.CoreTime.now()
            with resources.importing():  # seconds of imports: only when there is something to do
                from kit.pipeline import execution
            session = execution.Session(stop=stop, budget=budget, began=began, quiet=quiet, only=only_fold)
            with execution.begun(target, plan, session, cores) as work:
                yield work
    except BaseException as fault:
        note_end(target, "stopped" if isinstance(fault, Stopped | KeyboardInterrupt) else "failed", str(fault))
        raise
