"""Competition: the facts its organisers fixed, loaded by name from the `competitions` folders."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kit import files, frames
from kit.config import Config
from kit.errors import BadData, Usage, did_you_mean, listed
from kit.inputs import Inputs
from kit.labels import Labels
from kit.metrics import Metric

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Tables:
    """A competition's files as read: frames indexed by id (text), the sample in its own order."""

    root: Path
    train: pd.DataFrame
    test: pd.DataFrame
    sample: pd.DataFrame
    labels: Labels
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Competition:
    """What the organisers fixed.

    `id`: the id column of the sample submission. A table without that column is numbered 1, 2, 3, … as Kaggle does
    for digit-recognizer. `group`, `time`: training columns whose rows must not straddle folds, or that order them.
    `embedded`: lays the files out in a folder, for a competition whose data ships with a library.
    `read`: replaces `read` below where the files are odd.
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
    read: Callable[[Competition, Path], Tables] | None = None

    def tables(self, root: Path) -> Tables:
        """Read everything, or raise BadData naming file, line and id."""
        return self.read(self, root) if self.read else read(self, root)

    def sample_table(self, root: Path) -> pd.DataFrame:
        """The sample submission, indexed by id."""
        table = frames.read_csv(files.read(root, self.sample), self.sample)
        if not len(table):
            raise BadData(f"{self.sample}: a header and no rows. Download it again.")
        return frames.index_by(table, self.id, self.sample)

    def test_tables(self, root: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The test table and the sample, which must ask for the same ids."""
        sample = self.sample_table(root)
        if not self.test:
            return sample[[]], sample
        test = _numbered(self.inputs.read_csv(files.read(root, self.test), self.test), self.id, self.test)
        _match(sample, test, self)
        return test, sample

    def files(self, root: Path) -> list[Path]:
        """The files whose content identifies the data, where they are."""
        names = (self.train, self.test, self.sample)
        tables = [path for path in (files.find(root, name) for name in names if name) if path]
        return [*tables, *self.inputs.files(root)]

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
            if not Path(data).is_dir():
                raise Usage(f"--data {data}: there is no such folder.")
            return Path(data)
        for place in self.places():
            if files.find(place, self.train):
                return place
        if self.embedded:
            place = self.places()[0] if os.environ.get("KIT_DATA") else self.places()[-1]
            self.embedded(place)
            return place
        looked = ", ".join(str(place) for place in self.places())
        raise BadData(
            f"no {self.train} of {self.slug} in {looked}.\nFetch it (`kaggle competitions download -c {self.slug}`)"
            " and name its folder with --data."
        )


@dataclass(frozen=True)
class Adapter:
    """A file of a `competitions` folder: its competition and presets. `source`: what `load` finds it by."""

    name: str
    source: str
    competition: Competition
    presets: Mapping[str, Config] = field(default_factory=dict)

    def preset(self, name: str) -> Config:
        """A preset by name; raises Usage naming those there are."""
        if name not in self.presets:
            raise Usage(f"--preset {name!r}: {self.name} has {listed(self.presets)}.{did_you_mean(name, self.presets)}")
        return self.presets[name]


def read(competition: Competition, root: Path) -> Tables:
    """The usual layout: a training table, a test table (or none: the sample's ids), a sample submission."""
    facts = competition
    test, sample = facts.test_tables(root)
    train = _numbered(facts.inputs.read_csv(files.read(root, facts.train), facts.train), facts.id, facts.train)
    return prepare(facts, root, train, test, sample)


def prepare(facts: Competition, root: Path, train: pd.DataFrame, test: pd.DataFrame, sample: pd.DataFrame) -> Tables:
    """Tables from frames indexed by id: binds the labels and leaves out training rows that have none (noted)."""
    needed = [*facts.labels.train_columns, *filter(None, (facts.group, facts.time))]
    frames.need_columns(train, needed, facts.train)
    blank = facts.labels.blank(train)
    notes: list[str] = []
    if blank.any():
        notes.append(f"{facts.train}: {blank.sum()} rows have no answer and are left out (ids {listed(train.index[blank])})")
        train = train[~blank]
    if not len(train):
        raise BadData(f"{facts.train}: no training rows with an answer.")
    return Tables(root, train, test, sample, facts.labels.bind(train), tuple(notes))


def _numbered(table: pd.DataFrame, id_column: str, name: str) -> pd.DataFrame:
    import pandas as pd

    if not len(table):
        raise BadData(f"{name}: a header and no rows. Download it again.")
    if id_column in table.columns:
        return frames.index_by(table, id_column, name)
    return table.set_index(pd.Index([str(i) for i in range(1, len(table) + 1)], dtype=object, name=id_column))


def _match(sample: pd.DataFrame, test: pd.DataFrame, facts: Competition) -> None:
    missing = sample.index[~sample.index.isin(test.index)]
    if len(missing):
        raise BadData(f"{facts.sample} asks for ids that {facts.test} does not have: {listed(missing)}.")
    extra = test.index[~test.index.isin(sample.index)]
    if len(extra):
        raise BadData(f"{facts.test} has ids that {facts.sample} does not ask for: {listed(extra)}.")


def first(tables: Tables, count: int) -> Tables:
    """The tables with the first `count` training rows only."""
    return replace(tables, train=tables.train.iloc[:count])


def folders() -> list[Path]:
    """Where adapters are looked for: here, then the kit's own."""
    own = Path(__file__).resolve().parent.parent / "competitions"
    return list(dict.fromkeys(path.resolve() for path in (Path("competitions"), own) if path.is_dir()))


def names() -> dict[str, Path]:
    """Every adapter's file by name."""
    found: dict[str, Path] = {}
    for folder in folders():
        for path in sorted(folder.glob("[!_]*.py")):
            found.setdefault(path.stem, path)
    return found


def load(name: str) -> Adapter:
    """The adapter of this name, slug, or file. Raises Usage where there is none or its file is no adapter."""
    known = names()
    path = Path(name) if name.endswith(".py") else known.get(name)
    if path is None:
        by_slug = {load(one).competition.slug: one for one in known}
        if name not in by_slug:
            raise Usage(f"unknown competition {name!r}.{did_you_mean(name, known)} `kit list` shows all.")
        name, path = by_slug[name], known[by_slug[name]]
    spec = importlib.util.spec_from_file_location(f"competitions.{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise Usage(f"{path}: no such adapter file.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as fault:  # a stranger's file may raise anything
        where = f", line {fault.lineno}" if isinstance(fault, SyntaxError) else ""
        raise Usage(f"{path}{where}: the adapter cannot be loaded ({type(fault).__name__}: {fault}).") from fault
    if not isinstance(getattr(module, "competition", None), Competition):
        raise Usage(f"{path}: defines no `competition = Competition(...)`.")
    presets = getattr(module, "presets", {})
    source = path.stem if known.get(path.stem) == path else str(path.resolve())
    return Adapter(path.stem, source, module.competition, {"fast": Config(), **presets})
