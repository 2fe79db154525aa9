"""Resolution: the configuration that a preset, flags and recipes come to, and where each of its values came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kit import competition as competitions, config as configs, recipes
from kit.errors import Usage
from kit.models import families
from kit.models.families import Family
from kit.recipes import Recipe

DEFAULT = configs.Config()
RECIPE = "recipe of a"  # the origin of a value, with the recipe's name


def with_folds_of(
    config: configs.Config, origins: dict[str, str], count: Callable[[str, int], int]
) -> tuple[configs.Config, dict[str, str]]:
    """The Config with as many folds as `--folds-from` has, by `folds_file.count` (or what remembers its answers).

    Raises Usage where another number is asked for too.
    """
    if not config.folds_from:
        return config, origins
    folds = count(config.folds_from, config.repeats)
    if "folds" in configs.by_hand(origins) and config.folds != folds:
        raise Usage(f"--folds {config.folds}: {config.folds_from} has {folds}. Leave --folds out.")
    return config.changed(folds=max(folds, 2)), origins | {"folds": "--folds-from"}


def resolved(
    adapter: competitions.Adapter, preset: str, knobs: Mapping[str, Any], model: str = ""
) -> tuple[configs.Config, dict[str, str], str]:
    """The configuration, where each of its values came from, and the preset that it began with.

    `model`: whose variant of the preset is taken, where no flag names another one.
    Where flags ask for another family of models than the preset's, that family's recipe takes the place of what the preset
    had chosen for its own model.
    """
    by_hand = configs.given(knobs)
    config, origins = configs.resolve(adapter.preset(preset, by_hand, model), preset, knobs)
    begin = adapter.preset(preset, by_hand, config.model)
    config, origins = configs.resolve(begin, preset, knobs)
    adapter = adapter.shaped(config)  # a table or texts? flags may say
    if config.model != begin.model and (other := family_of(adapter, config).name) in {*adapter.presets} - {preset}:
        preset = other  # a fit of n-grams and a fine-tuning, say, have no value in common
        begin = adapter.preset(preset)
        config, origins = configs.resolve(begin, preset, knobs)
    recipe = other_recipe(adapter, begin, config)
    if recipe is not None:
        config, origins = configs.resolve(beginning(adapter, preset, config, configs.given(knobs)), preset, knobs)
        decided = recipes.DECIDED - {*configs.by_hand(origins)}
        origins |= {name: f"{RECIPE} {recipe.name}" for name in decided if getattr(config, name) != getattr(DEFAULT, name)}
    return config, origins, preset


def beginning(adapter: competitions.Adapter, preset: str, config: configs.Config, by_hand: list[str]) -> configs.Config:
    """What a Config was before flags changed it: a preset, or the recipe of another model than the preset's over it."""
    begin = adapter.preset(preset, by_hand, config.model)
    recipe = other_recipe(adapter, begin, config)
    labels = adapter.competition.labels
    smooth = labels.own_loss is None and labels.answers == "one class"
    return begin if recipe is None else recipe.over(begin, smooth)


def replaced(adapter: competitions.Adapter, preset: str, config: configs.Config, origins: Mapping[str, str]) -> tuple[str, ...]:
    """A line on the knobs that a preset had chosen and a recipe has replaced; none where there are none."""
    begin = adapter.preset(preset, configs.by_hand(origins), config.model)
    taken = [one for one in origins.values() if one.startswith(RECIPE)]
    if not taken:
        return ()
    names = [name for name in recipes.DECIDED if getattr(begin, name) not in (getattr(DEFAULT, name), getattr(config, name))]
    names = sorted(configs.flag(name) for name in names if name not in configs.by_hand(origins))
    return (f"the {taken[0]} replaces what preset {preset} has for {begin.model}: {' '.join(names)}",) if names else ()


def other_recipe(adapter: competitions.Adapter, begin: configs.Config, config: configs.Config) -> Recipe | None:
    """The recipe of a Config's model, where it is of another family than that of the preset that it began with."""
    own, kind = adapter.parts.models, adapter.competition.inputs.kind
    recipe, first = (recipes.of(one, kind, own) for one in (config, begin))
    return None if recipe is None or (first is not None and recipe.name == first.name) else recipe


def family_of(adapter: competitions.Adapter, config: configs.Config) -> Family:
    """The family of models that a Config asks for on an adapter's inputs, as its strategy has them learn.

    Raises Usage where there is none.
    """
    facts = adapter.competition
    family = families.of(config.model, facts.inputs.kind, facts.labels.reads, adapter.parts)
    return family.by(config.strategy, config.model)
