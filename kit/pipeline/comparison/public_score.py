"""Public score: how far one of its size may stray from what a run is worth, and how alike two submissions are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.inference.blending.member import by as averaged_by
from kit.inference.loaded_run import load_run
from kit.pipeline.comparison import paired
from kit.pipeline.comparison.compare import correlation
from kit.pipeline.comparison.judged import read
from kit.storage.run_folder import Run


@dataclass(frozen=True)
class Strays:
    """The standard error of the score of so many `public` rows of `test` ones; NaN where it is not defined."""

    error: float
    public: int
    test: int


def strays(run: Run) -> Strays:
    """From draws of as many out-of-fold rows as make the public score.

    Raises Usage where the run is not complete, BadData where it does not hold its answers.
    """
    one, count = read(run), len(run.test)
    public = max(1, round(one.facts.public * count))
    truth, answers = one.labels.truth(one.y), one.labels.harden(one.decided)
    rows, rng = len(one.ids), np.random.default_rng(0)
    scores = np.array([one.facts.metric(truth[some], answers[some]) for some in rng.integers(0, rows, (paired.DRAWS, public))])
    known = scores[np.isfinite(scores)]
    return Strays(float(known.std(ddof=1)) if len(known) > 1 else float("nan"), public, count)


def alike(one: Run, other: Run) -> float:
    """The correlation of two runs' test predictions, on the rows that both have."""
    first, second = one.test, other.test
    ids, columns = first.index.intersection(second.index), [name for name in first.columns if name in second.columns]
    by_rank = averaged_by(load_run(one, needed=False).facts) == "rank"
    return correlation(first.loc[ids, columns].to_numpy(), second.loc[ids, columns].to_numpy(), by_rank)
