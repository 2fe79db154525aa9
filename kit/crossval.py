"""Cross-validation: from a competition's files to out-of-fold scores and a submission, resumable at every file."""

from __future__ import annotations

import gc
import hashlib
import json
import math
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from kit import (
    autotune,
    backbones,
    checkpoints,
    competition as competitions,
    config as configs,
    devices,
    explain,
    folds,
    frames,
    inference,
    memory,
    ngrams,
    paid,
    readings,
    sheets,
    submission,
    vectors,
)
from kit.budget import Budget
from kit.config import Config
from kit.errors import BadData, Usage, listed
from kit.folds import Folds
from kit.inputs.base import Keep, Loaded
from kit.inputs.text import Text, Texts
from kit.keeper import Fold, tracked
from kit.labels import Numbers, Reading, to_json
from kit.progress import Progress
from kit.runs import Run, read_json, write_json
from kit.stopping import Stop
from kit.timings import Timings
from kit.training import fit

SPARE, FILES = 1.3, 0.5  # of a time budget, kept for predictions: times their time, and seconds for files


@dataclass
class Work:
    """Everything the stages of one run share."""

    run: Run
    adapter: competitions.Adapter
    config: Config
    tables: competitions.Tables
    y: np.ndarray
    x: Any
    test: Loaded
    folds: Folds
    stop: Stop
    progress: Progress
    identity: str
    budget: Budget
    fits: int  # that are left
    timings: Timings = field(default_factory=Timings)
    predicting: float = 0.0  # seconds that a fold's predictions have taken at most


def prepare(
    run: Run,
    adapter: competitions.Adapter,
    config: Config,
    root: Path,
    stop: Stop,
    quiet: bool,
    only: list[int] | None,
    budget: Budget,
) -> Work:
    """Read the files, deal the folds (or check those of the run), load the inputs."""
    facts = adapter.competition
    tables = facts.tables(root)
    if config.limit:
        tables = competitions.first(tables, config.limit)
    progress = Progress(quiet=quiet)
    keep = Keep(config.cache_gb * 2**30, progress.say)
    train = facts.inputs.load(root, tables.train, "train", config.size, keep)
    test = facts.inputs.load(root, tables.test.loc[tables.sample.index], "test", config.size, keep)
    tables, notes = competitions.sound(tables, train.broken, test.broken)
    if config.vectors and config.model == "ngrams" and isinstance(facts.inputs, Text):
        notes.append(give_vectors(run, facts.inputs, root, train.rows, test.rows, config, progress))
    y = tables.labels.encode(tables.train)
    dealt, doubled = deal(facts, tables, y, train.look, config)
    notes += doubled
    keep_folds(run, tables.train.index, dealt)
    keep_truth(run, tables, y)
    names = dealt.numbers
    prior = tables.labels.prior(y).tolist()
    run.note(folds=names, labels=to_json(tables.labels), notes=[*tables.notes, *notes], prior=prior)
    unknown = [k for k in only or [] if k not in names]
    if unknown:
        raise Usage(f"--only-fold {unknown[0]}: this run has the folds {', '.join(map(str, names))}.")
    fits = len(only or names) + (config.final != "folds" and only is None)
    total = config.epochs * sum(len(dealt.split(k)[0]) for k in only or names)
    total += config.epochs * len(y) * (config.final != "folds" and only is None)
    progress.expect(total)
    for note in [*tables.notes, *notes]:
        progress.say(note)
    work = Work(run, adapter, config, tables, y, train.rows, test, dealt, stop, progress, "", budget, fits)
    if config.lr == 0 or config.batch == 0:
        work.config = tuned(work)
    known = [work.config.json() | dict.fromkeys(configs.IMMATERIAL), run.info["data"], dealt.fold.tolist()]
    work.identity = hashlib.sha256(json.dumps(known).encode()).hexdigest()
    return work


def tuned(work: Work) -> Config:
    """The Config with numbers for `auto`, found once on the training rows of the first fold and kept in `run.json`."""
    chosen = work.run.info.get("chosen")
    if chosen is None:
        preset = work.adapter.preset(work.run.info["preset"], configs.by_hand(work.run.info["origins"]))
        config, said = autotune.tuned(fold_of(work, 0, work.config), work.fits, preset.batch or Config().batch, work.run.path)
        for line in said:
            work.progress.say(line)
        chosen = {"lr": config.lr, "batch": config.batch}
        work.run.note(chosen=chosen)
    return work.config.changed(**chosen)


