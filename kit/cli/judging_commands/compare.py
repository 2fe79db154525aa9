"""Compare: how much better one run is than another, how surely, and on which rows."""

from __future__ import annotations

import argparse
import json

import kit
from kit.console import output
from kit.storage import plain_json


def main(arguments: argparse.Namespace) -> int:
    found = kit.compare(arguments.runs, by=arguments.by, data=arguments.data)
    output(json.dumps(plain_json.finite(found.json()), allow_nan=False) if arguments.json else found.text())
    return 0
