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
        study, axes = self._study(number, ended, under_way), self._axes()
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

    def _study(self, number: int, ended: Sequence[Ended], under_way: Sequence[Mapping[str, Any]]) -> Any:
        """A new study in memory, told of these trials, in their order: nothing else is remembered from question to question."""
        import optuna
        from optuna.trial import TrialState, create_trial

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        own = int(hashlib.sha256(f"{self.seed} {number}".encode()).hexdigest()[:8], 16)
        study = optuna.create_study(
            direction="maximize" if self.higher_is_better else "minimize",
            sampler=optuna.samplers.TPESampler(seed=own, multivariate=True, constant_liar=True),
        )
        told = [(one.knobs, _state(one), one.score, one.epochs) for one in sorted(ended, key=lambda one: one.number)]
        for knobs, state, score, epochs in [*told, *((knobs, "RUNNING", None, {}) for knobs in under_way)]:
            values = {**self.preset, **knobs}
            places = {knob.name: knob.place(values[knob.name]) for knob in self.ranges}
            if None not in places.values():  # the preset may lie outside the ranges: it teaches nothing
                study.add_trial(
                    create_trial(
                        state=TrialState[state], value=score, params=places, distributions=self._axes(),
                        intermediate_values=dict(epochs),
                    )
                )  # fmt: skip
        return study

    def _axes(self) -> dict[str, Any]:
        """Places in the ranges: the index of a choice, or a number from 0 to 1 (`Range.draw` knows the scale)."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution

        return {
            one.name: CategoricalDistribution(range(len(one.choices))) if one.choices else FloatDistribution(0.0, 1.0)
            for one in self.ranges
        }


def _state(one: Ended) -> str:
    """What optuna calls it: a trial that failed teaches nothing."""
    return "COMPLETE" if one.score is not None else "PRUNED" if one.epochs else "FAIL"


def bars(ended: Sequence[Ended]) -> dict[int, float]:
    """For each epoch the median score of the trials that reached it; below it a trial is pruned. {} while few trials ended."""
    if len([one for one in ended if one.score is not None]) < BEFORE_PRUNING:
        return {}
    epochs = sorted({epoch for one in ended for epoch in one.epochs})
    reached = {epoch: [one.epochs[epoch] for one in ended if epoch in one.epochs] for epoch in epochs}
    return {epoch: median(scores) for epoch, scores in reached.items() if len(scores) >= BEFORE_PRUNING}
