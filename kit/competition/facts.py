"""Competition: the facts its organisers fixed, loaded by name from the `competitions` folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kit.competition import consistency
from kit.config import Config
from kit.errors import BadData, Usage, listed
from kit.inputs import Inputs
from kit.labels import Labels
from kit.metrics import Metric
from kit.storage import archives, files, frames

if TYPE_CHECKING:
    import pandas as pd


SHOWN = 10  # broken files named


@dataclass(frozen=True)
class Tables:
    """A competition's files as read: frames indexed by id (text), the sample in its own order."""

    root: Path
    train: pd.DataFrame
    test: pd.DataFrame
    sample: pd.DataFrame
    labels: Labels
    notes: tuple[str, ...] = ()
    solution: pd.DataFrame | None = None

    def encoded(self) -> np.ndarray:
        """The training rows' answers as numbers: int64 [n] or float32 [n, c], in memory that may be written.

        Raises BadData for labels of an adapter that encode to anything else, and those of `Labels.encode`.
        """
        y = np.array(self.labels.encode(self.train))
        good = (y.dtype == np.int64 and y.ndim == 1) or (y.dtype == np.float32 and y.ndim == 2)
        if not good or len(y) != len(self.train):
            raise BadData(
                f"labels: `encode` gave {y.dtype} {list(y.shape)} for {len(self.train)} rows; int64 [rows] or float32"
                " [rows, columns] is expected."
            )
        return y

    def held_out(self, labels: Labels, metric: Metric, predictions: pd.DataFrame) -> float | None:
        """The score of predictions by id on the test answers, where they are known (a `solution.csv`, say), else None."""
        if self.solution is None:
            return None
        known = labels.encode(labels.as_trained(self.solution))
        answers = predictions.loc[self.solution.index].to_numpy(np.float32)
        return metric(labels.truth(known), labels.harden(answers))


@dataclass(frozen=True)
class Asked:
    """What is to be answered: the test rows, the sample submission (both indexed by id), the answers where known."""

    test: pd.DataFrame
    sample: pd.DataFrame
    solution: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()


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

    def tables(self, root: Path) -> Tables:
        """Read everything, or raise BadData naming file, line and id."""
        asked = self.test_tables(root)
        train, notes = self.read_train(self, root) if self.read_train else (self._train_table(root), [])
        return prepare(self, root, train, asked, notes)

    def _train_table(self, root: Path) -> pd.DataFrame:
        return numbered(self.inputs.read_csv(files.read(root, self.train), self.train), self.id, self.train)

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
        own = root / "runs"  # what the kit writes where it is started, be it among the data
        return [*tables, *(path for path in self.inputs.files(root) if own not in path.parents)]

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
                said = f"there is no such {'file or ' if self.one_file else ''}folder"
                if Path(data).is_file():
                    said = "that is a file; its folder, unpacked, is wanted"
                raise Usage(f"--data {data}: {said}.")
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


def prepare(facts: Competition, root: Path, train: pd.DataFrame, asked: Asked, notes: list[str]) -> Tables:
    """Tables from frames indexed by id: binds the labels and leaves out training rows that have none (noted).

    Raises BadData for a sample whose columns these labels do not fill.
    """
    needed = [*facts.labels.train_columns, *filter(None, (facts.group, facts.time))]
    frames.need_columns(train, needed, facts.train)
    blank = facts.labels.blank(train)
    train, said = facts.inputs.agree(train, asked.test, facts.labels.train_columns)
    notes = [*notes, *asked.notes, *said]
    if blank.any():
        notes.append(f"{facts.train}: {blank.sum()} rows have no answer and are left out (ids {listed(train.index[blank])})")
        train = train[~blank]
    if not len(train):
        raise BadData(f"{facts.train}: no training rows with an answer.")
    labels = facts.labels.bind(train)
    labels.decode(np.zeros((0, len(labels.columns)), np.float32), list(asked.sample.columns))  # before hours of training
    return Tables(root, train, asked.test, asked.sample, labels, tuple(notes), asked.solution)


def numbered(table: pd.DataFrame, id_column: str, name: str) -> pd.DataFrame:
    """A table indexed by its id column, or by 1, 2, 3, … where it has none. Raises BadData where it has no rows."""
    import pandas as pd

    if not len(table):
        raise BadData(f"{name}: a header and no rows. Download it again.")
    if id_column in table.columns:
        return frames.index_by(table, id_column, name)
    return table.set_index(pd.Index([str(i) for i in range(1, len(table) + 1)], dtype=object, name=id_column))


def matched(sample: pd.DataFrame, test: pd.DataFrame, facts: Competition) -> pd.DataFrame:
    """The sample, which must ask for the test's ids and no others. Raises BadData naming some that differ."""
    missing = sample.index[~sample.index.isin(test.index)]
    if len(missing):
        raise BadData(f"{facts.sample} asks for ids that {facts.test} does not have: {listed(missing)}.")
    extra = test.index[~test.index.isin(sample.index)]
    if len(extra):
        raise BadData(f"{facts.test} has ids that {facts.sample} does not ask for: {listed(extra)}.")
    return sample


def first(tables: Tables, count: int) -> Tables:
    """The tables with the first `count` training rows only."""
    return replace(tables, train=tables.train.iloc[:count])


def sound(tables: Tables, train_broken: Mapping[str, str], test_broken: Mapping[str, str]) -> tuple[Tables, list[str]]:
    """The tables without the training rows whose files are broken, and lines that name these and the test's."""
    notes = [f"left out of training: {fault}" for fault in list(train_broken.values())[:SHOWN]]
    if len(train_broken) > SHOWN:
        notes.append(f"left out of training: {len(train_broken) - SHOWN} more, {len(train_broken)} in all")
    notes += [f"answered by the training rows' prior: {fault}" for fault in list(test_broken.values())[:SHOWN]]
    if len(test_broken) > SHOWN:
        notes.append(f"answered by the training rows' prior: {len(test_broken) - SHOWN} more, {len(test_broken)} in all")
    kept = ~tables.train.index.isin(list(train_broken))
    return (tables if kept.all() else replace(tables, train=tables.train[kept])), notes
