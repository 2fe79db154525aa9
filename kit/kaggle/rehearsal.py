"""Rehearsal: a built kernel run as Kaggle would run it, before it costs one of the day's five tries.

Kaggle mounts its input at /kaggle/input; here it is mounted wherever `$KIT_MOUNT` says, which the kit reads anyway: so a
rehearsal needs no privileges and works on any system. The kernel sees read-only input in Kaggle's old or new layout, an empty
working folder, a batch environment, no home, no credentials, no network, and none of this machine's own kit.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit import competition as competitions
from kit.competition import validation
from kit.console import clock
from kit.errors import BadData, listed
from kit.kaggle import dataset, hidden_test, kernel, sandbox
from kit.storage import predictions
from kit.storage.run_folder import Run, read_json

if TYPE_CHECKING:
    import pandas as pd

LAYOUTS = ("new", "old")
HOURS, HOURS_CODE = 12.0, 9.0  # a session's limit, and the usual one in code competitions
MEMORY = 29e9
DISK = 20e9
OTHER_DEVICE = 0.05  # likewise for predictions by a GPU, whose arithmetic in eight bits rounds in other places than a CPU's
CLOSE = 0.02  # how far a prediction may move with the rows it shares a batch with (bf16)


@dataclass
class Showing:
    """One run of the kernel: how it was set up, what it took, what is wrong."""

    about: str
    rows: int = 0
    seconds: float = 0.0
    memory: float = 0.0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """A line with what was measured, and a line for each fault and note."""
        sign = "✗" if self.faults else "✓"
        first = f"{sign} {self.about}: {self.rows:,} rows, {clock(self.seconds)}, {self.memory / 1e9:.1f} GB"
        return first + "".join(f"\n    {line}" for line in (*self.faults, *self.notes))


def rehearse(
    name: str,
    data: str | Path | None = None,
    layouts: tuple[str, ...] = LAYOUTS,
    *,
    rerun: bool = False,
    python: str = sys.executable,
    folder: Path | None = None,
) -> list[Showing]:
    """Run the built kernel in each layout and, for a code competition (or `rerun`), once more with a hidden test set.

    A kernel that trains is run in the new layout only, unless it is asked for otherwise: twice is twice the time.
    """
    adapter = competitions.load(name)
    built = kernel.Built(folder or kernel.folder_of(name))
    settings = built.settings
    root = adapter.competition.find(data or _data_of(settings))
    rehearsal = Rehearsal(built, adapter, python, _local(settings))
    done = [rehearsal.show(layout, root) for layout in layouts]
    if rerun or adapter.competition.code:
        with tempfile.TemporaryDirectory(prefix="kit-hidden-") as place:
            originals = hidden_test.lay_out(adapter.competition, root, Path(place) / "data")
            done.append(rehearsal.show(layouts[-1], Path(place) / "data", originals))
    return done


def _data_of(settings: dict[str, Any]) -> str | None:
    """The data of the run that the kernel was built from, if it is still there."""
    place = Path(settings["run"]) if settings["run"] else None
    root = Run(place).record.root if place and Run(place).exists else None
    return root if root and Path(root).is_dir() else None


def _local(settings: dict[str, Any]) -> Run | None:
    """The run that must come out again: the one that predicts, or was trained with the same knobs."""
    return Run(Path(settings["run"])) if settings["run"] and Run(Path(settings["run"])).complete else None


@dataclass(frozen=True)
class Rehearsal:
    """A built kernel, and what all of its showings share: the adapter, the Python that runs it, the run to compare with."""

    built: kernel.Built
    adapter: competitions.Adapter
    python: str
    local: Run | None

    def show(self, layout: str, root: Path, originals: pd.Series | None = None) -> Showing:
        """Run the kernel on the files in `root`; `originals`: the id of the known row that each hidden row is a copy of."""
        showing = Showing(f"{layout} layout" + (", hidden test set" if originals is not None else ""))
        with tempfile.TemporaryDirectory(prefix="kit-rehearsal-") as name:
            stage = Path(name)
            mounts = _mount(stage / "input", self.built, self.adapter.competition.slug, layout, root)
            before = list(_listing(mounts))
            ended = sandbox.run(stage, self.built.code, self.python, rerun=originals is not None)
            showing.seconds, showing.memory = ended.seconds, ended.memory
            if ended.code:
                last = "\n".join(sandbox.log_of(stage).strip().splitlines()[-3:])
                showing.faults.append(f"the kernel ended with {ended.code}: {last}")
            showing.faults += sandbox.violations(stage)
            if list(_listing(mounts)) != before:
                showing.faults.append("the input was changed: on Kaggle it is read-only")
            size = sum(path.stat().st_size for path in (stage / "working").rglob("*") if path.is_file())
            if size > DISK:
                showing.faults.append(f"/kaggle/working holds {size / 1e9:.1f} GB; Kaggle keeps {DISK / 1e9:.0f}")
            if not ended.code:
                self.check(showing, stage / "working", root, originals)
        return showing

    def check(self, showing: Showing, working: Path, root: Path, originals: pd.Series | None) -> None:
        """Is there a submission, would Kaggle take it, and are its predictions the local run's?"""
        made = working / "submission.csv"
        if not made.exists():
            showing.faults.append("no submission.csv in /kaggle/working")
            return
        faults = validation.validate(self.adapter.source, made, root)
        showing.faults += [f"submission.csv: {fault}" for fault in faults[:3]]
        showing.rows = len(made.read_bytes().splitlines()) - 1
        if self.local is None:
            showing.notes.append("no local run to compare with")
            return
        predicted = next((path for name in ("predict", "run") if (path := working / name / "test.csv").exists()), None)
        if predicted is None:
            showing.faults.append("no test.csv in /kaggle/working")
        elif originals is None:
            compare_same_rows(showing, self.local, predicted, made)
        else:
            compare_hidden_rows(showing, self.local, predicted, originals)


