"""Contest: contenders in fresh processes that take turns, so that a noisy machine disturbs all of them alike."""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

Results = dict[str, list[dict[str, float]]]


def parser(
    about: str | None, contenders: Iterable[str] | None = None, repeats: int = 3, data: bool = True
) -> argparse.ArgumentParser:
    """The arguments that contests have in common; `data`: there is a competition's folder to give.

    `--contender` is how a script runs itself again: see `alternate`.
    """
    made = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    if data:
        made.add_argument("--data", type=Path, required=True)
    made.add_argument("--repeats", type=int, default=repeats)
    made.add_argument("--contender", choices=contenders, help=argparse.SUPPRESS)
    return made


def alternate(names: Iterable[str], repeats: int, more: Callable[[str], list[str]] = lambda name: []) -> Results:
    """Run this script again as `--contender NAME`, with `more(name)` besides, each in turn, so many times.

    A contender prints JSON as its last line; `seconds` and `cpu` (user and system), of its whole process, are added unless
    it says so itself. On a machine that others use too, only `cpu` can be compared.
    """
    results: Results = {name: [] for name in names}
    for _ in range(repeats):
        for name, many in results.items():
            began, used = time.perf_counter(), processor()
            words = [sys.executable, *sys.argv, "--contender", name, *more(name)]
            answer = subprocess.run(words, capture_output=True, text=True, check=True)
            spent = {"seconds": time.perf_counter() - began, "cpu": processor() - used}
            many.append({**spent, **json.loads(answer.stdout.splitlines()[-1])})
            print(f"{name:20}", many[-1], file=sys.stderr)
    return results


def processor() -> float:
    """User and system seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def medians(results: Results) -> dict[str, dict[str, float]]:
    """The median of every figure of every contender."""
    return {name: {key: statistics.median(one[key] for one in many) for key in many[0]} for name, many in results.items()}
