"""Mistakes: the rows that a run gets most wrong, in words, with their pictures or texts where the run's data is at hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kit.errors import KitError, Usage
from kit.inference.loaded_run import opened
from kit.labels import Labels, Numbers, Reading
from kit.storage import files
from kit.storage.run_folder import Run

if TYPE_CHECKING:
    import pandas as pd

WORST = 12  # rows shown
CELLS = 12  # columns shown of a row of a table


@dataclass
class Mistake:
    """A row as the models answer it that never saw it."""

    id: str
    fold: int
    truth: str
    answer: str
    loss: float
    text: str = ""
    picture: np.ndarray | None = None  # uint8 [h, w, c]


def worst(labels: Labels, oof: pd.DataFrame, y: np.ndarray, fold: np.ndarray) -> list[Mistake]:
    """The WORST rows, the most wrong first; `oof`, `y`, `fold` are aligned."""
    p = oof.to_numpy()
    loss = losses(labels, y, p)
    rows = np.argsort(-loss, kind="stable")[:WORST]
    true, said = spoken(labels, labels.certain(y[rows])), spoken(labels, p[rows])
    if labels.exclusive:
        said = [f"{word} ({p[i].max():.1%})" for word, i in zip(said, rows, strict=True)]
    return [Mistake(str(oof.index[i]), int(fold[i]), a, b, float(loss[i])) for i, a, b in zip(rows, true, said, strict=True)]


def losses(labels: Labels, y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """How wrong each row [n] is: log loss, distance of a grade, or the largest error in deviations of the targets.

    To the last, a reading adds the confidence that it lacks.
    """
    p = p.astype(np.float64)
    if isinstance(labels, Numbers):
        count = len(labels.names)
        far = np.abs((p[:, :count] - y[:, :count]) / Numbers.scaling(labels, y[:, :count])[1]).max(axis=1)
        return far + (1 - p[:, count]) if isinstance(labels, Reading) else far
    if labels.kind == "grade":
        return np.abs(p.sum(axis=1) - y)
    certain = labels.certain(y)
    p = p.clip(1e-7, 1 - 1e-7)
    if labels.exclusive:
        return -(certain * np.log(p)).sum(axis=1)
    return -(certain * np.log(p) + (1 - certain) * np.log1p(-p)).mean(axis=1)


def spoken(labels: Labels, values: np.ndarray) -> list[str]:
    """Predictions [n, c] in words: the class or grade, the names over one half, the numbers, or the text that was read."""
    if isinstance(labels, Numbers):
        rows = zip(labels.harden(values), _texts(labels, values), strict=True)
        return [text + "  ".join(f"{name} {v:.5g}" for name, v in zip(labels.names, row, strict=True)) for row, text in rows]
    if labels.kind == "grade":
        return [str(int(grade)) for grade in labels.harden(values)]
    names = np.array(labels.columns, dtype=object)
    if labels.exclusive:
        return [f"{names[row.argmax()]}" for row in values]
    if len(names) == 1:
        return [f"{names[0]} {row[0]:.3f}" for row in values]
    return [" ".join(names[row > 0.5]) or f"none of {len(names)}" for row in values]


def _texts(labels: Numbers, values: np.ndarray) -> list[str]:
    """What stands before the numbers: the text that they were computed from, if they were."""
    if not isinstance(labels, Reading):
        return [""] * len(values)
    return [f"{text or 'unreadable'}: " for text in labels.texts(values[:, -labels.longest :])]


def illustrate(run: Run, rows: list[Mistake], data: str | Path | None) -> str:
    """Fill in the pictures or texts; returns why they are not there, or nothing."""
    try:
        _illustrate(run, rows, data)
    except (KitError, KeyError, OSError) as fault:
        return str(fault).splitlines()[0]
    return ""


def _illustrate(run: Run, rows: list[Mistake], data: str | Path | None) -> None:
    """Raises a KitError where the data is not this run's, or gone; lays nothing out."""
    info, was = run.info, opened(run, needed=False)
    places = [Path(data)] if data else [was.root, *was.facts.places()]
    root = next((one for one in places if was.facts.is_at(one) or (was.facts.one_file and one.is_file())), None)
    if root is None:
        raise Usage(f"the run's data is no longer in {places[0]} (--data names another place).")
    facts = opened(run, root).facts
    if files.fingerprint(root, facts.files(root)) != info["data"]:
        raise Usage(f"the data in {root} is not what this run was trained on.")
    table = facts.tables(root).train.loc[[one.id for one in rows]]
    if facts.inputs.kind in ("images", "pixels"):
        pictures = facts.inputs.load(root, table, "train", info["config"]["size"]).rows
        for one, picture in zip(rows, pictures, strict=True):
            one.picture = np.asarray(picture)
        return
    column = getattr(facts.inputs, "column", None)
    shown = [column] if column else [name for name in table.columns if name not in facts.labels.train_columns][:CELLS]
    for one, row in zip(rows, table[shown].to_numpy(), strict=True):
        one.text = str(row[0]) if column else "  ".join(f"{name} {cell}" for name, cell in zip(shown, row, strict=True))
