"""Entries: the submissions of a shadow leaderboard: every complete run in its folder, with its scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from kit.competition import Tables
from kit.competition.kept_back import PRIVATE, PUBLIC, TRAIN
from kit.errors import BadData
from kit.inference.loaded_run import load_run
from kit.pipeline.comparison import judged
from kit.pipeline.comparison.judged import Judged
from kit.pipeline.shadow.ranks import Answers
from kit.storage.run_folder import Run, load


@dataclass(frozen=True)
class Entry:
    """A submission: its run, scores, and answers with the truth on all rows kept back, in the order of `parts.csv`."""

    name: str
    score: float
    public: float
    private: float
    kept_back: float
    judged: Judged
    hidden: Answers


def read(folder: Path, part: pd.Series, tables: Tables, say: Callable[[str], None]) -> list[Entry]:
    """The complete runs in a folder that answer the rows kept back, and no others. `tables`: with all training rows.

    A run that answers other rows is left out, and said.
    """
    hidden = part.index[part != TRAIN]
    found = []
    for path in sorted(one.parent for one in folder.glob("*/run.json")):
        run = Run(path)
        if not run.complete:
            say(f"{path}: not complete, so it is not ranked")
        elif set(run.test.index) != set(hidden) or run.oof.index.isin(hidden).any():
            say(f"{path}: has other rows kept back, so it is not ranked")
        else:
            found.append(_entry(load(path), part, tables))
    return found


def _entry(run: Run, part: pd.Series, tables: Tables) -> Entry:
    one, labels = judged.read(run), load_run(run, needed=False).labels
    hidden = part[part != TRAIN]
    truth = labels.undecided.truth(labels.encode(tables.train.loc[hidden.index]))
    answers = labels.harden(run.test.loc[hidden.index].to_numpy(np.float32))
    if len(truth) != len(answers):
        raise BadData(f"{run.path}: {len(answers)} answers for the {len(truth)} rows that are kept back.")
    metric = one.facts.metric
    public, private = ((hidden == name).to_numpy() for name in (PUBLIC, PRIVATE))
    return Entry(
        name=run.path.name,
        score=one.score(),
        public=metric(truth[public], answers[public]),
        private=metric(truth[private], answers[private]),
        kept_back=metric(truth, answers),
        judged=one,
        hidden=(truth, answers),
    )


def out_of_fold(found: list[Entry]) -> list[float]:
    """The score of each submission on the rows that all of them have out of fold; NaN where there are none."""
    ids = found[0].judged.ids
    for one in found[1:]:
        ids = ids[ids.isin(one.judged.ids)]
    return [one.judged.of(ids).score() for one in found]
