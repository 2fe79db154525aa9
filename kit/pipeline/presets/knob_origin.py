"""Knob origin: what a knob is set to in a competition or in a run, where that comes from, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kit import competition as competitions, config as configs, recipes
from kit.config import Config
from kit.errors import Usage
from kit.pipeline.presets.resolution import RECIPE, family_of, resolved
from kit.pipeline.presets.suited_model import choosable
from kit.storage.run_folder import Run


@dataclass(frozen=True)
class Origin:
    """The `value` of a knob, where it comes `from_`, and `why`; `taken`: what a run took for `auto`, or had time for.

    `heeded`: does it change anything for the `model`? `run`: the run's folder, None for a competition.
    """

    competition: str
    run: str | None
    value: Any
    from_: str
    taken: Any
    model: str
    heeded: bool
    why: str

    def json(self) -> dict[str, Any]:
        """Plain values."""
        return {name.removesuffix("_"): value for name, value in vars(self).items()}


def in_competition(adapter: competitions.Adapter, preset: str, name: str, flags: Mapping[str, Any]) -> Origin:
    """A knob as `kit run` would set it with this preset and these flags. Raises Usage as that does."""
    begin = adapter.preset(preset).model
    config, origins, preset = resolved(adapter, preset, flags)
    adapter = adapter.shaped(config)
    heeded = name in {*family_of(adapter, config).heeds, *config.own}
    origin = origins.get(name, "default")
    words = [reason(name, origin, begin, config.model), *left_to_the_kit(adapter, config, name, None)]
    if name == "model" and choosable(adapter, preset, config, origins):
        words.append("The files may ask for another, which `kit run` then takes.")
    return Origin(
        adapter.name, None, getattr(config, name), origin, taken=None, model=config.model, heeded=heeded, why=" ".join(words)
    )


def in_run(run: Run, name: str) -> Origin:
    """A knob as a run has it. Raises Usage for a blend, which has none, and for a run that is older than the knob."""
    record = run.record
    if record.is_blend:
        raise Usage(f"{run.path}: a blend has no knobs. Name one of its runs.")
    if name not in record.config:
        raise Usage(f"{run.path}: this run was made before there was a knob {name}.")
    adapter, config = competitions.load(record.competition), Config.of(record.config)
    adapter = adapter.shaped(config)
    heeded = name in {*family_of(adapter, config).heeds, *config.own}
    value, origin = record.config[name], record.origins.get(name, "default")
    taken = ({**(record.chosen or {}), **(record.in_time or {})}).get(name, value)
    begin = adapter.preset(record.preset).model if record.preset in adapter.presets else ""
    words = [reason(name, origin, begin, config.model)]
    if taken != value:
        words += left_to_the_kit(adapter, config, name, taken)
    found = None if taken == value else taken
    return Origin(
        record.name, str(run.path), value, origin, taken=found, model=config.model, heeded=heeded, why=" ".join(words)
    )


def reason(name: str, origin: str, begin: str, model: str) -> str:
    """Why a value comes from there, in a sentence; `begin`: the model that the preset is for."""
    if origin == "flag":
        return f"It was given by hand ({configs.flag(name)})."
    if origin.startswith("KIT_"):
        return f"The environment sets {origin}."
    if origin.startswith(RECIPE):
        of = f"for {begin}" if begin and begin != model else "for other weights"
        return f"The preset was written {of}; {model} learns otherwise, so the {origin} takes the place of what the preset has."
    if origin.startswith("preset"):
        return f"The adapter's {origin} states it."
    if origin == "default":
        return "No flag, environment, preset or recipe sets it, so it is the kit's default."
    return f"It follows from {origin}."


def left_to_the_kit(adapter: competitions.Adapter, config: Config, name: str, taken: Any) -> list[str]:
    """How a value that is left to the kit (`auto`), or to the time, is found; nothing for others."""
    number = f"It took {taken:g}" if taken is not None else "It is found when the run begins"
    if name == "views" and taken is not None:
        return [f"{number}: --time-budget left no time for more."]
    if getattr(config, name) != 0 or name not in ("epochs", "lr", "batch"):
        return []
    if name == "epochs":
        recipe = recipes.of(config, adapter.competition.inputs.kind, adapter.parts.models) or recipes.CONVNET
        rule = f"{recipe.passes:g} / √rows of a fold, from {recipe.least} to {recipe.most}"
        return [f"{number}, by the recipe of a {recipe.name}: {rule}; few rows need more passes."]
    how = "by a range test on the first fold" if name == "lr" else "the fastest on a CPU, the largest that fits on a GPU"
    return [f"{number}, {how}."]
