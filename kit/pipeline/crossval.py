"""Cross-validation: each fold trained, its rows and the test predicted, or found as it was left; resumable at every file."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from kit import resources
from kit.config import Config
from kit.errors import BadData, Diverged
from kit.inference import ablation, members, shared_pass
from kit.inference.loaded_run import LoadedRun
from kit.inputs.base import kind_of
from kit.inputs.mixed.rows import first_part
from kit.metrics import defined
from kit.models import devices, prediction
from kit.models.base import FoldModel
from kit.pipeline.preparation import Work, fold_of
from kit.storage import files, frames, predictions
from kit.storage.run_folder import read_json, write_json
from kit.storage.runs.parts import SEAL, RunPart
from kit.training import checkpoints
from kit.training.fit import Fitted, fit
from kit.training.fold import Fold

SPARE, FILES, END = 1.3, 0.5, 1.0  # of a time budget: times a prediction's time, seconds for a fit's files and the run's


def deadline(work: Work, left: Sequence[RunPart], fold: Fold, module: FoldModel) -> float:
    """When a fit must be over, so that it and those `left` have their share of the time.

    Before the first, a test picture is tried, and with a time budget a few predictions are timed.
    """
    if not work.pace.tried:
        try_test(work, fold, module)
    if not work.config.time_budget:
        return math.inf
    if not work.pace.seconds:
        prediction.predict(module.eval(), work.test.rows, np.arange(1), fold.config)  # what is counted or encoded once is ready
        work.pace.saw(prediction.pace(module, fold.x, fold.config))
        module.train()
    late = work.asked if together(work, module) else left
    fits, answers = len(left), sum(answering(work, part) for part in late)
    rows = fits * len(fold.valid) * (1 + ablation.passes(module) * work.weigh) + answers * len(work.test.rows)
    if module.one_pass:  # the training rows' is part of the first fit
        rows = len(work.test.rows) if len(left) == len(work.asked) else 0
    files = fits * FILES + END + 2e-5 * (len(work.y) + len(work.test.rows))
    return work.budget.until(fits, SPARE * work.pace.seconds * rows + files)


def try_test(work: Work, fold: Fold, module: FoldModel) -> None:
    """Predict one test picture, for nothing: what can only fail there is to fail before hours of training.

    Raises BadData where the model cannot take it. Texts and tables are looked through when they are read.
    """
    work.pace.tried = True
    rows = work.test.rows
    if kind_of(first_part(rows)) != "images" or not len(rows):
        return
    training = [(part, part.training) for part in module.modules()]
    try:
        prediction.predict(module.eval(), rows, np.arange(1), fold.config)
    except torch.OutOfMemoryError:
        raise
    except AttributeError:  # a guest's module that is not complete: the fit says what is missing
        pass
    except (AssertionError, RuntimeError, ValueError, TypeError, IndexError) as fault:
        sizes = [f"{shape[2]}×{shape[1]}" for shape in (fold.x.shape, rows.shape)]
        raise BadData(
            f"--model {fold.config.model} cannot predict the test pictures ({sizes[1]}, those to train on {sizes[0]}): {fault}"
            "\nGive one size to all with --size."
        ) from fault
    for part, was in training:
        part.training = was


def answering(work: Work, part: RunPart) -> bool:
    """Does this fold (or refit) predict the test? Beside a refit that answers alone, only where there is time enough."""
    return part in members.answering(work.run) or (work.config.final == "refit" and not work.config.time_budget)


def train(work: Work) -> None:
    """Every fold that is asked for, then the refits."""
    for position, part in enumerate(work.asked):
        train_fold(work, part, work.asked[position:])
    answer_test(work)


def answer_test(work: Work) -> None:
    """Predict the test by all models that have not yet, in one pass: see `together`."""
    parts = unanswered(work, work.asked)
    if not parts:
        return
    began, loaded = time.monotonic(), LoadedRun(work.run, work.tables.root, work.adapter.competition, work.tables.labels)
    models = [members.model_of(loaded, work.run.fold(part)) for part in parts]

    def predict(model: FoldModel, x: Any, rows: np.ndarray | None) -> np.ndarray:
        return prediction.predict(model, x, rows, work.config)

    found = shared_pass.each([partial(predict, one) for one in models], models[0], work.test.rows, None, work.config)
    seconds = (time.monotonic() - began) / len(parts)
    for part, answers in zip(parts, found, strict=True):
        stats = read_json(work.run.fold(part) / SEAL)
        write_answers(work, work.run.fold(part), answers)
        stats["seconds"]["predict"] += seconds
        seal(work.run.fold(part), stats)


def unanswered(work: Work, parts: Iterable[RunPart]) -> list[RunPart]:
    """Those of these finished folds (and refits) that are to predict the test, and have not."""
    sealed = {part: read_json(work.run.fold(part) / SEAL)["checksums"] for part in parts}
    return [part for part, files_of in sealed.items() if answering(work, part) and not {"test.npz", "test.csv"} & {*files_of}]


def together(work: Work, module: FoldModel) -> bool:
    """Do all models predict the test together, once the last is trained? Where its pictures do not fit the cache, so that
    each model would decode all of them anew."""
    return shared_pass.worth_it(module, work.test.rows)


def train_alone(work: Work, part: str) -> None:
    """Train one part of the run, by the name of its folder, as all that there is to do."""
    train(replace(work, asked=(RunPart.of(part),)))


def complete(work: Work) -> bool:
    """Is every part there that the run asks for?"""
    parts = work.run.record.parts
    return all(finished(work.run.fold(part)) for part in parts) and not unanswered(work, parts)


def train_fold(work: Work, part: RunPart, left: Sequence[RunPart]) -> dict[str, Any]:
    """Train one fold (or a refit: all rows), predict its validation rows and the test; skip what is done and sound.

    `left`: all that is still to train, this one first.
    """
    folder = work.run.fold(part)
    done = finished(folder)
    config = work.config if done or part.fold is not None else refit_config(work, part.seed)
    fold = fold_of(work, part, config)
    if done:
        work.progress.fold(folder.name, skipped=work.config.epochs * len(fold.train))
        return done
    fitted = fit(fold, work.stop, work.progress, partial(deadline, work, left, fold), work.timings)
    module = fitted.module
    if (shown := devices.describe(config)) != work.run.record.device:  # the fit has chosen its threads
        work.run.note(device=shown)
    began, passes = time.monotonic(), ablation.passes(module)
    stats: dict[str, Any] = {"rows": len(fold.train), "epochs": fitted.state.epochs}
    if len(fold.valid):
        stats |= validate(work, fold, fitted)
    scored = stats.get("score") is not None
    if scored:
        work.progress.scored(work.adapter.competition.metric.name, stats["score"])
    fitted.logs.close({"epoch": config.epochs, "fold_score": stats["score"]} if scored else None)
    answers_now = answering(work, part) and not together(work, module)
    if answers_now:
        write_answers(work, folder, prediction.predict(module, work.test.rows, None, config))
    checkpoints.save_model(folder / "model.ckpt", module.cpu())
    frames.write_csv(folder / "history.csv", pd.DataFrame(fitted.state.history), index=False)
    stats["seconds"] = {"train": fitted.state.seconds, "predict": time.monotonic() - began}
    rows = len(fold.valid) * (1 + passes * work.weigh) + answers_now * len(work.test.rows)
    work.pace.saw(stats["seconds"]["predict"] / max(1, rows))
    del module, fitted
    with work.stop.deferred():
        gc.collect()  # a Trainer and its module hold each other: 100 MB a fold of the n-gram model stayed otherwise
        resources.give_back()
    seal(folder, stats)
    return stats


def validate(work: Work, fold: Fold, fitted: Fitted) -> dict[str, Any]:
    """Write what the fold predicts for its validation rows; the score, and where the best epoch was chosen the end's.

    A score is None where the metric is not defined for these rows. The module is left with the weights that are kept.
    """
    module, best = fitted.module, fitted.state.best
    if best is not None:
        end = defined(fold.score(prediction.predict(module, fold.x, fold.valid, fold.config)))
        module.load_state_dict(best["module"])

    def predict(context: Callable[[], AbstractContextManager[None]], x: Any, rows: np.ndarray | None) -> np.ndarray:
        with context():
            return prediction.predict(module, x, rows, fold.config)

    contexts = {"oof": nullcontext, **(ablation.without(module) if work.weigh else {})}
    found = shared_pass.each([partial(predict, one) for one in contexts.values()], module, fold.x, fold.valid, fold.config)
    for name, values in zip(contexts, found, strict=True):
        write_predictions(work, fold.folder, name, values, work.tables.train.index[fold.valid])
    if best is not None:
        return {"score": defined(best["score"]), "end": end, "best_epoch": best["epoch"]}
    return {"score": defined(fold.score(found[0]))}


def seal(folder: Path, stats: dict[str, Any]) -> None:
    """Write `fold.json`, a fold's last file, with the checksums of the others; drop what only a resume needed."""
    model = folder / "model.ckpt"
    found = [predictions.find(folder, name) for name in ("oof", "test", *ablation.FILES.values())]
    kept = [path for path in (model if model.exists() else None, *found) if path]
    stats["checksums"] = {path.name: files.checksum(path) for path in kept}
    stats["files"] = {path.name: _stat(path) for path in kept}
    write_json(folder / SEAL, stats)
    checkpoints.drop_snapshots(folder)


