"""Blend: combine several runs with weights chosen on out-of-fold predictions."""

from __future__ import annotations

import argparse
from pathlib import Path

import kit
from kit.cli.commands import run as run_command
from kit.errors import Usage
from kit.inference.blend import blend


def main(arguments: argparse.Namespace) -> int:
    if len(arguments.oof) != len(arguments.test):
        raise Usage(f"{len(arguments.oof)} --oof and {len(arguments.test)} --test: each --oof file needs its --test file.")
    pairs = [(Path(oof), Path(test)) for oof, test in zip(arguments.oof, arguments.test, strict=True)]
    sources = [kit.load(one) for one in arguments.runs]
    run = blend(
        sources, pairs, name=arguments.run_name, out=arguments.out, data=arguments.data,
        fresh=arguments.fresh, quiet=arguments.quiet, way=arguments.by, columns=arguments.columns,
    )  # fmt: skip
    run_command.show(run, arguments.json)
    return 0
