"""Findings: what a run's files, and its data where that is at hand, tell of it; the numbers behind the report page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kit import labels as all_labels, metrics
from kit.errors import BadData, Usage, unreadable
from kit.inference.decisions import learning
from kit.labels import Labels
from kit.labels.decision import Decision
from kit.labels.evaluation import ClassAnswers, Detection, NumberAnswers
from kit.metrics import figure
from kit.reporting.report import worst_rows
from kit.reporting.report.worst_rows import Mistake
from kit.storage import frames, predictions
from kit.storage.run_folder import Run, read_json
from kit.storage.runs.parts import SEAL

BINS = 15  # of a reliability diagram (Guo et al. 2017)
RANKED = 200  # classes up to which each gets an area under the curve


@dataclass
class Findings:
    """All that the page shows. `oof`, `y`: aligned, by the rows that finished folds predict; `y` None where unknown.

    `decided`: the same predictions, each row's as the other folds taught to decide; `labels` decide nothing more.
    """

    run: Run
    labels: Labels
    parts: dict[str, dict[str, Any]]
    histories: dict[str, pd.DataFrame]
    oof: pd.DataFrame
    y: np.ndarray | None
    fold: np.ndarray
    decided: np.ndarray
    worst: list[Mistake] = field(default_factory=list)
    gone: str = ""  # why there are no inputs to show

    @property
    def scores(self) -> dict[str, Any]:
        """`scores.json`, or nothing for a run that is not complete."""
        return self.run.scores if self.run.complete else {}


def gather(run: Run, data: str | Path | None = None) -> Findings:
    """Read a run's folder, and of its data the worst rows: `data` is where that is now, for pictures and texts.

    Raises Usage where no fold is done, or `data` is nowhere.
    """
    if data is not None and not Path(data).exists():
        raise Usage(f"--data {data}: there is no such folder.")
    found = of_files(run)
    if found.y is None:
        found.gone = "the run has no truth.csv (it is older than this page): run it again with --fresh for the rest."
    else:
        found.worst = worst_rows.worst(found.labels, pd.DataFrame(found.decided, found.oof.index), found.y, found.fold)
        found.gone = worst_rows.illustrate(run, found.worst, data)
    return found


def of_files(run: Run) -> Findings:
    """What a run's folder alone tells. Raises Usage where no fold is done."""
    info = run.info
    folders = {part.label: run.fold(part) for part in run.record.parts}
    done = {name: folder for name, folder in folders.items() if (folder / SEAL).exists()}
    predicted = [folder for folder in done.values() if predictions.find(folder, "oof")]
    if not predicted and not (run.path / "oof.csv").exists():
        raise Usage(f"{run.path}: no fold of this run is done yet. Run it again; it goes on where it stopped.")
    oof, fold = _out_of_fold(run, predicted)
    labels = all_labels.from_json(info["labels"]).undecided
    return Findings(
        run=run,
        labels=labels,
        parts={name: read_json(folder / SEAL) for name, folder in done.items()},
        histories={name: history for name, folder in done.items() if (history := _history(folder)) is not None},
        oof=oof,
        y=truth(run, labels, oof),
        fold=fold,
        decided=decided(run, oof, fold),
    )


def decided(run: Run, oof: pd.DataFrame, fold: np.ndarray) -> np.ndarray:
    """A run's out-of-fold predictions [n, c] as its score takes them: each row's as the other folds taught to decide."""
    whole, by_fold = all_labels.from_json(run.record.labels), (run.info.get("decision") or {}).get("folds", {})
    if whole.decision is None:
        return oof.to_numpy()
    told = {int(number): Decision.from_json(one) for number, one in by_fold.items()}
    return learning.decided_by_fold(whole.undecided, oof.to_numpy(), fold, told)


def _out_of_fold(run: Run, predicted: Sequence[Path]) -> tuple[pd.DataFrame, np.ndarray]:
    """Out-of-fold predictions, of all rows or of the folds that are done, and each row's fold (-1: not known)."""
    whole = (run.path / "oof.csv").exists()
    oof = run.oof if whole else pd.concat([predictions.load(folder, "oof") for folder in predicted])
    if not (run.path / "folds.csv").exists():
        return oof, np.full(len(oof), -1)
    return oof, frames.read_folds(run.path).reindex(oof.index, fill_value=-1).to_numpy()


