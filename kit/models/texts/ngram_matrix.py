"""Incidence: which texts hold which n-grams, kept by n-gram, so that both products of a fit read memory in its order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from kit import resources
from kit.data.ngrams import BITS, Bags
from kit.inputs.text import Texts

RARE = 2  # an n-gram of fewer training texts says nothing of others
UPPER = 3  # bits of a column's number that choose its part: parts are built and multiplied each by itself


@dataclass(frozen=True)
class Incidence:
    """A matrix of ones [n texts, v n-grams].

    `known`: the numbers of columns (int32, rising) that were asked for; `place` (int64 [v]): where each of the v that stand
    in these texts is among them. Their order is by part, and in a part from frequent to rare: a product then meets rows of
    like length one after another (on film reviews twice as fast as in any other order). `lengths` (float32 [n]): the distinct
    n-grams of each text, those without a column among them; at least 1. `parts`: CSR matrices [v of a part, n].
    """

    known: np.ndarray
    place: np.ndarray
    lengths: np.ndarray
    parts: tuple[Any, ...]

    def times(self, values: np.ndarray) -> np.ndarray:
        """The sums [n, c] over the n-grams of each text of `values` [v, c]: one order of adding, whatever the threads."""
        return np.sum(list(_pool().map(_times, [part.T for part in self.parts], self._of_parts(values))), axis=0)

    def transposed_times(self, values: np.ndarray) -> np.ndarray:
        """The sums [v, c] over the texts of each n-gram of `values` [n, c]."""
        return np.concatenate(list(_pool().map(_times, self.parts, [values] * len(self.parts))))

    def counts(self) -> np.ndarray:
        """How many texts hold each of `known`."""
        found = np.zeros(len(self.known), np.int64)
        found[self.place] = np.concatenate([np.diff(part.indptr) for part in self.parts])
        return found

    def _of_parts(self, values: np.ndarray) -> list[np.ndarray]:
        return np.split(values, np.cumsum([part.shape[0] for part in self.parts])[:-1])


def of(texts: Texts, order: int, known: np.ndarray | None = None, characters: int = 0) -> Incidence:
    """Of these texts' n-grams (see `Texts.bags`) those that are `known`, or those of at least RARE of the texts.

    Kept beside the texts, one at a time: all folds of a run know the same columns. The n-grams themselves are let go.
    """
    kept = texts.memo.pop("incidence", None)
    wanted = (order, characters)
    if kept is None or kept[0] != wanted or (not kept[1] if known is None else not np.array_equal(kept[2].known, known)):
        resources.give_back()  # what a fit has left, then what finding the n-grams has, and what building: each a peak
        bags = texts.bags(order, characters)
        texts.forget()
        resources.give_back()
        kept = (wanted, known is None, build(bags, known))
        resources.give_back()
    texts.memo["incidence"] = kept
    return kept[2]


def build(bags: Bags, known: np.ndarray | None = None) -> Incidence:
    """As `of`, from n-grams."""
    lengths = np.diff(bags.start)
    texts = np.repeat(np.arange(len(bags), dtype=np.min_scalar_type(len(bags))), lengths)
    edges = [i << (BITS - UPPER) for i in range((1 << UPPER) + 1)]
    columns, orders, bounds, held = [], [], [], []
    for low, high in pairwise(edges):
        inside = (bags.columns >= low) & (bags.columns < high)
        keys = bags.columns[inside].astype(np.int64) << 32
        keys |= texts[inside]
        keys.sort()
        column, first, count = _runs(keys)
        kept = count >= RARE if known is None else _among(column, known[slice(*np.searchsorted(known, (low, high)))])
        column, first, count = column[kept], first[kept], count[kept]
        order = np.argsort(-count, kind="stable")
        columns.append(column)
        orders.append(order)
        bounds.append(np.r_[np.int32(0), np.cumsum(count[order], dtype=np.int32)])
        held.append(_gathered(keys.astype(np.int32), first[order], bounds[-1]))
    return _put_together(known, lengths, columns, orders, bounds, held)


def _runs(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The distinct columns (rising) of sorted keys, where each begins, and of how many keys it is."""
    column = (keys >> 32).astype(np.int32)
    first = np.flatnonzero(np.r_[True, column[1:] != column[:-1]]) if len(column) else np.zeros(0, np.int64)
    return column[first], first, np.diff(np.r_[first, len(column)])


def _among(column: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which of a part's columns are known: by a table of the part's width, which takes a tenth of the time of sorting."""
    return np.isin(column, known, kind="table")


def _gathered(values: np.ndarray, first: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Runs of `values`, one after another: run i begins at `first[i]` and fills `bounds[i]:bounds[i + 1]`."""
    take = np.repeat((first - bounds[:-1]).astype(np.int32), np.diff(bounds))
    take += np.arange(bounds[-1], dtype=np.int32)
    return values[take]


def _put_together(
    known: np.ndarray | None,
    lengths: np.ndarray,
    columns: list[np.ndarray],
    orders: list[np.ndarray],
    bounds: list[np.ndarray],
    held: list[np.ndarray],
) -> Incidence:
    own = np.concatenate(columns)
    known = own if known is None else known
    places = np.split(np.searchsorted(known, own), np.cumsum([len(one) for one in columns])[:-1])
    place = np.concatenate([one[order] for one, order in zip(places, orders, strict=True)])
    ones = np.ones(max(map(len, held)), np.float32)  # shared: scipy copies less than half of an array, but parts are alike
    parts = tuple(
        csr_matrix((ones[: len(rows)], rows, bound), (len(bound) - 1, len(lengths)))
        for rows, bound in zip(held, bounds, strict=True)
    )
    return Incidence(known, place, np.maximum(lengths, 1).astype(np.float32), parts)


def _times(matrix: Any, values: np.ndarray) -> np.ndarray:
    """`matrix @ values`, column by column: scipy's product with a vector is the faster for a few of them."""
    return np.stack([matrix @ np.ascontiguousarray(values[:, j]) for j in range(values.shape[1])], axis=1)


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(resources.core_count(), 1 << UPPER))
