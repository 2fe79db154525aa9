"""Sampling: which values a tuning tries next, and from which scores on a trial is not worth its time.

Both are functions of the seed, the trial's number and the trials that ended before: `trial.json` of each is all the state
there is, so a search that was killed asks for the same again. See `kit.pipeline.search.tpe` for optuna.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from kit.pipeline.search import search_space
from kit.pipeline.search.search_space import Range

DRAWN = 10  # trials drawn at random before TPE has something to learn from
ASKED = 10  # times at most for values that no trial had: they would score the same
BEFORE_PRUNING = 5  # trials that ended, before the median of their scores may end another
MISSING = "values are drawn at random; the extra `tune` (optuna) would learn from earlier trials"


@dataclass(frozen=True)
class Ended:
    """A trial that is over: its knobs, its score (None: it failed or was pruned), its score after each epoch that has one."""

    number: int
    knobs: Mapping[str, Any]
    score: float | None
    epochs: Mapping[int, float] = field(default_factory=dict)


def available() -> bool:
    """Is optuna installed (extra `tune`)?"""
    return importlib.util.find_spec("optuna") is not None


@dataclass(frozen=True)
class Sampler:
    """Asks optuna's TPE for values of these ranges. `preset`: the knobs of trial 0. Without optuna: random draws."""

    ranges: list[Range]
    preset: Mapping[str, Any]
    seed: int
    higher_is_better: bool

    def ask(self, number: int, ended: Sequence[Ended], under_way: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
        """The knobs of this trial; of the first (0) none, which is the preset itself. The first DRAWN are drawn at random.

        `under_way`: knobs of trials that have not ended, which count as bad ones (constant liar), so that others are asked for.
        """
        if number < DRAWN or not available():
            return search_space.draw(self.ranges, self.seed, number)
        from kit.pipeline.search import tpe  # optuna

        study, axes = tpe.study(self, number, ended, under_way), tpe.axes(self.ranges)
        tried = [dict(self.preset) | dict(knobs) for knobs in (*(one.knobs for one in ended), *under_way)]
        found: dict[str, Any] = {}
        for _ in range(ASKED):
            places = study.ask(axes).params
            found = {
                one.name: (one.choices[at] if one.choices else one.draw(at))
                for one in self.ranges
                for at in (places[one.name],)
            }
            if found not in tried:
                break
        return found


def bars(ended: Sequence[Ended]) -> dict[int, float]:
    """For each epoch the median score of the trials that reached it; below it a trial is pruned. {} while few trials ended."""
    if len([one for one in ended if one.score is not None]) < BEFORE_PRUNING:
        return {}
    epochs = sorted({epoch for one in ended for epoch in one.epochs})
    reached = {epoch: [one.epochs[epoch] for one in ended if epoch in one.epochs] for epoch in epochs}
    return {epoch: median(scores) for epoch, scores in reached.items() if len(scores) >= BEFORE_PRUNING}