def truth(run: Run, labels: Labels, oof: pd.DataFrame) -> np.ndarray | None:
    """The encoded answers of these rows, as `truth.csv` has them; None where it does not."""
    if not (run.path / "truth.csv").exists():
        return None
    table = frames.read_by(run.path, "truth.csv")
    if not oof.index.isin(table.index).all():
        return None
    cells = table.loc[oof.index].replace("", "nan")  # blank: an answer that is missing
    try:
        return labels.restored(cells.to_numpy(np.float32))
    except ValueError as fault:
        path = run.path / "truth.csv"
        raise BadData(f"{path}: not the answers that were written ({fault}). Run again with --fresh.") from fault


def _history(folder: Path) -> pd.DataFrame | None:
    path = folder / "history.csv"
    try:
        return pd.read_csv(path) if path.exists() else None
    except OSError as fault:
        raise unreadable(path, fault) from fault
    except ValueError as fault:  # of pandas' parser and decoder too
        raise BadData(f"{path}: not the history that was written ({fault}). Remove the file to go without.") from fault


def numbers(found: Findings) -> NumberAnswers | None:
    """True and predicted numbers, where numbers are the answer."""
    return None if found.y is None else found.labels.number_answers(found.y, found.decided)


def classes(found: Findings) -> ClassAnswers | None:
    """True and predicted class of each row, where a row has one class or grade."""
    return None if found.y is None else found.labels.class_answers(found.y, found.decided)


def confusion(answers: ClassAnswers) -> np.ndarray:
    """Rows by true class (down) and predicted class (across), int [classes, classes]."""
    count = len(answers.names)
    return np.bincount(answers.truth * count + answers.predicted, minlength=count * count).reshape(count, count)


@dataclass(frozen=True)
class Calibration:
    """Probabilities [m] of `what`; of each bin their mean `predicted`, the frequency `observed`, the `share` of rows."""

    what: str
    probabilities: np.ndarray
    predicted: np.ndarray
    observed: np.ndarray
    share: np.ndarray

    @property
    def gap(self) -> float:
        """The bins' mean distance between predicted and observed (expected calibration error, ECE)."""
        return float((self.share * np.abs(self.predicted - self.observed)).sum())


def calibration(found: Findings) -> Calibration | None:
    """Are events as frequent as they are probable? None where there are no probabilities, as in a blend by rank."""
    if found.y is None or found.run.info.get("blend", {}).get("by") == "rank":
        return None
    kind = (found.run.info.get("decision") or {}).get("kind")
    trusted = found.decided.astype(np.float64) if kind == "temperature" else found.oof.to_numpy(np.float64)
    confidence = found.labels.confidence(found.y, trusted)
    if confidence is None:
        return None
    place = np.clip((confidence.probability * BINS).astype(int), 0, BINS - 1)
    count = np.bincount(place, minlength=BINS)
    some = count > 0
    predicted, observed = (
        np.bincount(place, values, minlength=BINS)[some] / count[some]
        for values in (confidence.probability, confidence.correct.astype(float))
    )
    return Calibration(confidence.what, confidence.probability, predicted, observed, count[some] / count.sum())


def per_class(found: Findings) -> tuple[list[str], list[list[str]]]:
    """A table by class, column or number: header and rows, as text; nothing where there is none."""
    given = numbers(found)
    if given is not None:
        rows = [_fit(*column) for column in given.columns()]
        return ["number", "mean error", "RMSE", "bias", "R²"], rows
    detections = [] if found.y is None else found.labels.detections(found.y, found.decided.astype(np.float64))
    ranked = len(detections) <= RANKED
    rows = [_hits(detection, ranked) for detection in detections]
    return (["class", "rows", "precision", "recall", "F1", "AUC"], rows) if rows else ([], [])


def _fit(name: str, truth: np.ndarray, answer: np.ndarray) -> list[str]:
    error, spread = answer - truth, truth.std()
    figures = [
        figure(np.abs(error).mean()),
        figure(np.sqrt((error**2).mean())),
        ("+" if error.mean() > 0 else "") + figure(error.mean()),
    ]
    return [name, *figures, f"{1 - (error**2).mean() / spread**2:.4f}" if spread else ""]


def _hits(detection: Detection, ranked: bool) -> list[str]:
    truth, predicted, probability = detection.truth, detection.predicted, detection.probability
    hits = (truth & predicted).sum()
    precision, recall = hits / max(predicted.sum(), 1), hits / max(truth.sum(), 1)
    f1 = 2 * hits / max(truth.sum() + predicted.sum(), 1)
    area = metrics.auc(truth.astype(float), probability) if ranked and probability is not None else np.nan
    scores = [f"{value:.4f}" for value in (precision, recall, f1)]
    return [detection.name, f"{truth.sum():,}", *scores, "" if np.isnan(area) else f"{area:.4f}"]
