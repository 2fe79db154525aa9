"""Folds: a fold for every row, by strata, by group or by time; and rows kept back as a test. The same for any order of rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kit.data.dealing import gaps, multilabel
from kit.errors import BadData, Usage

ALWAYS_TRAIN = -1  # by time: the oldest block is trained on and never validated


NONE = np.zeros((0, 0), bool)


@dataclass(frozen=True)
class Folds:
    """`fold[i]` is the fold that row `i` validates. By time, a fold trains on older rows only.

    `since[i]`: by time with a gap, the first fold that trains on row `i`. `extra` bool [folds + 1, m]: of the rows that come
    after these and are never validated, which fold trains on which; the last row says which are trained on at all.
    `further`: the same rows dealt again, once for each further repeat.
    """

    fold: np.ndarray
    by_time: bool = False
    since: np.ndarray | None = None
    extra: np.ndarray = field(default_factory=lambda: NONE)
    further: tuple[Folds, ...] = ()

    @property
    def repeats(self) -> tuple[Folds, ...]:
        """These folds, and those of each further repeat."""
        return (self, *self.further)

    @property
    def numbers(self) -> list[int]:
        """The folds that have rows to validate (a giant group can leave some without)."""
        return [int(k) for k in np.unique(self.fold) if k != ALWAYS_TRAIN]

    def split(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Row positions (train, validation) of one fold."""
        train = self.trains(number)
        if self.extra.size:
            train = np.concatenate([train, self.extra[number]])
        return np.flatnonzero(train), np.flatnonzero(self.fold == number)

    def trains(self, number: int) -> np.ndarray:
        """Which of the rows that have a fold [n] one fold trains on."""
        if self.since is not None:
            return self.since <= number
        return self.fold < number if self.by_time else self.fold != number

    def everything(self) -> np.ndarray:
        """The positions of all rows that are trained on, as a refit does."""
        own = np.ones(len(self.fold), bool)
        return np.flatnonzero(np.concatenate([own, self.extra[-1]]) if self.extra.size else own)

    def with_gap(self, time: np.ndarray, gap: float, asked: str) -> Folds:
        """These folds by time, of which none trains on rows within `gap` of its block's beginning.

        `asked`: what the user calls the gap. Raises Usage where that leaves a fold nothing to train on.
        """
        if not gap:
            return self
        known = self.fold != ALWAYS_TRAIN
        purged = replace(self, since=gaps.since(time, time[known], self.fold[known], gap))
        empty = [number for number in self.numbers if not purged.trains(number).any()]
        if empty:
            raise Usage(f"--gap {asked}: no training row is so much older than the validation rows of fold {empty[0]}.")
        return purged

    def parted(self, groups: np.ndarray) -> int:
        """How many of these groups (ints, one a row) have rows in more than one block."""
        return int((np.bincount(np.unique(np.stack([groups, self.fold]), axis=1)[0]) > 1).sum())


def make(
    ids: Any,
    k: int,
    seed: int = 0,
    strata: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    time: np.ndarray | None = None,
) -> Folds:
    """Deal rows to `k` folds of nearly equal size.

    `strata` (ints): each stratum is spread evenly, however rare; [n, c]: each of several labels that a row may have is (see
    `kit.data.dealing.multilabel`). `groups` (ints): the rows of one group share a fold.
    `time` (sortable): fold i validates the i-th block after the first and trains on what is older; equal times stay
    together. Raises BadData where there are too few rows or groups.
    """
    ids = np.asarray(ids, dtype=object)
    if k > len(ids):
        fewer = f"use --folds {len(ids)} or fewer" if len(ids) > 1 else "two rows at least are needed"
        raise BadData(f"{k} folds of {len(ids)} training rows: {fewer}.")
    order = np.argsort(ids.astype(str), kind="stable")  # by id, so that the order of the file is immaterial
    fold = np.full(len(ids), ALWAYS_TRAIN)
    if time is not None:
        fold = _by_time(np.asarray(time), k)
        if (fold == ALWAYS_TRAIN).all():
            raise BadData("all training rows have the same time: no row is newer, so there is nothing to validate on.")
    else:
        strata = np.zeros(len(ids), int) if strata is None else np.asarray(strata)
        groups = np.arange(len(ids)) if groups is None else np.asarray(groups)
        if len(np.unique(groups)) < 2:
            raise BadData("all training rows belong to one group: there is nothing to validate on.")
        rng = np.random.default_rng([seed, 1])
        if strata.ndim == 2:
            fold[order] = multilabel.deal(strata[order], _by_appearance(groups[order])[0], k, rng)
        else:
            fold[order] = _deal(strata[order], groups[order], k, rng)
    return Folds(fold, time is not None)


