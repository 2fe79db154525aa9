"""Worst rows: the rows that a run gets most wrong, in words, with their pictures or texts where the run's data is at hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from kit.errors import KitError, Usage
from kit.inference.loaded_run import load_run
from kit.labels import Labels
from kit.storage import files
from kit.storage.run_folder import Run

WORST = 12  # rows shown


@dataclass
class Mistake:
    """A row with its out-of-fold answer; `text` or `picture` is what the inputs show of it, where the data is at hand."""

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
    errors = labels.errors(y, p)
    rows = np.argsort(-errors, kind="stable")[:WORST]
    truth, answers = labels.spell(labels.certain(y[rows])), labels.spell(p[rows])
    if labels.exclusive:
        answers = [f"{answer} ({p[i].max():.1%})" for answer, i in zip(answers, rows, strict=True)]
    return [
        Mistake(str(oof.index[i]), int(fold[i]), true, answer, float(errors[i]))
        for i, true, answer in zip(rows, truth, answers, strict=True)
    ]


def illustrate(run: Run, rows: list[Mistake], data: str | Path | None) -> str:
    """Fill in the pictures or texts; returns why they are not there, or nothing."""
    try:
        _illustrate(run, rows, data)
    except (KitError, KeyError, OSError) as fault:
        return str(fault).splitlines()[0]
    return ""


def _illustrate(run: Run, rows: list[Mistake], data: str | Path | None) -> None:
    """Raises a KitError where the data is not this run's, or gone; lays nothing out."""
    info, was = run.info, load_run(run, needed=False)
    places = [Path(data)] if data else [was.root, *was.facts.places()]
    root = next((place for place in places if was.facts.is_at(place) or (was.facts.one_file and place.is_file())), None)
    if root is None:
        raise Usage(f"the run's data is no longer in {places[0]} (--data names another place).")
    facts = load_run(run, root).facts
    if files.fingerprint(root, facts.files(root)) != info["data"]:
        raise Usage(f"the data in {root} is not what this run was trained on.")
    table = facts.tables(root).train.loc[[row.id for row in rows]]
    table = table.drop(columns=list(facts.labels.train_columns), errors="ignore")
    for row, shown in zip(rows, facts.inputs.show(root, table, "train", run.record.settings["size"]), strict=True):
        if isinstance(shown, str):
            row.text = shown
        else:
            row.picture = shown
