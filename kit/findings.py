"""Findings: what a run's files, and its data where that is at hand, tell of it; the numbers behind the report page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit import competition as competitions, files, frames, labels as all_labels, metrics
from kit.config import Config
from kit.errors import KitError, Usage
from kit.labels import Labels
from kit.runs import Run, read_json

if TYPE_CHECKING:
    import pandas as pd

WORST = 12  # rows shown
BINS = 15  # of a reliability diagram (Guo et al. 2017)
RANKED = 200  # classes up to which each gets an area under the curve
CELLS = 12  # columns shown of a row of a table


@dataclass
class Worst:
    """A row that the models that never saw it get most wrong."""

    id: str
    fold: int
    truth: str
    answer: str
    loss: float
    text: str = ""
    picture: np.ndarray | None = None  # uint8 [h, w, c]


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
    worst: list[Worst] = field(default_factory=list)
    gone: str = ""  # why there are no inputs to show

    @property
    def scores(self) -> dict[str, Any]:
        """`scores.json`, or nothing for a run that is not complete."""
        return self.run.scores if self.run.complete else {}

    @property
    def exclusive(self) -> bool:
        """Is one of the columns the answer?"""
        return self.labels.kind == "one class" or bool(getattr(self.labels, "exclusive", False))


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
        look(found, data)
    return found


def _out_of_fold(run: Run, predicted: Mapping[str, Path]) -> tuple[pd.DataFrame, np.ndarray]:
    """Out-of-fold predictions, of all rows or of the folds that are done, and each row's fold (-1: not known)."""
    import pandas as pd

    whole = run.path / "oof.csv"
    oof = frames.read_predictions(whole) if whole.exists() else pd.concat(map(frames.read_predictions, predicted.values()))
    path = run.path / "folds.csv"
    if not path.exists():
        return oof, np.full(len(oof), -1)
    dealt = frames.index_by(frames.read_csv(path.read_bytes(), str(path)), "id", str(path))["fold"]
    return oof, dealt.reindex(oof.index).fillna("-1").to_numpy().astype(int)


def truth(run: Run, labels: Labels, oof: pd.DataFrame) -> np.ndarray | None:
    """The encoded answers of these rows, as `truth.csv` has them; None where it does not."""
    path = run.path / "truth.csv"
    if not path.exists():
        return None
    table = frames.index_by(frames.read_csv(path.read_bytes(), str(path)), "id", str(path))
    if not oof.index.isin(table.index).all():
        return None
    y = table.loc[oof.index].to_numpy(np.float32)
    return y[:, 0].astype(np.int64) if labels.kind in ("one class", "grade") else y


def _history(folder: Path) -> pd.DataFrame | None:
    import pandas as pd

    path = folder / "history.csv"
    return pd.read_csv(path) if path.exists() else None


