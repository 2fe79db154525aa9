"""Explain: what a knob does, who heeds it, what recipes make of it, what it is set to in a competition or run, and why."""

from __future__ import annotations

import argparse
import textwrap
from dataclasses import Field
from pathlib import Path
from typing import Any

import kit
from kit import competition as competitions, config as configs, knobs, recipes
from kit.cli import json_output, knob_flags
from kit.config import KNOBS, Config
from kit.console import output
from kit.errors import Usage, did_you_mean
from kit.models import families
from kit.pipeline.presets import knob_origin

FAMILIES = (families.IMAGE, families.READER, families.NGRAMS, families.TRANSFORMER, *families.PERCEPTRONS, *families.TREES)
NAMED = {"image": "networks of pictures", "transformer": "transformers"}
RECIPES = (*recipes.OWN.values(), recipes.SCRATCH, recipes.PRETRAINED, recipes.ATTENTIVE, recipes.PROBE, recipes.TRANSFORMER)


def main(arguments: argparse.Namespace) -> int:
    if arguments.run and (arguments.name or knob_flags.given(arguments)):
        raise Usage("kit explain: name a competition (with flags of `kit run`, if wanted) or --run RUN, not both.")
    if arguments.name and (Path(arguments.name) / "run.json").is_file():
        arguments.name, arguments.run = None, arguments.name
    whose = kit.load(arguments.run).record.competition if arguments.run else arguments.name
    adapter = competitions.load(whose) if whose else None
    own = dict(adapter.parts.knobs) if adapter else {}
    name = arguments.knob.lstrip("-").replace("-", "_")
    name = next((key for key in KNOBS if configs.flag(key) == f"--{arguments.knob.lstrip('-')}"), name)
    if name not in KNOBS and name not in own:
        raise Usage(f"unknown knob {arguments.knob!r}.{did_you_mean(name, [*KNOBS, *own])} `kit run --help` lists all.")
    told = about(name, own.get(name) or KNOBS[name]) | here(adapter, arguments, name)
    if arguments.json:
        json_output.show(told)
    else:
        output(in_words(told))
    return 0


def about(name: str, one: Field[Any]) -> dict[str, Any]:
    """What is to be said of a knob anywhere."""
    facts, default = one.metadata, Config().json().get(name, one.default)
    heeds = {NAMED.get(family.name, family.name): name in family.heeds for family in FAMILIES}
    group = next((str(group.__doc__).rstrip(".") for group in knobs.GROUPS if name in knobs.names(group)), "this adapter's own")
    suited = {recipe.name: recipe.knobs[name] for recipe in RECIPES if name in recipe.knobs}
    return {
        "knob": name,
        "help": facts["help"],
        "group": group,
        "flag": configs.flag(name),
        "environment": f"KIT_{name.upper()}",
        "default": default,
        "choices": list(filter(None, facts["choices"])),
        "low": facts["low"],
        "high": facts["high"],
        "heeded_by": [family for family, heeded in heeds.items() if heeded] if name in KNOBS else [],
        "left_alone_by": [family for family, heeded in heeds.items() if not heeded] if name in KNOBS else [],
        "recipes": {recipe: value for recipe, value in suited.items() if value != default},
    }


def here(adapter: competitions.Adapter | None, arguments: argparse.Namespace, name: str) -> dict[str, Any]:
    """What the knob is set to in a run, or in a competition with these flags; nothing where neither is named."""
    if arguments.run:
        return {"here": knob_origin.in_run(kit.load(arguments.run), name).json()}
    if adapter:
        return {"here": knob_origin.in_competition(adapter, arguments.preset, name, knob_flags.given(arguments)).json()}
    return {}


def in_words(told: dict[str, Any]) -> str:
    """All of it as lines."""
    name = told["knob"]
    default = configs.shown(name, told["default"])
    bounds = [f"{word} {told[key]:g}" for key, word in (("low", "at least"), ("high", "at most")) if told[key] is not None]
    lines = [
        f"{name}: {told['help']}",
        "",
        f"  group        {told['group']}",
        f"  set by       {told['flag']} …, {told['environment']}=…, or Config({name}=…) in a preset",
        f"  default      {default if default != '' else 'empty'}",
    ]
    lines += [f"  choices      {', '.join(map(str, told['choices']))}"] if told["choices"] else []
    lines += [f"  bounds       {', '.join(bounds)}"] if bounds else []
    lines += [f"  heeded by    {', '.join(told['heeded_by'])}"] if told["heeded_by"] else []
    lines += [f"  no use for   {', '.join(told['left_alone_by'])}"] if told["left_alone_by"] else []
    suited = [f"{configs.shown(name, value)} for {recipe}" for recipe, value in told["recipes"].items()]
    lines += [f"  {'' if i else 'recipes':12} {line}" for i, line in enumerate(suited)]
    if one := told.get("here"):
        taken = "" if one["taken"] is None else f": {one['taken']:g}"
        use = "" if one["heeded"] else f"; it changes nothing for --model {one['model']}"
        lines.append(
            f"  in {one['run'] or one['competition']}:  {configs.shown(name, one['value'])}{taken} (from {one['from']}{use})"
        )
        lines += textwrap.wrap(one["why"], 120, initial_indent="  why          ", subsequent_indent=" " * 15)
    return "\n".join(lines)
