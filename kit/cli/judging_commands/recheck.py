"""Recheck: train a run and what it is better than on folds dealt anew."""

from __future__ import annotations

import argparse

import kit
from kit.cli import json_output
from kit.console import output
from kit.pipeline.comparison.recheck import recheck


def main(arguments: argparse.Namespace) -> int:
    found = recheck(
        kit.load(arguments.run),
        kit.load(arguments.against) if arguments.against else None,
        seed=arguments.seed,
        repeats=arguments.repeats,
        limit=arguments.limit,
        data=arguments.data,
        out=arguments.out,
        fresh=arguments.fresh,
        quiet=arguments.quiet,
    )
    if arguments.json:
        json_output.show(found.json())
    else:
        output(found.text())
    return 0
