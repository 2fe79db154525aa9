"""Config: the values of all knobs; flags, the environment and presets are made from it."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any

from kit.errors import Usage, did_you_mean
from kit.knobs import (
    POLICIES,
    SCHEDULES,
    VIEW_KINDS,
    BoostingKnobs,
    DataKnobs,
    FoldKnobs,
    InferenceKnobs,
    MachineKnobs,
    ModelKnobs,
    NgramKnobs,
    TrainingKnobs,
    TransformerKnobs,
    knob,
    seconds,
)  # fmt: skip

__all__ = ["POLICIES", "SCHEDULES", "VIEW_KINDS", "Config", "knob", "seconds"]


def time_limit(text: str | None) -> float | None:
    """`--time-budget` of a prediction in seconds; None where none is given. Raises Usage for anything else, and for no time."""
    if text is None:
        return None
    with contextlib.suppress(ValueError):
        if seconds(text) > 0:
            return seconds(text)
    raise Usage(f"--time-budget {text!r}: the value must be a time such as 90s, 20m or 1h30m.")


@dataclass(frozen=True)
class Config(
    TransformerKnobs, BoostingKnobs, NgramKnobs, MachineKnobs, InferenceKnobs, FoldKnobs, DataKnobs, TrainingKnobs, ModelKnobs
):
    """The choices of a run. Facts of a competition are not here; see `kit.competition.Competition`.

    `own`: knobs that an adapter declares (`knobs = {"alpha": knob(0.25, "…")}`), by name; `Config(alpha=0.5)` sets one, and
    `config.alpha` reads it. `declared`: their fields, once the adapter is loaded.
    """

    own: Mapping[str, Any] = field(default_factory=dict)
    declared: Mapping[str, Field[Any]] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name, about in self.known.items():
            value = getattr(self, name)
            if type(value) is int and type(about.default) is float:  # `lr=1` in an adapter means 1.0
                self._set(name, float(value))
            _check(name, about, getattr(self, name))

    def __getattr__(self, name: str) -> Any:
        """A knob of an adapter's own."""
        own = self.__dict__.get("own", {})
        if name in own:
            return own[name]
        raise AttributeError(f"this Config has no knob {name!r}.{did_you_mean(name, [*KNOBS, *own])}")

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Config:
        """Undoes `json`; of an older version's, knobs that there were not yet have their default."""
        return cls(**plain)

    def declaring(self, knobs: Mapping[str, Field[Any]]) -> Config:
        """This Config with an adapter's own knobs, at their defaults where it sets none.

        Raises Usage for one that the adapter does not have.
        """
        for name in self.own:
            if name not in knobs:
                raise Usage(f"unknown knob {name!r}.{did_you_mean(name, [*KNOBS, *knobs])}")
        own = {name: self.own.get(name, about.default) for name, about in knobs.items() if name not in KNOBS}
        return replace(self, own=own, declared=knobs)

    @property
    def known(self) -> dict[str, Field[Any]]:
        """The fields of all knobs, the adapter's own among them."""
        return {**KNOBS, **self.declared}

    def changed(self, **knobs: Any) -> Config:
        """This Config with other values. Raises Usage for an unknown knob or a value out of bounds."""
        known = self.known
        for name in knobs:
            if name not in known:
                raise Usage(f"unknown knob {name!r}.{did_you_mean(name, known)}")
        values = {name: _parse(name, known[name], value) for name, value in knobs.items()}
        own = {**self.own, **{name: value for name, value in values.items() if name not in KNOBS}}
        return replace(self, own=own, **{name: value for name, value in values.items() if name in KNOBS})

    def json(self) -> dict[str, Any]:
        """Plain values, in the order of the fields, an adapter's own last."""
        return {name: getattr(self, name) for name in (*KNOBS, *self.own)}

    def __reduce__(self) -> tuple[Any, ...]:
        """By its values: the fields of knobs cannot be pickled or copied."""
        return Config.of, (self.json(),)

    def _set(self, name: str, value: Any) -> None:
        if name in KNOBS:
            object.__setattr__(self, name, value)
        else:
            object.__setattr__(self, "own", {**self.own, name: value})


def _knowing(plain_init: Callable[..., None]) -> Callable[..., None]:
    """The constructor of Config, which takes an adapter's own knobs beside the kit's."""

    def init(self: Config, *values: Any, own: Mapping[str, Any] | None = None, **knobs: Any) -> None:
        named = {name: knobs.pop(name) for name in list(knobs) if name not in KNOBS and name != "declared"}
        plain_init(self, *values, own={**(own or {}), **named}, **knobs)

    return init


