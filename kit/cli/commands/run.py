"""Run: train all folds and write the submission."""

from __future__ import annotations

import argparse

import kit
from kit.cli import json_output, knob_flags
from kit.console import output
from kit.errors import Usage
from kit.reporting.summary import summary
from kit.storage.run_folder import Run


def main(arguments: argparse.Namespace) -> int:
    knobs = knob_flags.given(arguments)
    only = _numbers(arguments.only_fold)
    run = kit.run(
        arguments.name, arguments.data, arguments.preset, run_name=arguments.run_name, out=arguments.out, only_fold=only,
        fresh=arguments.fresh, rewrite=arguments.rewrite, quiet=arguments.quiet, **knobs,
    )  # fmt: skip
    show(run, arguments.json)
    return 0


def _numbers(text: str | None) -> list[int] | None:
    try:
        return [int(part) for part in text.split(",")] if text else None
    except ValueError:
        raise Usage(f"--only-fold {text!r}: the value must be fold numbers such as 0,2.") from None


def show(run: Run, as_json: bool) -> None:
    """Print what a run has reached, for people or as JSON."""
    if as_json:
        done = (
            {"submission": str(run.submission), "scores": run.scores} if run.complete else {"submission": None, "scores": None}
        )
        json_output.show({"run": str(run.path), "status": run.record.status, **done})
    else:
        output(summary(run))
