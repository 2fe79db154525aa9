"""Export: write the models of a run as one file, and compare it with the run; or the predictions of its folds as CSV."""

from __future__ import annotations

import argparse
from pathlib import Path

import kit
from kit.cli import json_output
from kit.console import output
from kit.inference import export
from kit.storage import predictions


def main(arguments: argparse.Namespace) -> int:
    run = kit.load(arguments.run)
    if arguments.format == "csv":
        paths = list(map(str, predictions.export_csv(run.path, Path(arguments.out or run.path / "export"))))
        if arguments.json:
            json_output.show({"predictions": paths})
        else:
            output("\n".join(paths))
        return 0
    done = export.export(run, arguments.format, arguments.data, arguments.out)
    if arguments.json:
        files = {"model": str(done.path), "card": str(done.card)}
        json_output.show({**files, "difference": done.difference, "rows": done.rows})
        return 0
    output(f"{done.path}  ({done.path.stat().st_size / 1e6:.1f} MB)\n{done.card}")
    output(f"largest difference from the models of the run on {done.rows} test rows  {done.difference:.1e}")
    if done.stored:
        output(f"largest difference from the predictions in test.csv  {done.stored}")
    return 0
