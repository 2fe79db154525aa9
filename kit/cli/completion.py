"""Completion: what a shell offers at the key TAB: commands, flags, competitions, runs, knobs. Needs the extra `completion`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kit import adapter_files
from kit.config import KNOBS, flag
from kit.errors import Usage

ASKED = "_ARGCOMPLETE"  # the variable that the shell's function sets


def asked() -> bool:
    """Does a shell ask, rather than a person run a command?"""
    return ASKED in os.environ


def words() -> list[str]:
    """The words that are whole, without `kit` itself and the one that is being typed."""
    line = os.environ.get("COMP_LINE", "")
    whole = line.split()[1:]
    return whole if line.endswith(" ") else whole[:-1]


def offer(parser: argparse.ArgumentParser, commands: Iterable[argparse.ArgumentParser]) -> None:
    """Answer the shell and end the process."""
    try:
        import argcomplete
    except ImportError:
        raise Usage("shell completion needs the extra `completion`: pip install argcomplete") from None
    files = argcomplete.FilesCompleter()
    offers: dict[str, Callable[..., Iterable[str]]] = {
        "NAME": competitions, "RUN": runs, "FILE": files, "DIR": files, "KNOB": knobs, "FILE|RUN": runs,
    }  # fmt: skip
    for command in commands:
        for action in command._actions:
            completer = offers.get(str(action.metavar)) or of_values(action)
            if completer is not None:
                action.completer = completer  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser, always_complete_options=False)


def of_values(action: argparse.Action) -> Callable[..., Iterable[str]] | None:
    """What completes an argument that takes one of a few words; None for any other, which files complete."""
    name = action.dest.removeprefix("knob ")
    if action.dest.startswith("knob ") and name in KNOBS and (choices := KNOBS[name].metadata["choices"]):
        return lambda **_: [str(one) for one in choices if one]
    listed = {"preset": ("fast", "best"), "action": ("build", "rehearse", "push", "status")}.get(action.dest)
    return None if listed is None else lambda **_: listed


def competitions(**_: Any) -> list[str]:
    """The names of all adapters."""
    return list(adapter_files.names())


def runs(**_: Any) -> list[str]:
    """The folders of all runs below the working directory's `runs/`."""
    return sorted(str(path.parent) for path in Path("runs").glob("*/*/run.json"))


def knobs(**_: Any) -> list[str]:
    """The names of all knobs, as flags have them."""
    return [flag(name).removeprefix("--") for name in KNOBS]
