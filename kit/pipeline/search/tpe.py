"""TPE: optuna's sampler, asked what to try after the trials that ended (extra `tune`). It only reads; it stores nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from kit.pipeline.search.sampling import Ended, Sampler
from kit.pipeline.search.search_space import Range


def study(sampler: Sampler, number: int, ended: Sequence[Ended], under_way: Sequence[Mapping[str, Any]]) -> Any:
    """A new study in memory, told of these trials, in their order: nothing else is remembered from question to question."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    own = int(hashlib.sha256(f"{sampler.seed} {number}".encode()).hexdigest()[:8], 16)
    made = optuna.create_study(
        direction="maximize" if sampler.higher_is_better else "minimize",
        sampler=optuna.samplers.TPESampler(seed=own, multivariate=True, constant_liar=True),
    )
    told = [(one.knobs, _state(one), one.score, one.epochs) for one in sorted(ended, key=lambda one: one.number)]
    for knobs, state, score, epochs in [*told, *((knobs, "RUNNING", None, {}) for knobs in under_way)]:
        values = {**sampler.preset, **knobs}
        places = {knob.name: knob.place(values[knob.name]) for knob in sampler.ranges}
        if None not in places.values():  # the preset may lie outside the ranges: it teaches nothing
            made.add_trial(
                create_trial(
                    state=TrialState[state], value=score, params=places, distributions=axes(sampler.ranges),
                    intermediate_values=dict(epochs),
                )
            )  # fmt: skip
    return made


def axes(ranges: Sequence[Range]) -> dict[str, Any]:
    """Places in the ranges: the index of a choice, or a number from 0 to 1 (`Range.draw` knows the scale)."""
    return {
        one.name: CategoricalDistribution(range(len(one.choices))) if one.choices else FloatDistribution(0.0, 1.0)
        for one in ranges
    }


def _state(one: Ended) -> str:
    """What optuna calls it: a trial that failed teaches nothing."""
    return "COMPLETE" if one.score is not None else "PRUNED" if one.epochs else "FAIL"
