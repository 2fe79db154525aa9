"""List: the competitions that have an adapter, and where their data was found."""

from __future__ import annotations

import argparse
import json

from kit import competition as competitions
from kit.console import fail, output, table
from kit.errors import Usage


def main(arguments: argparse.Namespace) -> int:
    rows = []
    for name in competitions.names():
        try:
            facts = competitions.load(name).competition
        except Usage as fault:
            fail(str(fault))
            continue
        place = next((str(p) for p in facts.places() if facts.is_at(p)), "built in" if facts.embedded else "—")
        rows.append([name, facts.slug, facts.inputs.kind, facts.labels.describe(), facts.metric.name, place])
    header = ["name", "slug", "inputs", "labels", "metric", "data"]
    if arguments.json:
        output(json.dumps([dict(zip(header, row, strict=True)) for row in rows]))
    else:
        output(table(header, rows))
    return 0
