"""Findings: what a run's files, and its data where that is at hand, tell of it; the numbers behind the report page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit import labels as all_labels, metrics
from kit.errors import Usage
from kit.labels import Labels, Numbers, Reading
from kit.reporting import worst_rows
from kit.reporting.worst_rows import Mistake
from kit.storage import frames
from kit.storage.run_folder import Run, read_json

if TYPE_CHECKING:
    import pandas as pd

BINS = 15  # of a reliability diagram (Guo et al. 2017)
RANKED = 200  # classes up to which each gets an area under the curve


@dataclass
class Findings:
    """All that the page shows. `oof`, `y`: aligned, by the rows that finished folds predict; `y` None where unknown."""

    run: Run
    labels: Labels
    parts: dict[str, dict[str, Any]]
    histories: dict[str, pd.DataFrame]
    oof: pd.DataFrame
    y: np.ndarray | None
    fold: np.ndarray
    worst: list[Mistake] = field(default_factory=list)
    gone: str = ""  # why there are no inputs to show

    @property
    def scores(self) -> dict[str, Any]:
        """`scores.json`, or nothing for a run that is not complete."""
        return self.run.scores if self.run.complete else {}


def gather(run: Run, data: str | Path | None = None) -> Findings:
    """Read a run's folder, and of its data the worst rows. Raises Usage where no fold is done."""
    info = run.info
    names = [*map(str, info.get("folds", [])), *(["refit"] if (run.fold("refit") / "fold.json").exists() else [])]
    folders = {name: run.fold(int(name) if name.isdigit() else name) for name in names}
    done = {name: folder for name, folder in folders.items() if (folder / "fold.json").exists()}
    predicted = {name: folder / "oof.csv" for name, folder in done.items() if (folder / "oof.csv").exists()}
    if not predicted and not (run.path / "oof.csv").exists():
        raise Usage(f"{run.path}: no fold of this run is done yet. Run it again; it goes on where it stopped.")
    oof, fold = _out_of_fold(run, predicted)
    labels = all_labels.from_json(info["labels"])
    found = Findings(
        run, labels, {name: read_json(folder / "fold.json") for name, folder in done.items()},
        {name: history for name, folder in done.items() if (history := _history(folder)) is not None},
        oof, truth(run, labels, oof), fold,
    )  # fmt: skip
    if found.y is None:
        found.gone = "the run has no truth.csv (it is older than this page): run it again with --fresh for the rest."
    else:
        found.worst = worst_rows.worst(labels, oof, found.y, fold)
        found.gone = worst_rows.illustrate(run, found.worst, data)
    return found


def _out_of_fold(run: Run, predicted: Mapping[str, Path]) -> tuple[pd.DataFrame, np.ndarray]:
    """Out-of-fold predictions, of all rows or of the folds that are done, and each row's fold (-1: not known)."""
    import pandas as pd

    whole = run.path / "oof.csv"
    oof = frames.read_predictions(whole) if whole.exists() else pd.concat(map(frames.read_predictions, predicted.values()))
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
    return labels.restored(table.loc[oof.index].to_numpy(np.float32))


def _history(folder: Path) -> pd.DataFrame | None:
    import pandas as pd

    path = folder / "history.csv"
    return pd.read_csv(path) if path.exists() else None


def numbers(found: Findings) -> tuple[tuple[str, ...], np.ndarray, np.ndarray] | None:
    """Names, true and answered numbers (float64 [n, c], in their own units), where numbers are the answer; else None."""
    labels = found.labels
    if found.y is None or not isinstance(labels, Numbers):
        return None
    return labels.names, labels.truth(found.y).astype(np.float64), labels.harden(found.oof.to_numpy()).astype(np.float64)


def classes(found: Findings) -> tuple[list[str], np.ndarray, np.ndarray] | None:
    """Names, true and answered class (int [n]) of each row, where a row has one class or grade; else None."""
    labels, p = found.labels, found.oof.to_numpy()
    if found.y is None or isinstance(labels, Numbers):
        return None
    if labels.kind == "grade":
        return [str(grade) for grade in range(p.shape[1] + 1)], found.y, labels.harden(p)
    if labels.exclusive:
        return list(labels.columns), labels.certain(found.y).argmax(axis=1), p.argmax(axis=1)
    if p.shape[1] == 1:
        return ["0", "1"], (found.y[:, 0] > 0.5).astype(int), (p[:, 0] > 0.5).astype(int)
    return None


