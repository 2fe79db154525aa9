"""Csv: any table with a column of texts and a column of answers (`--text`, `--label`), one of several; needs no adapter.

`--data` names the file, or a folder with train.csv and perhaps test.csv. Without a test table a fifth is kept back.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kit.competition import Asked, Competition, numbered
from kit.config import Config
from kit.holdout import kept_back
from kit.inputs import Text
from kit.labels import OneOf
from kit.metrics import accuracy

if TYPE_CHECKING:
    import pandas as pd


def shape(facts: Competition, config: Config) -> Competition:
    """The columns that the command line names."""
    return replace(facts, inputs=Text(config.text), labels=OneOf(config.target))


def table(facts: Competition, root: Path) -> tuple[pd.DataFrame, list[bool]]:
    """The training file, and which of its rows are kept back."""
    from kit import files, frames

    data, name = (root.read_bytes(), root.name) if root.is_file() else (files.read(root, facts.train), facts.train)
    rows = numbered(facts.inputs.read_csv(data, name), facts.id, name)
    answer = facts.labels.train_columns[0]
    frames.need_columns(rows, [facts.inputs.column, answer], f"{name} (see --text and --label)")
    if root.is_dir() and files.find(root, facts.test):
        return rows, [False] * len(rows)
    return rows, kept_back([plain.encode() for plain in facts.inputs.plain(rows[facts.inputs.column])], list(rows[answer]))


def read_train(facts: Competition, root: Path) -> tuple[pd.DataFrame, list[str]]:
    """The rows to train on."""
    rows, back = table(facts, root)
    notes = [f"no {facts.test}: {sum(back):,} of {len(rows):,} rows are kept back as the test set"] if any(back) else []
    return rows[[not one for one in back]], notes


def read_test(facts: Competition, root: Path) -> Asked:
    """test.csv, or the rows kept back, whose answers are known."""
    from kit import files

    answer = facts.labels.train_columns[0]
    if root.is_dir() and files.find(root, facts.test):
        test = numbered(facts.inputs.read_csv(files.read(root, facts.test), facts.test), facts.id, facts.test)
        return Asked(test, test[[]].assign(**{answer: ""}))
    rows, back = table(facts, root)
    test = rows[back]
    return Asked(test.drop(columns=answer), test[[]].assign(**{answer: ""}), test[[answer]])


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
    one_file=True,
)
presets = {"fast": Config(model="ngrams", epochs=1), "best": Config(model="ngrams", epochs=1, iterations=20, vectors=128)}
