"""Tune: try values of some knobs on one fold, and test the best on another."""

from __future__ import annotations

import argparse
import shlex

from kit.cli import json_output, knob_flags
from kit.config import flag
from kit.console import output
from kit.pipeline.plan import continued, planned
from kit.pipeline.search import tuning
from kit.pipeline.search.trials import summary
from kit.storage.run_folder import Run


def main(arguments: argparse.Namespace) -> int:
    knobs = knob_flags.given(arguments)
    asked = arguments.name, arguments.data, arguments.preset, knobs
    plan = planned(*asked)
    target = Run(plan.folder(arguments.run_name, arguments.out, "tune-"))
    plan = plan if arguments.fresh else continued(plan, target, *asked)
    found = tuning.tune(
        plan, arguments.trials, arguments.tuned, target, fresh=arguments.fresh, quiet=arguments.quiet,
    )  # fmt: skip
    given = {"--data": arguments.data, "--preset": arguments.preset if arguments.preset != "fast" else None}
    given |= {flag(name): value for name, value in knobs.items() if name not in (*found.best.knobs, "time_budget")}
    words = [word for name, value in given.items() if value is not None for word in (name, str(value))]
    command = shlex.join(["kit", "run", arguments.name, *words])
    if arguments.json:
        gain = {"gain": found.gain.gain, "noise": found.gain.noise, "pays": found.gain.pays} if found.gain else None
        trials = [vars(one) for one in found.trials]
        json_output.show({"run": str(found.run.path), "trials": trials, "gain": gain, "command": command})
    else:
        output(summary(found, command))
    return 0
