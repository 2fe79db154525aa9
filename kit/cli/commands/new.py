"""New: write a first adapter for a competition from its files."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from kit.competition import scaffold


def main(arguments: argparse.Namespace) -> int:
    path, lines = scaffold.write(arguments.name, Path(arguments.folder), arguments.target, arguments.task)
    if arguments.json:
        print(json.dumps({"adapter": str(path), "lines": lines}))
        return 0
    print("\n".join([str(path), *lines]))
    print(f"\nRead the file, then run: kit check {arguments.name} --data {arguments.folder}")
    return 0
