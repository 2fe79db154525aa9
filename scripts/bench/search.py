"""Does `kit tune` find better values by TPE than by chance, and what does asking cost?

    python scripts/bench/search.py [NAME] [--data DIR] [--trials 30] [--seeds 3] [--knobs …] [--limit 600] [--epochs 3]
    python scripts/bench/search.py --ask

Each seed searches twice, all values drawn or those after the first ten asked of TPE, in turns. Printed are the best score on
the fold that chooses after 20 and after all trials, the median of the trials after the first ten, and the gain over the preset
on the fold that chose nothing. `--ask`: milliseconds to ask for a trial after 200 and 1,000 others, four knobs, median of nine.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from pathlib import Path

from kit.config import Config
from kit.models.families import MLP
from kit.pipeline.plan import planned
from kit.pipeline.search import sampling, search_space, tuning
from kit.pipeline.search.sampling import Ended, Sampler
from kit.storage.run_folder import Run

DRAWN = sampling.DRAWN


def main() -> None:
    """Print one of the two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default="digits")
    parser.add_argument("--data")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--knobs", default="")
    parser.add_argument("--limit", type=int, default=600)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--ask", action="store_true")
    arguments = parser.parse_args()
    if arguments.ask:
        ask()
        return
    for seed in range(arguments.seeds):
        for way in ("drawn", "TPE"):
            show(arguments, seed, way)


def show(arguments: argparse.Namespace, seed: int, way: str) -> None:
    """Search one way, and print what was found."""
    sampling.DRAWN = arguments.trials if way == "drawn" else DRAWN
    knobs = {"seed": seed, "limit": arguments.limit, "epochs": arguments.epochs, "folds": 3}
    plan = planned(arguments.name, arguments.data, "fast", knobs)
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        found = tuning.tune(plan, arguments.trials, arguments.knobs, Run(Path(folder) / "t"), fresh=False, quiet=True)
        took = time.monotonic() - began
    best = max if plan.adapter.competition.metric.higher_is_better else min
    first, every = (best(one.score for one in found.trials if one.number < n and one.score is not None) for n in (20, 10**6))
    pruned = sum(one.state == "pruned" for one in found.trials)
    late = statistics.median(one.score for one in found.trials if one.number >= DRAWN and one.score is not None)
    gain = "none" if found.gain is None else f"{found.gain.gain:+.5f} ± {found.gain.noise:.5f}"
    print(
        f"seed {seed}, {way:5}: best of 20 {first:.5f}, of {arguments.trials} {every:.5f}; median after ten {late:.5f}; "
        f"gain on the other fold {gain}; {pruned} pruned; {took:.0f} s",
        flush=True,
    )


def ask() -> None:
    """Print the time of a question after many trials."""
    config = Config(model="mlp", weight_decay=0.3)
    ranges = search_space.usual(config, MLP)
    sampler = Sampler(ranges, {one.name: getattr(config, one.name) for one in ranges}, 0, higher_is_better=False)
    for count in (20, 200, 1000):
        drawn = [search_space.draw(ranges, 0, number) for number in range(count)]
        ended = [Ended(number, knobs, math.log(knobs.get("lr", config.lr)) ** 2) for number, knobs in enumerate(drawn)]
        times = []
        for number in range(10):
            began = time.perf_counter()
            sampler.ask(count + number, ended)
            times.append(1000 * (time.perf_counter() - began))
        print(f"after {count} trials: {statistics.median(times[1:]):.1f} ms ({min(times[1:]):.1f} to {max(times[1:]):.1f})")


if __name__ == "__main__":
    main()
