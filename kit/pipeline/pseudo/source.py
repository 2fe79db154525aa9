"""Source: the run whose folds answer the test rows, and whether the same folds may learn from it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd

from kit.config import Config
from kit.data.folds import Folds
from kit.errors import Usage, listed
from kit.labels import Labels
from kit.storage import files, frames, predictions, run_folder
from kit.storage.run_folder import Run
from kit.storage.runs.parts import RunPart


def asked(config: Config) -> bool:
    """Does a run train on test rows?"""
    return bool(config.pseudo) and config.pseudo_weight > 0


def fingerprint(config: Config, name: str, data: str) -> str:
    """16 hex digits of the predictions that a run's folds have made of the test; empty where no test row is to train.

    `name`, `data`: of the competition's adapter, and the fingerprint of its files. Raises Usage where it is a run whose answers
    cannot be learned from.
    """
    if not asked(config):
        return ""
    run, where = complete(config.pseudo), f"--pseudo {config.pseudo}"
    record = run.record
    if record.is_blend:
        raise Usage(f"{where}: a blend, which has no folds' predictions of its own. Name one of the runs that it is made of.")
    if asked(Config.of(record.config)):
        raise Usage(
            f"{where}: trained with --pseudo itself. Name the run that its answers came from: {record.config['pseudo']}."
        )
    if record.name != name:
        raise Usage(f"{where}: a run of another competition ({record.name}).")
    if record.data != data:
        raise Usage(f"{where}: a run on other data, whose test rows or answers may be others. Train it again on these files.")
    sums = []
    for part in (part for part in record.parts if part.fold is not None):
        path = predictions.find(run.fold(part), "test")
        if path is None:
            raise Usage(
                f"{where}: {part.title} of this run has no predictions of the test (its time budget left no time for them?)."
            )
        sums.append(files.checksum(path))
    sums.append(files.checksum(run.path / "test.csv"))
    return hashlib.sha256(json.dumps(sums).encode()).hexdigest()[:16]


def complete(path: str) -> Run:
    """The run in a folder. Raises Usage where there is none, or it is not complete; BadData where its files were changed."""
    try:
        return run_folder.load(Path(path)).finished()
    except Usage as fault:
        raise Usage(f"--pseudo {fault}") from fault


def refuse_other_folds(run: Run, mine: Run, dealt: Folds, config: Config) -> None:
    """Raise Usage where the models of a run's fold have seen rows that the same fold of mine validates."""
    record, where = run.record, f"--pseudo {config.pseudo}"
    by_time = record.dealt is not None and record.dealt["by_time"]
    same = by_time == dealt.by_time and record.config.get("gap", "0") == config.gap
    for repeat in range(len(dealt.repeats)):
        if repeat > len(record.repeated or []):
            raise Usage(f"{where}: it has {1 + len(record.repeated or [])} of the {len(dealt.repeats)} repeats of the folds.")
        same = same and frames.read_folds(run.path, repeat).equals(frames.read_folds(mine.path, repeat))
    if not same:
        hint = "" if config.folds_from else f" Give --folds-from {config.pseudo} too."
        raise Usage(f"{where}: its rows are dealt to other folds, so that its models know rows that are validated here.{hint}")


def answered(run: Run, labels: Labels, part: RunPart, ids: pd.Index, config: Config) -> np.ndarray:
    """What a fold's models of a run, the mean of its seeds, predict for these test rows, float32 [m, c]; for the refit, what
    all its models do."""
    if part.fold is None:
        frame = run.test
    else:
        same = [one for one in run.record.parts if (one.fold, one.repeat) == (part.fold, part.repeat)]
        if not same:
            raise Usage(f"--pseudo {config.pseudo}: it has no {part.title}.")
        each = [predictions.load(run.fold(one), "test") for one in same]
        frame = each[0] if len(each) == 1 else labels.average(each)
    missing = ids[~ids.isin(frame.index)]
    if len(missing) or list(frame.columns) != list(labels.columns):
        what = f"no answers of {len(missing):,} test rows (ids {listed(missing, 3)})" if len(missing) else "other answers"
        raise Usage(f"--pseudo {config.pseudo}: it has {what}.")
    return frame.loc[ids].to_numpy(np.float32)
