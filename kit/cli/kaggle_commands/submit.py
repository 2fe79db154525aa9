"""Submit: send a submission, or show the scores of earlier ones."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from kit.cli import json_output
from kit.console import output, table
from kit.kaggle.submit import refresh, submit


def main(arguments: argparse.Namespace) -> int:
    if arguments.what is None:
        show(refresh(arguments.name, arguments.timeout, arguments.quiet), arguments.json)
        return 0
    what, name = arguments.what, arguments.name
    message = arguments.message or Path(what).name
    submission = submit(
        name, what, message, data=arguments.data, wait=arguments.wait, zipped=arguments.zip,
        seconds=arguments.timeout, quiet=arguments.quiet,
    )  # fmt: skip
    show([submission], arguments.json)
    return 0


def show(submissions: list[dict[str, Any]], as_json: bool) -> None:
    """Print submissions as a table, or as JSON."""
    if as_json:
        json_output.show({"submissions": submissions})
        return
    names = ("ref", "status", "public", "private", "message", "reason")
    rows = [[str(one.get(name) or "") for name in names] for one in submissions]
    output(table(list(names), rows) if rows else "There are no submissions yet.")
