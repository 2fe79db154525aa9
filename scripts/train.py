"""Train by editing this file rather than typing flags: `python scripts/train.py`."""

import sys

import kit

COMPETITION = "digits"
PRESET = "fast"
KNOBS = {"epochs": 20, "seed": 0}


def main(data: str | None = None, **changes: object) -> kit.Run:
    """Run (or resume, or look up) the run that the values above describe; prints its scores."""
    run = kit.run(COMPETITION, data=data, preset=PRESET, **(KNOBS | changes))
    scores = run.scores
    print(
        f"{run.path}: {scores['metric']} {scores['oof']:.5f} out of fold, {scores['mean']:.5f} ± {scores['std']:.5f} over folds"
    )
    return run


if __name__ == "__main__":
    main(*sys.argv[1:2])
