"""What five folds cost beside one fit on all rows with the same epochs, training and prediction included.

    python scripts/bench/folds.py NAME --data DIR [--epochs 3]

One run with `--final both` does both; printed are the seconds of each and their ratio.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import kit
from kit.storage.run_folder import read_json


def main() -> None:
    """Run, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--data")
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = kit.run(arguments.name, arguments.data, out=Path(folder) / "run", epochs=arguments.epochs, final="both")
        parts = {name: read_json(run.fold(name) / "fold.json")["seconds"] for name in (*run.info["folds"], "refit")}
    seconds = {name: part["train"] + part["predict"] for name, part in parts.items()}
    refit = seconds.pop("refit")
    total = sum(seconds.values())
    print(f"{len(seconds)} folds {total:.1f} s, one fit on all rows {refit:.1f} s: {total / refit:.2f}×")


if __name__ == "__main__":
    main()
