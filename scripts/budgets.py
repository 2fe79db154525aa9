"""Do runs keep their time budgets? `python scripts/budgets.py [RUNS [SHORTEST LONGEST]]` prints a line for each.

20 runs of 30 to 180 seconds unless told otherwise (35 minutes), each in a fresh process, on what data there is: the
embedded competitions', and real ones' where $KIT_DATA has them. Fails where one overran or left no valid submission.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from kit import competition
from kit.storage.run_folder import Run, read_json

KINDS: tuple[tuple[str, str, dict[str, object]], ...] = (  # more than any of the budgets suffices for
    ("digits", "fast", {"epochs": 5000}),
    ("rowsum", "fast", {"epochs": 5000}),
    ("mnist", "best", {"epochs": 500, "width": 8}),  # narrow: a slow core predicts 168,000 rows in less than any budget
    ("imdb", "best", {"iterations": 2000}),
    ("quadratic", "fast", {"epochs": 5000}),
    ("cifar10", "fast", {"epochs": 500, "width": 16}),
    ("rowsum", "fast", {"model": "lightgbm", "trees": 100_000}),
)
WRITING = 1.0  # seconds for the last files and the end of the process


@dataclass(frozen=True)
class Kept:
    """How a run with a budget ended. `step`: seconds of one; `least`: see there."""

    name: str
    preset: str
    budget: float
    wall: float
    least: float
    step: float
    valid: bool

    @property
    def short(self) -> bool:
        """Does what has to be done take longer than the budget? The run says so when it begins."""
        return self.least > self.budget

    @property
    def overran(self) -> bool:
        """By more than a step and writing."""
        return not self.short and self.wall > self.budget + self.step + WRITING

    def line(self) -> str:
        figures = "".join(f"{value:8.1f}" for value in (self.budget, self.wall, self.wall - self.budget, self.least))
        said = ("valid" if self.valid else "NO VALID SUBMISSION") + "  OVERRUN" * self.overran + "  too short" * self.short
        return f"{self.name:12}{self.preset:7}{figures}{self.step:8.2f}  {said}"


HEADER = f"{'':12}{'preset':7}" + "".join(f"{name:>8}" for name in ("budget", "wall", "over", "least", "step")) + "  submission"


def data_of(name: str, folder: Path) -> Path | None:
    """Where the competition's files are: at hand, or laid out in `folder`."""
    facts = competition.load(name).competition
    at = next((place for place in facts.places() if facts.is_at(place)), None)
    if at is None and facts.embedded is not None:
        facts.embedded(folder)
        return folder
    return at


def command(*words: object) -> bool:
    """`kit` with these words in a fresh process: did it end well?"""
    return subprocess.run([sys.executable, "-m", "kit", *map(str, words)], stdout=subprocess.DEVNULL).returncode == 0


def kept(name: str, preset: str, knobs: dict[str, object], budget: float, data: Path, out: Path) -> Kept:
    """Run it once, by the clock on the wall."""
    flags = [part for key, value in knobs.items() for part in (f"--{key}", value)]
    began = time.monotonic()
    where = ("--data", data, "--out", out)
    ended = command("run", name, *where, "--preset", preset, *flags, "--time-budget", f"{budget}s", "--quiet")
    wall = time.monotonic() - began
    run = Run(out)
    valid = ended and run.complete and command("validate", name, run.submission, "--data", data)
    return Kept(name, preset, budget, wall, least(run) if valid else 0.0, step(run) if valid else 0.0, valid)


def least(run: Run) -> float:
    """Seconds that no plan could have saved: of reading, and where one model alone answers the test, of predicting."""
    took = run.scores["seconds"]
    return took["read"] + took["predict"] * (run.info.get("in_time", {}).get("answering") == 1)


def step(run: Run) -> float:
    """Seconds that the longest step took: a batch, a round of trees (of all columns), an iteration of L-BFGS."""
    longest = 0.0
    config = run.info["config"]
    for k in run.info["folds"]:
        stats = read_json(run.fold(k) / "fold.json")
        parts = {"ngrams": config["iterations"], "lightgbm": config["trees"]}.get(config["model"])
        if parts:
            longest = max(longest, stats["seconds"]["train"] / max(1.0, parts * stats["epochs"]))
            continue
        with (run.fold(k) / "history.csv").open(encoding="utf-8", newline="") as file:
            speeds = [float(row["rows_per_second"]) for row in csv.DictReader(file)]
        longest = max(longest, min(config["batch"], stats["rows"]) / min(speeds))
    return longest


def main(runs: int = 20, shortest: float = 30, longest: float = 180) -> int:
    """Print a line for each run; returns how many overran or left no valid submission."""
    done = []
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        os.environ.setdefault("KIT_CACHE", f"{place}/cache")
        found = {name: data_of(name, place / name) for name, *_ in KINDS}
        kinds = [(*one, data) for one in KINDS if (data := found[one[0]])]
        print(HEADER, flush=True)
        for i in range(runs):
            name, preset, knobs, data = kinds[i % len(kinds)]
            budget = round(shortest + (longest - shortest) * i / max(1, runs - 1), 1)
            done.append(kept(name, preset, knobs, budget, data, place / f"run{i}"))
            print(done[-1].line(), flush=True)
    over, short, valid = (sum(getattr(one, name) for one in done) for name in ("overran", "short", "valid"))
    print(
        f"{over} of {runs} runs overran by more than a step and writing ({WRITING:.0f} s); {short} had budgets too short for"
        f" reading and predicting; {valid} valid submissions"
    )
    return over + runs - valid


if __name__ == "__main__":
    sys.exit(min(1, main(*map(int, sys.argv[1:4]))))
