"""What `--lr auto` finds beside seven learning rates picked by hand: fold 0's score of each, and what the search costs.

    python scripts/bench/rates.py NAME [--data DIR] [--KNOB VALUE …]

All fits are the same but for the rate. The rate that was found is trained once more by hand: its score must be the same,
and the CPU seconds between the two are the search.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import kit
from kit import competition
from kit.pipeline.crossval import read_json  # the imports of a run, before any clock starts

GRID = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)


def fit(folder: Path, name: str, data: str | None, preset: str, knobs: dict[str, Any]) -> tuple[float, float, float]:
    """Score, CPU seconds and learning rate of fold 0; a rate that diverges has no score (NaN)."""
    began = time.process_time()
    run = kit.Run(folder)
    try:
        run = kit.run(name, data, preset, out=folder, only_fold=[0], quiet=True, **knobs)
        score = read_json(run.fold(0) / "fold.json")["score"]
    except kit.Diverged:
        score = float("nan")
    return score, time.process_time() - began, run.info.get("chosen", {}).get("lr", 0.0)


def main() -> None:
    """Print a line a rate, then the ratio of the found one's score to the best."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--data")
    parser.add_argument("--preset", default="fast")
    known, rest = parser.parse_known_args()
    knobs = dict(zip((word.removeprefix("--").replace("-", "_") for word in rest[::2]), rest[1::2], strict=True))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        score, seconds, found = fit(folder / "auto", known.name, known.data, known.preset, {**knobs, "lr": "auto"})
        print(f"auto: {score:.5f}  {seconds:.1f} s", flush=True)
        scores = {}
        for rate in (found, *GRID):
            scores[rate], took, _ = fit(folder / f"{rate}", known.name, known.data, known.preset, {**knobs, "lr": rate})
            print(f"{rate:<7g} {scores[rate]:.5f}  {took:.1f} s", flush=True)
            if rate == found:
                search = seconds - took
                assert scores[rate] == score, "the search changed the fit"
    better = max if competition.load(known.name).competition.metric.higher_is_better else min
    best = better((rate for rate in GRID if scores[rate] == scores[rate]), key=scores.__getitem__)
    print(f"found {found:g}: {score:.5f}; best of the grid {best:g}: {scores[best]:.5f}; ratio {score / scores[best]:.4f}")
    print(f"the search took {search:.1f} CPU s beside {seconds - search:.1f} of one fit")


if __name__ == "__main__":
    main()
