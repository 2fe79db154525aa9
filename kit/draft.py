"""Draft: a first adapter for a competition, inferred from its files and written as one would write it by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

from kit import competition as competitions, files
from kit.competition import Competition, Tables
from kit.config import Config
from kit.errors import BadData, Usage
from kit.inferred import facts_of
from kit.inputs import Images, Inputs, Table

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
        f"    inputs={call(_plain(facts.inputs))},",
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
        elif value != one.default:
            parts.append(f"{one.name}={_literal(value)}")
    return f"{type(noun).__name__}({', '.join(parts)})"


def _plain(inputs: Inputs) -> Inputs:
    """Inputs as they are stated: a Competition adds the other columns."""
    return replace(inputs, without=()) if isinstance(inputs, Table) else inputs


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
        some = facts.inputs.load(tables.root, tables.train.iloc[:1], "train", 0).rows
        return "small pictures" if max(some.shape[1:3]) <= SMALL else "photos"
    return KINDS[facts.inputs.kind]


def _lines(facts: Competition, tables: Tables, kind: str) -> Iterator[str]:
    """What was found (·) and what was guessed (?)."""
    yield f"· {len(tables.train):,} training rows ({facts.train}); {len(tables.sample):,} to be answered, named by {facts.id!r}"
    yield f"· {call(_plain(facts.inputs))}"
    yield f"· {call(facts.labels)}"
    yield from (f"· {note}" for note in tables.notes)
    if facts.group:
        yield f"· rows of one {facts.group!r} stay in one fold: the test has others"
    if facts.time:
        yield f"· folds by {facts.time!r}: the test is later than every training row"
    yield f"? {facts.metric.name} is what such answers are mostly scored by: what does the competition's page say?"
    if facts.labels.kind == "one class":
        yield "? the sample asks for a class: where a probability is wanted, state Columns instead"
    if isinstance(facts.inputs, Images):
        yield "? pictures may be mirrored: state mirror=False where left is not right"
    yield f"? the presets are a beginning, for {kind}"
