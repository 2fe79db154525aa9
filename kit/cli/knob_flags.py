"""Knobs as flags: in groups, those that the chosen model heeds, with an adapter's own among them.

Adapters (with numpy) are loaded only for a command line that names one: `kit --help` takes a tenth of a second.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass
from typing import Any

from kit.cli.catalogue import USUAL
from kit.config import KNOBS, Config, flag, shown as shown_value, switch
from kit.errors import KitError
from kit.models import families

PREFIX = "knob "  # of a knob's place among the parsed arguments: no option is called so
OF_AN_ADAPTER = ("run", "tune", "check", "shadow")  # commands whose first word is a competition, and that take all knobs


@dataclass(frozen=True)
class Shown:
    """The knobs of one command line. `groups`: names by heading, as help shows them; the others serve too, unseen.

    `preset`: the values that they have where no flag is given, and `whose` these are.
    """

    fields: Mapping[str, Field[Any]]
    groups: Mapping[str, Sequence[str]]
    preset: Mapping[str, Any]
    whose: str = ""

    def help(self, name: str) -> str:
        """What a knob does, its choices, and its value unless it is given."""
        about, value = self.fields[name].metadata, shown_value(name, self.preset[name])
        choices = f" ({', '.join(filter(None, about['choices']))})" if about["choices"] else ""
        known = f" ({'here' if self.whose else 'default'}: {value})" if value else ""
        return f"{about['help']}{choices}{known}".replace("%", "%%")


ALL = Shown(KNOBS, families.grouped(frozenset(KNOBS)), Config().json())


def shown(argv: Sequence[str]) -> Shown:
    """The knobs that a command line is about: of the competition and `--model` that it names, else all there are."""
    if len(argv) < 2 or argv[0] not in OF_AN_ADAPTER or argv[1].startswith("-"):
        return ALL
    from kit.competition import loading

    try:
        adapter = loading.load(argv[1])
        config = adapter.preset(_value(argv, "--preset") or "fast", model=_value(argv, "--model"))
        model = _value(argv, "--model") or config.model
        facts = adapter.competition
        family = families.of(model, facts.inputs.kind, facts.labels.reads, adapter.parts)
        family = family.by(_value(argv, "--strategy") or config.strategy, model)
    except KitError:  # it is said when the command is carried out
        return ALL
    own = adapter.parts.knobs
    return Shown(config.known, families.grouped(family.heeds, dict(own)), config.json(), f"--model {model}")


def _value(argv: Sequence[str], name: str) -> str:
    """What follows a flag, as `--model resnet18` or `--model=resnet18`; "" where it is not there."""
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        if word == name:
            return following
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return ""


def add(command: argparse.ArgumentParser, these: Shown) -> None:
    """Give a command these knobs as flags."""
    heeded = [name for names in these.groups.values() for name in names]
    usual = {"The usual ones": [name for name in USUAL if name in heeded]}
    rest = {heading: [name for name in names if name not in USUAL] for heading, names in these.groups.items()}
    for heading, names in (usual | rest).items():
        group = command.add_argument_group(heading.rstrip(".")) if names else command
        for name in names:
            _add(group, name, these.fields[name], these.help(name))
    for name in these.fields:
        if name not in heeded:
            _add(command, name, these.fields[name], argparse.SUPPRESS)
    left_out = f"Knobs that change nothing for {these.whose} are not shown; `{command.prog} --help` without a name shows all. "
    positional = " ".join(str(action.metavar) for action in command._actions if not action.option_strings)
    command.usage = f"{command.prog} {positional} [OPTION …] [--KNOB VALUE …]"
    command.epilog = (left_out if these.whose else "") + "The environment sets knobs too: KIT_EPOCHS=3."


def add_some(command: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Give a command a few knobs."""
    for name in names:
        _add(command, name, KNOBS[name], ALL.help(name))


def _add(group: Any, name: str, about: Field[Any], text: str) -> None:
    flags = [flag(name), "--label"] if name == "target" else [flag(name)]
    bare: dict[str, Any] = {"nargs": "?", "const": "1"} if switch(about) else {}
    group.add_argument(*flags, dest=PREFIX + name, default=argparse.SUPPRESS, metavar="…", help=text, **bare)


def given(arguments: argparse.Namespace) -> dict[str, Any]:
    """The knobs that were given as flags, by name."""
    return {name.removeprefix(PREFIX): value for name, value in vars(arguments).items() if name.startswith(PREFIX)}
