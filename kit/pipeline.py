"""Pipeline: the verbs `run` and `validate`, each from names to files. Nothing heavy before it is needed."""

from __future__ import annotations

import contextlib
import shutil
import textwrap
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit import competition as competitions, config as configs, ledger, memory, runs
from kit.budget import Budget
from kit.errors import BadData, KitError, Stopped, Usage
from kit.plan import Plan, planned
from kit.progress import say
from kit.runs import Run

if TYPE_CHECKING:
    from kit.work import Work


def run(
    name: str,
    data: str | Path | None,
    preset: str,
    run_name: str | None,
    out: str | Path | None,
    only_fold: list[int] | None,
    fresh: bool,
    quiet: bool,
    knobs: Mapping[str, Any],
) -> Run:
    """See `kit.run`. A complete run of the same configuration and data is returned as it is."""
    began = time.monotonic()
    plan = planned(name, data, preset, knobs)
    target = Run(plan.folder(run_name, out))
    with target.locked():
        refuse_other(target, plan.known, fresh)
        if target.complete:
            if not quiet:
                say(f"{target.path} is complete; nothing to do (--fresh starts over)")
            return target
        start(target, plan.known, plan.origins, plan.preset, plan.root)
        if not quiet:
            announce(target, plan.config, plan.origins, plan.root)
        with working(target, plan, only_fold, quiet, Budget(plan.config.time_budget, began)) as work:
            _train(work)
    return target


# Of some runs only.
EXTRAS = ("words.csv", "report.html", "vectors.npz", "lr.svg", "numbers.png", "readings.csv", "readings.png", "trials.csv")


def clear(target: Run) -> None:
    """Remove a run's files (nothing else that may lie in the folder, and nothing where it is no run)."""
    if not target.info:
        return
    for one in ("run.json", "folds.csv", "truth.csv", "oof.csv", "test.csv", "scores.json", "submission.csv", *EXTRAS):
        (target.path / one).unlink(missing_ok=True)
    for folder in [*target.path.glob("fold*"), *target.path.glob("trial*"), target.path / "refit"]:
        if folder.is_dir():
            shutil.rmtree(folder)


def refuse_other(target: Run, known: Mapping[str, Any], fresh: bool = False) -> None:
    """Raise Usage, with the difference, where the folder holds a run of another configuration or other data.

    `fresh`: remove what it holds. A run that ended before it had read its data (a mistyped folder, say) is none.
    """
    if fresh or not target.began:
        clear(target)
    info = target.info
    if not info:
        return
    keys = ("competition", "data", "backbone", "ranges")  # only a tuning has ranges
    lines = [f"{key}: {info.get(key)} → {known.get(key)}" for key in keys if info.get(key) != known.get(key)]
    lines += configs.difference(info["config"], known["config"])
    if lines:
        raise Usage(
            f"{target.path} holds another run ({'; '.join(lines)}).\nUse --name for a new run, or --fresh to start over."
        )


def start(target: Run, known: Mapping[str, Any], origins: Mapping[str, str], preset: str, root: Path) -> None:
    """Note in `run.json` that this process works on the run now."""
    sessions = [*target.info.get("sessions", []), runs.environment()]
    target.submission.unlink(missing_ok=True)
    about = {"preset": preset, "origins": dict(origins), "root": str(root.resolve()), "sessions": sessions}
    target.note(status="running", reason="", **known, **about)


def announce(target: Run, config: configs.Config, origins: Mapping[str, str], root: Path) -> None:
    """The resolved configuration on stderr, by where each value came from; the rest is in `run.json`."""
    say(f"{target.path}  from {root}")
    by_hand = configs.by_hand(origins)
    for origin in sorted(set(origins.values()), key=lambda one: (one == "default", one)):
        values = {key: getattr(config, key) for key in origins if origins[key] == origin}
        if origin == "default":
            values = {key: value for key, value in values.items() if value}
        values = {key: value for key, value in values.items() if key in by_hand or configs.heeded(key, config.model)}
        words = [f"{key}={configs.shown(key, value)}" for key, value in values.items()]
        line, wide = f"  {origin}: " + " ".join(words), shutil.get_terminal_size((128, 24)).columns
        if words:
            say(textwrap.fill(line, wide, subsequent_indent="    ", break_on_hyphens=False))
    for key in by_hand:
        if not configs.heeded(key, config.model):
            say(f"  {configs.flag(configs.KNOBS[key])} changes nothing for --model {config.model}")
    for line in configs.vain(config):
        say(f"  {line}")


@contextlib.contextmanager
def working(target: Run, plan: Plan, only_fold: list[int] | None, quiet: bool, budget: Budget) -> Iterator[Work]:
    """The files read and the folds dealt; signals stop what is done inside the block, and how it ended is noted."""
    from kit.stopping import stoppable

    try:
        with stoppable() as stop, contextlib.ExitStack() as frozen:
            began = time.monotonic()
            with memory.importing():  # seconds of imports: only when there is something to do
                from kit import crossval, devices, outcome  # noqa: F401 (what comes next needs them)
                from kit.work import prepare
            frozen.enter_context(memory.settled())
            here = devices.choose(plan.config, plan.adapter.competition.inputs.kind)
            target.note(**devices.note(here))
            work = prepare(target, plan.adapter, here, plan.root, stop, quiet, only_fold, budget)
            work.read_seconds = time.monotonic() - began
            try:
                yield work
            finally:
                work.progress.close()
                if work.timings.seconds:
                    say(work.timings.table())
    except BaseException as fault:
        note_end(target, "stopped" if isinstance(fault, Stopped | KeyboardInterrupt) else "failed", str(fault))
        raise


def _train(work: Work) -> None:
    """Train what is missing and, once every fold is there, score and write the submission."""
    from kit import crossval, outcome, parallel

    parallel.train(work)
    work.progress.close()
    if crossval.complete(work):
        outcome.finish(work)
        ledger.add_run(work.run)
    else:
        work.run.note(status="stopped")


def note_end(target: Run, status: str, reason: str) -> None:
    """Note how a run ended; a disk that is full, or a folder that was removed, must not hide the first error."""
    with contextlib.suppress(KitError):
        if target.info:
            target.note(status=status, reason=reason)


def validate(name: str, file: Path, data: str | Path | None, knobs: Mapping[str, Any] | None = None) -> list[str]:
    """See `kit.validate`. Raises BadData where the file or the sample cannot be read."""
    from kit import submission

    adapter = competitions.load(name)
    root = adapter.competition.find(data)
    facts = adapter.shaped(configs.Config().changed(**(knobs or {})), root).competition
    sample = facts.test_tables(root).sample if facts.read_test else facts.sample_table(root)
    labels = facts.labels
    if not labels.columns:  # classes that only the training file tells
        labels = facts.tables(root).labels
    if not file.is_file():
        raise BadData(f"{file}: no such file.")
    return submission.faults(file.read_bytes(), sample, labels)
