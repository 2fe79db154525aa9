"""Reference: the public Python names, the commands and the knobs as Markdown, from the code that has them."""

import argparse
import inspect
from collections.abc import Iterable

import kit
from kit import config, knobs as knob_groups
from kit.cli import app, catalogue, knob_flags
from kit.cli.commands.explain import about

KINDS = (  # every public name is of one of them
    ("Functions", lambda value: inspect.isfunction(value)),
    ("A run", lambda value: value is kit.Run),
    ("A competition and its choices", lambda value: value in (kit.Competition, kit.Asked, kit.Metric, kit.Config)),
    ("Inputs", lambda value: issubclass(value, kit.Inputs | kit.Loaded)),
    ("Labels", lambda value: issubclass(value, kit.Labels)),
    ("Models", lambda value: issubclass(value, kit.FoldModule)),
    ("Errors", lambda value: issubclass(value, kit.KitError)),
)
RETURNED = ("kit.pipeline.study.Study", "kit.pipeline.study.StudyFold", "kit.pipeline.comparison.compare.Comparison")
SHOWN_ONCE = ("-h", "--help", "--quiet", "--json", "--debug")  # every command has them


def python() -> str:
    """What `kit` makes public, by kind, with the docstrings."""
    kinds: dict[str, list[str]] = {kind: [] for kind, _ in KINDS}
    for name in kit.__all__:
        kinds[next(kind for kind, holds in KINDS if holds(getattr(kit, name)))].append(name)
    kinds["What study and compare return"] = list(RETURNED)
    return "\n".join(f"## {kind}\n\n```{{eval-rst}}\n{''.join(map(directive, names))}```\n" for kind, names in kinds.items())


def directive(name: str) -> str:
    """The Sphinx directive for a public name: a class with its documented methods."""
    if name in RETURNED:
        return f".. autoclass:: {name}()\n   :members:\n\n"
    if name == "Config":  # its constructor takes every knob, of which there is a page
        return ".. autoclass:: kit.Config(**knobs)\n   :members: changed, json\n\n"
    if inspect.isfunction(getattr(kit, name)):
        return f".. autofunction:: kit.{name}\n\n"
    if name == "FoldModule":  # what it has of Lightning is in Lightning's documentation
        return f".. autoclass:: kit.{name}\n   :members: {', '.join(own_members(kit.FoldModule))}\n\n"
    inherited = "   :inherited-members:\n   :exclude-members: began, change, locked, note, record\n" if name == "Run" else ""
    return f".. autoclass:: kit.{name}\n   :members:\n{inherited}\n"


def own_members(kind: type) -> list[str]:
    """The documented methods that a class has of itself and of the kit's classes below it."""
    every = [one for below in kind.__mro__ if below.__module__.startswith("kit.") for one in vars(below).items()]
    methods = [(name, value) for name, value in every if inspect.isfunction(value) or isinstance(value, classmethod | property)]
    return list(dict.fromkeys(name for name, value in methods if not name.startswith("_") and value.__doc__))


def commands() -> str:
    """Every command by group, with its options."""
    parser = app._parser(knob_flags.ALL)
    subparsers = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    lines: list[str] = []
    for group, names in catalogue.GROUPS.items():
        lines += [f"## {group}", ""]
        for name in names:
            lines += [f"### `kit {name}`", "", *command(subparsers.choices[name])]
    examples = (f"{words}  # {said}" for words, said in catalogue.EXAMPLES)
    return "\n".join([*lines, "## Examples", "", "```", *examples, "```", ""])


def command(parser: argparse.ArgumentParser) -> Iterable[str]:
    """A command's purpose, its line, and what it takes beside the knobs."""
    rows = [
        action
        for action in parser._actions
        if not {*action.option_strings} & {*SHOWN_ONCE} and action.help is not argparse.SUPPRESS
    ]
    own = [action for action in rows if not action.dest.startswith(knob_flags.PREFIX)]
    taken = [action for action in rows if action.dest.startswith(knob_flags.PREFIX)]
    yield from (f"{parser.description}", "")
    for action in own:
        yield from (f"{spelling(action)}\n: {plain(action.help)}", "")
    if len(taken) > len(own) + 10:
        yield from ("It takes all [knobs](knobs.md).", "")
    elif taken:
        yield from (f"Knobs: {', '.join(link(action.dest.removeprefix(knob_flags.PREFIX)) for action in taken)}.", "")


def spelling(action: argparse.Action) -> str:
    """An argument as it is written: `--out OUT`, `RUN`, `--task classes|numbers`."""
    value = action.metavar or "|".join(action.choices or ()) or action.dest.upper()
    words = action.option_strings or [str(value)]
    tail = f" {value}" if action.option_strings and action.nargs != 0 else ""
    return ", ".join(f"`{word}{tail}`" for word in words)


def knobs() -> str:
    """Every knob by group: its help, default, choices, bounds, who heeds it, and what recipes set."""
    lines: list[str] = []
    for group in knob_groups.GROUPS:
        lines += [f"## {str(group.__doc__).rstrip('.')}", ""]
        for name in config.KNOBS:
            if name in knob_groups.names(group):
                lines += knob(name)
    return "\n".join(lines)


def knob(name: str) -> Iterable[str]:
    """A knob, with what `kit explain` says of it."""
    told = about(name, config.KNOBS[name])
    default = config.shown(name, told["default"])
    facts = [f"Default {code(default)}" if default != "" else "Empty by default"]
    facts += [f"one of {', '.join(map(code, told['choices']))}"] if told["choices"] else []
    facts += [f"at least {told['low']:g}"] if told["low"] is not None else []
    facts += [f"at most {told['high']:g}"] if told["high"] is not None else []
    lines = [f"{'; '.join(facts)}."]
    lines += [f"Heeded by {', '.join(told['heeded_by'])}."] if told["left_alone_by"] and told["heeded_by"] else []
    values = (f"{code(config.shown(name, value))} for {recipe}" for recipe, value in told["recipes"].items())
    lines += [f"Recipes: {'; '.join(values)}."] if told["recipes"] else []
    yield from (f"### `{told['flag']}`", "", plain(told["help"]), "", "\\\n".join(lines), "")


def link(name: str) -> str:
    """A knob's flag, leading to its place on the page of knobs."""
    flag = config.flag(name)
    return f"[`{flag}`](knobs.md#{flag})"


def code(value: object) -> str:
    return f"`{value}`"


def plain(text: str | None) -> str:
    """A help text as Markdown."""
    return (text or "").replace("%%", "%").replace("<", "\\<").replace("*", "\\*").replace("|", "\\|")
