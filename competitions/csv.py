"""Csv: any table with a column of answers (`--target`), and texts in one (`--text`) or numbers, categories and dates.

`--data` names the file, or a folder with train.csv and perhaps test.csv and sample_submission.csv. Without a test table a
fifth is kept back. Needs no adapter: what the answers are (classes, numbers, a probability) follows from the files.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from kit.competition import Asked, Competition, asked_of, numbered
from kit.competition.answers import questions
from kit.competition.kept_back import TRAIN, read as parts
from kit.config import Config
from kit.data.folds import PART, content_codes, kept_back, mostly_repeated
from kit.errors import BadData, KitError, Usage, listed
from kit.inputs import Table, Text
from kit.inputs.detection import Beginning
from kit.inputs.table import BEST, BEST_TREES, TREES, dated_ids
from kit.inputs.text import NGRAMS, NGRAMS_BEST, Texts
from kit.labels import Labels, OneOf, answer_spelling
from kit.metrics import accuracy
from kit.storage import files, frames
from kit.storage.tables import table_file, typed_table
from kit.storage.tables.delimited_text import first_line
from kit.storage.tables.table_file import TableFormat

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SAMPLE = "sample_submission.csv"
SHOWN = 20  # classes that are named
LEAST = 50_000  # rows that are read under --limit at least: what the answers are follows from them


def shape(facts: Competition, config: Config, root: Path | None) -> Competition:
    """The columns that the command line names, and what the files say of them."""
    inputs = Text(config.text) if config.text else Table()
    most = rows_read(config)
    facts = replace(
        facts,
        inputs=inputs,
        labels=OneOf(config.target),
        read_train=partial(read_train, task=config.task, most=most),
        read_test=partial(read_test, most=most),
        suits=None if config.text else suits,
    )
    if root is None:
        return facts
    if config.text:
        return answered(facts, root, config.task, most) if config.task else facts
    facts = replace(facts, sample=SAMPLE if _file(facts, root, SAMPLE) else "")
    facts = replace(facts, id=id_column(facts, root, most) or facts.id)
    if config.target == facts.id:
        raise Usage(f"--target {config.target}: this column names the rows; which one holds the answers?")
    facts = replace(facts, inputs=Table(dates=dated(facts, root, most)))
    return answered(facts, root, config.task, most)


def rows_read(config: Config) -> int:
    """How many rows of a table with answers are read at least, 0: all; a fifth of them may be kept back."""
    return max(LEAST, -(-config.limit * PART // (PART - 1))) if config.limit else 0


def suits(facts: Competition, config: Config, root: Path) -> Beginning | None:
    """The presets that suit the rows that are trained on, not those kept back; None where these cannot be told: what is wrong
    is said when they are read."""
    if not _file(facts, root, facts.train):
        return None
    with suppress(KitError):
        rows, back = table(facts, root, rows_read(config))
        rows = rows[~back]
        if config.kept_back:
            part = parts(config.kept_back)
            rows = rows[rows.index.isin(part.index[part == TRAIN])]
        if _file(facts, root, facts.test):
            asked = _read(facts, root, facts.test)
            rows = rows[[name for name in rows if name in asked or name in facts.labels.train_columns]]
        frames.need_columns(rows, list(facts.labels.train_columns), facts.train)
        rows = rows[~facts.labels.blank(rows)]
        labels = facts.labels.bind(rows)
        rows = rows[: config.limit] if config.limit else rows
        return facts.inputs.beginning(root, rows, len(labels.columns), labels.encode)
    return None


def dated(facts: Competition, root: Path, most: int) -> tuple[str, ...]:
    """The column of ids where these are dates in all tables, as the rows of a time series have them."""
    tables = [_read(facts, root, name, most) for name in (facts.train, facts.test) if _file(facts, root, name)]
    known = bool(tables) and all(facts.id in one and dated_ids(one[facts.id]) for one in tables)
    return (facts.id,) if known else ()


def id_column(facts: Competition, root: Path, most: int) -> str:
    """The sample's first column; else one called id whose cells all differ in the tables that have it; "" where none is."""
    if facts.sample:
        return str(_read(facts, root, SAMPLE).columns[0])
    tables = [_read(facts, root, name, most) for name in (facts.train, facts.test) if _file(facts, root, name)]
    alike = [str(name) for name in tables[0].columns if _called_id(str(name))] if tables else []
    return min((name for name in alike if all(name in one and _names_rows(one[name]) for one in tables)), key=len, default="")


