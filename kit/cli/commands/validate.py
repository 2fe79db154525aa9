"""Validate: list all errors of a submission file, with line and id."""

from __future__ import annotations

import argparse

import kit
from kit.cli import json_output, knob_flags
from kit.console import output, printable


def main(arguments: argparse.Namespace) -> int:
    knobs = knob_flags.given(arguments)
    faults = kit.validate(arguments.name, arguments.file, arguments.data, **knobs)
    if arguments.json:
        json_output.show({"file": arguments.file, "valid": not faults, "faults": faults})
    else:
        output(
            "\n".join(printable(f"{arguments.file}: {fault}", lines=False) for fault in faults)
            or f"{arguments.file}: no errors"
        )
    return 65 if faults else 0
