"""N-grams: texts as sparse rows of hashed word n-grams, all bytes of a megabyte at a time.

A token is a run of letters, digits and underscores (any non-ASCII letter included), or a single `!` or `?`, in lower case.
Its hash is a polynomial in its bytes, taken from running sums, so that no token is ever a Python object. The same on every
machine and in every process (Python's own `hash` is not).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kit import resources

BITS = 25  # of a column's number: of 4.7 million n-grams of 25,000 reviews, one in fourteen shares its column
BYTES = 1 << 18  # of text hashed at a time: what a core's cache holds
_FACTOR = 0x100000001B3  # the prime of FNV-1a; odd, so it has an inverse modulo 2⁶⁴
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


def bags(texts: Sequence[str], order: int) -> Bags:
    """The distinct n-grams of 1 to `order` tokens of each text."""
    data = prepared(texts)
    parts, first, size = [], 0, 0
    for i, one in enumerate(data):
        size += len(one) + 1
        if size > BYTES or i + 1 == len(data):
            parts.append(data[first : i + 1])
            first, size = i + 1, 0
    with ThreadPoolExecutor(resources.core_count()) as pool:  # numpy sorts and adds without the interpreter's lock
        done = list(pool.map(lambda part: _bags(part, order), parts))
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
    power, inverse = _powers(len(blob))
    running = np.cumsum((blob.astype(np.uint64) + np.uint64(1)) * power)
    before = np.where(first > 0, running[first - 1], np.uint64(0))
    hashed = _mixed((running[last] - before) * inverse[first])
    return hashed, np.searchsorted(np.flatnonzero(blob == 0), first), first, last


def grams(hashed: np.ndarray, text: np.ndarray, order: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each length 1 to `order`: columns, and the numbers of their first tokens; none straddles two texts."""
    found = []
    running, place = hashed, np.arange(len(hashed))
    for length in range(order):
        if length:
            running = _mixed(running[:-1] * _ORDER + hashed[length:] + np.uint64(length))
            place = place[:-1]
        inside = text[: len(text) - length] == text[length:]
        found.append(((running >> np.uint64(64 - BITS)).astype(np.int64)[inside], place[inside]))
    return found


def _bags(texts: Sequence[bytes], order: int) -> tuple[np.ndarray, np.ndarray]:
    hashed, text, _, _ = tokens(texts)
    keys = np.concatenate([(text[place] << BITS) | column for column, place in grams(hashed, text, order)])
    keys.sort()
    keys = keys[np.r_[True, keys[1:] != keys[:-1]]] if len(keys) else keys
    return np.bincount(keys >> BITS, minlength=len(texts)), (keys & ((1 << BITS) - 1)).astype(np.uint32)


@lru_cache(maxsize=1)
def _table() -> np.ndarray:
    table = np.zeros(256, np.uint8)
    table[list(b"0123456789_abcdefghijklmnopqrstuvwxyz")] = _WORD
    table[128:] = _WORD
    table[list(b"!?")] = _MARK
    return table


def _powers(count: int) -> tuple[np.ndarray, np.ndarray]:
    """_FACTOR and its inverse to the powers 0…count-1, modulo 2⁶⁴."""
    length = 1 << max(count - 1, 1).bit_length()  # few different lengths, each computed once
    return _powers_of(_FACTOR, length)[:count], _powers_of(pow(_FACTOR, -1, 1 << 64), length)[:count]


@lru_cache(maxsize=8)
def _powers_of(factor: int, count: int) -> np.ndarray:
    powers = np.ones(count, np.uint64)
    done = 1
    while done < count:
        step = np.uint64(pow(factor, done, 1 << 64))
        powers[done : 2 * done] = powers[: min(done, count - done)] * step
        done *= 2
    return powers


def _mixed(z: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea & Flood 2014)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
