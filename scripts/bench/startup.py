"""How long the commands take that should be instant: `kit --help`, `kit list`, and the rerun of a complete run.

    python scripts/bench/startup.py

Medians of seven fresh processes each.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time


def seconds(words: list[str], folder: str) -> float:
    """The median wall time of a command."""
    taken = []
    for _ in range(7):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "kit", *words], cwd=folder, check=True, capture_output=True)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def main() -> None:
    """Time each command."""
    with tempfile.TemporaryDirectory() as folder:
        rerun = ["run", "digits", "--epochs", "1", "--width", "4"]
        subprocess.run([sys.executable, "-m", "kit", *rerun], cwd=folder, check=True, capture_output=True)
        for words in (["--help"], ["list"], rerun):
            print(f"kit {' '.join(words):40} {seconds(words, folder):.3f} s")


if __name__ == "__main__":
    main()
