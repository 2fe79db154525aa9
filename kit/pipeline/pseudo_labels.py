"""Pseudo-labels: test rows that train, with the answers of another run's models (`--pseudo`), so that no fold's truth leaks.

Fold k trains on test rows as the other run's fold k answers them: its models have not seen the rows that fold k validates. The
folds of both runs must be the same, therefore. A test row that repeats a validation row of fold k does not train fold k.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kit import competition as competitions, config as configs
from kit.config import Config
from kit.data.folds import Folds
from kit.errors import BadData, Usage, listed
from kit.inference import blend_weights
from kit.inference.blend_weights import Gain
from kit.inputs.base import Loaded, kind_of
from kit.labels import Labels
from kit.metrics import Metric, defined
from kit.pipeline.dealing import extra_rows
from kit.storage import files, frames, predictions, run_folder
from kit.storage.run_folder import Run
from kit.storage.runs.parts import RunPart
from kit.training.fold import Fold

FILE = "pseudo.csv"
KNOBS = ("pseudo", "pseudo_weight", "pseudo_share")


@dataclass(frozen=True)
class PseudoLabels:
    """What a run trains on beside its own rows: the test rows, which come after these.

    `parts`: by fold and repeat (or the refit), their answers as `encode` gives them [m, …], and which of them train [m].
    """

    weight: float
    parts: dict[RunPart, tuple[np.ndarray, np.ndarray]]

    def onto(self, fold: Fold, part: RunPart) -> Fold:
        """A fit with these rows too."""
        answers, trains = self.parts[replace(part, seed=0)]
        count = len(fold.y)
        rows = np.concatenate([fold.train, count + np.flatnonzero(trains)])
        weights = fold.weights
        if weights is not None or self.weight != 1:
            own = np.ones(count, np.float32) if weights is None else weights
            weights = np.concatenate([own, np.full(len(answers), self.weight, np.float32)])
        return replace(fold, y=np.concatenate([fold.y, answers]), train=rows, weights=weights)

    @property
    def digest(self) -> str:
        """A checksum of all of it."""
        about = hashlib.sha256(str(self.weight).encode())
        for part, arrays in self.parts.items():
            about.update(str(part).encode())
            for array in arrays:
                about.update(np.ascontiguousarray(array).tobytes())
        return about.hexdigest()


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
    run, where = _complete(config.pseudo), f"--pseudo {config.pseudo}"
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
    parts = [part for part in record.parts if part.fold is not None]
    silent = [part.title for part in parts if predictions.find(run.fold(part), "test") is None]
    if silent:
        raise Usage(
            f"{where}: {silent[0]} of this run has no predictions of the test (its time budget left no time for them?)."
        )
    sums = [files.checksum(predictions.find(run.fold(part), "test") or run.path) for part in parts]
    sums.append(files.checksum(run.path / "test.csv"))
    return hashlib.sha256(json.dumps(sums).encode()).hexdigest()[:16]


def _complete(path: str) -> Run:
    try:
        return run_folder.load(Path(path)).finished()
    except Usage as fault:
        raise Usage(f"--pseudo {fault}") from fault


def read(
    mine: Run, facts: competitions.Competition, tables: competitions.Tables, loaded: tuple[Loaded, Loaded], dealt: Folds,
    config: Config,
) -> tuple[PseudoLabels | None, list[str]]:  # fmt: skip
    """What `--pseudo` adds to a run, and what there is to say of it; None where it adds nothing.

    Which test rows train which fold is kept in `pseudo.csv`. Raises Usage where the folds are others.
    """
    if not asked(config):
        return None, []
    run, labels, ids = _complete(config.pseudo), tables.labels.undecided, tables.sample.index
    refuse_other_folds(run, mine, dealt, config)
    parts = [RunPart(k, repeat) for repeat, one in enumerate(dealt.repeats) for k in one.numbers]
    parts += [RunPart(None)] if config.final != "folds" else []
    predicted = {part: answered(run, labels, part, ids, config) for part in parts}
    notes: list[str] = []
    trains = kept(mine, parts, ids)
    if trains is None:
        usable = ~ids.isin(list(loaded[1].broken))
        same = extra_rows.twins(facts, *loaded, len(tables.train))
        trains = {part: usable & ~repeated(same, dealt, part) for part in parts}
        trains = {part: surest(labels, predicted[part], rows, config.pseudo_share) for part, rows in trains.items()}
        keep(mine, trains, ids)
    counts = sorted({int(rows.sum()) for rows in trains.values()})
    if not counts[-1]:
        raise BadData(f"--pseudo {config.pseudo}: no test row is left to train on.")
    words = f"{counts[-1]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    notes.append(f"{words} of {len(ids):,} test rows train each fold, as the same fold of {config.pseudo} answers them")
    if run.record.settings["checkpoint"] == "best" or run.record.settings["early_stop"]:
        notes.append(f"{config.pseudo} chose its epochs on the rows that are validated here, so the score may flatter a little")
    answers = {part: (labels.as_answers(predicted[part]), trains[part]) for part in parts}
    return PseudoLabels(config.pseudo_weight, answers), notes


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


def repeated(same: extra_rows.Twins, dealt: Folds, part: RunPart) -> np.ndarray:
    """Which test rows [m] repeat a row that a fold validates."""
    if part.fold is None:
        return np.zeros(len(same.test), bool)
    return np.isin(same.test, same.train[dealt.repeats[part.repeat].fold == part.fold])


def surest(labels: Labels, predicted: np.ndarray, usable: np.ndarray, share: float) -> np.ndarray:
    """Of the usable rows [m], the share whose answers are the most certain; those with no certainty at all never.

    Raises Usage where answers have no certainty and not all are to train.
    """
    certainty = labels.certainty(predicted)
    if certainty is None:
        if share < 1:
            raise Usage(f"--pseudo-share {share:g}: {labels.describe()} has no certainty to choose rows by. Leave it out.")
        return usable
    usable = usable & (certainty > 0)
    rows = np.flatnonzero(usable)
    first = rows[np.argsort(-certainty[rows], kind="stable")][: round(share * len(rows))]
    return np.isin(np.arange(len(usable)), first)


def keep(run: Run, trains: dict[RunPart, np.ndarray], ids: pd.Index) -> None:
    """Write which fold trains on which test row (0 or 1)."""
    named = {str(part): rows.astype(int) for part, rows in trains.items()}
    frames.write_csv(run.path / FILE, pd.DataFrame(named, index=pd.Index(ids, name="id")))


def kept(run: Run, parts: Sequence[RunPart], ids: pd.Index) -> dict[RunPart, np.ndarray] | None:
    """Undoes `keep`: bool [m] by part; None where it was not written for these parts and rows."""
    if not (run.path / FILE).exists():
        return None
    frame = frames.read_by(run.path, FILE)
    if list(frame.columns) != [str(part) for part in parts] or not frame.index.equals(pd.Index(ids)):
        return None
    return {part: (frame[str(part)] == "1").to_numpy() for part in parts}


def joined(train: Any, test: Any) -> Any:
    """Training rows, and the test rows after them, as the models take them. Raises Usage for pictures that cannot be joined."""
    if kind_of(train) != "images":
        return train + test
    if not (isinstance(train, np.ndarray) and isinstance(test, np.ndarray)):
        raise Usage("--pseudo: the pictures do not fit --cache-gb, and are not decoded twice. Give a larger --cache-gb.")
    if train.shape[1:] != test.shape[1:]:
        sizes = [f"{rows.shape[2]}×{rows.shape[1]}" for rows in (train, test)]
        raise BadData(
            f"--pseudo: training pictures are {sizes[0]}, test pictures {sizes[1]}. Give one size to all with --size."
        )
    return np.concatenate([train, test])


def gained(labels: Labels, metric: Metric, y: np.ndarray, before: np.ndarray, now: np.ndarray) -> Gain:
    """By how much out-of-fold predictions [n, c] score better now, on rows with encoded answers `y`; without a decision."""
    labels, sign = labels.undecided, 1 if metric.higher_is_better else -1
    truth = labels.truth(y)

    def score(rows: np.ndarray, answers: np.ndarray) -> float:
        return sign * metric(truth[rows], answers)

    return blend_weights.gained(labels.harden(now), labels.harden(before), score)


def verdict(mine: Run, labels: Labels, metric: Metric, y: np.ndarray, oof: pd.DataFrame) -> dict[str, Any]:
    """What `scores.json` says: the out-of-fold scores of the run that gave the answers and of mine, and did it pay?

    `y`: the encoded answers of the rows of `oof`. `differences`: knobs in which the two runs differ besides, so that not all of
    the gain is that of the answers.
    """
    run, plain = _complete(mine.record.config["pseudo"]), labels.undecided
    before, now = (one.to_numpy(np.float32) for one in (run.oof.loc[oof.index], oof))
    gain = gained(labels, metric, y, before, now)
    apart = dict.fromkeys((*KNOBS, "folds_from"))
    return {
        "run": str(run.path),
        "paid": gain.pays,
        "before": defined(metric(plain.truth(y), plain.harden(before))),
        "now": defined(metric(plain.truth(y), plain.harden(now))),
        "gain": defined(gain.gain),
        "noise": defined(gain.noise),
        "differences": configs.difference(run.record.settings | apart, mine.record.settings | apart),
    }
