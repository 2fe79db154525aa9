"""Draft: a first adapter for a competition, inferred from its files and written as one would write it by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from kit.competition import loading as competitions
from kit.competition.detect_facts import TIMED, facts_of, tables_in
from kit.competition.detect_inputs import LOOKED_AT, SHOWN, names_of_pictures
from kit.competition.facts import Competition, Tables
from kit.config import Config
from kit.errors import BadData, Usage, listed
from kit.inputs import Images, Inputs, Pixels, Table, Text
from kit.labels import Columns, Grade, Numbers, OneOf, Tags
from kit.storage import files

SMALL = 64  # pixels a side: such pictures need no pretrained backbone
WIDTH = 100  # of a line of names

PHOTOS = Config(model="resnet18", size=128, epochs=6, batch=32, lr=1e-3, augment="photo", views=2)
NUMBERS = Config(model="mlp", width=64, epochs=20, batch=256, lr=5e-3, weight_decay=0.3, dropout=0.1)
PRESETS = {
    "photos": (PHOTOS, PHOTOS.changed(model="tf_efficientnet_b3", weights="hub", size=384, epochs=15, views=4)),
    "small pictures": (
        Config(width=32, epochs=15, lr=1e-2, augment="medium", views=2),
        Config(width=64, epochs=30, lr=1e-2, augment="medium", views=5),
    ),
    "texts": (Config(model="ngrams", epochs=1), Config(model="ngrams", epochs=1, iterations=20, vectors=128)),
    "tables": (NUMBERS, NUMBERS.changed(width=256, epochs=40, lr=3e-3, dropout=0.2)),
}
KINDS = {"images": "photos", "pixels": "small pictures", "text": "texts", "table": "tables"}


def write(name: str, root: Path, target: str = "") -> tuple[Path, list[str]]:
    """Write `competitions/NAME.py` where the kit was started; returns its path and lines on what was found and guessed.

    Raises Usage for a name that is taken or is none, BadData for files from which nothing can be inferred, or that an
    adapter of their facts does not read yet.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
        raise Usage(f"{name!r}: a name of letters, digits, - and _ is wanted; it becomes the name of a file.")
    if name in competitions.names():
        raise Usage(f"{name}: {competitions.names()[name]} is there already. Take another name, or remove it.")
    if not root.is_dir():
        raise Usage(f"--from {root}: there is no such folder.")
    facts = facts_of(root, target)
    path = Path("competitions") / f"{name}.py"
    try:
        tables = facts.tables(root)
    except BadData as fault:
        files.write(path, text(name, facts, KINDS[facts.inputs.kind]))
        raise BadData(f"{path} is written, but these facts do not read the files yet: {fault}") from fault
    kind = _kind(facts, tables)
    files.write(path, text(name, facts, kind))
    return path, list(_lines(facts, tables, kind))


def text(name: str, facts: Competition, kind: str) -> str:
    """The adapter's file."""
    default = {one.name: one.default for one in fields(Competition)}
    more = {key: getattr(facts, key) for key in ("train", "test", "sample", "group", "time")}
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
        ")",
        "presets = {",
        *(f'    "{name}": {call(config)},' for name, config in zip(("fast", "best"), PRESETS[kind], strict=True)),
        "}",
    ]
    return "\n".join(lines) + "\n"


def call(noun: Any) -> str:
    """The call that makes a dataclass: defaults are left out, a first field that has none goes without its name."""
    parts = []
    for one in fields(noun):
        value = getattr(noun, one.name)
        if one.default is MISSING:
            parts.append(_literal(value))
        elif value != one.default and _told(noun, one.name, one.default):
            parts.append(f"{one.name}={_literal(value)}")
    return f"{type(noun).__name__}({', '.join(parts)})"


def _told(noun: Any, name: str, default: Any) -> bool:
    """Must a field be stated, or does it follow from the others?"""
    try:
        return bool(replace(noun, **{name: default}) != noun)
    except ValueError:  # the others want it
        return True


def _plain(facts: Competition) -> Inputs:
    """Inputs as they are stated: a Competition adds the other columns."""
    if not isinstance(facts.inputs, Table):
        return facts.inputs
    added = {facts.id, facts.group, facts.time, *facts.labels.train_columns}
    return replace(facts.inputs, without=tuple(name for name in facts.inputs.without if name not in added))


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


