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


def trained(name: str, data: Path, folder: Path) -> kit.Run:
    """A small run, by a process of its own: a rehearsal's memory counts from what this one holds when it starts."""
    knobs = [word for knob, value in SMALL.items() for word in (f"--{knob}", str(value))]
    folder.mkdir(exist_ok=True)
    words = [sys.executable, "-m", "kit", "run", name, "--data", data, "--out", folder / "run", "--quiet", *knobs]
    subprocess.run(words, cwd=folder, stdout=subprocess.DEVNULL, check=True)  # its ledger is not this folder's
    return kit.load(folder / "run")


def rehearsed(name: str, mode: str, notebook: bool, data: Path, run: kit.Run, python: str) -> bool:
    """Build and rehearse one kernel; prints what came out."""
    folder = run.path.parent / f"{mode}{'-notebook' if notebook else ''}"
    kernel.build(name, run, mode, notebook=notebook, out=folder)
    layouts = rehearsal.LAYOUTS if mode == "infer" else rehearsal.LAYOUTS[:1]
    done = rehearsal.rehearse(name, data, layouts, rerun=mode == "infer" and can_hide(name), python=python, folder=folder)
    print(f"{name} {mode}{' notebook' if notebook else ''}\n" + "\n".join(rehearsal.verdict(done, False)), flush=True)
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
            run = trained(name, data.resolve(), Path(place) / name)
            for mode, notebook in (("infer", False), ("train", True)):
                results.append(rehearsed(name, mode, notebook, data, run, python))
    print(f"{sum(results)} of {len(results)} rehearsals good")
    return len(results) - sum(results)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