def rarest_label(indicators: np.ndarray) -> np.ndarray:
    """Strata of multi-label rows [n, labels]: the rarest label that a row has; rows without a label share one stratum."""
    counts = indicators.sum(axis=0)
    rarity = np.where(indicators > 0, counts[None, :], np.inf)
    return np.where(np.isfinite(rarity).any(axis=1), rarity.argmin(axis=1), -1)


def codes(values: Any) -> np.ndarray:
    """Values as whole numbers, equal where the values are equal."""
    return np.unique(np.asarray(values, dtype=str), return_inverse=True)[1]


def inner_groups(groups: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    """The groups of some rows, by which a training fold is split again; None where they are one group, or no row has any."""
    own = None if groups is None else groups[rows]
    return None if own is None or len(np.unique(own)) < 2 else own


def _by_time(time: np.ndarray, k: int) -> np.ndarray:
    rank = np.searchsorted(np.sort(time), time, side="left")
    return rank * (k + 1) // len(time) - 1


def _deal(strata: np.ndarray, groups: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Big groups first, each to the fold that has least of its strata; then the single rows fill the gaps."""
    _, strata = np.unique(strata, return_inverse=True)
    groups, sizes = _by_appearance(groups)
    fold = np.full(len(strata), ALWAYS_TRAIN)
    held = np.zeros((k, strata.max() + 1), int)
    share = np.maximum(np.bincount(strata) / k, 1)
    by_group = np.argsort(groups, kind="stable")
    ends = np.cumsum(sizes)
    shuffled = rng.permutation(len(sizes))
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        if sizes[group] == 1:
            break
        rows = by_group[ends[group] - sizes[group] : ends[group]]
        own = np.bincount(strata[rows], minlength=held.shape[1])
        # How far each fold would be over its share, and the total as the tie-break.
        crowding = (((held + own) / share) * own).sum(axis=1) + (held.sum(axis=1) + len(rows)) / len(strata)
        target = int(crowding.argmin())
        fold[rows] = target
        held[target] += own
    for stratum in range(held.shape[1]):
        rows = rng.permutation(np.flatnonzero((strata == stratum) & (fold == ALWAYS_TRAIN)))
        fold[rows] = _fill(held, stratum, len(rows))
        held[:, stratum] += np.bincount(fold[rows], minlength=k)
    return fold


def _by_appearance(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Groups numbered as they appear (what they were called is immaterial), and their sizes."""
    _, first, groups, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)
    return np.argsort(order)[groups], sizes[order]


def _fill(held: np.ndarray, stratum: int, count: int) -> np.ndarray:
    """The folds that `count` rows go to, one at a time to the fold with least of the stratum, then with fewest rows."""
    levels = held[:, stratum][:, None] + np.arange(count)[None, :]
    load = held.sum(axis=1)[:, None] + np.arange(count)[None, :]
    best = np.lexsort((load.ravel(), levels.ravel()))[:count]
    return best // max(count, 1)


PART = 5  # a fifth of the rows is kept back


def content_codes(digests: Iterable[bytes]) -> np.ndarray:
    """What rows are known by, uint64 [n]: the first eight bytes of the sha256 of their contents."""
    return np.fromiter(digests, "S8").view(">u8").astype(np.uint64)  # the first eight of each


def mostly_repeated(content: np.ndarray) -> bool:
    """Are at most half of the contents (`content_codes`) different ones?"""
    different = min(len(content), 1) + np.count_nonzero(np.diff(np.sort(content)))
    return bool(different <= len(content) // 2)


def kept_back(content: np.ndarray, answers: Sequence[str]) -> np.ndarray:
    """Which rows are kept back, bool [n]: a fifth of the different contents (`content_codes`) of every answer.

    The same for any order of the rows. Equal contents go together, whatever their answers.
    """
    number = {one: place for place, one in enumerate(dict.fromkeys(answers))}
    answer = np.fromiter(map(number.__getitem__, answers), np.int64, len(content))
    order = np.argsort(content)
    order = order[np.argsort(answer[order], kind="stable")]  # half of the time of np.lexsort
    first = np.ones(len(content), bool)  # of those of equal content and answer
    first[1:] = np.diff(content[order]).astype(bool) | np.diff(answer[order]).astype(bool)
    different, of = content[order][first], answer[order][first]
    count = np.bincount(of, minlength=1)
    rank = np.arange(len(of)) - (np.cumsum(count) - count)[of]
    back = np.sort(different[rank < count[of] // PART])
    place = np.searchsorted(back, content)  # of a million rows, a third of the time of np.isin
    return back[place % len(back)] == content if len(back) else np.zeros(len(content), bool)
