"""Competition: the facts that its organisers fixed, and where its files are."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kit.competition import consistency, extra as extra_rows, sample as samples
from kit.competition.sample import Sample
from kit.competition.sources import Names, first_of, paths, picture_pattern, read
from kit.competition.tables import Asked, Tables, asked_of, prepare
from kit.config import Config
from kit.errors import BadData, Usage
from kit.inputs import Inputs
from kit.inputs.detection import Beginning
from kit.inputs.mixed import inputs as mixed
from kit.knobs import WRITTEN
from kit.labels import Labels
from kit.metrics import Metric
from kit.storage import archives, files, frames
from kit.storage.tables import table_file
from kit.storage.tables.table_file import NAMES, TableFormat

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Competition:
    """What the organisers fixed.

    `id`: the id column of the sample submission. A table without that column is numbered 1, 2, 3, … as Kaggle does
    for digit-recognizer; so are all where `id` is "". `train`, `test`: a table; several (a tuple) are joined by id; a name
    with a `*` stands for tables that follow each other; `train` with braces (`train/{label}.{number}.jpg`) is made of the
    names of pictures. `id_from`: ids are made of columns (`{Store}_{Date}`). `melted`: the mark between row and answer column
    in the ids of a table and sample of the long form (`ID_12_any`: "_"). `group`, `time`: training columns whose rows must
    not straddle folds, or that order them. `extra`: a table like `train`, whose rows train and are never validated.
    `embedded`: lays the files out in a folder, for a competition whose data ships with a library.
    Where the files are odd: `read_train` returns the training table (indexed by id) and notes on it, `read_test` what is
    to be answered, and `invent` writes a small folder of so many training and test rows (see `kit.competition.synthetic`).
    `shape` returns the facts that follow from a Config, where columns are named on the command line, and from the files in
    a folder, if one is given; `suits` returns the presets that suit the files in a folder, None where they do not tell: the
    model of the first is taken where nobody names one, by the adapter's variant `fast-MODEL` of a preset. `one_file`: the data
    may be a single file. `code`: a code competition, whose kernel is run again on a hidden test set. `delimiter`, `quoting`
    (doubled, backslash, none), `decimal`, `encoding`: how the tables are written, where that is not found right. `questions`:
    what is not known yet; each run repeats them in its notes.
    `public`: the share of the test rows that make the public score, by which `kit ledger` tells how far that may stray.
    `inputs`: a tuple of pictures or texts and a Table stands for both together; see `kit.inputs.mixed`.
    """

    slug: str
    id: str
    inputs: Inputs
    labels: Labels
    metric: Metric
    train: Names = "train.csv"
    test: Names = "test.csv"
    sample: str = "sample_submission.csv"
    group: str | None = None
    time: str | None = None
    extra: Names = ""
    embedded: Callable[[Path], None] | None = None
    read_train: Callable[[Competition, Path], tuple[pd.DataFrame, list[str]]] | None = None
    read_test: Callable[[Competition, Path], Asked] | None = None
    invent: Callable[[Competition, Path, int, int], None] | None = None
    shape: Callable[[Competition, Config, Path | None], Competition] | None = None
    suits: Callable[[Competition, Config, Path], Beginning | None] | None = None
    one_file: bool = False
    code: bool = False
    id_from: str = ""
    melted: str = ""
    delimiter: str = ""
    quoting: str = ""
    decimal: str = ""
    encoding: str = ""
    questions: tuple[str, ...] = ()
    public: float = 1 / 3

    def __post_init__(self) -> None:
        if isinstance(self.inputs, tuple):
            object.__setattr__(self, "inputs", mixed.joined(self.inputs))
        consistency.refuse(self.inputs, self.labels, self.metric)
        others = [self.id, *self.labels.train_columns, *filter(None, (self.group, self.time))]
        others = [name for name in others if name != self.id or not self.inputs.stated_kind(name)]  # ids may be features
        inputs = self.inputs.beside(others)
        if inputs.used_columns() is not None and not self.melted:  # columns that nobody uses need not be text
            inputs = inputs.changed(exact=(*others, *re.findall("{(.*?)}", self.id_from)))
        object.__setattr__(self, "inputs", inputs)

    def _repr_html_(self) -> str:
        """The facts, as a notebook shows them."""
        from kit.competition.card import card

        return card(self)

    def tables(self, root: Path, limit: int = 0, extra: bool = False) -> Tables:
        """Read everything, or so many training rows; or raise BadData naming file, line and id. `extra`: these rows too?"""
        asked = self.test_tables(root)
        more = self._extra_rows(root, limit) if extra and self.extra else None
        questions = [f"? {question}" for question in self.questions]
        if limit and not self.read_train:
            with contextlib.suppress(BadData):  # the first rows may lack a class; a fault is raised below
                train, notes = read(self, root, self.train, answered=True, limit=limit)
                tables = prepare(self, root, train, asked, notes=[*notes, *questions], extra=more)
                if len(tables.train) >= limit:
                    return tables
        train, notes = self.read_train(self, root) if self.read_train else read(self, root, self.train, answered=True)
        return prepare(self, root, train, asked, notes=[*notes, *questions], extra=more)

    def _extra_rows(self, root: Path, limit: int) -> pd.DataFrame:
        """The extra rows (the first of them), read as the training table is."""
        place = self.extra_place(root)
        if self.read_train:
            rows, _ = self.read_train(replace(self, train=self.extra, extra=""), place)
        else:
            rows, _ = read(self, place, self.extra, answered=True, limit=limit, prefix=extra_rows.PREFIX)
        return rows.iloc[:limit] if limit else rows

    def extra_files(self, root: Path) -> list[Path]:
        """The files of the extra rows' tables, where they are."""
        return paths(self.extra_place(root), self.extra) if self.extra else []

    def extra_place(self, root: Path) -> Path:
        """The folder of the extra rows' tables: the data's, or `$KIT_EXTRA`, as a kernel's dataset brings them."""
        there = os.environ.get("KIT_EXTRA")
        return Path(there) if there and "{" not in first_of(self.extra) else root

    def written(self, config: Config) -> Competition:
        """This competition, with what a Config says of how its tables are written. Raises Usage for no single delimiter."""
        given = {name: getattr(config, name) for name in WRITTEN if getattr(config, name) != "auto"}
        if "delimiter" in given:
            given["delimiter"] = NAMES.get(given["delimiter"], given["delimiter"])
            if len(given["delimiter"]) != 1:
                raise Usage(f"--delimiter {config.delimiter}: one of {', '.join(NAMES)}, or a single sign, is expected.")
        if "decimal" in given:
            given["decimal"] = {"comma": ",", "point": "."}[given["decimal"]]
        return replace(self, **given) if given else self

    @property
    def form(self) -> TableFormat:
        """How the tables are written, as far as it is stated."""
        return TableFormat(self.delimiter, self.quoting, self.encoding)

    def sample_table(self, root: Path) -> Sample:
        """The sample submission."""
        file = table_file.read(files.read(root, self.sample), self.sample, TableFormat("", "", self.encoding))
        return samples.read(file, self.sample, self.id, self.labels.asked, self.melted)

    def test_tables(self, root: Path) -> Asked:
        """The test rows that the sample asks for, and the sample; a `solution.csv` beside them, if any."""
        if self.read_test:
            return self.read_test(self, root)
        sample = self.sample_table(root)
        solution = frames.read_by(root, "solution.csv", self.id) if files.find(root, "solution.csv") else None
        if not self.test:
            extra = self.inputs.from_ids(sample.index)
            return Asked(sample.frame[[]].assign(**(extra or {})), sample, solution, sample.notes)
        test, notes = read(self, root, self.test, answered=False)
        asked = asked_of(sample, test, self)
        if solution is not None:
            solution = solution[solution.index.isin(asked.sample.index)]
            solution = solution if len(solution) else None
        return replace(asked, solution=solution, notes=(*notes, *asked.notes))

    def is_at(self, place: Path) -> bool:
        """Does a folder hold the training table (or, where it is a tree of pictures, their folder)?"""
        first = first_of(self.train)
        if "{" in first:
            folder = picture_pattern(first)[0].partition("/")[0]
            return archives.find(place, folder) is not None
        return bool(paths(place, first)) or (bool(first) and archives.find(place, first) is not None)

    def files(self, root: Path) -> list[Path]:
        """The files whose content identifies the data, where they are."""
        if root.is_file():
            return [root]
        tables = [path for names in (self.train, self.test, self.sample) for path in paths(root, names)]
        runs = root / "runs"  # what the kit writes where it is started, be it among the data
        return list(dict.fromkeys([*tables, *(path for path in self.inputs.files(root) if runs not in path.parents)]))

    def places(self, environ: Mapping[str, str] | None = None) -> list[Path]:
        """Every folder where the data is looked for, in order."""
        environ = os.environ if environ is None else environ
        mount = Path(environ.get("KIT_MOUNT", "/kaggle/input"))
        owned = [Path(environ["KIT_DATA"]) / self.slug] if environ.get("KIT_DATA") else []
        datasets = sorted(mount.glob(f"datasets/*/{self.slug}"))
        return [*owned, mount / "competitions" / self.slug, mount / self.slug, *datasets, Path("data") / self.slug]

    def _below(self, place: Path) -> Path:
        """The folder itself, or the only one in it that holds the files where it does not, as some archives unpack."""
        if place.is_file() or self.is_at(place):
            return place
        inside = [path for path in sorted(place.iterdir()) if path.is_dir() and self.is_at(path)]
        return inside[0] if len(inside) == 1 else place

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
            return self._below(Path(data))
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
