"""Pipeline: the verbs `run` and `validate`, each from names to files. Nothing heavy before it is needed."""

from __future__ import annotations

import contextlib
import shutil
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kit import competition as competitions, config as configs, files, ledger, memory, runs
from kit.budget import Budget
from kit.errors import BadData, KitError, Stopped, Usage
from kit.progress import say
from kit.runs import Run


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
    from kit import loggers
    from kit.backbones import fingerprint

    began = time.monotonic()
    adapter = competitions.load(name)
    config, origins, preset = resolved(adapter, preset, knobs)
    loggers.names(config)  # one that is missing is said before anything is read
    changed = {key: configs.shown(key, getattr(config, key)) for key in configs.by_hand(origins)}
    path = Path(out) if out else Path("runs") / adapter.name / (run_name or runs.default_name(preset, changed))
    target = Run(path)
    root = adapter.competition.find(data)
    adapter = adapter.shaped(config, root)
    known = {
        "competition": adapter.source,
        "config": config.json(),
        "data": files.fingerprint(root, adapter.competition.files(root)),
        "backbone": fingerprint(config.from_run),
    }
    with target.locked():
        if fresh:
            clear(target)
        refuse_other(target, known)
        if target.complete:
            if not quiet:
                say(f"{path} is complete; nothing to do (--fresh starts over)")
            return target
        start(target, known, origins, preset, root)
        if not quiet:
            announce(target, config, origins, root)
        execute(target, adapter, config, root, only_fold, quiet, Budget(config.time_budget, began))
    return target


def resolved(
    adapter: competitions.Adapter, preset: str, knobs: Mapping[str, Any]
) -> tuple[configs.Config, dict[str, str], str]:
    """The configuration, where each of its values came from, and the preset that it began with."""
    given = configs.given(knobs)
    begin = adapter.preset(preset, given)
    config, origins = configs.resolve(begin, preset, knobs)
    if begin.model == "ngrams" != config.model and "transformer" in adapter.presets:
        preset = "transformer"  # a fit of n-grams and a fine-tuning have no value in common
        config, origins = configs.resolve(adapter.preset(preset), preset, knobs)
    return config, origins, preset


EXTRAS = ("words.csv", "report.html", "vectors.npz", "lr.svg", "numbers.png", "readings.csv", "readings.png")  # of some runs


def clear(target: Run) -> None:
    """Remove a run's files (nothing else that may lie in the folder, and nothing where it is no run)."""
    if not target.info:
        return
    for one in ("run.json", "folds.csv", "truth.csv", "oof.csv", "test.csv", "scores.json", "submission.csv", *EXTRAS):
        (target.path / one).unlink(missing_ok=True)
    for folder in [*target.path.glob("fold*"), target.path / "refit"]:
        if folder.is_dir():
            shutil.rmtree(folder)


def refuse_other(target: Run, known: Mapping[str, Any]) -> None:
    """Raise Usage, with the difference, where the folder holds a run of another configuration or other data."""
    info = target.info
    if not info:
        return
    lines = [f"{key}: {info[key]} → {known[key]}" for key in ("competition", "data", "backbone") if info[key] != known[key]]
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


def execute(
    target: Run,
    adapter: competitions.Adapter,
    config: configs.Config,
    root: Path,
    only_fold: list[int] | None,
    quiet: bool,
    budget: Budget,
) -> None:
    """Train what is missing and, once every fold is there, score and write the submission; note how it ended."""
    from kit.stopping import stoppable

    try:
        with stoppable() as stop, contextlib.ExitStack() as frozen:
            began = time.monotonic()
            with memory.importing():  # seconds of imports: only when there is something to do
                from kit import crossval, devices, outcome
                from kit.work import prepare
            frozen.enter_context(memory.settled())
            here = devices.choose(config, adapter.competition.inputs.kind)
            target.note(**devices.note(here))
            work = prepare(target, adapter, here, root, stop, quiet, only_fold, budget)
            read_seconds = time.monotonic() - began
            try:
                crossval.train(work)
            finally:
                work.progress.close()
                if work.timings.seconds:
                    say(work.timings.table())
            if crossval.complete(work):
                outcome.finish(work, read_seconds)
                ledger.add_run(target)
            else:
                target.note(status="stopped")
    except BaseException as fault:
        note_end(target, "stopped" if isinstance(fault, Stopped | KeyboardInterrupt) else "failed", str(fault))
        raise


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