def _kind(facts: Competition, tables: Tables) -> str:
    """Which presets suit."""
    if isinstance(facts.inputs, Images):
        try:
            some = facts.inputs.load(tables.root, tables.train.iloc[:SHOWN], "train", 0).rows
        except BadData:  # pictures of several sizes
            return "photos"
        return "small pictures" if max(some.shape[1:3]) <= SMALL else "photos"
    return KINDS[facts.inputs.kind]


def _lines(facts: Competition, tables: Tables, kind: str) -> Iterator[str]:
    """What was found (·) and what was guessed (?)."""
    yield (
        f"· {len(tables.train):,} training rows ({facts.train}); {len(tables.sample):,} to be answered ({facts.sample}),"
        f" named by {facts.id!r}"
    )
    read = {facts.train, facts.test, facts.sample, "solution.csv", getattr(facts.inputs, "unlabelled", "")}
    unread = [name for name in tables_in(tables.root) if name not in read]
    if unread:
        yield f"· tables that are not read: {listed(unread)}"
    yield f"· {call(_plain(facts))}"
    yield f"· {call(facts.labels)}"
    yield from (f"· {note}" for note in tables.notes)
    if facts.group:
        told = "the test has others" if facts.group in tables.test else "the test does not name them"
        yield f"· rows of one {facts.group!r} stay in one fold: {told}"
    if facts.time:
        yield f"· folds by {facts.time!r}: the test is later than every training row"
    yield f"? {facts.metric.name} is what such answers are mostly scored by: what does the competition's page say?"
    yield from (f"? {doubt}" for doubt in (*_of_answers(tables), *_of_inputs(facts, tables)))
    yield f"? the presets are a beginning, for {kind}"


def _of_answers(tables: Tables) -> Iterator[str]:
    """What may be wrong with the labels, and what to state then."""
    labels = tables.labels
    column = _literal(labels.train_columns[0])
    if isinstance(labels, OneOf) and set(labels.classes) == {"0", "1"}:
        yield f"the sample asks for 0 or 1: where a probability is wanted, state Columns(({column},)) and, say, auc"
    elif isinstance(labels, OneOf) and all(map(str.isdecimal, labels.classes)):
        yield f"whole numbers are taken for classes: where near ones are better than far, state Numbers(({column},), True)"
    elif isinstance(labels, Grade) or (isinstance(labels, Numbers) and labels.whole):
        yield f"whole numbers are taken for grades, which have an order: where they have none, state OneOf({column})"
    elif isinstance(labels, Columns) and labels.column and len(labels.names) == 1:
        yield f"a fraction in the sample is taken for the probability of {labels.names[0]!r}: state the other name where it is"
    elif isinstance(labels, Tags):
        yield f"each word of a cell is taken for a tag: where a cell is one name, state OneOf({column})"
    cells = [cell for name in tables.sample for cell in tables.sample[name].iloc[:LOOKED_AT].unique() if cell.strip()]
    if cells and all(map(labels.fault, cells)):
        yield f"the sample answers otherwise: {labels.fault(cells[0])}. What does the competition's page ask for?"


def _of_inputs(facts: Competition, tables: Tables) -> Iterator[str]:
    """What may be wrong with the inputs, and what to state then."""
    inputs = facts.inputs
    if isinstance(inputs, Pixels):
        yield f"{inputs.names[0]}, {inputs.names[1]}, … are taken for pictures: state Table() where they are none"
    if isinstance(inputs, Images):
        yield "pictures may be mirrored: state mirror=False where left is not right"
    elif lying := next(iter(names_of_pictures(tables.root)), ""):
        yield f"pictures such as {lying!r} are not used: training and test rows do not both lead to them"
    if isinstance(inputs, Images | Text):
        own = {facts.group, facts.time, *facts.labels.train_columns, *re.findall("{(.*?)}", call(inputs))}
        own |= {inputs.column} if isinstance(inputs, Text) else set()
        other = [name for name in tables.test if name in tables.train and name not in own]
        if other:
            yield f"nothing is learned from {listed(other)}: Table() would, but not from the {inputs.kind}"
    if TIMED.search(facts.id) and pd.to_datetime(tables.sample.index[:SHOWN], errors="coerce", format="mixed").notna().all():
        yield f"{facts.id!r} names the rows, so nothing is learned from it: `read_train` and `read_test` may add columns of it"
