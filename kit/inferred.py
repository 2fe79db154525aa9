"""Inferred: a competition's facts, from its files alone."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd

from kit import files, folds, frames
from kit.competition import Competition, numbered
from kit.errors import BadData, listed
from kit.inputs import Inputs, Text
from kit.inputs.inferred import inputs_of, names_of_pictures
from kit.labels import Labels
from kit.labels.inferred import labels_of, usual_metric

TABLES = re.compile(r"(.+\.[ct]sv)(\.zip)?", re.I)
SAMPLES, ANSWERS = re.compile("sample|submission", re.I), re.compile("sample|submission|solution|unlabel", re.I)
GROUPED = re.compile("patient|subject|person|user|customer|group|session|speaker|author|site|scene|study_?instance", re.I)
TIMED = re.compile("date|time|year|month|day|sold", re.I)
MOST = 5_000_000  # cells of a table that are looked at


def facts_of(root: Path, target: str = "") -> Competition:
    """The competition whose files are in `root`. `target`: the column of answers, where the sample's columns do not tell.

    Raises BadData where there is no sample submission or training table, or no column holds what is asked.
    """
    train_name, test_name, sample_name = _tables(root)
    sample, _ = _read(root, sample_name)
    if sample.shape[1] < 2:
        raise BadData(f"{sample_name}: an id and columns to fill are wanted; it has {listed(sample.columns)}.")
    row_id = str(sample.columns[0])
    sample = frames.index_by(sample, row_id, sample_name)
    table, escape = _read(root, train_name)
    train = numbered(table, row_id, train_name)
    test = numbered(_read(root, test_name)[0], row_id, test_name) if test_name else sample[[]]
    labels = labels_of(train, test, sample, target)
    inputs = _written(inputs_of(root, train, test, set(labels.train_columns)), root, train_name, escape)
    group = _group(train, test, labels)
    return Competition(
        slug=root.resolve().name, id=row_id, inputs=inputs, labels=labels, metric=usual_metric(labels),
        train=train_name, test=test_name, sample=sample_name,
        group=group or None, time=None if group else _time(train, test, labels) or None,
    )  # fmt: skip


def _tables(root: Path) -> tuple[str, str, str]:
    """Which files are the training table, the test table ("": none) and the sample submission."""
    found = [match for path in sorted(root.iterdir()) if path.is_file() and (match := TABLES.fullmatch(path.name))]
    names = sorted({match[1] for match in found}, key=len)
    sample = next(filter(SAMPLES.search, names), "")
    if not sample:
        trees = any(name.startswith("train/") and name.count("/") > 1 for name in names_of_pictures(root))
        way = "folders --data DIR` takes train/CLASS/PICTURE" if trees else "csv --data FILE --target COLUMN` takes a table"
        there = f"among {listed(names)}" if names else "and no other table"
        raise BadData(f"{root}: no sample submission {there}: it tells what is asked.\n`kit run {way} without an adapter.")
    others = [name for name in names if not ANSWERS.search(name)]
    test = next((name for name in others if "test" in name.lower()), "")
    train = min((name for name in others if name != test), key=lambda name: "train" not in name.lower(), default="")
    if not train:
        raise BadData(f"{root}: no training table beside {sample}; there are {listed(names)}.")
    return train, test, sample


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


def _written(inputs: Inputs, root: Path, name: str, escape: str) -> Inputs:
    """Texts know how their tables are written, and of one that has no answers."""
    if isinstance(inputs, Text):
        others = [match[1] for path in sorted(root.iterdir()) if (match := TABLES.fullmatch(path.name))]
        unlabelled = next((one for one in others if "unlabel" in one.lower()), "")
        return replace(inputs, delimiter=_delimiter(name), escape=escape, unlabelled=unlabelled)
    if _delimiter(name) != "," or escape:
        raise BadData(f"{name}: only texts are read from such a table. Save it with commas, and quotes doubled.")
    return inputs


def _group(train: pd.DataFrame, test: pd.DataFrame, labels: Labels) -> str:
    """A column of what rows have in common (a patient, say), where the test rows have others."""
    for name in train.columns.difference(labels.train_columns, sort=False):
        repeats = train[name].nunique() < len(train)
        if GROUPED.search(str(name)) and repeats and not (name in test and set(test[name]) & set(train[name])):
            return str(name)
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
