"""Unlabelled rows: texts without an answer that train beside the test rows, as the other run's same fold answers them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from kit.competition import Competition
from kit.config import Config
from kit.errors import BadData, Usage
from kit.inference import members
from kit.inference.loaded_run import load_run
from kit.inputs.base import Loaded
from kit.inputs.text import Text, Texts
from kit.labels import Labels
from kit.models import prediction, threads
from kit.storage import frames, predictions
from kit.storage.run_folder import Run
from kit.storage.runs.parts import RunPart

NAME = "pseudo"  # of the predictions in the folder of the run that learns them


def texts_of(facts: Competition, root: Path, config: Config) -> Texts:
    """The texts that `--pseudo-rows` adds to the test's, maybe none. Raises Usage where they are asked for and not there."""
    if config.pseudo_rows == "test":
        return Texts([])
    texts = facts.inputs.further(root) if isinstance(facts.inputs, Text) else Texts([])
    if not len(texts):
        named = isinstance(facts.inputs, Text) and facts.inputs.unlabelled
        why = f"there is no {named}" if named else f"{facts.slug} has no table of texts without answers"
        raise Usage(f"--pseudo-rows {config.pseudo_rows}: {why}. Leave it out.")
    return texts


def behind(test: Loaded, texts: Texts) -> Loaded:
    """The test rows, and behind them these texts."""
    return test if not len(texts) else Loaded(test.rows + texts, test.broken)


def ids_of(texts: Texts) -> pd.Index:
    """How `pseudo.csv` names these texts, whose table need not have ids."""
    return frames.text_index(f"unlabelled:{row}" for row in range(len(texts)))


def answered(
    run: Run, mine: Run, labels: Labels, parts: Sequence[RunPart], texts: Texts, root: Path
) -> dict[RunPart, np.ndarray]:
    """What the models of these parts of a run predict for texts, the mean of its seeds, float32 [u, c]; of the refit, all.

    Predicted once and kept in `mine`: a resumed run learns the same to the last bit.
    """
    columns = [f"{part} {column}" for part in parts for column in labels.columns]
    try:
        frame = predictions.load(mine.path, NAME)
        sound = list(frame.columns) == columns and frame.index.equals(ids_of(texts))
    except BadData:  # not there yet, or damaged
        sound = False
    if not sound:
        found = pd.concat(_predicted(run, labels, parts, texts, root), axis=1)
        frame = found.set_axis(columns, axis=1)
        predictions.save(mine.path, NAME, frame)
    each = np.split(frame.to_numpy(np.float32), len(parts), axis=1)
    return dict(zip(parts, each, strict=True))


@threads.within_quota()
def _predicted(run: Run, labels: Labels, parts: Sequence[RunPart], texts: Texts, root: Path) -> list[pd.DataFrame]:
    if run.record.study:
        raise Usage(f"--pseudo {run.path}: made by kit.study, so it has no models that could answer unlabelled rows.")
    whole = load_run(run, root)
    members.equip(run, whole.config, texts)

    @cache
    def by(part: RunPart) -> pd.DataFrame:
        values = prediction.predict(members.model_of(whole, run.fold(part)), texts, None, whole.config)
        return pd.DataFrame(values, index=ids_of(texts), columns=list(labels.columns))

    def mean(part: RunPart) -> pd.DataFrame:
        if part.fold is None:
            return members.combine(run, [by(one) for one in members.answering(run)])
        each = [by(one) for one in run.record.parts if (one.fold, one.repeat) == (part.fold, part.repeat)]
        return each[0] if len(each) == 1 else labels.average(each)

    return [mean(part) for part in parts]
