"""Scaffold: a first adapter for a competition, detected in its files and written as a person would write it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from kit.competition import loading as competitions
from kit.competition.answers import questions
from kit.competition.detection.facts import TIMED, facts_of
from kit.competition.detection.tables import tables_in
from kit.competition.facts import Competition
from kit.competition.sources import every, first_of, parts
from kit.competition.tables import Tables
from kit.config import Config
from kit.data import date_spelling
from kit.errors import BadData, Usage, listed
from kit.inputs import Inputs
from kit.inputs.detection import Beginning, names_of_pictures
from kit.storage import files

STATED = (
    "train", "test", "sample", "group", "time", "id_from", "melted", "delimiter", "quoting", "decimal", "encoding",
)  # fmt: skip
WIDTH = 100  # characters of a line of names
DATES = 8  # ids that are tried as dates
CELLS = 500  # cells of the sample whose answers are looked at


def write(name: str, root: Path, target: str = "", task: str = "", config: Config | None = None) -> tuple[Path, list[str]]:
    """Write `competitions/NAME.py` where the kit was started; returns its path and lines on what was found (·) and asked (?).

    What is asked stands in the adapter too, as its `questions`. `target`, `task`, `config`: see `facts_of`.

    Raises Usage for a name that is taken or is none, BadData for files from which nothing can be inferred, or that an
    adapter of their facts does not read yet.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
        raise Usage(f"{name!r}: a name may have letters, digits, - and _ only: it becomes the name of a file.")
    if name in competitions.names():
        raise Usage(f"{name}: {competitions.names()[name]} is there already. Take another name, or remove it.")
    if not root.is_dir():
        raise Usage(f"--from {root}: there is no such folder.")
    facts = facts_of(root, target, task, config)
    path = Path("competitions") / f"{name}.py"
    root = facts.find(root)
    try:
        tables = facts.tables(root)
    except BadData as fault:
        files.write(path, text(name, facts, facts.inputs.beginning(root, None)))
        raise BadData(f"{path} is written, but these facts do not read the files yet: {fault}") from fault
    beginning = facts.inputs.beginning(root, tables.train, len(tables.labels.columns), tables.labels.encode)
    found, questions = list(_found(facts, tables)), list(_questions(facts, tables))
    files.write(path, text(name, replace(facts, questions=tuple(questions)), beginning))
    presets = f"the presets are a beginning, for {beginning.suits}"
    return path, [*(f"· {line}" for line in found), *(f"? {line}" for line in [*questions, presets])]


def text(name: str, facts: Competition, beginning: Beginning) -> str:
    """The adapter's file."""
    default = {one.name: one.default for one in fields(Competition)}
    more = {key: getattr(facts, key) for key in STATED}
    lines = [
        f'"""{name}: {facts.labels.describe()} from {facts.inputs.kind}, {facts.metric.name}."""',
        "",
        "from kit.competition import Competition",
        "from kit.config import Config",
        f"from kit.inputs import {type(facts.inputs).__name__}",
        f"from kit.labels import {type(facts.labels).__name__}",
        f"from kit.metrics import {facts.metric.name}",
        "",
        "competition = Competition(",
        f"    slug={_literal(facts.slug)},",
        f"    id={_literal(facts.id)},",
        f"    inputs={call(_plain(facts))},",
        f"    labels={call(facts.labels)},",
        f"    metric={facts.metric.name},",
        *(f"    {key}={_literal(value)}," for key, value in more.items() if value != default[key]),
        *_asked(facts.questions),
        ")",
        "presets = {",
        f'    "fast": {call(beginning.fast)},',
        f'    "best": {call(beginning.best)},',
        "}",
    ]
    return "\n".join(lines) + "\n"


def _asked(questions: tuple[str, ...]) -> list[str]:
    """The lines of an adapter that hold the questions."""
    if not questions:
        return []
    lines = [f"        {_literal(question)}," for question in questions]
    return ["    questions=(  # repeated by every run: delete what is answered", *lines, "    ),"]


def call(noun: Any) -> str:
    """The call that makes a dataclass: defaults are left out, a field that has no default goes without its name."""
    parts = []
    for field in fields(noun):
        value = getattr(noun, field.name)
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if default is MISSING:
            parts.append(_literal(value))
        elif value != default and _must_be_stated(noun, field.name, default):
            parts.append(f"{field.name}={_literal(value)}")
    return f"{type(noun).__name__}({', '.join(parts)})"


def _must_be_stated(noun: Any, name: str, default: Any) -> bool:
    """Must a field be stated, or does its value follow from the other fields?"""
    try:
        return bool(replace(noun, **{name: default}) != noun)
    except ValueError:  # the others need it
        return True


def _plain(facts: Competition) -> Inputs:
    """Inputs as an adapter states them: a Competition adds the other columns."""
    return facts.inputs.apart([facts.id, *facts.labels.train_columns, *filter(None, (facts.group, facts.time))])


