"""Sampling: which values a tuning tries next, and from which scores on a trial is not worth its time.

Both are functions of the seed, the trial's number and the trials that ended before: `trial.json` of each is all the state
there is, so a search that was killed asks for the same again. Optuna only reads; it stores nothing.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from kit.pipeline.search import search_space
from kit.pipeline.search.search_space import Range

DRAWN = 10  # trials drawn at random before TPE has something to learn from
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


class Sampler:
    """Asks optuna's TPE for values of these ranges. `preset`: the knobs of trial 0. Without optuna: random draws."""

    def __init__(self, ranges: list[Range], preset: Mapping[str, Any], seed: int, higher_is_better: bool):
        self.ranges, self.preset, self.seed, self.told = ranges, preset, seed, set[int]()
        self.study: Any = None
        if available():
            import optuna

            optuna.logging.set_verbosity(optuna.logging.ERROR)
            self.study = optuna.create_study(direction="maximize" if higher_is_better else "minimize")

    def ask(self, number: int, ended: Sequence[Ended]) -> dict[str, Any]:
        """The knobs of this trial; of the first (0) none, which is the preset itself. The first DRAWN are drawn at random."""
        if self.study is None or number < DRAWN:
            return search_space.draw(self.ranges, self.seed, number)
        import optuna

        for one in sorted((one for one in ended if one.number not in self.told), key=lambda one: one.number):
            self._tell(one)
        own = int(hashlib.sha256(f"{self.seed} {number}".encode()).hexdigest()[:8], 16)
        self.study.sampler = optuna.samplers.TPESampler(seed=own)
        trial = self.study.ask(self._distributions())
        self.study.tell(trial, state=optuna.trial.TrialState.FAIL)  # its result comes with its trial.json, as after a kill
        return {one.name: one.choices[found] if one.choices else one.draw(found) for one, found in self._found(trial.params)}

    def _found(self, values: Mapping[str, Any]) -> list[tuple[Range, Any]]:
        return [(one, values[one.name]) for one in self.ranges]

    def _distributions(self) -> dict[str, Any]:
        """Places in the ranges: the index of a choice, or a number from 0 to 1 (`Range.draw` knows the scale)."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution

        return {
            one.name: CategoricalDistribution(range(len(one.choices))) if one.choices else FloatDistribution(0.0, 1.0)
            for one in self.ranges
        }

    def _tell(self, one: Ended) -> None:
        """Add a trial to the study, once. A trial that failed, or whose values are no places in the ranges, teaches nothing."""
        from optuna.trial import TrialState, create_trial

        values = {**self.preset, **one.knobs}
        places = {knob.name: knob.place(values[knob.name]) for knob in self.ranges}
        self.told.add(one.number)
        if (one.score is None and not one.epochs) or None in places.values():
            return
        state = TrialState.PRUNED if one.score is None else TrialState.COMPLETE
        self.study.add_trial(
            create_trial(
                state=state, value=one.score, params=places, distributions=self._distributions(),
                intermediate_values=dict(one.epochs),
            )
        )  # fmt: skip


def bars(ended: Sequence[Ended]) -> dict[int, float]:
    """For each epoch the median score of the trials that reached it; below it a trial is pruned. {} while few trials ended."""
    if len([one for one in ended if one.score is not None]) < BEFORE_PRUNING:
        return {}
    epochs = sorted({epoch for one in ended for epoch in one.epochs})
    reached = {epoch: [one.epochs[epoch] for one in ended if epoch in one.epochs] for epoch in epochs}
    return {epoch: median(scores) for epoch, scores in reached.items() if len(scores) >= BEFORE_PRUNING}