def losses(labels: Labels, y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """How wrong each row [n] is: log loss, distance of a grade, or the largest error in deviations of the targets."""
    p = p.astype(np.float64)
    if labels.kind == "numbers":
        return np.abs((p - y) / labels.scaling(y)[1]).max(axis=1)
    if labels.kind == "grade":
        return np.abs(p.sum(axis=1) - y)
    certain = labels.certain(y)
    p = p.clip(1e-7, 1 - 1e-7)
    if labels.kind == "one class" or getattr(labels, "exclusive", False):
        return -(certain * np.log(p)).sum(axis=1)
    return -(certain * np.log(p) + (1 - certain) * np.log1p(-p)).mean(axis=1)


def classes(found: Findings) -> tuple[list[str], np.ndarray, np.ndarray] | None:
    """Names, true and answered class (int [n]) of each row, where a row has one class or grade; else None."""
    labels, p = found.labels, found.oof.to_numpy()
    if found.y is None:
        return None
    if labels.kind == "grade":
        return [str(grade) for grade in range(p.shape[1] + 1)], found.y, labels.harden(p)
    if found.exclusive:
        return list(labels.columns), labels.certain(found.y).argmax(axis=1), p.argmax(axis=1)
    if labels.kind != "numbers" and p.shape[1] == 1:
        return ["0", "1"], (found.y[:, 0] > 0.5).astype(int), (p[:, 0] > 0.5).astype(int)
    return None


def confusion(count: int, true: np.ndarray, answered: np.ndarray) -> np.ndarray:
    """Rows by true class (down) and answer (across)."""
    return np.bincount(true * count + answered.clip(0, count - 1), minlength=count * count).reshape(count, count)


def calibration(found: Findings) -> tuple[np.ndarray, np.ndarray, np.ndarray, float] | None:
    """Of each bin: the mean probability said, the frequency found, the share of rows; and their mean gap (ECE).

    Of the likeliest class where one is the answer (Guo et al. 2017), else of all columns together. None for numbers.
    """
    if found.y is None or found.labels.kind == "numbers":
        return None
    p, certain = found.oof.to_numpy(np.float64), found.labels.certain(found.y)
    if found.exclusive:
        said, hit = p.max(axis=1), (certain.argmax(axis=1) == p.argmax(axis=1)).astype(float)
    else:
        said, hit = p.ravel(), certain.ravel().astype(float)
    place = np.minimum((said * BINS).astype(int), BINS - 1)
    count = np.bincount(place, minlength=BINS)
    some = count > 0
    means = [np.bincount(place, one, minlength=BINS)[some] / count[some] for one in (said, hit)]
    share = count[some] / count.sum()
    return means[0], means[1], share, float((share * np.abs(means[0] - means[1])).sum())


def per_class(found: Findings) -> tuple[list[str], list[list[str]]]:
    """A table by class, column or number: header and rows, as text."""
    y, p, labels = found.y, found.oof.to_numpy(np.float64), found.labels
    if y is None:
        return [], []
    if labels.kind == "numbers":
        error, spread, rows = p - y, y.std(axis=0), []
        for name, one, deviation in zip(labels.columns, error.T, spread, strict=True):
            figures = [f"{np.abs(one).mean():.5g}", f"{np.sqrt((one**2).mean()):.5g}", f"{one.mean():+.3g}"]
            rows.append([name, *figures, f"{1 - (one**2).mean() / deviation**2:.4f}" if deviation else ""])
        return ["number", "mean error", "RMSE", "bias", "R²"], rows
    one = classes(found) if p.shape[1] > 1 or labels.kind == "grade" else None
    if one:
        names, true, answered = one
        pairs = [(true == j, answered == j) for j in range(len(names))]
    else:
        names, given = list(labels.columns), p > 0.5
        pairs = [(y[:, j] > 0.5, given[:, j]) for j in range(len(names))]
    ranked = labels.kind != "grade" and len(names) <= RANKED
    rows = []
    for j, (is_it, said) in enumerate(pairs):
        hits, area = (is_it & said).sum(), metrics.auc(is_it.astype(float), p[:, j]) if ranked else np.nan
        precision, recall = hits / max(said.sum(), 1), hits / max(is_it.sum(), 1)
        f1 = 2 * hits / max(is_it.sum() + said.sum(), 1)
        rows.append(
            [
                names[j],
                f"{is_it.sum():,}",
                *(f"{v:.4f}" for v in (precision, recall, f1)),
                "" if area != area else f"{area:.4f}",
            ]
        )
    return ["class", "rows", "precision", "recall", "F1", "AUC"], rows


def spoken(labels: Labels, values: np.ndarray) -> list[str]:
    """Predictions [n, c] in words: the class or grade, the names over one half, or the numbers."""
    if labels.kind == "numbers":
        return ["  ".join(f"{name} {v:.5g}" for name, v in zip(labels.columns, row, strict=True)) for row in values]
    if labels.kind == "grade":
        return [str(int(grade)) for grade in labels.harden(values)]
    names = np.array(labels.columns, dtype=object)
    if labels.kind == "one class" or getattr(labels, "exclusive", False):
        return [f"{names[row.argmax()]}" for row in values]
    return [
        " ".join(names[row > 0.5]) or f"none of {len(names)}" if len(names) > 1 else f"{names[0]} {row[0]:.3f}"
        for row in values
    ]


def look(found: Findings, data: str | Path | None) -> None:
    """Find the worst rows, and their inputs where the run's data is at hand; else note why not."""
    assert found.y is not None
    p = found.oof.to_numpy()
    loss = losses(found.labels, found.y, p)
    rows = np.argsort(-loss, kind="stable")[:WORST]
    true, said = spoken(found.labels, found.labels.certain(found.y[rows])), spoken(found.labels, p[rows])
    if found.exclusive:
        said = [f"{word} ({p[i].max():.1%})" for word, i in zip(said, rows, strict=True)]
    found.worst = [
        Worst(str(found.oof.index[i]), int(found.fold[i]), a, b, float(loss[i]))
        for i, a, b in zip(rows, true, said, strict=True)
    ]
    try:
        show(found, data)
    except (KitError, KeyError, OSError) as fault:
        found.gone = str(fault).splitlines()[0]


def show(found: Findings, data: str | Path | None) -> None:
    """Fill in the pictures or texts of the worst rows. Raises a KitError where the data is not this run's, or gone."""
    info = found.run.info
    config = Config(**info["config"])
    facts = competitions.load(info["competition"]).shaped(config).competition
    places = [Path(data)] if data else [Path(info["root"]), *facts.places()]
    root = next((one for one in places if facts.is_at(one) or (facts.one_file and one.is_file())), None)
    if root is None:
        raise Usage(f"the run's data is no longer in {places[0]} (--data names another place).")
    if files.fingerprint(root, facts.files(root)) != info["data"]:
        raise Usage(f"the data in {root} is not what this run was trained on.")
    table = facts.tables(root).train.loc[[one.id for one in found.worst]]
    if facts.inputs.kind in ("images", "pixels"):
        pictures = facts.inputs.load(root, table, "train", config.size).rows
        for one, picture in zip(found.worst, pictures, strict=True):
            one.picture = np.asarray(picture)
        return
    column = getattr(facts.inputs, "column", None)
    shown = [column] if column else [name for name in table.columns if name not in facts.labels.train_columns][:CELLS]
    for one, row in zip(found.worst, table[shown].to_numpy(), strict=True):
        one.text = str(row[0]) if column else "  ".join(f"{name} {cell}" for name, cell in zip(shown, row, strict=True))