def compare_same_rows(showing: Showing, local: Run, predicted: Path, made: Path) -> None:
    """The predictions and the submission must be the local run's: byte for byte, but those of a GPU to the noise of a CPU's."""
    same = predicted.read_bytes() == (local.path / "test.csv").read_bytes()
    if same and made.read_bytes() == local.submission.read_bytes():
        showing.notes.append("predictions and submission are the local run's, byte for byte")
        return
    apart = 0.0 if same else _apart_by(predictions.read_csv(predicted), local.test)
    text = f"predictions differ from the local run's by up to {apart:.2g}"
    if local.record.device.startswith("cpu") or apart > OTHER_DEVICE:
        showing.faults.append(text)
    else:
        showing.notes.append(f"{text} of their range: it was predicted on a GPU, and {OTHER_DEVICE:g} is allowed")


def compare_hidden_rows(showing: Showing, local: Run, predicted: Path, originals: pd.Series) -> None:
    """The prediction for each hidden row must be that for the known row of which it is a copy."""
    answers = predictions.read_csv(predicted)
    apart = _apart_by(answers, local.test.loc[originals.loc[answers.index]].set_axis(answers.index))
    text = f"each hidden row is answered as its known twin (largest difference {apart:.2g})"
    if apart <= CLOSE:
        showing.notes.append(text)
    else:
        showing.faults.append(f"not {text}")


def _mount(place: Path, built: kernel.Built, slug: str, layout: str, root: Path) -> list[Path]:
    """The input as Kaggle lays it out: links, as its mounts are; returns the folders behind them."""
    links = {place / "competitions" / slug if layout == "new" else place / slug: root.resolve()}
    if built.dataset:
        name = read_json(built.dataset / dataset.METADATA)["id"]
        # a dataset may be renamed after the kernel was built: the kernel must not go by its name
        where = place / "datasets" / name if layout == "new" else place / "renamed-dataset"
        links[where] = built.dataset.resolve()
    for link, goal in links.items():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(goal, target_is_directory=True)
    return list(links.values())


def _listing(mounts: list[Path]) -> Iterator[tuple[str, int, int]]:
    for mount in mounts:
        for path in sorted(mount.rglob("*")):
            if path.is_file():
                facts = path.stat()
                yield str(path), facts.st_size, facts.st_mtime_ns


def _apart_by(answers: pd.DataFrame, expected: pd.DataFrame) -> float:
    """The largest difference, as a share of the range of the expected values."""
    if set(answers.index) != set(expected.index):
        raise BadData(f"the predictions have other ids than expected: {listed(answers.index.difference(expected.index), 3)}.")
    values = expected.loc[answers.index].to_numpy(float)
    return float(abs(answers.to_numpy(float) - values).max() / max(values.max() - values.min(), 1e-9))


def verdict(showings: list[Showing], code: bool, asked: int = 0) -> list[str]:
    """What was measured, and what Kaggle's limits allow by it. `asked`: rows that the hidden test set may have."""
    hours = HOURS_CODE if code else HOURS
    lines = [showing.text() for showing in showings]
    slowest = max(showing.seconds for showing in showings)
    most = max(showing.memory for showing in showings)
    shares = slowest / 3600 / hours, most / MEMORY
    lines.append(
        f"of Kaggle's limits: {shares[0]:.1%} of {hours:.0f} h, {shares[1]:.1%} of {MEMORY / 1e9:.0f} GB"
        " (this machine's speed, not Kaggle's 4 cores and 2 T4)"
    )
    small, large = min(showings, key=lambda showing: showing.rows), max(showings, key=lambda showing: showing.rows)
    if large.rows > small.rows and large.seconds > small.seconds:
        each = (large.seconds - small.seconds) / (large.rows - small.rows)
        lines.append(f"{1000 * each:.2f} ms a row more: {hours:.0f} h are enough for about {hours * 3600 / each:,.0f} rows")
        if asked:
            lines.append(f"{asked:,} rows would take about {clock(small.seconds + (asked - small.rows) * each)}")
    return lines