def _literal(value: Any) -> str:
    """A value as Python has it, in double quotes; a long tuple over several lines."""
    if isinstance(value, tuple):
        parts = [f"{_literal(one)}," for one in value]
        if sum(map(len, parts)) <= WIDTH:
            return f"({' '.join(parts) if len(parts) == 1 else ' '.join(parts).removesuffix(',')})"
        lines = [""]
        for part in parts:
            lines += [""] if len(lines[-1]) + len(part) > WIDTH else []
            lines[-1] += f" {part}" if lines[-1] else part
        return "\n".join(["(", *(f"        {line}" for line in lines), "    )"])
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _found(facts: Competition, tables: Tables) -> Iterator[str]:
    """What the files prove."""
    yield (
        f"{len(tables.train):,} training rows ({first_of(facts.train)}); {len(tables.sample):,} to be answered"
        f" ({facts.sample}), named by {repr(facts.id) if facts.id else 'their numbers'}"
    )
    if facts.id_from:
        yield f"ids are made of columns: {facts.id_from}"
    if facts.melted:
        yield f"a row for each id and answer: {facts.id!r} is made of the two, with {facts.melted!r} between"
    read = {facts.sample, "solution.csv", facts.inputs.unlabelled}
    read |= {part for names in (facts.train, facts.test) for name in every(names) for part in parts(tables.root, name)}
    unread = [name for name in tables_in(tables.root) if name not in read]
    if unread:
        yield f"tables that are not read: {listed(unread)}"
    yield call(_plain(facts))
    yield call(facts.labels)
    yield from (note for note in tables.notes if not note.startswith("? "))
    if facts.group:
        told = "the test has others" if facts.group in tables.test else "the test does not name them"
        yield f"rows of one {facts.group!r} stay in one fold: {told}"
    if facts.time:
        yield f"folds by {facts.time!r}: the test is later than every training row"


def _questions(facts: Competition, tables: Tables) -> Iterator[str]:
    """What the files do not prove."""
    yield f"{facts.metric.name} is what such answers are mostly scored by: what does the competition's page say?"
    yield from (note.removeprefix("? ") for note in tables.notes if note.startswith("? "))
    yield from (*_of_answers(tables), *_of_inputs(facts, tables))


def _of_answers(tables: Tables) -> Iterator[str]:
    """What may be wrong with the labels, and what to state then."""
    labels = tables.labels
    yield from questions(labels, tables.train, tables.sample.frame)
    asked = tables.sample.frame
    cells = [cell for name in asked for cell in asked[name].iloc[:CELLS].unique() if cell.strip()]
    if cells and not labels.named and all(map(labels.fault, cells)):
        yield f"the sample has other answers: {labels.fault(cells[0])}. What does the competition's page ask for?"


def _of_inputs(facts: Competition, tables: Tables) -> Iterator[str]:
    """What may be wrong with the inputs, and what to state then."""
    inputs = facts.inputs
    yield from inputs.doubts()
    unused = "" if inputs.channels else next(iter(names_of_pictures(tables.root)), "")
    if unused:
        yield f"pictures such as {unused!r} are not used: training and test rows do not both lead to them"
    columns = inputs.used_columns()
    if columns is not None:
        used = {facts.group, facts.time, *facts.labels.train_columns, *columns}
        other = [name for name in tables.test if name in tables.train and name not in used]
        if other:
            both = f"; inputs=({type(inputs).__name__}(…), Table()) does from both" if inputs.kind in ("images", "text") else ""
            yield f"nothing is learned from {listed(other)}: Table() would, but not from the {inputs.kind}{both}"
    if inputs.stated_kind(facts.id):
        yield f"the ids are dates and are learned from: if they only name the rows, leave {facts.id!r} out of `dates`"
    elif TIMED.search(facts.id) and date_spelling.are_dates(tables.sample.index[:DATES]):
        yield f"{facts.id!r} names the rows, so nothing is learned from it: `read_train` and `read_test` may add columns of it"
    apart = inputs.kind == "table" and not (facts.id_from or inputs.stated_kind(facts.id))
    mark = _parted(tables.train.index, tables.sample.index) if apart else ""
    if mark:
        yield (
            f"ids have parts that repeat ({tables.train.index[0]!r}): Table(id_parts={_literal(mark)}) learns from them;"
            " if they are patients, households or shops, `group` keeps each in one fold"
        )


def _parted(*tables: pd.Index) -> str:
    """The mark between the parts of ids, of which one at least repeats; "" where ids have none."""
    for mark in "_-":
        parts = [[str(one).split(mark) for one in ids] for ids in tables]
        if len({len(one) for split in parts for one in split}) == 1 < len(parts[0][0]):
            columns = list(zip(*parts[0], strict=True))
            if any(1 < len(set(column)) <= 0.9 * len(column) for column in columns):
                return mark
    return ""
