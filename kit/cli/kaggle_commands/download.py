"""Download: the files of a competition from Kaggle."""

from __future__ import annotations

import argparse

from kit.cli import json_output
from kit.console import output
from kit.kaggle.download import download


def main(arguments: argparse.Namespace) -> int:
    paths = download(
        arguments.name, arguments.out, arguments.unpack, seconds=arguments.timeout, quiet=arguments.quiet,
    )  # fmt: skip
    if arguments.json:
        json_output.show({"files": [str(path) for path in paths]})
    else:
        output("\n".join(f"{path}  {path.stat().st_size:,} bytes" for path in paths))
    return 0
