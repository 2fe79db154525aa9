"""How long what should be instant takes: `kit --help`, `kit list`, completion in a shell, and the rerun of a complete run.

    python scripts/bench/startup.py

Medians of seven fresh processes each: wall time, and seconds of a core, which a busy machine changes less.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping

from contest import processor


def seconds(words: list[str], folder: str, more: Mapping[str, str]) -> str:
    """The median wall time and core seconds of a command."""
    taken, used = [], []
    for _ in range(7):
        began, before = time.perf_counter(), processor()
        subprocess.run(
            [sys.executable, "-m", "kit", *words], cwd=folder, check=True, capture_output=True, env={**os.environ, **more}
        )
        taken.append(time.perf_counter() - began)
        used.append(processor() - before)
    return f"{statistics.median(taken):.3f} s, {statistics.median(used):.3f} s of a core"


def completing(line: str) -> dict[str, str]:
    """What argcomplete's function in the shell sets at the key TAB after this line."""
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
    return {**asked, "_ARGCOMPLETE_SHELL": "bash", "_ARGCOMPLETE_STDOUT_FILENAME": os.devnull}


def main() -> None:
    """Time each command."""
    with tempfile.TemporaryDirectory() as folder:
        rerun = ["run", "digits", "--epochs", "1", "--width", "4"]
        subprocess.run([sys.executable, "-m", "kit", *rerun], cwd=folder, check=True, capture_output=True)
        for words in (["--help"], ["list"], rerun):
            print(f"kit {' '.join(words):40} {seconds(words, folder, {})}")
        for line in ("kit ru", "kit run ", "kit run digits --"):
            print(f"{line + '<TAB>':44} {seconds([], folder, completing(line))}")


if __name__ == "__main__":
    main()