KNOBS: dict[str, Field[Any]] = {knob.name: knob for knob in fields(Config) if knob.name not in ("own", "declared")}
Config.__init__ = _knowing(Config.__init__)  # type: ignore[method-assign, assignment]
# These change how a result is computed, not what it is: a run may be resumed with other values.
IMMATERIAL = frozenset({"jobs", "on", "workers", "snapshot", "cache_gb", "time_budget", "profile", "accumulate", "logger"})
GROWING = ("seeds", "repeats")  # a run may go on with more of these: what is trained is part of it
UNNAMED = frozenset({"on"})  # no part of a run's name either: what a cluster has begun goes on here, and the other way round
AUTO = ("lr", "batch", "epochs", "size")  # 0 means that it is found when the run begins
AUTO_IN_FOLDS = ("inverse_penalty",)  # 0 means that each training fold finds its own
PLACES = (
    "KIT_DATA",
    "KIT_MOUNT",
    "KIT_CACHE",
    "KIT_EXTRA",
)  # environment variables for folders; see `kit.competition`, `kit.storage.array_cache`


def resolve(
    preset: Config, preset_name: str, flags: Mapping[str, Any], environ: Mapping[str, str] | None = None
) -> tuple[Config, dict[str, str]]:
    """The Config from flag > `KIT_*` environment > preset > default, and where each value came from."""
    environ = os.environ if environ is None else environ
    known = preset.known
    default = Config().declaring(preset.declared)
    origins = {
        name: f"preset {preset_name}" if getattr(preset, name) != getattr(default, name) else "default" for name in known
    }
    for variable in environ:
        if variable.startswith("KIT_") and variable not in (*map(_variable, known), *PLACES):
            raise Usage(f"unknown setting {variable} in the environment.{did_you_mean(variable, map(_variable, known))}")
    from_environment = {name: environ[_variable(name)] for name in known if environ.get(_variable(name))}
    config = preset.changed(**from_environment).changed(**flags)
    origins |= {name: _variable(name) for name in from_environment} | dict.fromkeys(flags, "flag")
    return config, origins


def given(flags: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> list[str]:
    """The knobs that flags or the environment set."""
    environ = os.environ if environ is None else environ
    return [name for name in KNOBS if name in flags or environ.get(_variable(name))]


def by_hand(origins: Mapping[str, str]) -> list[str]:
    """The same knobs as `given`, by where `resolve` says that their values came from."""
    return [name for name, origin in origins.items() if origin == "flag" or origin.startswith("KIT_")]


def shown(name: str, value: Any) -> str:
    """A knob's value as one types it."""
    if name in (*AUTO, *AUTO_IN_FOLDS) and value == 0:
        return "auto"
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Lines such as `epochs: 3 → 5` for every material knob in which two saved configurations differ.

    A knob that an older configuration does not have was at its default.
    """
    old = {**{name: about.default for name, about in KNOBS.items() if name in new}, **old}
    names = [name for name in {**old, **new} if name not in IMMATERIAL]
    differing = [name for name in names if old.get(name) != new.get(name)]
    return [f"{name}: {shown(name, old.get(name))} → {shown(name, new.get(name))}" for name in differing]


def _variable(name: str) -> str:
    return f"KIT_{name.upper()}"


def flag(name: str) -> str:
    """`--weight-decay` for the knob `weight_decay`."""
    about = KNOBS.get(name)
    return (about.metadata["flag"] if about else "") or "--" + name.replace("_", "-")


def switch(about: Field[Any]) -> bool:
    """Is a knob 0 or 1? Its flag alone means 1."""
    return type(about.default) is int and (about.metadata["low"], about.metadata["high"]) == (0, 1)


def _parse(name: str, about: Field[Any], value: Any) -> Any:
    kind: type = type(about.default)
    if kind is str and type(value) in (int, float):
        return str(value)  # --gap 7
    if isinstance(value, str) and kind is not str:
        try:
            return (about.metadata["parse"] or kind)(value)
        except ValueError:
            wanted = (
                "a whole number" if kind is int else "a time such as 30m" if about.metadata["parse"] is seconds else "a number"
            )
            raise Usage(f"{flag(name)} {value!r}: the value must be {wanted} ({about.metadata['help']}).") from None
    return kind(value) if kind is float and isinstance(value, int) and not isinstance(value, bool) else value


def _check(name: str, about: Field[Any], value: Any) -> None:
    if type(value) is not type(about.default):
        raise Usage(f"{flag(name)} {value!r}: the value must have the type of the default, {about.default!r}.")
    choices, low, high = (about.metadata[key] for key in ("choices", "low", "high"))
    if choices and value not in choices and not about.metadata["extensible"]:
        able = ", ".join(filter(None, choices))
        raise Usage(f"{flag(name)} {value!r}: the value must be one of {able}.{did_you_mean(str(value), choices)}")
    if isinstance(value, float | int) and not (
        (low is None or value >= low) and (high is None or value <= high) and math.isfinite(value)
    ):
        bounds = f"at least {low:g}" if high is None else f"{low:g} to {high:g}"
        raise Usage(f"{flag(name)} {value}: the value must be {bounds}{'' if math.isfinite(value) else ', and finite'}.")
