"""Unlabelled rows: texts without an answer, maybe with columns, that train as the other run's same fold answers them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kit.competition import Competition, Tables, sources
from kit.config import Config
from kit.errors import BadData, Usage, listed
from kit.inference import members
from kit.inference.loaded_run import load_run
from kit.inputs.base import Loaded
from kit.inputs.cells import Cells
from kit.inputs.mixed.inputs import TextAndTable
from kit.inputs.mixed.rows import MixedRows, parts as parts_of
from kit.inputs.text import Text, Texts
from kit.labels import Labels
from kit.models import prediction, threads
from kit.storage import frames, predictions
from kit.storage.run_folder import Run
from kit.storage.runs.parts import RunPart

Rows = Texts | MixedRows
NUMBERED = "unlabelled-"  # begins the ids of the rows of a table without any
NAME = "pseudo"  # of the predictions in the folder of the run that learns them


def rows_of(facts: Competition, tables: Tables, config: Config, train: Any) -> Rows:
    """The rows that `--pseudo-rows` adds to the test's, maybe none; `train`: the training rows as they are loaded.

    Raises Usage where they are asked for and not there, or lack columns that the others have.
    """
    if config.pseudo_rows == "test":
        return Texts([])
    if tables.spellings:
        facts = replace(facts, inputs=facts.inputs.spelled(tables.spellings))
    rows = read(facts, tables.root)
    if not len(rows):
        named = facts.inputs.unlabelled
        why = f"there is no {named}" if named else f"{facts.slug} has no table of texts without answers"
        raise Usage(f"--pseudo-rows {config.pseudo_rows}: {why}. Leave it out.")
    pairs = zip(columns_of(train), columns_of(rows), strict=True)
    lacking = [name for own, other in pairs for name in own.names if name not in other.names]
    if lacking:
        raise Usage(
            f"--pseudo-rows {config.pseudo_rows}: {facts.inputs.unlabelled} has no column {listed(lacking)}, which train and"
            " test have. Leave it out."
        )
    return rows


def read(facts: Competition, root: Path) -> Rows:
    """The rows without answers, with the columns that the table has; none where there is no such table.

    Raises BadData for a broken one.
    """
    inputs = facts.inputs
    if isinstance(inputs, Text):
        return inputs.further(root, facts.form)
    if not isinstance(inputs, TextAndTable) or not inputs.files(root):
        return Texts([])
    table, _ = sources.read(facts, root, inputs.unlabelled, answered=False, prefix=NUMBERED)
    if str(table.index[0]).startswith(NUMBERED):  # ids that the kit gave tell nothing
        table = table.drop(columns=list(inputs.from_ids(table.index) or ()))
    frames.need_columns(table, list(inputs.first.used_columns() or ()), inputs.unlabelled)
    return inputs.load(root, table, "test", 0).rows


def columns_of(rows: Any) -> tuple[Cells, ...]:
    """The columns beside texts, where there are any."""
    return parts_of(rows)[1:]


def behind(test: Loaded, rows: Rows) -> Loaded:
    """The test rows, and behind them these."""
    return test if not len(rows) else Loaded(test.rows + rows, test.broken)


def ids_of(rows: Rows) -> pd.Index:
    """How `pseudo.csv` names these rows, whose table need not have ids."""
    return frames.text_index(f"unlabelled:{row}" for row in range(len(rows)))


def answered(
    run: Run, mine: Run, labels: Labels, parts: Sequence[RunPart], rows: Rows, root: Path
) -> dict[RunPart, np.ndarray]:
    """What the models of these parts of a run predict for these rows, the mean of its seeds, float32 [u, c]; of the refit, all.

    Predicted once and kept in `mine`: a resumed run learns the same to the last bit.
    """
    columns = [f"{part} {column}" for part in parts for column in labels.columns]
    try:
        frame = predictions.load(mine.path, NAME)
        sound = list(frame.columns) == columns and frame.index.equals(ids_of(rows))
    except BadData:  # not there yet, or damaged
        sound = False
    if not sound:
        found = pd.concat(_predicted(run, labels, parts, root), axis=1)
        frame = found.set_axis(columns, axis=1)
        predictions.save(mine.path, NAME, frame)
    each = np.split(frame.to_numpy(np.float32), len(parts), axis=1)
    return dict(zip(parts, each, strict=True))


@threads.within_quota()
def _predicted(run: Run, labels: Labels, parts: Sequence[RunPart], root: Path) -> list[pd.DataFrame]:
    if run.record.study:
        raise Usage(f"--pseudo {run.path}: made by kit.study, so it has no models that could answer unlabelled rows.")
    whole = load_run(run, root)
    rows = read(whole.facts, root)  # as that run reads numbers
    members.equip(whole, rows)

    @cache
    def by(part: RunPart) -> pd.DataFrame:
        values = prediction.predict(members.model_of(whole, run.fold(part)), rows, None, whole.config)
        return pd.DataFrame(values, index=ids_of(rows), columns=list(labels.columns))

    def mean(part: RunPart) -> pd.DataFrame:
        if part.fold is None:
            return members.combine(run, [by(one) for one in members.answering(run)])
        each = [by(one) for one in run.record.parts if (one.fold, one.repeat) == (part.fold, part.repeat)]
        return each[0] if len(each) == 1 else labels.average(each)

    return [mean(part) for part in parts]
