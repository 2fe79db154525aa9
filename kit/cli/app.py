"""The command line: parse, call a command, report errors in a few lines. Results go to stdout, all else to stderr.

A command's file is imported when it is called: torch and Lightning alone take seconds, and `kit --help` needs neither.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Mapping
from importlib import import_module
from typing import NoReturn

import kit
from kit import resources
from kit.cli import arguments as local_arguments, catalogue, completion, json_output, kaggle_arguments, knob_flags
from kit.cli.knob_flags import Shown
from kit.console import fail
from kit.errors import Usage, did_you_mean, explained
from kit.training.ranks import group

PACKAGES = {"Judge": "kit.cli.judging_commands", "Kaggle": "kit.cli.kaggle_commands"}  # of a group's commands
COMMANDS = {
    name: PACKAGES.get(kind, "kit.cli.commands") for kind, names in catalogue.GROUPS.items() for name in names
}  # name: package


class Parser(argparse.ArgumentParser):
    """Raises Usage, with a suggestion, where argparse would print its usage and exit."""

    def error(self, message: str) -> NoReturn:
        hint = ""
        if "invalid choice" in message:
            hint = did_you_mean(message.split("'")[1], COMMANDS)
            message = f"unknown command {message.split(chr(39))[1]!r}."
        raise Usage(f"{message.rstrip('.')}.{hint} See `{self.prog} --help`.")


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns its exit code. Errors take one to three lines, a traceback only with --debug."""
    argv = (sys.argv[1:] if argv is None else argv) or ["--help"]
    try:
        if completion.asked():
            _complete()
        return _call(parse(argv))
    except KeyboardInterrupt:
        return _fail("interrupted. The same command continues from the last saved state.", 130, argv)
    except BrokenPipeError:  # `kit list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as fault:
        return _fail(*explained(fault), argv)


def _complete() -> None:
    """Answer the shell that completes a command line, and end the process."""
    parser = _parser(knob_flags.shown(completion.words()))
    completion.offer(parser, _commands(parser).values())


def _call(arguments: argparse.Namespace) -> int:
    """The exit code of the command that the arguments name, whose file is imported now."""
    name = arguments.command
    if name != "run" and group.started():
        raise Usage(f"kit {name}: torchrun starts several processes, which only `kit run` can use. Run it without torchrun.")
    with resources.importing():
        command = import_module(f"{COMMANDS[name]}.{name}")
    return command.main(arguments)


def _fail(message: str, code: int, argv: list[str]) -> int:
    if "--debug" in argv:
        traceback.print_exc()
    fail(message)
    if "--json" in argv:
        json_output.show({"error": message, "code": code})
    return code


def parse(argv: list[str]) -> argparse.Namespace:
    """The arguments; raises Usage for an unknown flag or command."""
    parser = _parser(knob_flags.shown(argv))
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        flags = [flag for flag in _flags(parser, arguments.command) if flag.startswith("--")]
        if unknown[0] in flags:
            raise Usage(f"{unknown[0]} stands before its command. Write it behind: kit {arguments.command} … {unknown[0]}.")
        raise Usage(f"unknown argument {unknown[0]!r}.{did_you_mean(unknown[0], flags)} See `kit {arguments.command} --help`.")
    return arguments


def _flags(parser: Parser, command: str) -> list[str]:
    return [flag for action in _commands(parser)[command]._actions for flag in action.option_strings]


def _commands(parser: Parser) -> Mapping[str, argparse.ArgumentParser]:
    """The parsers of the commands, by name."""
    return next(action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))


class MapParser(Parser):
    """The parser of `kit` itself, whose help is the map of all commands."""

    def format_help(self) -> str:
        subparsers = next(a for a in self._actions if isinstance(a, argparse._SubParsersAction))
        return catalogue.overview({one.dest: one.help or "" for one in subparsers._choices_actions})


def _parser(knobs: Shown) -> Parser:
    parser = MapParser(prog="kit", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=_version())
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    common = Parser(add_help=False)
    common.add_argument("--quiet", action="store_true", help="do not print progress")
    common.add_argument("--json", action="store_true", help="print the result as JSON")
    common.add_argument("--debug", action="store_true", help="print the traceback of an error")

    def add(name: str, help: str) -> argparse.ArgumentParser:
        return subparsers.add_parser(
            name, help=help, description=f"{help[0].upper()}{help[1:]}.", parents=[common], allow_abbrev=False
        )

    local_arguments.add(add, knobs)
    kaggle_arguments.add(add)
    return parser


def _version() -> str:
    return kit.__version__
