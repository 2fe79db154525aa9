"""Parts: which training rows are kept back as a public and a private test, dealt as the competition's folds are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kit import competition as competitions
from kit.competition.kept_back import PRIVATE, PUBLIC, TRAIN
from kit.data import folds
from kit.errors import BadData
from kit.inputs.base import Keep
from kit.models.images import picture_size
from kit.pipeline import rows
from kit.pipeline.plan import Plan

FIFTHS, BLOCKS = 5, 20  # a fifth is kept back; it is public or private by blocks of a twentieth of it
FEWEST = 10  # rows that are kept back


def dealt(plan: Plan, say: Callable[[str], None]) -> tuple[pd.Series, list[str]]:
    """The part of each training row by id, and notes. The same for any order of rows and any seed.

    Groups, and rows that repeat each other, stay together; strata are spread; by time the newest rows are kept back, and of
    these the newest are private. Raises BadData for too few rows.
    """
    facts, config, root = plan.adapter.competition, plan.config, plan.root
    tables, look = _rows(plan.adapter, plan, root, say)
    y = tables.encoded()
    strata, groups, when, notes = rows.dealt_by(facts, tables, y, look, config)
    ids = tables.train.index
    hidden = _fifth(ids, strata, groups, when)
    lost = _lost(strata, groups, hidden)
    part = np.where(hidden & ~lost, PRIVATE, TRAIN).astype(object)
    kept = np.flatnonzero(part == PRIVATE)
    if len(kept) < FEWEST:
        raise BadData(f"{len(ids):,} training rows: {len(kept)} of them could be kept back, and {FEWEST} at least are needed.")
    some = [None if one is None else one[kept] for one in (strata, groups, when)]
    part[kept[_public(ids[kept], facts.public, *some)]] = PUBLIC
    found = pd.Series(part, index=ids.rename("id"), name="part")
    if lost.any() and when is not None:
        found = found[~lost]
    what = "are left out" if when is not None else "train"
    if lost.any():
        notes.append(f"{int(lost.sum()):,} rows whose answers would have been kept back alone {what}")
    return found, notes


def _rows(adapter: competitions.Adapter, plan: Plan, root: Path, say: Callable[[str], None]) -> tuple[Any, Any]:
    """The tables with the sound training rows, and their inputs, small enough to compare."""
    facts, config = adapter.competition, plan.config
    tables = facts.tables(root, config.limit)
    if config.limit:
        tables = competitions.first(tables, config.limit)
    size = picture_size.chosen(config, facts.inputs, root, tables.train, adapter.parts.models)
    loaded = facts.inputs.load(root, tables.train, "train", size, Keep(config.cache_gb * 2**30, say))
    return competitions.sound(tables, loaded.broken, {})[0], loaded.look


def _fifth(ids: pd.Index, strata: np.ndarray | None, groups: np.ndarray | None, when: np.ndarray | None) -> np.ndarray:
    """Which rows [n] are kept back, bool: the newest by time, else the fold whose size is nearest to a fifth."""
    if when is not None:
        fold = folds.make(ids, FIFTHS - 1, time=when).fold
        return fold == fold.max()
    fold = folds.make(ids, min(FIFTHS, len(ids)), strata=strata, groups=groups).fold
    numbers, sizes = np.unique(fold, return_counts=True)
    return fold == numbers[np.abs(sizes - len(ids) / FIFTHS).argmin()]


def _lost(strata: np.ndarray | None, groups: np.ndarray | None, hidden: np.ndarray) -> np.ndarray:
    """Which rows [n] must not be kept back, with all of their group: those of strata that no other row has."""
    if strata is None or strata.ndim > 1:
        return np.zeros(len(hidden), bool)
    alone = hidden & ~np.isin(strata, strata[~hidden])
    return alone if groups is None else hidden & np.isin(groups, groups[alone])


def _public(
    ids: pd.Index, share: float, strata: np.ndarray | None, groups: np.ndarray | None, when: np.ndarray | None
) -> np.ndarray:
    """Which of the rows kept back [n] are public, bool: about this share; by time the oldest."""
    if when is not None and len(np.unique(when)) > 1:
        block = folds.make(ids, min(BLOCKS, len(ids)) - 1, time=when).fold + 1
    else:
        several = groups is not None and len(np.unique(groups)) > 1
        block = folds.make(ids, min(BLOCKS, len(ids)), strata=strata, groups=groups if several else None).fold
    numbers, sizes = np.unique(block, return_counts=True)
    middle = np.cumsum(sizes) - sizes / 2
    count = int(np.clip((middle < share * len(ids)).sum(), 1, len(numbers) - 1))
    return np.isin(block, numbers[:count])
