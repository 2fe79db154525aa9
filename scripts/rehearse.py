"""Rehearse the kernels in `kernels/`: `bash scripts/rehearse.sh [PYTHON]` prints a line for each, and fails if one does."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import kit
from kit import competition
from kit.competition import synthetic
from kit.kaggle import kernel, rehearsal

ROOT = Path(__file__).resolve().parent.parent
SMALL = {
    "folds": 2,
    "limit": 3000,
    "epochs": 1,
    "width": 16,
    "views": 2,
    "snapshot": 600,
}  # a rehearsal is about the way, not the score


def data_of(name: str, folder: Path) -> Path:
    """The competition's files where they are at hand, else invented ones."""
    facts = competition.load(name).competition
    for place in facts.places():
        if facts.is_at(place):
            return place
    synthetic.fabricate(facts, folder / "data", train=200, test=80)
    return folder / "data"


def trained(name: str, data: Path, folder: Path, seed: int = 0) -> kit.Run:
    """A small run."""
    knobs = [word for knob, value in (SMALL | {"seed": seed}).items() for word in (f"--{knob}", str(value))]
    return made(folder / f"run{seed}", "run", name, "--data", data, *knobs)


def made(out: Path, *words: object) -> kit.Run:
    """What a command of the kit writes, by a process of its own: a rehearsal's memory counts from what this one holds."""
    out.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "kit", *map(str, words), "--out", str(out), "--quiet"]
    subprocess.run(command, cwd=out.parent, stdout=subprocess.DEVNULL, check=True)  # its ledger is not this folder's
    return kit.load(out)


def rehearsed(name: str, mode: str, notebook: bool, data: Path, run: kit.Run, python: str) -> bool:
    """Build and rehearse one kernel; prints what came out."""
    folder = run.path.parent / f"{run.path.name}-{mode}"
    kernel.build(name, run, mode, notebook=notebook, out=folder)
    layouts = rehearsal.LAYOUTS if mode == "infer" else rehearsal.LAYOUTS[:1]
    done = rehearsal.rehearse(name, data, layouts, rerun=mode == "infer" and can_hide(name), python=python, folder=folder)
    title = f"{name} {run.path.name}, {mode}{' notebook' if notebook else ''}"
    print(title, *rehearsal.verdict(done, False), sep="\n", flush=True)
    return not any(one.faults for one in done)


def can_hide(name: str) -> bool:
    """Can a hidden test set be made up?"""
    return competition.load(name).competition.read_test is None


def main(python: str = sys.executable) -> int:
    """Rehearse every kernel of the repository; returns the number that failed."""
    names = sorted(path.parent.name for path in (ROOT / "kernels").glob("*/kernel-metadata.json"))
    results = []
    with tempfile.TemporaryDirectory() as place:
        os.environ["KIT_CACHE"] = f"{place}/cache"
        for name in names:
            if name not in competition.names():
                print(f"{name}: no adapter yet")
                continue
            data = data_of(name, Path(place) / name)
            run, other = (trained(name, data.resolve(), Path(place) / name, seed) for seed in (0, 1))
            blend = made(run.path.parent / "blend", "blend", run.path, other.path)
            for mode, notebook, source in (("infer", False, run), ("train", True, run), ("infer", False, blend)):
                results.append(rehearsed(name, mode, notebook, data, source, python))
    print(f"{sum(results)} of {len(results)} rehearsals good")
    return len(results) - sum(results)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
