"""Shadow: a leaderboard of one's own, from training rows that are kept back."""

from __future__ import annotations

import argparse
import json

from kit.cli import knob_flags
from kit.console import output
from kit.pipeline.shadow.shadow import shadow
from kit.storage import plain_json


def main(arguments: argparse.Namespace) -> int:
    found = shadow(
        arguments.name,
        arguments.data,
        [name.strip() for name in arguments.presets.split(",") if name.strip()],
        out=arguments.out,
        leaderboard=arguments.leaderboard,
        fresh=arguments.fresh,
        quiet=arguments.quiet,
        knobs=knob_flags.given(arguments),
    )
    output(json.dumps(plain_json.finite(found.json()), allow_nan=False) if arguments.json else found.text())
    return 0
