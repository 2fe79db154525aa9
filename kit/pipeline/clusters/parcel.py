"""Parcel: what one fold needs of a run, as bytes for another machine: no data, no disk, no adapter's file is needed there."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from kit import competition as competitions
from kit.competition.loading import Adapter
from kit.errors import Usage
from kit.inputs.mixed.rows import MixedRows, first_part
from kit.pipeline.preparation import Work

SHARED = ("config", "y", "folds", "identity", "weigh", "pace", "pseudo")  # of a Work; they cross as they are


@dataclass(frozen=True)
class Parcel:
    """The parts of a Work. `source`: the name and the text of the adapter's file; `arrays`: the memory of the arrays in
    `head`, uint8 [n] each, so that an object store can share them between the folds of a node."""

    source: tuple[str, str]
    head: bytes
    arrays: list[np.ndarray]


def pack(work: Work, dumps: Callable[..., bytes]) -> Parcel:
    """What the folds of a Work need. `dumps`: cloudpickle's, for it takes functions without a name too.

    Raises Usage for pictures that are decoded from files again and again, and for what cannot be pickled.
    """
    if any(getattr(first_part(one), "on_demand", False) for one in (work.x, work.test.rows)):
        raise Usage(
            "--on ray: the pictures do not fit --cache-gb, and the nodes have no files to decode. Give a larger --cache-gb."
        )
    shared = {name: getattr(work, name) for name in SHARED}
    tables, group = work.tables, work.adapter.competition.group
    kept = [group] if group and group in tables.rows else []  # inner splits keep groups together
    extra = None if tables.extra is None else tables.extra[kept]
    bare = replace(tables, train=tables.train[kept], extra=extra, test=tables.test[[]], solution=None, spellings=None)
    facts = work.adapter.competition  # without the functions that read files
    facts = replace(facts, read_train=None, read_test=None, invent=None, shape=None, embedded=None)
    test = replace(work.test, rows=_plain(work.test.rows), look=None)
    content = {**shared, "tables": bare, "facts": facts, "x": _plain(work.x), "test": test}
    buffers: list[pickle.PickleBuffer] = []
    try:
        head = dumps(content, protocol=5, buffer_callback=buffers.append)
    except Exception as fault:  # what an adapter holds may raise anything
        raise Usage(f"--on ray: something of the adapter {work.adapter.name} cannot be pickled ({fault}).") from fault
    return Parcel(_source(work.adapter), head, [np.frombuffer(one.raw(), np.uint8) for one in buffers])


def unpack(parcel: Parcel) -> dict[str, Any]:
    """Undoes `pack`: the parts of a Work by name, its arrays not to be written. The adapter's file is executed first."""
    adapter = adapter_of(*parcel.source)  # what the parcel holds refers to its functions and classes by name
    content = pickle.loads(parcel.head, buffers=parcel.arrays)
    facts, y = content.pop("facts"), np.array(content.pop("y"))
    return {**content, "y": y, "adapter": replace(adapter, competition=facts)}


def _plain(rows: Any) -> Any:
    if isinstance(rows, MixedRows):
        return MixedRows(_plain(rows.first), rows.table)
    return np.asarray(rows) if isinstance(rows, np.ndarray) else rows  # a file that is mapped has no bytes elsewhere


def _source(adapter: Adapter) -> tuple[str, str]:
    path = Path(adapter.source)
    path = path if path.is_absolute() else competitions.names()[adapter.source]
    return path.name, path.read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def adapter_of(name: str, text: str) -> Adapter:
    """The adapter of a file with this name and text; loaded once in a process."""
    with tempfile.TemporaryDirectory(prefix="kit-adapter-") as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8")
        return competitions.load(str(path))
