"""List: the competitions that have an adapter, and where their data was found."""

from __future__ import annotations

import argparse

from kit import competition as competitions
from kit.cli import json_output
from kit.console import fail, output, table
from kit.errors import Usage

NOWHERE = "—"


def main(arguments: argparse.Namespace) -> int:
    rows = []
    for name in competitions.names():
        try:
            facts = competitions.load(name).competition
        except Usage as fault:
            fail(str(fault))
            continue
        place = next((str(p) for p in facts.places() if facts.is_at(p)), "built in" if facts.embedded else NOWHERE)
        rows.append([name, facts.slug, facts.inputs.kind, facts.labels.describe(), facts.metric.name, place])
    header = ["name", "slug", "inputs", "labels", "metric", "data"]
    if arguments.json:
        found = [dict(zip(header, row, strict=True)) for row in rows]
        json_output.show({"competitions": [one | {"data": None if one["data"] == NOWHERE else one["data"]} for one in found]})
    else:
        output(table(header, rows))
    return 0
