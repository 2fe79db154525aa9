"""Ranges: what values of some knobs a tuning tries; each draw is a function of seed and trial alone."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any

from kit import config as configs
from kit.config import Config
from kit.errors import Usage, did_you_mean, listed
from kit.models.families import Family

FACTOR = 4.0  # from a preset's number divided by this to the number times this
SHARES = 0.3  # the largest share (dropout, label smoothing) that is tried unasked
# What belongs to the rows rather than to the model, or changes no result: the trials share one reading of the files.
FIXED = {
    "text", "target", "task", "size", "limit", "folds", "split", "gap", "folds_from", "kept_back", "seed", "vectors", "ngrams",
    "final", "devices", "layout", "deterministic", *configs.IMMATERIAL,
}  # fmt: skip


@dataclass(frozen=True)
class Range:
    """The values of a knob: some `choices`, or numbers from `low` to `high`, on a logarithmic scale where `log`."""

    name: str
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False

    def draw(self, random_number: float) -> Any:
        """The value for a number from 0 to 1, of two digits."""
        if self.choices:
            return self.choices[min(int(random_number * len(self.choices)), len(self.choices) - 1)]
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        value = low + random_number * (high - low)
        return self._settled(math.exp(value) if self.log else value)

    def _settled(self, value: float) -> Any:
        """A number as trials take it: of two digits, and within the range."""
        value = min(max(float(f"{value:.2g}"), self.low), self.high)
        return max(1, round(value)) if self.whole else value

    def place(self, value: Any) -> int | float | None:
        """Where a value lies: the index of a choice, or a number from 0 to 1, as `draw` takes it. None: outside."""
        if self.choices:
            return self.choices.index(value) if value in self.choices else None
        if not self._settled(self.low) <= value <= self._settled(self.high):
            return None
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        return min(1.0, max(0.0, ((math.log(value) if self.log else value) - low) / (high - low)))

    def __str__(self) -> str:
        if self.choices:
            return f"{self.name}={'|'.join(configs.shown(self.name, one) for one in self.choices)}"
        return f"{self.name}={self.low:g}:{self.high:g}"


def usual(config: Config, family: Family) -> list[Range]:
    """Around a Config's own values, those that mostly matter to its model."""
    return [around(name, config) for name in family.tuned]


def parsed(text: str, config: Config, family: Family) -> list[Range]:
    """`lr,dropout=0:0.5,augment=light|heavy` as ranges. Raises Usage for a knob that is none, or cannot be tuned."""
    found = []
    for part in text.split(","):
        name, given, values = part.strip().partition("=")
        name = name.replace("-", "_")
        if name not in config.known:
            raise Usage(f"--knobs {name!r}: no such knob.{did_you_mean(name, config.known)}")
        if name in FIXED:
            raise Usage(f"--knobs {name}: it is of the data or of the machine, and the same for all trials.")
        if name not in {*family.heeds, *config.own}:
            raise Usage(f"--knobs {name}: it changes nothing for --model {config.model}.")
        found.append(_range(name, values, part, config) if given else around(name, config))
    twice = {one.name for one in found if sum(one.name == other.name for other in found) > 1}
    if twice:
        raise Usage(f"--knobs: {listed(sorted(twice))} is named twice.")
    return found


def around(name: str, config: Config) -> Range:
    """The choices of a knob, a share from nothing to SHARES (or its own, if larger), or the numbers around the Config's own."""
    about, value = config.known[name].metadata, getattr(config, name)
    if name in configs.AUTO_IN_FOLDS:
        value = value or config.known[name].default
    if about["choices"]:
        return Range(name, choices=tuple(one for one in about["choices"] if one != "photo" or value == "photo"))
    if isinstance(value, str):
        raise Usage(f"--knobs {name}: which? Say {name}=ONE|OTHER.")
    if about["high"] is not None and about["low"] == 0 and isinstance(value, float):
        return Range(name, low=0.0, high=max(SHARES, value))
    if not value:
        raise Usage(f"--knobs {name}: it is 0 here, which has nothing around it. Say {name}=LOW:HIGH.")
    high = min(value * FACTOR, about["high"] or math.inf)
    return Range(name, low=max(value / FACTOR, about["low"] or 0.0), high=high, log=True, whole=isinstance(value, int))


def _range(name: str, values: str, part: str, config: Config) -> Range:
    """`low:high` or `one|other`; each must be a value that the knob takes."""
    split = values.split(":") if ":" in values else values.split("|")
    taken = [getattr(config.changed(**{name: one}), name) for one in split]
    if ":" not in values:
        return Range(name, choices=tuple(taken))
    if len(taken) != 2 or isinstance(taken[0], str) or not taken[0] < taken[1]:
        raise Usage(f"--knobs {part.strip()}: {name}=LOW:HIGH is wanted, the lower first, or {name}=ONE|OTHER.")
    low, high = map(float, taken)
    return Range(name, low=low, high=high, log=low > 0 and high / low >= FACTOR, whole=isinstance(taken[0], int))


def draw(ranges: list[Range], seed: int, trial: int) -> dict[str, Any]:
    """The knobs of a trial. The first (0) is the preset itself: nothing is drawn."""
    numbers = random.Random(f"{seed} {trial}")
    return {one.name: one.draw(numbers.random()) for one in ranges} if trial else {}