def finished(folder: Path) -> dict[str, Any] | None:
    """What `fold.json` says of a fold whose files are all there and as they were written, else None.

    A file of the size and the time of change that it was sealed with is not read: at every start of a run, gigabytes would be.
    That misses a bit that the disk lost, and a change after which somebody set the old time. What reads a checkpoint compares
    its checksum, and arrays of predictions hold theirs. Where size or time differ (of a copied run, say), the checksum decides.
    """
    if not (folder / SEAL).exists():
        return None
    stats = read_json(folder / SEAL)
    known = stats.get("files", {})  # older runs have none
    for name, checksum in stats["checksums"].items():
        path = folder / name
        if not path.exists() or (_stat(path) != known.get(name) and files.checksum(path) != checksum):
            return None
    return stats


def _stat(path: Path) -> list[int]:
    """A file's size in bytes and its time of change in nanoseconds."""
    known = path.stat()
    return [known.st_size, known.st_mtime_ns]


def write_answers(work: Work, folder: Path, answers: np.ndarray) -> None:
    """Save a model's predictions for the test; a row that cannot be read gets the training rows' prior."""
    answers[work.tables.sample.index.isin(list(work.test.broken))] = work.run.record.prior
    write_predictions(work, folder, "test", answers, work.tables.sample.index)


def refit_config(work: Work, seed: int) -> Config:
    """The refit trains as long as the folds of its seed found best: their mean best epoch, or the whole schedule."""
    parts = [part for part in work.run.record.parts if part.fold is not None and part.seed == seed]
    stats = [read_json(work.run.fold(part) / SEAL) for part in parts]
    best = [one["best_epoch"] for one in stats if "best_epoch" in one]
    long = round(float(np.mean(best))) if best else work.config.epochs
    return work.config.changed(epochs=long, checkpoint="end", early_stop=0)


def write_predictions(work: Work, folder: Path, name: str, predicted: np.ndarray, ids: pd.Index) -> None:
    """Save predictions by id in a fold's folder. Raises Diverged where one is not finite."""
    wrong = (~np.isfinite(predicted)).any(axis=1).sum()
    if wrong:
        raise Diverged(
            f"{folder / name}: the model predicts NaN or infinity for {wrong:,} rows. Try a lower --lr, or --precision fp32."
        )
    named = pd.Index(ids, name=work.tables.sample.index.name)
    predictions.save(folder, name, pd.DataFrame(predicted, index=named, columns=list(work.tables.labels.columns)))
