"""Validate: list all errors of a submission file, with line and id."""

from __future__ import annotations

import argparse
import json

import kit
from kit.cli import knob_flags
from kit.console import output, printable


def main(arguments: argparse.Namespace) -> int:
    knobs = knob_flags.given(arguments)
    faults = kit.validate(arguments.name, arguments.file, arguments.data, **knobs)
    if arguments.json:
        output(json.dumps(faults))
    else:
        output(
            "\n".join(printable(f"{arguments.file}: {fault}", lines=False) for fault in faults)
            or f"{arguments.file}: no errors"
        )
    return 65 if faults else 0
