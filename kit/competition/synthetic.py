"""Synthetic data: a small competition folder invented from a Competition's facts, so that every adapter can be tried."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kit.competition.facts import Competition
from kit.competition.sources import Names, every, first_of, made_ids, picture_pattern
from kit.storage import files, frames
from kit.storage.tables import table_file


def fabricate(facts: Competition, root: Path, train: int = 8, test: int = 8, seed: int = 0) -> None:
    """Write train, test and sample files (and pictures) of so many rows below `root`, in the competition's layout."""
    if facts.invent:
        facts.invent(facts, root, train, test)
        return
    rng = np.random.default_rng(seed)
    answers = pd.DataFrame(facts.labels.fabricate(train, rng), dtype=object)
    more = {facts.group: [f"g{i // 2}" for i in range(train)]} if facts.group else {}
    more |= {facts.time: [str(i) for i in range(train)]} if facts.time else {}
    table = _with_inputs(facts, root, answers, split="train", rng=rng, more=more)
    if "{" not in first_of(facts.train):
        _write(facts, root, facts.train, table)
    unknown = pd.DataFrame(facts.labels.fabricate(test, rng), dtype=object)
    rows = _with_inputs(facts, root, unknown, split="test", rng=rng, more={})
    ids = list(rows[facts.id]) if facts.id in rows else [str(i + 1) for i in range(test)]
    if facts.test:
        _write(facts, root, facts.test, rows.drop(columns=list(facts.labels.train_columns)))
    if not facts.sample:
        return
    bound = facts.labels.bind(answers)
    prior = np.repeat(bound.prior(bound.encode(answers))[None], test, axis=0)
    names = list(bound.asked)
    filled = {name: bound.decode(prior, names)[name] for name in names}
    sample = pd.DataFrame({**({facts.id: ids} if facts.id else {}), **filled})
    frames.write_csv(root / facts.sample, _long(facts, sample) if facts.melted else sample, index=False)


def _write(facts: Competition, root: Path, names: Names, table: pd.DataFrame) -> None:
    """A table as its files: answers in the last of several, and ids only in those between."""
    first, *others = every(names)
    answers = [name for name in facts.labels.train_columns if name in table]
    if facts.melted and answers:
        table = _long(facts, table[[facts.id, *answers]])
    if facts.id_from:
        table = table.drop(columns=facts.id)
    parts = {first: table.drop(columns=answers) if others else table}
    for name in others:
        parts[name] = table[[facts.id, *answers]] if name == others[-1] else table[[facts.id]]
    for name, part in parts.items():
        files.write(root / name.replace("*", "1"), table_file.written(part, name, facts.inputs.form.over(facts.form)))


def _long(facts: Competition, table: pd.DataFrame) -> pd.DataFrame:
    """A row for each id and answer column."""
    names = [name for name in table.columns if name != facts.id]
    rows = [(f"{row[facts.id]}{facts.melted}{name}", row[name]) for row in table.to_dict("records") for name in names]
    return pd.DataFrame(rows, columns=[facts.id, "Label"], dtype=object)


def _with_inputs(
    facts: Competition, root: Path, answers: pd.DataFrame, *, split: str, rng: np.random.Generator, more: dict[str, list[str]]
) -> pd.DataFrame:
    """A table of ids, answers, `more` columns and what the inputs invent beside them."""
    ids = [facts.inputs.example_id(split, i) for i in range(len(answers))]
    made: dict[str, list[str]] = {}
    if facts.inputs.stated_kind(facts.id) == "date":
        ids = [f"{2020 if split == 'train' else 2021}-{i // 28 % 12 + 1:02d}-{i % 28 + 1:02d}" for i in range(len(answers))]
    if split == "train" and "{" in first_of(facts.train):
        ids = [_picture(first_of(facts.train), dict(row), i) for i, row in enumerate(answers.to_dict("records"))]
    if facts.id_from:
        made = {name: [one if i == 0 else "1" for one in ids] for i, name in enumerate(re.findall("{(.*?)}", facts.id_from))}
        ids = made_ids(pd.DataFrame(made), facts.id_from, split)
    classes = [int(code) for code in np.unique(answers.astype(str).agg("|".join, axis=1), return_inverse=True)[1]]
    table = pd.concat([pd.DataFrame({facts.id: ids}), answers, pd.DataFrame(more)], axis=1)
    known = [facts.id, *more, *(answers.columns if split == "train" else ())]
    cells = {name: list(table[name]) for name in facts.inputs.used_columns() or () if name in known}
    how: dict[str, Any] = {"cells": cells} if cells else {}
    columns = pd.DataFrame(facts.inputs.fabricate(root, ids, split=split, classes=classes, rng=rng, **how))
    in_table = not facts.inputs.numbered or facts.group or facts.time
    named = pd.DataFrame({facts.id: ids}) if in_table and facts.id else pd.DataFrame()
    others = pd.DataFrame({name: cells for name, cells in made.items() if name not in columns})
    return pd.concat(
        [named, others, answers, pd.DataFrame(more), columns.drop(columns=[*more, facts.id], errors="ignore")], axis=1
    )


def _picture(template: str, answers: dict[str, str], number: int) -> str:
    """The id of an invented picture whose name tells its answers."""
    folder, _ = picture_pattern(template)
    cells = {name: answers.get(name, f"x{number}") for name in re.findall("{(.*?)}", template)}
    path = template.format(**{**cells, **({"number": str(number)} if "number" in cells else {})})
    return path.removeprefix(folder).rpartition(".")[0]
