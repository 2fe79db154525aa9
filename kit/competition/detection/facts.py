"""Detection of a competition's facts from its files alone."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd

from kit.competition.detection.labels import labels_of
from kit.competition.detection.tables import Layout, layout_of, tables_in
from kit.competition.facts import Competition
from kit.competition.sources import first_of
from kit.config import Config
from kit.data.dealing import time_column
from kit.errors import BadData
from kit.inputs import DETECTED, Inputs, Table
from kit.inputs.decode import SUFFIXES
from kit.inputs.detection import IDENTIFIER, Evidence
from kit.labels import Labels, OneOf
from kit.metrics import accuracy

GROUPED = re.compile("patient|subject|person|user|customer|group|session|speaker|author|site|scene|essay", re.I)
TIMED = re.compile("date|time|year|month|day|sold", re.I)

PLAIN = Competition(slug="plain", id="id", inputs=Table(), labels=OneOf("label"), metric=accuracy)  # nothing is known yet


def facts_of(root: Path, target: str = "", task: str = "", config: Config | None = None) -> Competition:
    """The competition whose files are in `root`. `target`: the column of answers, where the sample's columns do not tell.

    `task`: what answers are, where someone says so (see the knob). `config`: knobs that say how the tables are written, where
    the files do not tell. Raises BadData where there is no sample submission or training table, or no column holds what is
    asked.
    """
    written = PLAIN.written(config or Config())
    layout = layout_of(root, written.form)
    name = first_of(layout.train_names)
    try:
        labels = labels_of(layout.train, layout.test, layout.sample.frame, target, task)
    except BadData as fault:
        raise BadData(f"{name}: {fault}") from fault
    inputs = _inputs(layout, labels)
    group = _group(layout.train, layout.test, labels)
    return replace(
        written, slug=root.resolve().name, id=layout.id, inputs=inputs, labels=labels, metric=labels.usual_metric,
        train=layout.train_names, test=layout.test_names, sample=layout.sample_name,
        id_from=layout.id_from, melted=layout.melted,
        group=group or None, time=None if group else _time(layout.train, layout.test, labels) or None,
    )  # fmt: skip


def _inputs(layout: Layout, labels: Labels) -> Inputs:
    """The Inputs of the first kind that the files have. Raises BadData where they have none."""
    evidence = Evidence(
        root=layout.root,
        train=layout.train,
        test=layout.test,
        answers=frozenset(labels.train_columns),
        delimiter="" if layout.form.delimiter == "," else layout.form.delimiter,
        escape="\\" if layout.form.quoting == "backslash" else "",
        unlabelled=next((table for table in tables_in(layout.root) if "unlabel" in table.lower()), ""),
    )
    inputs = next((detected for kind in DETECTED if (detected := kind.detect(evidence))), None)
    if inputs is None:
        pictures = evidence.pictures
        there = f"the first is {pictures[0]!r}" if pictures else f"there are none: {', '.join(SUFFIXES)}"
        raise BadData(
            "nothing tells what the rows are: train and test share no column besides ids and answers, and no pictures are"
            f" called as ids or cells of both ({there}).\nRename or convert pictures, or add columns to both tables."
        )
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
                both = time_column.times(pd.concat([train[[name]], test[[name]]]), str(name))
            except BadData:
                continue
            if both[: len(train)].max() < both[len(train) :].min():
                return str(name)
    return ""
