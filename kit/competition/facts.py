"""Competition: the facts that its organisers fixed, and where its files are."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kit.competition import consistency
from kit.competition.tables import Asked, Tables, matched, numbered, prepare
from kit.config import Config
from kit.errors import BadData, Usage
from kit.inputs import Inputs
from kit.labels import Labels
from kit.metrics import Metric
from kit.storage import archives, files, frames, typed_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Competition:
    """What the organisers fixed.

    `id`: the id column of the sample submission. A table without that column is numbered 1, 2, 3, … as Kaggle does
    for digit-recognizer. `group`, `time`: training columns whose rows must not straddle folds, or that order them.
    `embedded`: lays the files out in a folder, for a competition whose data ships with a library.
    Where the files are odd: `read_train` returns the training table (indexed by id) and notes on it, `read_test` what is
    to be answered, and `invent` writes a small folder of so many training and test rows (see `kit.competition.synthetic`).
    `shape` returns the facts that follow from a Config, where columns are named on the command line, and from the files in
    a folder, if one is given; `one_file`: the data may be a single file. `code`: a code competition, whose kernel is run
    again on a hidden test set.
    """

    slug: str
    id: str
    inputs: Inputs
    labels: Labels
    metric: Metric
    train: str = "train.csv"
    test: str = "test.csv"
    sample: str = "sample_submission.csv"
    group: str | None = None
    time: str | None = None
    embedded: Callable[[Path], None] | None = None
    read_train: Callable[[Competition, Path], tuple[pd.DataFrame, list[str]]] | None = None
    read_test: Callable[[Competition, Path], Asked] | None = None
    invent: Callable[[Competition, Path, int, int], None] | None = None
    shape: Callable[[Competition, Config, Path | None], Competition] | None = None
    one_file: bool = False
    code: bool = False

    def __post_init__(self) -> None:
        consistency.refuse(self.inputs, self.labels, self.metric)
        others = [self.id, *self.labels.train_columns, *filter(None, (self.group, self.time))]
        object.__setattr__(self, "inputs", self.inputs.beside(others))

    def tables(self, root: Path, limit: int = 0) -> Tables:
        """Read everything, or so many training rows; or raise BadData naming file, line and id."""
        asked = self.test_tables(root)
        if limit and not self.read_train:
            with contextlib.suppress(BadData):  # the first rows may lack a class; a fault is raised below
                tables = prepare(self, root, self._train_table(root, limit), asked, notes=[])
                if len(tables.train) >= limit:
                    return tables
        train, notes = self.read_train(self, root) if self.read_train else (self._train_table(root), [])
        return prepare(self, root, train, asked, notes=notes)

    def _train_table(self, root: Path, limit: int = 0) -> pd.DataFrame:
        data = files.read(root, self.train)
        data = typed_table.first_rows(data, limit) if limit else data
        return numbered(self.inputs.read_csv(data, self.train), self.id, self.train)

    def sample_table(self, root: Path) -> pd.DataFrame:
        """The sample submission, indexed by id."""
        table = frames.read_csv(files.read(root, self.sample), self.sample)
        if not len(table):
            raise BadData(f"{self.sample}: a header and no rows. Download it again.")
        return frames.index_by(table, self.id, self.sample)

    def test_tables(self, root: Path) -> Asked:
        """The test table and the sample, which must ask for the same ids; a `solution.csv` beside them, if any."""
        if self.read_test:
            return self.read_test(self, root)
        sample = self.sample_table(root)
        solution = frames.read_by(root, "solution.csv", self.id) if files.find(root, "solution.csv") else None
        if not self.test:
            return Asked(sample[[]], sample, solution)
        test = numbered(self.inputs.read_csv(files.read(root, self.test), self.test), self.id, self.test)
        return Asked(test, matched(sample, test, self), solution)

    def is_at(self, place: Path) -> bool:
        """Does a folder hold the training table (or, where the table is a tree of files, its folder)?"""
        return files.find(place, self.train) is not None or (bool(self.train) and archives.find(place, self.train) is not None)

    def files(self, root: Path) -> list[Path]:
        """The files whose content identifies the data, where they are."""
        if root.is_file():
            return [root]
        names = (self.train, self.test, self.sample)
        tables = [path for path in (files.find(root, name) for name in names if name) if path]
        runs = root / "runs"  # what the kit writes where it is started, be it among the data
        return [*tables, *(path for path in self.inputs.files(root) if runs not in path.parents)]

    def places(self, environ: Mapping[str, str] | None = None) -> list[Path]:
        """Every folder where the data is looked for, in order."""
        environ = os.environ if environ is None else environ
        mount = Path(environ.get("KIT_MOUNT", "/kaggle/input"))
        owned = [Path(environ["KIT_DATA"]) / self.slug] if environ.get("KIT_DATA") else []
        datasets = sorted(mount.glob(f"datasets/*/{self.slug}"))
        return [*owned, mount / "competitions" / self.slug, mount / self.slug, *datasets, Path("data") / self.slug]

    def find(self, data: str | Path | None = None) -> Path:
        """The folder that holds the files. Lays embedded data out where none is found.

        Raises Usage for a `data` that is no folder, BadData naming every place looked in.
        """
        if data is not None:
            if not Path(data).is_dir() and not (self.one_file and Path(data).is_file()):
                reason = f"there is no such {'file or ' if self.one_file else ''}folder"
                if Path(data).is_file():
                    reason = "that is a file; name the folder that holds it, unpacked"
                raise Usage(f"--data {data}: {reason}.")
            return Path(data)
        for place in self.places():
            if self.is_at(place):
                return place
        if self.embedded:
            place = self.places()[0] if os.environ.get("KIT_DATA") else self.places()[-1]
            self.embedded(place)
            return place
        looked = ", ".join(str(place) for place in self.places())
        fetch = (
            "Name the file, or its folder," if self.one_file else f"Fetch it (`kit download {self.slug}`), or name its folder"
        )
        raise BadData(f"no {self.train} of {self.slug} in {looked}.\n{fetch} with --data.")