def confusion(count: int, true: np.ndarray, answered: np.ndarray) -> np.ndarray:
    """Rows by true class (down) and answer (across)."""
    return np.bincount(true * count + answered.clip(0, count - 1), minlength=count * count).reshape(count, count)


@dataclass(frozen=True)
class Calibration:
    """Of `what`: the probabilities `every` [n]; of each bin the mean `said`, the frequency `hit`, the `share` of rows."""

    what: str
    every: np.ndarray
    said: np.ndarray
    hit: np.ndarray
    share: np.ndarray

    @property
    def gap(self) -> float:
        """The bins' mean distance between said and hit (ECE)."""
        return float((self.share * np.abs(self.said - self.hit)).sum())


def calibration(found: Findings) -> Calibration | None:
    """Are the probabilities as good as they say? None for numbers.

    Of the likeliest class where one is the answer (Guo et al. 2017), of the text where one is read, else of all columns
    together. None too for a blend by rank, whose values are no probabilities.
    """
    y, p, labels = found.y, found.oof.to_numpy(np.float64), found.labels
    if y is None or found.run.info.get("blend", {}).get("by") == "rank":
        return None
    if isinstance(labels, Reading):
        column, longest = len(labels.names), labels.longest
        said, hit, what = p[:, column], (p[:, -longest:] == y[:, -longest:]).all(axis=1), "the text that was read"
    elif isinstance(labels, Numbers):
        return None
    elif labels.exclusive:
        said, hit, what = p.max(axis=1), labels.certain(y).argmax(axis=1) == p.argmax(axis=1), "the likeliest class"
    else:
        said, hit, what = p.ravel(), labels.certain(y).ravel(), "every column"
    place = np.clip((said * BINS).astype(int), 0, BINS - 1)
    count = np.bincount(place, minlength=BINS)
    some = count > 0
    means = [np.bincount(place, one, minlength=BINS)[some] / count[some] for one in (said, hit.astype(float))]
    return Calibration(what, said, means[0], means[1], count[some] / count.sum())


def per_class(found: Findings) -> tuple[list[str], list[list[str]]]:
    """A table by class, column or number: header and rows, as text."""
    given = numbers(found)
    if given is not None:
        return ["number", "mean error", "RMSE", "bias", "R²"], [
            _fit(*one) for one in zip(given[0], given[1].T, given[2].T, strict=True)
        ]
    if found.y is None:
        return [], []
    p, labels = found.oof.to_numpy(np.float64), found.labels
    one = classes(found) if p.shape[1] > 1 or labels.kind == "grade" else None
    if one:
        names, true, answered = one
        pairs = [(true == j, answered == j) for j in range(len(names))]
    else:
        names = list(labels.columns)
        pairs = [(found.y[:, j] > 0.5, p[:, j] > 0.5) for j in range(len(names))]
    ranked = labels.kind != "grade" and len(names) <= RANKED
    rows = [_hits(name, *pairs[j], p[:, j] if ranked else None) for j, name in enumerate(names)]
    return ["class", "rows", "precision", "recall", "F1", "AUC"], rows


def _fit(name: str, truth: np.ndarray, answer: np.ndarray) -> list[str]:
    error, spread = answer - truth, truth.std()
    figures = [f"{np.abs(error).mean():.5g}", f"{np.sqrt((error**2).mean()):.5g}", f"{error.mean():+.3g}"]
    return [name, *figures, f"{1 - (error**2).mean() / spread**2:.4f}" if spread else ""]


def _hits(name: str, is_it: np.ndarray, said: np.ndarray, probability: np.ndarray | None) -> list[str]:
    hits = (is_it & said).sum()
    precision, recall = hits / max(said.sum(), 1), hits / max(is_it.sum(), 1)
    f1 = 2 * hits / max(is_it.sum() + said.sum(), 1)
    area = np.nan if probability is None else metrics.auc(is_it.astype(float), probability)
    return [name, f"{is_it.sum():,}", *(f"{v:.4f}" for v in (precision, recall, f1)), "" if area != area else f"{area:.4f}"]
