"""Detection of a competition's facts from its files alone."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from kit.competition.detect_labels import labels_of
from kit.competition.facts import Competition
from kit.competition.tables import numbered
from kit.data import folds
from kit.errors import BadData, listed
from kit.inputs import DETECTED, Inputs
from kit.inputs.decode import SUFFIXES
from kit.inputs.detection import IDENTIFIER, Evidence, names_of_pictures
from kit.labels import Labels
from kit.storage import files, frames

TABLES = re.compile(r"(.+\.[ct]sv)(\.zip)?", re.I)
SAMPLES, ANSWERS = re.compile("sample|submission", re.I), re.compile("sample|submission|solution|unlabel", re.I)
GROUPED = re.compile("patient|subject|person|user|customer|group|session|speaker|author|site|scene|essay", re.I)
TIMED = re.compile("date|time|year|month|day|sold", re.I)
MOST = 5_000_000  # cells of a table that are looked at


def facts_of(root: Path, target: str = "", task: str = "") -> Competition:
    """The competition whose files are in `root`. `target`: the column of answers, where the sample's columns do not tell.

    `task`: what answers are, where someone says so (see the knob).

    Raises BadData where there is no sample submission or training table, or no column holds what is asked.
    """
    train_name, test_name, sample_name = _tables(root)
    sample, _ = _read(root, sample_name)
    row_id = str(sample.columns[0])
    if sample.shape[1] < 2 or not row_id.strip():
        raise BadData(f"{sample_name}: a column of ids and columns to fill are expected; it has {listed(sample.columns)}.")
    sample = numbered(sample, row_id, sample_name)
    table, escape = _read(root, train_name)
    train = _by_id(table, row_id, train_name)
    test = _by_id(_asked(_read(root, test_name)[0], sample, test_name), row_id, test_name) if test_name else sample[[]]
    try:
        labels = labels_of(train, test, sample, target, task)
    except BadData as fault:
        raise BadData(f"{train_name}: {fault}") from fault
    inputs = _inputs(root, train, test, labels=labels, name=train_name, escape=escape)
    group = _group(train, test, labels)
    return Competition(
        slug=root.resolve().name, id=row_id, inputs=inputs, labels=labels, metric=labels.usual_metric,
        train=train_name, test=test_name, sample=sample_name,
        group=group or None, time=None if group else _time(train, test, labels) or None,
    )  # fmt: skip


def _tables(root: Path) -> tuple[str, str, str]:
    """Which files are the training table, the test table ("": none) and the sample submission."""
    names = tables_in(root)
    likely = [name for name in names if SAMPLES.search(name) and "train" not in name.lower()]
    sample = min(likely, key=lambda name: -len(set(SAMPLES.findall(name.lower()))), default="")
    if not sample:
        trees = any(name.startswith("train/") and name.count("/") > 1 for name in names_of_pictures(root))
        way = "folders --data DIR` takes train/CLASS/PICTURE" if trees else "csv --data FILE --target COLUMN` takes a table"
        there = f"no sample submission among {listed(names)}: it tells what is asked" if names else _no_table(root)
        raise BadData(f"{root}: {there}.\n`kit run {way} without an adapter.")
    others = [name for name in names if not ANSWERS.search(name)]
    test = next((name for name in others if "test" in name.lower()), "")
    train = min((name for name in others if name != test), key=lambda name: "train" not in name.lower(), default="")
    if not train:
        header = ",".join(_read(root, sample)[0].columns)
        of = "a row a picture, named as below its folder (ants/1.jpg)" if names_of_pictures(root) else "a row an answer"
        raise BadData(
            f"{root}: {_no_table(root)} to train on beside {sample}.\nMake a train.csv of what is there: {header}; {of}."
        )
    return train, test, sample


def tables_in(root: Path) -> list[str]:
    """The tables in a folder, zipped, or in folders of their names (`files.find` has them), short names first."""
    called = [name for path in root.iterdir() for name in (path.name, f"{path.name}.csv") if not name.startswith(".")]
    found = {match[1] for name in called if (match := TABLES.fullmatch(name)) and files.find(root, match[1])}
    return sorted(found, key=lambda name: (len(name), name))


def _no_table(root: Path) -> str:
    """That a folder holds no table, and what else there is."""
    found = [f"{path.name}{'/' * path.is_dir()}" for path in sorted(root.iterdir()) if not path.name.startswith((".", "__"))]
    other = listed(name for name in found if not TABLES.fullmatch(name))
    return f"only {other} and no table (.csv, .tsv; unpacked)" if other else "no table (.csv, .tsv)"


def _by_id(table: pd.DataFrame, row_id: str, name: str) -> pd.DataFrame:
    """A table indexed by its id column, or numbered. Raises BadData where rows share an id."""
    if row_id in table and table[row_id].duplicated().any():
        twice = table[row_id][table[row_id].duplicated()].iloc[0]
        raise BadData(
            f"{name}: several rows have the {row_id!r} {twice!r}; an adapter has one row an id (no boxes, no spans)."
            "\nMake a table with a row an id, or write `read_train` and `read_test` (CONTRIBUTING)."
        )
    return numbered(table, row_id, name)


def _asked(test: pd.DataFrame, sample: pd.DataFrame, name: str) -> pd.DataFrame:
    """The test table. Raises BadData where the sample's ids are neither in a column of their name nor its rows' numbers."""
    ids = set(sample.index)
    if sample.index.name in test or not ids.isdisjoint(map(str, range(1, len(test) + 1))):
        return test
    has = [column for column in test if test[column].is_unique and set(test[column]) <= ids]
    hint = f"its column {has[0]!r} holds them" if has else f"no column holds them: it has {listed(test.columns, 10)}"
    raise BadData(
        f"{name}: the sample names rows by {sample.index.name!r} (say {sample.index[0]!r}); {hint}."
        f"\nGive it a column {sample.index.name!r} of the sample's ids, or write `read_test` (CONTRIBUTING)."
    )


def _read(root: Path, name: str) -> tuple[pd.DataFrame, str]:
    """A table, and the sign by which a quote within quotes is escaped ("": it is doubled)."""
    data = files.read(root, name)
    try:
        return frames.read_csv(data, name, _delimiter(name), most=MOST), ""
    except BadData:
        if b'\\"' not in data:
            raise
        return frames.read_csv(data, name, _delimiter(name), "\\", most=MOST), "\\"


def _delimiter(name: str) -> str:
    return "\t" if name.lower().endswith(".tsv") else ","


def _inputs(root: Path, train: pd.DataFrame, test: pd.DataFrame, *, labels: Labels, name: str, escape: str) -> Inputs:
    """The Inputs of the first kind that the files have; `name`: the training table's.

    Raises BadData where the files have no kind of inputs, or one that is not read from such a table.
    """
    evidence = Evidence(
        root=root,
        train=train,
        test=test,
        answers=frozenset(labels.train_columns),
        delimiter=_delimiter(name),
        escape=escape,
        unlabelled=next((table for table in tables_in(root) if "unlabel" in table.lower()), ""),
    )
    inputs = next((detected for kind in DETECTED if (detected := kind.detect(evidence))), None)
    if inputs is None:
        pictures = evidence.pictures
        there = f"the first is {pictures[0]!r}" if pictures else f"there are none: {', '.join(SUFFIXES)}"
        raise BadData(
            "nothing tells what the rows are: train and test share no column besides ids and answers, and no pictures are"
            f" called as ids or cells of both ({there}).\nRename or convert pictures, or add columns to both tables."
        )
    if not inputs.any_csv and (evidence.delimiter != "," or evidence.escape):
        raise BadData(f"{name}: only texts are read from such a table. Save it with commas, and quotes doubled.")
    return inputs


def _group(train: pd.DataFrame, test: pd.DataFrame, labels: Labels) -> str:
    """A column of what rows have in common (a patient, say), where the test rows have others, or do not tell."""
    for name in map(str, train.columns.difference(labels.train_columns, sort=False)):
        called = GROUPED.fullmatch(name) or (IDENTIFIER.fullmatch(name) and (name in test or GROUPED.match(name)))
        repeats = 1 < train[name].nunique() < len(train)
        if called and repeats and not TIMED.search(name) and not (name in test and set(test[name]) & set(train[name])):
            return name
    return ""


def _time(train: pd.DataFrame, test: pd.DataFrame, labels: Labels) -> str:
    """A column of times that are later in all test rows than in the training rows."""
    for name in train.columns.difference(labels.train_columns, sort=False):
        if name in test and TIMED.search(str(name)):
            try:
                both = folds.times(pd.concat([train[[name]], test[[name]]]), str(name))
            except BadData:
                continue
            if both[: len(train)].max() < both[len(train) :].min():
                return str(name)
    return ""
