"""Run: a folder that holds one run's configuration, folds, predictions, scores and submission.

`import kit` loads this file. So numpy (with `kit.storage.frames`) is imported only where it is used: it would take more than
twice as long as the rest.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.errors import BadData, Usage, listed, unreadable
from kit.storage import files, plain_json, run_locks
from kit.storage.run_record import RunRecord
from kit.storage.runs import manifest
from kit.storage.runs.parts import RunPart

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Run:
    """A run's folder. Its files are the interface between stages: each stage can be repeated alone."""

    path: Path

    @property
    def exists(self) -> bool:
        """Does the folder hold a run?"""
        return (self.path / "run.json").exists()

    @property
    def info(self) -> dict[str, Any]:
        """`run.json` as a plain dict: status, configuration and where it came from, versions, data, device.

        Empty for a new run. Raises BadData where it is not a run's.
        """
        return self.record.json() if self.exists else {}

    @property
    def record(self) -> RunRecord:
        """`run.json` as a record with named fields. Raises Usage where there is none, BadData where it is not a run's."""
        path = self.path / "run.json"
        if not path.exists():
            raise _no_run(self.path)
        stored = read_json(path)
        if not isinstance(stored, dict) or not {"competition", "config"} <= stored.keys():
            raise BadData(f"{path}: does not say of which competition and configuration. Remove the folder, or use --name.")
        return RunRecord.from_json(stored)

    def change(self, change: Callable[[RunRecord], RunRecord], begin: RunRecord | None = None) -> None:
        """Replace the record by what `change` makes of it, before another process can; `begin`: the record of a new run.

        Raises Usage where there is none.
        """
        if not self.exists and begin is None:
            raise _no_run(self.path)
        with run_locks.held(self.path, "record", patience=run_locks.CHANGING):
            record = self.record if self.exists or begin is None else begin
            write_json(self.path / "run.json", change(record).json())
            manifest.renew(self.path, "run.json")

    def note(self, **values: Any) -> None:
        """Set fields of `run.json`. Raises TypeError for a field that a RunRecord does not have."""
        self.change(lambda record: record.changed(**values))

    @property
    def began(self) -> bool:
        """Has any data been read? Folds are dealt then, the first that a run leaves besides `run.json`."""
        return (self.path / "folds.csv").exists() or any(self.path.glob("fold[0-9]*/"))

    @property
    def complete(self) -> bool:
        """Has every fold been trained and the submission been written?"""
        return self.exists and self.record.status == "complete" and self.submission.exists()

    def finished(self) -> Run:
        """This run. Raises Usage where it is not complete, BadData where its files are not as they were written."""
        if not self.complete:
            raise Usage(f"{self.path}: this run is not complete. Run it again; it goes on where it stopped.")
        manifest.verify(self.path)
        return self

    @property
    def scores(self) -> dict[str, Any]:
        """`scores.json`: the out-of-fold score, each fold's, other metrics, seconds and rows."""
        return read_json(self.path / "scores.json")

    @property
    def submission(self) -> Path:
        """Where the submission is; it exists only when the run is complete."""
        return self.path / "submission.csv"

    @property
    def oof(self) -> pd.DataFrame:
        """Out-of-fold predictions by id."""
        return self._predictions("oof.csv")

    @property
    def test(self) -> pd.DataFrame:
        """Test predictions by id."""
        return self._predictions("test.csv")

    def _predictions(self, name: str) -> pd.DataFrame:
        from kit.storage import predictions

        return predictions.read_csv(self.path / name)

    def fold(self, name: int | str | RunPart) -> Path:
        """The folder of a part of the run, such as a fold (its number serves) or the refit on all rows (`refit`)."""
        return self.path / (f"fold{name}" if isinstance(name, int) else str(name))

    @contextmanager
    def locked(self, parts: Iterable[str] = ()) -> Iterator[None]:
        """Hold the folder for this process, or only these parts (`fold0`, `refit`): others may work on other parts then.

        Raises Usage naming the process that holds it already.
        """
        with run_locks.parts(self.path, parts) if parts else run_locks.whole(self.path):
            yield


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file; raises BadData where it is none, DiskError where it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as fault:
        raise BadData(f"{path}: no such file.") from fault
    except OSError as fault:
        raise unreadable(path, fault) from fault
    except ValueError as fault:
        raise BadData(f"{path}: cannot be read as JSON ({fault}).") from fault


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON atomically, indented for people; null for a number that is not finite."""
    files.write(path, plain_json.text(content, indent=2) + "\n")


def default_name(preset: str, flags: dict[str, Any]) -> str:
    """`fast`, or `fast-epochs3-seed1`: the same command finds the same run."""
    parts = [f"{name}{value}" for name, value in sorted(flags.items())]
    name = re.sub(r"[/\s]", "_", "-".join([preset, *parts]))  # a path to be copied into a command
    if len(name) > 80:
        name = f"{preset}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    return name


def load(path: str | Path) -> Run:
    """An existing run. Raises Usage where the folder is none, or holds only trials, BadData where files of it were changed."""
    run = Run(Path(path))
    if run.exists:
        manifest.verify(run.path)
    if run.record.is_tuning:
        raise Usage(
            f"{path}: no run but the trials of `kit tune`, listed in {run.path / 'trials.csv'}. Train the best by `kit run`."
        )
    return run


def _no_run(path: Path) -> Usage:
    runs_here = sorted(str(file.parent) for file in Path("runs").glob("*/*/run.json"))
    hint = f" Runs here: {listed(runs_here)}." if runs_here else ""
    return Usage(f"{path}: no run (there is no run.json in it).{hint}")
