"""Make a submission from a finished run's checkpoints: `python scripts/make_submission.py runs/digits/fast [DATA]`."""

import sys
from pathlib import Path

import kit

VIEWS = 5


def main(run: str, data: str | None = None) -> Path:
    """Predict the test set in `data` (default: the run's own) with VIEWS views; prints where the submission is."""
    answers, path = kit.predict(run, data=data, views=VIEWS)
    print(f"{path}: {len(answers)} rows")
    return path


if __name__ == "__main__":
    main(*sys.argv[1:3])
