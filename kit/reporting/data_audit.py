"""Audit: what the real data holds that deserves a look before training: repeats, leaks, odd labels; with contact sheets."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kit.competition import Adapter, Tables, sound
from kit.config import Config
from kit.errors import listed
from kit.inputs import Inputs
from kit.inputs.cells import Cells
from kit.inputs.text import Texts
from kit.reporting import augmentation_preview, contact_sheet


def audit(subject: Adapter, root: Path, folder: Path, config: Config) -> Iterator[tuple[str, bool]]:
    """Lines about the real data, each with whether it deserves attention; contact sheets into `folder`."""
    facts = subject.competition
    tables = facts.tables(root)
    labels = tables.labels
    yield f"{len(tables.train):,} training rows, {len(tables.sample):,} test rows in {root}", False
    for note in tables.notes:
        yield note, True
    if len(labels.train_columns) == 1 and labels.kind != "numbers":
        counts = Counter(tables.train[labels.train_columns[0]])
        common = ", ".join(f"{name} {count:,}" for name, count in counts.most_common(10))
        yield f"answers: {common}{' …' if len(counts) > 10 else ''}", False
        yield from _lookalikes(list(counts))
    train = facts.inputs.load(root, tables.train, "train", config.size)
    asked = facts.inputs.load(root, tables.test.loc[tables.sample.index], "test", config.size)
    tables, notes = sound(tables, train.broken, asked.broken)
    for note in notes:
        yield note, True
    y, images, test = labels.encode(tables.train), train.look, asked.look
    if isinstance(train.rows, Texts):
        yield from _texts(facts.inputs, train.rows, asked.rows, tables, y)
        return
    if isinstance(train.rows, Cells):
        yield from _repeats(facts.inputs.twins(train.rows + asked.rows), "rows", tables, y)
        return
    yield from _pictures(facts.inputs, images, test, tables, y)
    mirror = facts.inputs.mirror
    contact_sheet.write(folder / "augmented.png", augmentation_preview.augmented(train.rows, tables, config, mirror))
    contact_sheet.write(folder / "views.png", augmentation_preview.viewed(train.rows, tables, config, mirror))
    yield f"look at {folder}/augmented.png (policy {config.augment}) and {folder}/views.png before you train", False


def _pictures(
    inputs: Inputs, images: np.ndarray, test: np.ndarray, tables: Tables, y: np.ndarray
) -> Iterator[tuple[str, bool]]:
    yield f"pictures of {images.shape[2]}×{images.shape[1]}, {images.shape[3]} channels", False
    flat = np.flatnonzero(images.reshape(len(images), -1).std(axis=1) == 0)
    if len(flat):
        yield f"{len(flat)} training pictures are of one colour: ids {listed(tables.train.index[flat])}", True
    if images.shape[1:] != test.shape[1:]:
        yield f"test pictures are {test.shape[2]}×{test.shape[1]}, unlike the training pictures", True
        return
    yield from _repeats(inputs.twins(np.concatenate([images, test])), "pictures", tables, y)


def _texts(inputs: Inputs, train: Texts, test: Texts, tables: Tables, y: np.ndarray) -> Iterator[tuple[str, bool]]:
    lengths = np.array([len(text) for text in train])
    yield f"texts of {np.median(lengths):,.0f} characters (median), the longest {lengths.max():,}", False
    for name, texts, ids in (("training", train, tables.train.index), ("test", test, tables.sample.index)):
        empty = [one for one, text in zip(ids, texts, strict=True) if not text.strip()]
        if empty:
            yield f"{len(empty)} {name} texts are empty: ids {listed(empty)}", True
    yield from _repeats(inputs.twins(Texts([*train, *test])), "texts", tables, y)


def _lookalikes(classes: list[str]) -> Iterator[tuple[str, bool]]:
    same: dict[str, list[str]] = {}
    for name in classes:
        same.setdefault(unicodedata.normalize("NFKC", name).strip().lower(), []).append(name)
    for names in same.values():
        if len(names) > 1:
            yield f"classes spelled alike: {listed(names)} (kept apart; mend the file if they are one)", True


def _repeats(group: np.ndarray, what: str, tables: Tables, y: np.ndarray) -> Iterator[tuple[str, bool]]:
    own, others = group[: len(y)], group[len(y) :]
    doubled = len(own) - len(np.unique(own))
    yield f"{doubled} training {what} repeat another one (kept in one fold)", doubled > 0
    shared = int(np.isin(others, own).sum())
    yield f"{shared} test {what} are training {what} too", shared > 0
    strata = tables.labels.strata(y)
    unlike = [g for g in np.unique(own[_repeated(own)]) if len(np.unique(strata[own == g])) > 1]
    if unlike:
        some = listed(tables.train.index[own == unlike[0]])
        yield f"{len(unlike)} groups of equal {what} have different answers: ids {some}", True


def _repeated(group: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(group, return_inverse=True, return_counts=True)
    return counts[inverse] > 1