def _names_rows(cells: pd.Series) -> bool:
    """Does each cell name another row? By an index, so that its table of cells answers twice."""
    index = frames.text_index(cells)
    return index.is_unique and "" not in index


def answered(facts: Competition, root: Path, task: str, most: int) -> Competition:
    """The facts with labels of what the answers are: as `task` says, else as found.

    Found are amounts, a probability where the sample has fractions for 0 and 1, else classes.
    """
    target = facts.labels.train_columns[0]
    table = _read(facts, root, facts.train, most) if _file(facts, root, facts.train) else None
    if table is None or target not in table:
        return facts
    from kit.competition.detection.labels import answers_in, of_column, of_task  # loads pandas, which `kit list` does not need

    shown = _read(facts, root, SAMPLE).iloc[:, 1:] if facts.sample else None
    sample = table[target][:0] if shown is None or shown.empty else shown.iloc[:, 0]
    cells = answers_in(table[target], sample)
    try:
        labels = of_task(task, cells) if task else of_column(cells, sample)
    except BadData as fault:
        raise BadData(f"{facts.train}: {fault}") from fault
    return replace(facts, labels=labels, metric=labels.usual_metric)


def _file(facts: Competition, root: Path, name: str) -> Path | None:
    """Where a table is; a single file is the training table."""
    return (root if name == facts.train else None) if root.is_file() else files.find(root, name)


def _read(facts: Competition, root: Path, name: str, most: int = 0) -> pd.DataFrame:
    """A table of the folder, or the single file; of one with answers, `most` rows at least (0: all)."""
    return _parsed(*_place(facts, root, name, most), _exact(facts))


def _place(facts: Competition, root: Path, name: str, most: int) -> tuple[Path, str, int, TableFormat, int]:
    """A table's file below a folder, when it was changed, how it is written, and how many rows are read (0: all)."""
    path = _file(facts, root, name) or root / name
    folder, name, there = (root.parent, root.name, True) if root.is_file() else (root, name, path.exists())
    form = facts.inputs.form.over(facts.form)
    return folder, name, path.stat().st_mtime_ns if there else 0, form, most if name != SAMPLE else 0


def _exact(facts: Competition) -> tuple[str, ...]:
    """The columns whose cells must be text as it is written; () where all must be."""
    return (facts.id, *facts.labels.train_columns) if isinstance(facts.inputs, Table) else ()


@lru_cache(maxsize=3)
def _parsed(folder: Path, name: str, changed: int, form: TableFormat, most: int, exact: tuple[str, ...]) -> pd.DataFrame:
    """A table as it is read once, while it has this time; if there are columns that must be `exact` text, others may not."""
    data = files.read(folder, name)
    header = re.split(r"[,;|\t]", first_line(data).decode(errors="replace").strip())
    if most and exact[1:] and exact[-1] in header and table_file.is_text(name):  # rows without answers are all asked for
        data = typed_table.first_rows(data, most)
    ids = {column for column in header if _called_id(column)}
    inputs = Table().beside([*exact, *ids]) if exact and name != SAMPLE else Text("text")
    return inputs.read_table(data, name, form).frame


def _called_id(column: str) -> bool:
    return column.lower().replace("_", "").endswith("id")


def table(facts: Competition, root: Path, most: int) -> tuple[pd.DataFrame, np.ndarray]:
    """The training file, and which of its rows are kept back: all of them in a single file without answers."""
    import numpy as np

    name = root.name if root.is_file() else facts.train
    rows = _with_learned(_identified(*_place(facts, root, facts.train, most), _exact(facts), facts.id, name), facts)
    needed = list(facts.inputs.used_columns() or ())
    frames.need_columns(rows, needed, f"{name} (see --text and --target)")
    if _file(facts, root, facts.test):
        return rows, np.zeros(len(rows), bool)
    answer = facts.labels.train_columns[0]
    if answer not in rows:
        return rows, np.ones(len(rows), bool)
    if isinstance(facts.inputs, Text):
        texts = Texts(list(rows[facts.inputs.column])).plain()
        answers = [""] * len(rows) if facts.labels.continuous else list(rows[answer])
        return rows, kept_back(content_codes(sha256(plain.encode()).digest() for plain in texts), answers)
    return rows, _kept_back(*_place(facts, root, facts.train, most), _exact(facts), "" if facts.labels.continuous else answer)


