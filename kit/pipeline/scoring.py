"""Outcome: from finished folds to predictions, scores, pictures of them and, last of all, the submission."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from kit.competition import submission
from kit.inference import ablation, members, rounds
from kit.inference.decisions.learning import Learned, learn
from kit.inference.rounds import Round
from kit.labels import to_json
from kit.labels.evaluation import tracked
from kit.metrics import defined, over_folds
from kit.pipeline.preparation import Work
from kit.pipeline.presets.resolution import family_of
from kit.pipeline.pseudo import gate
from kit.reporting import canvas, figures, ngram_words, readings
from kit.storage import predictions, run_lifecycle
from kit.storage.run_folder import read_json, write_json
from kit.storage.runs.parts import SEAL, RunPart


def finish(work: Work) -> dict[str, Any]:
    """Out-of-fold and test predictions, scores, and last of all the submission."""
    run = work.run
    each = rounds.out_of_fold(run, work.tables.train.index)
    oof = rounds.mean(work.tables.labels, list(each.values()))
    test = members.combine(run, [predictions.load(folder, "test") for folder in members.members(run)])
    predictions.write_csv(run.path / "oof.csv", oof)
    predictions.write_csv(run.path / "test.csv", test)
    work, learned = decided(work, oof)
    answer = submission.build(work.tables.sample, test, work.tables.labels)
    scores = score(work, oof, each, learned)
    if work.pseudo is not None:
        rows = work.tables.train.index.get_indexer(oof.index)
        facts, dealt = work.adapter.competition, work.folds.fold[rows]
        scores["pseudo"] = gate.verdict(run, work.tables.labels, facts.metric, work.y[rows], oof, dealt)
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
    without = [part.label for part, one in zip(scored_parts(work), scores, strict=True) if one is None]
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


def scored_parts(work: Work) -> list[RunPart]:
    """The folds, of every repeat, that `scores.json` has a score of: that of their seeds' mean."""
    return [RunPart(k, repeat) for repeat, dealt in enumerate(work.folds.repeats) for k in dealt.numbers]


def fold_scores(work: Work, each: dict[Round, pd.DataFrame], stats: dict[RunPart, dict[str, Any]]) -> list[float | None]:
    """The score of each fold of every repeat, as `scored_parts` names them."""
    if work.config.seeds == 1:
        return [stats[part]["score"] for part in scored_parts(work)]
    metric, labels, ids = work.adapter.competition.metric, work.tables.labels, work.tables.train.index
    seeds = range(work.config.seeds)
    means = [rounds.mean(labels, [each[repeat, seed] for seed in seeds]) for repeat in range(len(work.folds.repeats))]

    def one(part: RunPart) -> float:
        rows = work.folds.repeats[part.repeat].split(part.fold or 0)[1]
        return metric(labels.truth(work.y[rows]), labels.harden(means[part.repeat].loc[ids[rows]].to_numpy(np.float32)))

    return [defined(one(part)) for part in scored_parts(work)]


def score(work: Work, oof: pd.DataFrame, each: dict[Round, pd.DataFrame], learned: Learned | None = None) -> dict[str, Any]:
    """What `scores.json` holds, from out-of-fold predictions, those of each round, and the folds' own notes.

    None: a score that is not defined. Where a decision was kept, scores are of rows decided by what the other folds taught.
    """
    metric, labels = work.adapter.competition.metric, work.tables.labels.undecided
    rows = work.tables.train.index.get_indexer(oof.index)
    y = work.y[rows]
    every = {part: read_json(work.run.fold(part) / SEAL) for part in work.run.record.parts}
    stats = {part: one for part, one in every.items() if part.fold is not None}
    seconds = {what: sum(one["seconds"][what] for one in every.values()) for what in ("train", "predict")}
    first = [work.run.fold(part) for part in stats if (part.repeat, part.seed) == (0, 0)]
    gains = ablation.verdicts(first, each[0, 0], y, labels, metric)
    values = oof.to_numpy(np.float32)
    truth, answer = labels.truth(y), labels.harden(values)
    plain = metric(truth, answer)
    if learned is not None and learned.decision is not None:
        answer = labels.harden(learned.predictions)
        values = values if labels.continuous else learned.predictions
        held = [work.folds.repeats[part.repeat].fold[rows] == part.fold for part in scored_parts(work)]
        by_fold = [defined(metric(truth[one], answer[one])) for one in held]
    else:
        by_fold = fold_scores(work, each, stats)
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
        **({"rounds": about_rounds(work, each, y) | {"average": defined(plain)}} if len(each) > 1 else {}),
        "extra": {name: defined(value) for name, value in extra.items()},
        **({"paid": gains} if gains else {}),
        **({"decision": learned.json()} if learned else {}),
        "seconds": {"total": sum(seconds.values()), **seconds},
        "rows": {"train": len(work.tables.train), "test": len(work.tables.sample), "broken_test": len(work.test.broken)},
    }


def about_rounds(work: Work, each: dict[Round, pd.DataFrame], y: np.ndarray) -> dict[str, Any]:
    """What `scores.json` says of several rounds: how each scores alone, so that one sees what chance does and what the mean
    gains. `y`: the answers of their rows."""
    metric, labels = work.adapter.competition.metric, work.tables.labels.undecided
    truth = labels.truth(y)
    scores = [metric(truth, labels.harden(one.to_numpy(np.float32))) for one in each.values()]
    return {"seeds": work.config.seeds, "repeats": work.config.repeats, **rounds.spread(scores)}
