"""Outcome: from finished folds to predictions, scores, pictures of them and, last of all, the submission."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from kit.competition import submission
from kit.inference import ablation, members
from kit.inference.decisions.learning import Learned, learn
from kit.labels import to_json
from kit.labels.evaluation import tracked
from kit.metrics import defined, over_folds
from kit.pipeline.plan import family_of
from kit.pipeline.preparation import Work
from kit.reporting import canvas, figures, ngram_words, readings
from kit.storage import predictions, run_lifecycle
from kit.storage.run_folder import read_json, write_json


def finish(work: Work) -> dict[str, Any]:
    """Out-of-fold and test predictions, scores, and last of all the submission."""
    run, numbers = work.run, work.folds.numbers
    stats = {k: read_json(run.fold(k) / "fold.json") for k in numbers}
    oof = pd.concat([predictions.load(run.fold(k), "oof") for k in numbers])
    position = work.tables.train.index.get_indexer(oof.index)
    oof = oof.iloc[np.argsort(position, kind="stable")]
    test = members.combine(run, [predictions.load(folder, "test") for folder in members.members(run)])
    predictions.write_csv(run.path / "oof.csv", oof)
    predictions.write_csv(run.path / "test.csv", test)
    work, learned = decided(work, oof)
    answer = submission.build(work.tables.sample, test, work.tables.labels)
    scores = score(work, oof, stats, learned)
    unscored = unscored_folds(work, scores["folds"])
    if unscored:
        work.progress.say(unscored)
    held_out = work.tables.held_out(work.tables.labels, work.adapter.competition.metric, test)
    if held_out is not None:
        scores["extra"]["held_out"] = defined(held_out)
    scores["seconds"]["read"] = work.read_seconds
    scores["seconds"]["total"] += work.read_seconds
    write_json(run.path / "scores.json", scores)
    picture(work, oof, test, learned)
    if family_of(work.adapter, work.config).words:
        ngram_words.write(run, work.x, work.tables.labels.columns)
    notes = run.record.notes + ([unscored] if unscored else [])
    run_lifecycle.complete(run, submission.checked(work.tables.sample, answer, work.tables.labels), notes=notes)
    return scores


def decided(work: Work, oof: pd.DataFrame) -> tuple[Work, Learned | None]:
    """The work with labels that decide as the out-of-fold rows taught, and what they taught (None: not asked, or not known)."""
    labels, learned = work.tables.labels.undecided, None
    if work.config.decide != "none":
        rows = work.tables.train.index.get_indexer(oof.index)
        metric, values = work.adapter.competition.metric, oof.to_numpy(np.float32)
        learned = learn(labels, metric, work.y[rows], values, work.folds.fold[rows])
    labels = labels.changed(decision=learned and learned.decision)
    work.run.note(labels=to_json(labels), decision=learned and learned.record())
    return replace(work, tables=replace(work.tables, labels=labels)), learned


def unscored_folds(work: Work, scores: Sequence[float | None]) -> str:
    """A line that names the folds without a score; nothing where each has one."""
    without = [str(k) for k, one in zip(work.folds.numbers, scores, strict=True) if one is None]
    if not without:
        return ""
    name, of = work.adapter.competition.metric.name, "fold" if len(without) == 1 else "folds"
    left = (
        f"the other {len(scores) - len(without)} give mean and deviation" if len(without) < len(scores) else "there is no mean"
    )
    return f"{name} is not defined on the validation rows of {of} {', '.join(without)} (have they one class only?): {left}"


def picture(work: Work, oof: pd.DataFrame, test: pd.DataFrame, learned: Learned | None) -> None:
    """For numbers: predicted against true, out of fold; for texts that were read, what and how surely."""
    labels = work.tables.labels
    y = work.y[work.tables.train.index.get_indexer(oof.index)]
    predicted = learned.predictions if learned else oof.to_numpy(np.float32)
    numbers = labels.undecided.number_answers(y, predicted)
    if numbers is not None:
        canvas.write_png(work.run.path / "numbers.png", figures.agreement(numbers.truth, numbers.predicted, numbers.names))
    doubt = readings.write(work.run.path, labels, test, work.test.rows, oof)
    if doubt:
        work.progress.say(doubt)


def score(work: Work, oof: pd.DataFrame, stats: dict[int, dict[str, Any]], learned: Learned | None = None) -> dict[str, Any]:
    """What `scores.json` holds, from out-of-fold predictions and the folds' own notes. None: a score that is not defined.

    Where a decision was kept, scores are of rows decided by what the other folds taught.
    """
    metric, labels = work.adapter.competition.metric, work.tables.labels.undecided
    rows = work.tables.train.index.get_indexer(oof.index)
    y, fold = work.y[rows], work.folds.fold[rows]
    every = [*stats.values(), *([read_json(work.run.fold("refit") / "fold.json")] if work.config.final != "folds" else [])]
    seconds = {part: sum(one["seconds"][part] for one in every) for part in ("train", "predict")}
    gains = ablation.verdicts([work.run.fold(k) for k in stats], oof, y, labels, metric)
    values, by_fold = oof.to_numpy(np.float32), [one["score"] for one in stats.values()]
    truth, answer = labels.truth(y), labels.harden(values)
    if learned is not None and learned.decision is not None:
        answer = labels.harden(learned.predictions)
        by_fold = [defined(metric(truth[fold == k], answer[fold == k])) for k in stats]
        values = values if labels.continuous else learned.predictions
    extra = tracked(labels, torch.tensor(values), torch.tensor(y)) | labels.report(truth, answer)
    chosen = [(one["score"], one["end"]) for one in stats.values() if "end" in one]
    flattered = [best - end for best, end in chosen if best is not None and end is not None]
    if flattered:
        extra["flattered_by"] = float(np.mean(flattered))
    return {
        "metric": metric.name,
        "higher_is_better": metric.higher_is_better,
        "oof": defined(metric(truth, answer)),
        **over_folds(by_fold),
        "extra": {name: defined(value) for name, value in extra.items()},
        **({"paid": gains} if gains else {}),
        **({"decision": learned.json()} if learned else {}),
        "seconds": {"total": sum(seconds.values()), **seconds},
        "rows": {"train": len(work.tables.train), "test": len(work.tables.sample), "broken_test": len(work.test.broken)},
    }