def fold_of(work: Work, name: int | str, config: Config) -> Fold:
    """The fit of a fold, or of all rows (`refit`)."""
    train, valid = work.folds.split(name) if isinstance(name, int) else (np.arange(len(work.y)), np.array([], int))
    number = name if isinstance(name, int) else -1
    return Fold(
        f"fold {name} of {work.config.folds}" if isinstance(name, int) else "refit", number, work.run.fold(name),
        work.x, work.y, train, valid, config, work.tables.labels, work.adapter.competition.metric, work.identity,
        work.adapter.competition.inputs.mirror, backbones.source(work.config.from_run, work.run, number),
    )  # fmt: skip


def deadline(work: Work, fold: Fold, module: Any) -> float:
    """When a fit must be over, so that every fit has its share of the time. Before the first, a few predictions are timed."""
    if not work.config.time_budget:
        return math.inf
    rows = len(fold.valid) * (1 + paid.passes(module)) + len(work.test.rows)
    if not work.predicting:
        some = np.arange(min(len(fold.x), 2 * module.forward_rows(fold.config.devices)))
        inference.predict(module.eval(), fold.x, some[: len(some) // 2], fold.config)
        inference.predict(module, work.test.rows, np.arange(1), fold.config)  # what is counted or encoded once is ready now
        began = time.monotonic()
        inference.predict(module, fold.x, some, fold.config)
        work.predicting = (time.monotonic() - began) / len(some) * rows
        module.train()
    after = SPARE * work.predicting + FILES
    return work.budget.until(work.fits, after, FILES + 2e-5 * (len(work.y) + len(work.test.rows)))


def give_vectors(run: Run, inputs: Text, root: Path, train: Texts, test: Texts, config: Config, progress: Progress) -> str:
    """Learn vectors from all texts there are, or read the run's own, and hand them to train and test; and say so.

    No answer is seen, so the rows that a fold validates may take part.
    """
    path, further = run.path / vectors.FILE, inputs.further(root)
    try:
        found = vectors.load(path)
    except BadData:  # not there, or broken: they come out as before
        every = ngrams.joined([texts.bags(config.ngrams) for texts in (train, test, further)])
        found = vectors.learn(every, config.ngrams, config.vectors, config.seed, progress.say)
        found.save(path)
    train.vectors = test.vectors = found
    missing = inputs.unlabelled and not len(further)
    others = f"none unlabelled (there is no {inputs.unlabelled})" if missing else f"{len(further):,} unlabelled"
    return f"vectors learned from texts alone: {len(train):,} of the training rows, {len(test):,} of the test, {others}"


def deal(
    facts: competitions.Competition, tables: competitions.Tables, y: np.ndarray, look: Any, config: Config
) -> tuple[Folds, list[str]]:
    """Folds by the competition's facts; duplicates count as one group. And what there is to say of it.

    `look`: the inputs, or small copies of them.
    """
    notes = []
    groups = folds.codes(tables.train[facts.group]) if facts.group else None
    strata = None if config.split == "plain" else tables.labels.strata(y)
    when = None
    if facts.time and config.split in ("auto", "time"):
        when = folds.times(tables.train, facts.time)
    elif config.split == "time":
        raise Usage(f"--split time: {facts.slug} has no time column.")
    same = facts.inputs.twins(look)
    doubled = len(same) - len(np.unique(same))
    if doubled and when is None:
        notes.append(f"{doubled} training rows repeat another one: each stays in the fold of its twin")
        groups = same if groups is None else folds.joined(groups, same)
    return folds.make(tables.train.index, config.folds, config.seed, strata, groups, when), notes


def keep_folds(run: Run, ids: pd.Index, dealt: Folds) -> None:
    """Write folds.csv, or check that the run's own says the same."""
    path = run.path / "folds.csv"
    frame = pd.DataFrame({"fold": dealt.fold}, index=pd.Index(ids, name="id"))
    if not path.exists():
        frames.write_csv(path, frame)
        return
    old = frames.index_by(frames.read_csv(path.read_bytes(), str(path)), "id", str(path))["fold"].astype(int)
    same = old.reindex(frame.index) == frame["fold"]
    if len(old) != len(frame) or not same.all():
        moved = frame.index[~same]
        raise Usage(
            f"{path}: the folds of this run differ from today's plan in {max(len(moved), abs(len(old) - len(frame)))}"
            f" rows (ids {listed(moved, 3)}). Use --name for a new run, or --fresh to start over."
        )


def keep_truth(run: Run, tables: competitions.Tables, y: np.ndarray) -> None:
    """Write truth.csv, the encoded answers by id: a run that was copied without its data can still be looked into."""
    flat = y.reshape(len(y), -1)
    columns = list(tables.labels.train_columns if y.ndim == 1 else tables.labels.columns)
    if len(columns) != flat.shape[1]:  # a text's codes are no prediction's columns
        columns = [f"code {i + 1}" for i in range(flat.shape[1])]
    frame = pd.DataFrame(flat, index=pd.Index(tables.train.index, name="id"), columns=columns)
    frames.write_csv(run.path / "truth.csv", frame)


def train_fold(work: Work, name: int | str) -> dict[str, Any]:
    """Train one fold (or `refit`: all rows), predict its validation rows and the test; skip what is done and sound."""
    folder = work.run.fold(name)
    done = finished(folder)
    config = work.config if done or isinstance(name, int) else refit_config(work)
    fold = fold_of(work, name, config)
    if done:
        work.progress.fold(folder.name, skipped=work.config.epochs * len(fold.train))
        work.fits -= 1
        return done
    module, keeper = fit(fold, work.stop, work.progress, partial(deadline, work, fold), work.timings)
    began = time.monotonic()
    stats: dict[str, Any] = {"rows": len(fold.train), "epochs": keeper.epochs}
    valid = fold.valid
    if len(valid):
        predicted = inference.predict(module, fold.x, valid, config)
        stats["score"] = fold.score(predicted)
        if keeper.best is not None:
            stats |= {"end": stats["score"], "score": keeper.best["score"], "best_epoch": keeper.best["epoch"]}
            module.load_state_dict(keeper.best["module"])
            predicted = inference.predict(module, fold.x, valid, config)
        others = paid.without(module, partial(inference.predict, module, fold.x, valid, config))
        for name, values in {"oof.csv": predicted, **others}.items():
            write_predictions(work, folder / name, values, work.tables.train.index[valid])
    keeper.logs.close({"epoch": config.epochs, "fold_score": stats["score"]} if len(valid) else None)
    answers = inference.predict(module, work.test.rows, None, config)
    answers[work.tables.sample.index.isin(list(work.test.broken))] = work.run.info["prior"]
    write_predictions(work, folder / "test.csv", answers, work.tables.sample.index)
    checkpoints.save_model(folder / "model.ckpt", module.cpu())
    frames.write_csv(folder / "history.csv", pd.DataFrame(keeper.fold.history), index=False)
    stats["seconds"] = {"train": keeper.seconds, "predict": time.monotonic() - began}
    work.predicting, work.fits = max(work.predicting, stats["seconds"]["predict"]), work.fits - 1
    del module, keeper
    with work.stop.deferred():
        gc.collect()  # a Trainer and its module hold each other: 100 MB a fold of the n-gram model stayed otherwise
        memory.give_back()
    names = ("model.ckpt", "oof.csv", "test.csv", *paid.FILES.values())
    kept = [folder / name for name in names if (folder / name).exists()]
    stats["checksums"] = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}
    write_json(folder / "fold.json", stats)
    checkpoints.drop_snapshots(folder)
    return stats


def finished(folder: Path) -> dict[str, Any] | None:
    """What `fold.json` says of a fold whose files are all there and as they were written, else None."""
    if not (folder / "fold.json").exists():
        return None
    stats = read_json(folder / "fold.json")
    for name, checksum in stats["checksums"].items():
        path = folder / name
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != checksum:
            return None
    return stats


def refit_config(work: Work) -> Config:
    """The refit trains as long as the folds found best: their mean best epoch, or the whole schedule."""
    stats = [read_json(work.run.fold(k) / "fold.json") for k in work.folds.numbers]
    best = [one["best_epoch"] for one in stats if "best_epoch" in one]
    long = round(float(np.mean(best))) if best else work.config.epochs
    return work.config.changed(epochs=long, checkpoint="end", early_stop=0)


def write_predictions(work: Work, path: Path, predicted: np.ndarray, ids: pd.Index) -> None:
    """A frame of predictions by id. Raises BadData where one is not finite."""
    if not np.isfinite(predicted).all():
        raise BadData(f"{path}: the model predicts NaN or infinity for {(~np.isfinite(predicted)).any(axis=1).sum()} rows.")
    named = pd.Index(ids, name=work.tables.sample.index.name)
    frames.write_csv(path, pd.DataFrame(predicted, index=named, columns=list(work.tables.labels.columns)))


def finish(work: Work, read_seconds: float) -> dict[str, Any]:
    """Out-of-fold and test predictions, scores, and last of all the submission."""
    run, numbers = work.run, work.folds.numbers
    stats = {k: read_json(run.fold(k) / "fold.json") for k in numbers}
    oof = pd.concat([frames.read_predictions(run.fold(k) / "oof.csv") for k in numbers])
    position = work.tables.train.index.get_indexer(oof.index)
    oof = oof.iloc[np.argsort(position, kind="stable")]
    test = inference.combine(run, [frames.read_predictions(folder / "test.csv") for folder in inference.members(run)])
    frames.write_csv(run.path / "oof.csv", oof)
    frames.write_csv(run.path / "test.csv", test)
    answer = submission.build(work.tables.sample, test, work.tables.labels)
    scores = score(work, oof, stats)
    held_out = score_held_out(work, test)
    if held_out is not None:
        scores["extra"]["held_out"] = held_out
    scores["seconds"]["read"] = read_seconds
    scores["seconds"]["total"] += read_seconds
    write_json(run.path / "scores.json", scores)
    picture(work, oof, test)
    if isinstance(work.x, Texts) and work.config.model == "ngrams":
        explain.write(run, work.x, work.tables.labels.columns)
    run.note(status="complete", finished=time.strftime("%Y-%m-%dT%H:%M:%S%z"))
    submission.write(run.submission, work.tables.sample, answer, work.tables.labels)
    return scores


def picture(work: Work, oof: pd.DataFrame, test: pd.DataFrame) -> None:
    """For numbers: predicted against true, out of fold; for texts that were read, what and how surely."""
    labels = work.tables.labels
    if not isinstance(labels, Numbers):
        return
    y = work.y[work.tables.train.index.get_indexer(oof.index)]
    truth, answer = labels.truth(y), labels.harden(oof.to_numpy(np.float32))
    sheets.write(work.run.path / "numbers.png", sheets.scatter(truth, answer, labels.names))
    if isinstance(labels, Reading):
        doubt = readings.write(work.run.path, labels, test, work.test.rows, oof)
        if doubt:
            work.progress.say(doubt)


def score(work: Work, oof: pd.DataFrame, stats: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """What `scores.json` holds, from the out-of-fold predictions and the folds' own notes."""
    metric, labels = work.adapter.competition.metric, work.tables.labels
    y = work.y[work.tables.train.index.get_indexer(oof.index)]
    each = [one["score"] for one in stats.values()]
    every = [*stats.values(), *([read_json(work.run.fold("refit") / "fold.json")] if work.config.final != "folds" else [])]
    seconds = {part: sum(one["seconds"][part] for one in every) for part in ("train", "predict")}
    gains = paid.verdicts([work.run.fold(k) for k in stats], oof, y, labels, metric)
    values = oof.to_numpy(np.float32)
    extra = tracked(labels, torch.tensor(values), torch.tensor(y)) | labels.report(labels.truth(y), labels.harden(values))
    flattered = [one["score"] - one["end"] for one in stats.values() if "end" in one]
    if flattered:
        extra["flattered_by"] = float(np.mean(flattered))
    return {
        "metric": metric.name,
        "higher_is_better": metric.higher_is_better,
        "oof": metric(labels.truth(y), labels.harden(values)),
        "folds": each,
        "mean": float(np.mean(each)),
        "std": float(np.std(each)),
        "extra": extra,
        **({"paid": gains} if gains else {}),
        "seconds": {"total": sum(seconds.values()), **seconds},
        "rows": {"train": len(work.y), "test": len(work.tables.sample), "broken_test": len(work.test.broken)},
    }


def score_held_out(work: Work, test: pd.DataFrame) -> float | None:
    """The score on the test answers, where they are known (a `solution.csv`, a test set of one's own), else None."""
    solution, labels = work.tables.solution, work.tables.labels
    if solution is None:
        return None
    solution = solution.copy()
    if len(labels.train_columns) == 1 == solution.shape[1]:
        solution.columns = pd.Index(labels.train_columns)
    values = test.loc[solution.index].to_numpy(np.float32)
    return work.adapter.competition.metric(labels.truth(labels.encode(solution)), labels.harden(values))


def device_note(config: Config) -> dict[str, str]:
    """What `run.json` records of the device."""
    return {"device": devices.describe(config), "precision": config.precision, "layout": config.layout}
