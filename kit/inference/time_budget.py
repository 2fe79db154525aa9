"""Time budget: the folds and views that predict a test set in time, chosen by what they take and what they are worth."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kit.console import clock, say
from kit.errors import KitError
from kit.inference import members as run_members
from kit.inference.loaded_run import LoadedRun
from kit.models import prediction
from kit.storage import frames
from kit.storage.run_folder import Run, read_json
from kit.storage.runs.parts import SEAL, RunPart

SPARE = 0.05  # of the limit, for decoding and writing
MEASURING = 0.1  # of the limit at most, for scoring the views
SAMPLE = 10_000  # out-of-fold rows that score the views at most


@dataclass(frozen=True)
class Plan:
    """What will predict: members (folders of models, the best first), views each, and the seconds it should take."""

    members: tuple[Path, ...]
    views: int
    seconds: float


def choose(members: list[Path], cost: float, limit: float, worth: Callable[[], dict[int, float]], most: int) -> Plan:
    """The plan for `cost` seconds a member and view, `limit` seconds in all, and up to `most` views.

    Everything where it fits. Otherwise as many folds as fit with one view: what an average over models gains cannot be
    seen out of fold, where each row has one model (`scripts/bench/budget.py` measures it on held-out rows). Then, of the
    numbers of views that still fit, the one whose out-of-fold score (`worth`: higher is better) is best.
    """
    if cost * len(members) * most <= limit:
        return Plan(tuple(members), most, cost * len(members) * most)
    count = max(1, min(len(members), int(limit / cost)))
    fitting = [views for views in range(1, most + 1) if cost * count * views <= limit] or [1]
    if len(fitting) > 1:
        scores = worth()
        fitting.sort(key=lambda views: (scores.get(views, -np.inf), -views))
    return Plan(tuple(members[:count]), fitting[-1], cost * count * fitting[-1])


def ranked(run: Run) -> list[Path]:
    """The folders whose models answer the test: a refit first, then the folds by their own scores, the best first."""
    better = -1 if run.scores["higher_is_better"] else 1

    def key(folder: Path) -> tuple[bool, bool, float]:
        score = read_json(folder / SEAL).get("score")
        return not _of_refit(folder), score is None, better * (score or 0.0)

    return sorted(run_members.members(run), key=key)


def predict(whole: LoadedRun, x: Any, ids: pd.Index, *, views: int, limit: float, until: float) -> pd.DataFrame:
    """Predictions for inputs `x` (index `ids`), done by `until` (a monotonic time) or as soon as can be.

    `limit`: the seconds that there were; `views`: at most so many.

    A member that would not be done in time is left out, whatever the plan was: speeds change.
    """
    config, members = whole.config, ranked(whole.run)
    first = run_members.model_of(whole, members[0], 1)
    run_members.equip(whole, x)
    cost = prediction.pace(first, x, config) * len(x)
    most = views if first.views else 1

    def worth() -> dict[int, float]:
        rows = int(min(SAMPLE, MEASURING * limit / (cost / len(x) * most)))
        return scores_by_views(whole, most, rows)

    plan = choose(members, cost, until - time.monotonic(), worth, most)
    say(
        f"{clock(limit)} allow {len(plan.members)} of {len(members)} models × {plan.views} of {most} views for {len(x):,} rows:"
        f" about {clock(plan.seconds)}"
    )
    if plan.seconds > until - time.monotonic():
        say("even that will take longer than the budget: it is the least that answers every row")
    parts: dict[Path, pd.DataFrame] = {}
    for folder in plan.members:
        now = time.monotonic()
        if parts and now + cost * plan.views > until:
            say(f"{len(plan.members) - len(parts)} of {len(plan.members)} models are left out: the time is up")
            break
        model = run_members.model_of(whole, folder, plan.views)
        parts[folder] = pd.DataFrame(prediction.predict(model, x, None, config), index=ids, columns=list(model.labels.columns))
        cost = (time.monotonic() - now) / plan.views
    refits = sum(map(_of_refit, parts))
    weights = [1 / refits if _of_refit(folder) else 1 / (len(parts) - refits) for folder in parts]
    return whole.labels.average(list(parts.values()), weights)


def _of_refit(folder: Path) -> bool:
    return RunPart.of(folder.name).fold is None


def scores_by_views(whole: LoadedRun, most: int, rows: int) -> dict[int, float]:
    """The out-of-fold score of the first 1, 2, … views on some of the training rows, better ones higher.

    Where the training files are not at hand, or the metric is not defined for those rows, more views count as better.
    """
    try:
        predicted, y = _out_of_fold(whole, most, rows)
    except KitError:
        return {views: float(views) for views in range(1, most + 1)}
    metric, labels = whole.facts.metric, whole.labels
    sign = 1 if metric.higher_is_better else -1
    truth = labels.truth(y)
    worth = {views: metric(truth, labels.harden(predicted[:views].mean(axis=0))) for views in range(1, most + 1)}
    return {views: sign * score if score == score else float(views) for views, score in worth.items()}


def _out_of_fold(whole: LoadedRun, most: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Predictions [views, rows, c] of evenly spaced training rows, each view by itself, with their answers."""
    run, numbers, inputs = whole.run, whole.run.record.folds, whole.facts.inputs
    tables = whole.facts.tables(whole.root)
    dealt = frames.read_folds(run.path)
    spaced = dealt.iloc[np.unique(np.linspace(0, len(dealt) - 1, max(count, len(numbers))).astype(int))]
    parts, answers = [], []
    for fold in numbers:
        table = tables.train.loc[spaced.index[spaced == fold]]
        loaded = inputs.load(whole.root, table, "train", whole.config.size)
        table = table[~table.index.isin(list(loaded.broken))]
        model = run_members.model_of(whole, run.fold(fold), most)
        own = []
        for number in range(len(model.views)):
            with model.one_view(number):
                own.append(prediction.predict(model, loaded.rows, None, whole.config))
        parts.append(np.stack(own))
        answers.append(whole.labels.encode(table))
    return np.concatenate(parts, axis=1), np.concatenate(answers)
