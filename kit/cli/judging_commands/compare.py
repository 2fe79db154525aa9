"""Compare: how much better one run is than another, how surely, and on which rows."""

from __future__ import annotations

import argparse

import kit
from kit.cli import json_output
from kit.console import output


def main(arguments: argparse.Namespace) -> int:
    found = kit.compare(arguments.runs, by=arguments.by, data=arguments.data)
    if arguments.json:
        json_output.show(found.json())
    else:
        output(found.text())
    return 0
