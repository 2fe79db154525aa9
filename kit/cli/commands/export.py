"""Export: write the models of a run as one file, and compare it with the run."""

from __future__ import annotations

import argparse
import json

import kit
from kit.inference import export
from kit.storage import plain_json


def main(arguments: argparse.Namespace) -> int:
    run = kit.load(arguments.run)
    done = export.export(run, arguments.format, arguments.data, arguments.out)
    if arguments.json:
        print(
            json.dumps(
                plain_json.finite(
                    {"model": str(done.path), "card": str(done.card), "difference": done.difference, "rows": done.rows}
                ),
                allow_nan=False,
            )
        )
        return 0
    print(f"{done.path}  ({done.path.stat().st_size / 1e6:.1f} MB)\n{done.card}")
    print(f"largest difference from the models of the run on {done.rows} test rows  {done.difference:.1e}")
    if done.stored:
        print(f"largest difference from the predictions in test.csv  {done.stored}")
    return 0
