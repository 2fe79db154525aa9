"""Trials: values of knobs that a tuning tried, how well they did, and how that is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from kit import config as configs
from kit.console import clock, table
from kit.inference.blend_weights import Gain
from kit.pipeline.search.sampling import Ended
from kit.storage import frames
from kit.storage.run_folder import Run

SHOWN = 10  # trials in the summary
TABLE = "trials.csv"


@dataclass(frozen=True)
class Trial:
    """Values of the knobs that are tuned (none: the preset's), and how well they did on the fold that chooses."""

    number: int
    knobs: dict[str, Any]
    score: float | None  # None: it could not be trained, was pruned, or has no score
    seconds: float
    epochs: dict[int, float] = field(default_factory=dict)  # the score after each epoch that has one
    pruned: int | None = None  # the epoch after which it was ended, being worse than the median of others

    @property
    def state(self) -> str:
        return "complete" if self.score is not None else "failed" if self.pruned is None else "pruned"

    @property
    def ended(self) -> Ended:
        return Ended(self.number, self.knobs, self.score, self.epochs if self.state != "failed" else {})


@dataclass(frozen=True)
class Tuned:
    """A tuning's folder, its trials, the best first, and how much better it is than the preset on a fold that chose nothing.

    `gain`: None where no trial was better on the fold that chooses, or where no other fold tells.
    """

    run: Run
    metric: str
    trials: list[Trial]
    gain: Gain | None

    @property
    def best(self) -> Trial:
        return self.trials[0]


def summary(tuned: Tuned, command: str) -> str:
    """The ten best trials and the preset, what was gained, and (`command` and its flags) how to run it."""
    shown = [*tuned.trials[:SHOWN], *(one for one in tuned.trials[SHOWN:] if not one.number)]
    names = [one.partition("=")[0] for one in tuned.run.record.ranges or []]
    config = configs.Config.of(tuned.run.record.config)
    rows = [
        [
            str(one.number) if one.number else "preset",
            one.state if one.score is None else f"{one.score:.5f}",
            clock(one.seconds),
            *values(one, names, config),
        ]
        for one in shown
    ]
    text = table(["trial", tuned.metric, "time", *names], rows) + f"\n{tuned.run.path / TABLE}\n\n"
    if tuned.gain is None:
        why = "no second fold could weigh it" if tuned.best.number else "no trial was better than the preset"
        return text + why
    gain, noise = tuned.gain.gain, tuned.gain.noise
    told = f"worse by {-gain:.5f}" if gain < 0 else f"better by {gain:+.5f}"
    said = f"on a fold that chose nothing, trial {tuned.best.number} is {told} ± {noise:.5f}"
    if not tuned.gain.pays:
        return f"{text}{said}: {'no more than noise' if gain >= -2 * noise else 'chosen by chance'}, keep the preset"
    flags = " ".join(f"{configs.flag(key)} {configs.shown(key, value)}" for key, value in tuned.best.knobs.items())
    return f"{text}{said}\n{command} {flags}"


def values(trial: Trial, names: list[str], config: configs.Config) -> list[str]:
    """A trial's values of these knobs as one types them."""
    return [configs.shown(name, trial.knobs.get(name, getattr(config, name))) for name in names]


def write_table(path: Path, trials: list[Trial], names: list[str], config: configs.Config) -> None:
    """The trials as a table, the best first."""
    rows = [
        [one.number, one.score, one.state, one.pruned, round(one.seconds, 1), *values(one, names, config)] for one in trials
    ]
    frames.write_csv(path, pd.DataFrame(rows, columns=["trial", "score", "state", "pruned", "seconds", *names]), index=False)
