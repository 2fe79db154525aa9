"""Rules: all advice on a run, the most telling first."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

from kit.config import KNOBS
from kit.errors import KitError
from kit.inference.loaded_run import load_run
from kit.models import families
from kit.reporting.advice import fit, gains, mistakes
from kit.reporting.advice.rule import Advice
from kit.reporting.report.findings import Findings
from kit.storage.run_folder import Run


def advice(found: Findings) -> list[Advice]:
    """What to try next, the most telling first. Nothing where no rule is sure."""
    heeded = _heeded(found.run)
    rules: list[Callable[[Findings], Advice | None]] = [
        partial(fit.overfit, heeded=heeded), partial(fit.underfit, heeded=heeded), partial(mistakes.confused, heeded=heeded),
        mistakes.uneven, gains.views, gains.averages, gains.decision, gains.alike,
    ]  # fmt: skip
    return [one for rule in rules if (one := rule(found)) is not None]


def _heeded(run: Run) -> Collection[str]:
    """The knobs that change something for the run's model; all, where its adapter is gone."""
    try:
        whole = load_run(run, needed=False)
        model, facts = run.record.settings["model"], whole.facts
        heeds = families.of(model, facts.inputs.kind, whole.labels.reads, whole.parts).heeds
        return heeds if facts.inputs.kind == "images" else heeds - {"size"}  # only files have more to show when larger
    except KitError:
        return KNOBS
