"""Data audit: what deserves a look in the real data before training: repeats, leaks, odd labels; with contact sheets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kit.competition import Adapter, Competition, Tables, first_of, sound
from kit.config import Config
from kit.data import duplicates, folds
from kit.errors import listed
from kit.inputs import remarks
from kit.inputs.base import Loaded
from kit.inputs.mixed.rows import MixedRows, first_part
from kit.models.images import picture_size
from kit.reporting import contact_sheet, lookalikes
from kit.reporting.drift import audit as drift


def audit(subject: Adapter, root: Path, folder: Path, config: Config) -> Iterator[tuple[str, bool]]:
    """Lines about the real data, each with whether it deserves attention; contact sheets into `folder`."""
    facts = subject.competition
    tables = facts.tables(root, extra=True)
    labels = tables.labels
    yield f"{len(tables.train):,} training rows, {len(tables.sample):,} test rows in {root}", False
    for note in tables.notes:
        yield note, True
    if labels.class_column:
        counts = Counter(tables.train[labels.class_column])
        common = ", ".join(f"{name} {count:,}" for name, count in counts.most_common(10))
        yield f"answers: {common}{' …' if len(counts) > 10 else ''}", False
        for remark in lookalikes.remarks(counts):
            yield remark, True
    inputs = facts.inputs
    size = picture_size.chosen(config, inputs, root, tables.train, subject.parts.models)
    train, test = inputs.load_both(root, tables.rows, tables.test.loc[tables.sample.index], size)
    tables, notes = sound(tables, train.broken, test.broken)
    for note in (*notes, *train.notes, *test.notes):
        yield note, True
    yield from remarks.remarks(train, test, (tables.rows.index, tables.sample.index))
    both = remarks.joined(train, test)
    if both is not None:
        group, ends = inputs.twins(both), (len(tables.train), len(tables.rows))
        without = np.concatenate([group[: ends[0]], group[ends[1] :]])
        yield from _repeats(without, remarks.unit(train), tables, labels.encode(tables.train))
        if tables.extra is not None:
            yield from _extra(group, ends, tables, first_of(facts.extra))
    group = np.arange(len(tables.train) + len(tables.sample)) if both is None else without
    yield from _drift((train, test), tables, group, facts)
    if remarks.are_pictures(train):
        yield _previews(first_part(train.rows), tables, folder, config, inputs.mirror), False


def _drift(loaded: tuple[Loaded, Loaded], tables: Tables, twins: np.ndarray, facts: Competition) -> Iterator[tuple[str, bool]]:
    """Lines on what tells training rows from sound test rows; extra rows stay out."""
    ids = tables.train.index, tables.sample.index
    if facts.group and facts.group in tables.test:
        cells = [*tables.train[facts.group], *tables.test.loc[ids[1], facts.group]]
        twins = duplicates.joined(twins, folds.codes(cells))
    kept = ~ids[1].isin(list(loaded[1].broken))

    def file_facts(some: np.ndarray, split: str) -> dict[str, np.ndarray]:
        frame = tables.train if split == "train" else tables.test
        return facts.inputs.file_facts(tables.root, frame.loc[some], split)

    group = np.concatenate([twins[: len(ids[0])], twins[len(ids[0]) :][kept]])
    train = drift.Side(loaded[0].look, np.arange(len(ids[0])), ids[0].to_numpy(object), partial(file_facts, split="train"))
    test = drift.Side(loaded[1].look, np.flatnonzero(kept), ids[1][kept].to_numpy(object), partial(file_facts, split="test"))
    if not isinstance(train.look, MixedRows):
        yield from drift.audit(train, test, group)
        return
    for line, attention in drift.audit(replace(train, look=train.look.first), replace(test, look=test.look.first), group):
        yield f"{remarks.called(train.look.first)}: {line}", attention
    columns = [drift.Side(side.look.table, side.rows, side.ids) for side in (train, test)]
    for line, attention in drift.audit(columns[0], columns[1], group):
        yield f"columns: {line}", attention


def _previews(pictures: Any, tables: Tables, folder: Path, config: Config, mirror: bool) -> str:
    """Write contact sheets of augmented and viewed training pictures; returns a line that names them."""
    from kit.reporting import augmentation_preview  # and Lightning: texts and tables are looked at without

    contact_sheet.write(folder / "augmented.png", augmentation_preview.augmented(pictures, tables, config, mirror))
    contact_sheet.write(folder / "views.png", augmentation_preview.viewed(pictures, tables, config, mirror))
    return f"look at {folder}/augmented.png (policy {config.augment}) and {folder}/views.png before you train"


def _repeats(group: np.ndarray, what: str, tables: Tables, y: np.ndarray) -> Iterator[tuple[str, bool]]:
    train, test = group[: len(y)], group[len(y) :]
    doubled = len(train) - len(np.unique(train))
    yield f"{doubled} training {what} repeat another one (kept in one fold)", doubled > 0
    shared = int(np.isin(test, train).sum())
    yield f"{shared} test {what} are training {what} too", shared > 0
    strata = tables.labels.strata(y)
    unlike = [g for g in np.unique(train[_repeated(train)]) if len(np.unique(strata[train == g])) > 1]
    if unlike:
        some = listed(tables.train.index[train == unlike[0]])
        yield f"{len(unlike)} groups of equal {what} have different answers: ids {some}", True


def _extra(group: np.ndarray, ends: tuple[int, int], tables: Tables, name: str) -> Iterator[tuple[str, bool]]:
    """Lines on extra rows, whose numbers in `group` are between the `ends`: how many there are, and whom they repeat."""
    train, extra, test = np.split(group, ends)
    yield f"{len(extra):,} extra rows with an answer in {name}: they train and never validate", False
    again, leaks = np.isin(extra, train), np.isin(extra, test)
    yield f"{again.sum():,} extra rows repeat training rows (each trains only where its twin trains)", bool(again.any())
    yield f"{leaks.sum():,} extra rows repeat test rows (left out: they give the answers away)", bool(leaks.any())
    answers = [
        np.nan_to_num(tables.labels.encode(part), nan=-1).reshape(len(part), -1)
        for part in (tables.train, tables.rows[ends[0] :])
    ]
    first = dict(zip(train[::-1].tolist(), answers[0][::-1].tolist(), strict=True))
    unlike = [row for row in np.flatnonzero(again) if first[int(extra[row])] != answers[1][row].tolist()]
    if unlike:
        yield (
            f"{len(unlike):,} of these have another answer than their twin: ids {listed(tables.rows.index[ends[0] :][unlike])}",
            True,
        )


def _repeated(group: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(group, return_inverse=True, return_counts=True)
    return counts[inverse] > 1
