"""Shadow: a leaderboard of one's own, from training rows that are kept back."""

from __future__ import annotations

import argparse

from kit.cli import json_output, knob_flags
from kit.console import output
from kit.pipeline.shadow.shadow import shadow


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
    if arguments.json:
        json_output.show(found.json())
    else:
        output(found.text())
    return 0
