"""Recheck: train a run and what it is better than on folds dealt anew."""

from __future__ import annotations

import argparse
import json

import kit
from kit.console import output
from kit.pipeline.comparison.recheck import recheck
from kit.storage import plain_json


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
    output(json.dumps(plain_json.finite(found.json()), allow_nan=False) if arguments.json else found.text())
    return 0
