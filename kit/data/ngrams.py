"""N-grams: texts as sparse rows of hashed word n-grams, and of character n-grams if wanted, many bytes at a time.

A token is a run of letters, digits and underscores (any non-ASCII letter included), or a single `!` or `?`, in lower case.
Its hash is a polynomial in its bytes, taken from running sums (`texts.hashing`), so that no token is ever a Python object.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kit import resources
from kit.data.texts import character_grams
from kit.data.texts.hashing import mixed, powers

BITS = 25  # of a column's number: of 4.7 million n-grams of 25,000 reviews, one in fourteen shares its column
BYTES = 1 << 18  # of text hashed at a time: what a core's cache holds
_ORDER = np.uint64(0x9E3779B97F4A7C15)
_WORD, _MARK = 1, 2


@dataclass(frozen=True)
class Bags:
    """Row i holds the distinct columns `columns[start[i]:start[i + 1]]` (uint32, rising)."""

    start: np.ndarray
    columns: np.ndarray

    def __len__(self) -> int:
        return len(self.start) - 1

    def only(self, rows: np.ndarray) -> Bags:
        """Some rows, in their order."""
        lengths = np.diff(self.start)[rows]
        start = np.r_[0, np.cumsum(lengths)]
        place = np.arange(start[-1]) + np.repeat(self.start[rows] - start[:-1], lengths)
        return Bags(start, self.columns[place])


def joined(parts: Sequence[Bags]) -> Bags:
    """The rows of several Bags, one after the other."""
    lengths = np.concatenate([np.diff(one.start) for one in parts])
    return Bags(np.r_[0, np.cumsum(lengths)], np.concatenate([one.columns for one in parts]))


def bags(texts: Sequence[str], order: int, characters: int = 0) -> Bags:
    """The distinct n-grams of 1 to `order` tokens, and of 2 to `characters` characters inside words (0: none), of each text."""
    data = prepared(texts)
    parts: list[tuple[list[bytes], Sequence[str]]] = []
    first = size = 0
    for i, one in enumerate(data):
        size += len(one) + 1
        if size > BYTES or i + 1 == len(data):
            parts.append((data[first : i + 1], texts[first : i + 1]))
            first, size = i + 1, 0
    with ThreadPoolExecutor(resources.core_count()) as pool:  # numpy sorts and adds without the interpreter's lock
        done = list(pool.map(lambda part: _bags(part[0], part[1], order, characters), parts))
    lengths = np.concatenate([one for one, _ in done]) if done else np.zeros(0, int)
    columns = np.concatenate([one for _, one in done]) if done else np.zeros(0, np.uint32)
    return Bags(np.r_[0, np.cumsum(lengths)], columns)


def prepared(texts: Sequence[str]) -> list[bytes]:
    """Texts as the bytes that are hashed."""
    return [text.replace("<br />", " ").replace("\0", " ").lower().encode("utf-8", "replace") for text in texts]


def tokens(texts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Hash (uint64), text number, first and last byte (in the texts joined by NUL) of every token."""
    blob = np.frombuffer(b"\0".join(texts) + b"\0", np.uint8)
    kind = _table()[blob]
    word, mark = kind == _WORD, kind == _MARK
    first = np.flatnonzero((word & ~np.r_[False, word[:-1]]) | mark)
    last = np.flatnonzero((word & ~np.r_[word[1:], False]) | mark)
    power, inverse = powers(len(blob))
    running = np.cumsum((blob.astype(np.uint64) + np.uint64(1)) * power)
    before = np.where(first > 0, running[first - 1], np.uint64(0))
    hashed = mixed((running[last] - before) * inverse[first])
    return hashed, np.searchsorted(np.flatnonzero(blob == 0), first), first, last


def grams(hashed: np.ndarray, text: np.ndarray, order: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each length 1 to `order`: columns, and the numbers of their first tokens; none straddles two texts."""
    found = []
    running, place = hashed, np.arange(len(hashed))
    for length in range(order):
        if length:
            running = mixed(running[:-1] * _ORDER + hashed[length:] + np.uint64(length))
            place = place[:-1]
        inside = text[: len(text) - length] == text[length:]
        found.append(((running >> np.uint64(64 - BITS)).astype(np.int64)[inside], place[inside]))
    return found


def _bags(data: Sequence[bytes], texts: Sequence[str], order: int, characters: int) -> tuple[np.ndarray, np.ndarray]:
    hashed, text, _, _ = tokens(data)
    keys = [(text[place] << BITS) | column for column, place in grams(hashed, text, order)]
    if characters:
        inside = character_grams.grams(character_grams.prepared(texts), characters, BITS)
        keys += [(number << BITS) | column for column, number, _ in inside]
    return _distinct(np.concatenate(keys), len(texts))


def _distinct(keys: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """How many distinct keys each of `count` texts has, and their columns."""
    keys.sort()
    keys = keys[np.r_[True, keys[1:] != keys[:-1]]] if len(keys) else keys
    return np.bincount(keys >> BITS, minlength=count), (keys & ((1 << BITS) - 1)).astype(np.uint32)


@lru_cache(maxsize=1)
def _table() -> np.ndarray:
    table = np.zeros(256, np.uint8)
    table[list(b"0123456789_abcdefghijklmnopqrstuvwxyz")] = _WORD
    table[128:] = _WORD
    table[list(b"!?")] = _MARK
    return table