@lru_cache(maxsize=1)
def _kept_back(
    folder: Path, name: str, changed: int, form: TableFormat, most: int, exact: tuple[str, ...], answer: str
) -> np.ndarray:
    """Which rows of a table are kept back, by what tells them apart besides id and answer: their other cells.

    Equal rows are told apart by their number where most rows have their equals. `answer`: "" for amounts.
    """
    rows = _parsed(folder, name, changed, form, most, exact)
    cells = rows[[column for column in rows if column not in exact]]
    content = frames.row_codes(cells)
    content = frames.row_codes(cells, numbered=True) if mostly_repeated(content) else content
    return kept_back(content, list(rows[answer]) if answer else [""] * len(rows))


@lru_cache(maxsize=1)
def _identified(
    folder: Path, file: str, changed: int, form: TableFormat, most: int, exact: tuple[str, ...], column: str, name: str
) -> pd.DataFrame:
    """The training file by its ids, or numbered where it has none; checked once for its training and its test rows."""
    return numbered(_parsed(folder, file, changed, form, most, exact), column, name)


def _with_learned(rows: pd.DataFrame, facts: Competition) -> pd.DataFrame:
    """Rows by their ids, and what is learned from these."""
    return rows.assign(**(facts.inputs.from_ids(rows.index) or {}))


def read_train(facts: Competition, root: Path, task: str = "", most: int = 0) -> tuple[pd.DataFrame, list[str]]:
    """The rows to train on, and what was found out about the files; what is open about the answers, unless a task is given."""
    rows, back = table(facts, root, most)
    frames.need_columns(rows, list(facts.labels.train_columns), f"{facts.train} (see --target)")
    notes = [f"no {facts.test}: {back.sum():,} of {len(rows):,} rows are kept back as the test set"] if back.any() else []
    if isinstance(facts.inputs, Table):
        where = "numbered 1, 2, 3, …" if facts.id not in _read(facts, root, facts.train, most) else f"named by {facts.id!r}"
        answer = facts.labels.train_columns[0]
        labels, open_questions = _bound(facts, root, rows)
        of = f" of {len(labels.columns)} ({listed(labels.columns, SHOWN)})" if labels.exclusive else ""
        notes += [] if task else [f"? {question}" for question in open_questions]
        notes.append(f"{answer!r} is {facts.labels.describe()}{of}, scored by {facts.metric.name}; rows are {where}")
    return rows[~back], notes


def _bound(facts: Competition, root: Path, rows: pd.DataFrame) -> tuple[Labels, list[str]]:
    """The labels with what the rows tell, spelled as the sample's, and what is open about them."""
    sample = facts.sample_table(root).frame if facts.sample else None
    rows = answer_spelling.written(rows, facts.labels.respelled(rows, rows[[]] if sample is None else sample))
    rows = rows[~facts.labels.blank(rows)]
    if not len(rows):
        return facts.labels, []
    labels = facts.labels.bind(rows)
    return labels, questions(labels, rows, sample)


def read_test(facts: Competition, root: Path, most: int = 0) -> Asked:
    """test.csv (in the sample's order, where there is one), or the rows kept back, whose answers are known."""
    answer = facts.labels.train_columns[0]
    if _file(facts, root, facts.test):
        test = _with_learned(numbered(_read(facts, root, facts.test), facts.id, facts.test), facts)
        if facts.sample:
            return asked_of(facts.sample_table(root), test, facts)
        return Asked(test, test[[]].assign(**{answer: ""}))
    rows, back = table(facts, root, most)
    test = rows[back]
    if not len(test):
        raise BadData(f"{len(rows)} rows and no {facts.test}: too few to keep a fifth of each answer back.")
    known = test[[answer]] if answer in test else None
    return Asked(test.drop(columns=answer, errors="ignore"), test[[]].assign(**{answer: ""}), known)


competition = Competition(
    slug="csv",
    id="id",
    inputs=Text("text"),
    labels=OneOf("label"),
    metric=accuracy,
    sample="",
    read_train=read_train,
    read_test=read_test,
    shape=shape,
    suits=suits,
    one_file=True,
)
presets = {
    "fast": Config(model="mlp", width=64, epochs=20, batch=512, lr=8e-3, weight_decay=0.3, dropout=0.1),
    "best": BEST,
    "fast-lightgbm": TREES,
    "best-lightgbm": BEST_TREES,
    "fast-text": NGRAMS,
    "best-text": NGRAMS_BEST,
}
