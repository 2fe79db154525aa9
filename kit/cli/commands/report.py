"""Report: write an HTML page on a run."""

from __future__ import annotations

import argparse
import json

import kit
from kit.console import output
from kit.reporting.report import page


def main(arguments: argparse.Namespace) -> int:
    path = page.write(kit.load(arguments.run), arguments.data)
    output(json.dumps({"report": str(path)}) if arguments.json else path)
    return 0
