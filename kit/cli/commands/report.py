"""Report: write an HTML page on a run."""

from __future__ import annotations

import argparse
from dataclasses import asdict

import kit
from kit.cli import json_output
from kit.console import output
from kit.reporting.advice import rules
from kit.reporting.report import findings, guidance, page


def main(arguments: argparse.Namespace) -> int:
    found = findings.gather(kit.load(arguments.run), arguments.data)
    path = page.save(found)
    if arguments.json:
        following = [asdict(one) for one in rules.advice(found)]
        json_output.show({"report": str(path), "meaning": guidance.in_words(found), "next": following})
    else:
        output(path)
    return 0
