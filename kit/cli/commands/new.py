"""New: write a first adapter for a competition from its files."""

from __future__ import annotations

import argparse
from pathlib import Path

from kit.cli import json_output, knob_flags
from kit.competition import scaffold
from kit.config import Config
from kit.console import output


def main(arguments: argparse.Namespace) -> int:
    config = Config().changed(**knob_flags.given(arguments))
    path, lines = scaffold.write(arguments.name, Path(arguments.folder), arguments.target, arguments.task, config)
    if arguments.json:
        json_output.show({"adapter": str(path), "lines": lines})
        return 0
    output("\n".join([str(path), *lines]))
    output("\nRead the file, then run:")
    output(f"  kit check {arguments.name} --data {arguments.folder}\n  kit run {arguments.name} --data {arguments.folder}")
    return 0
