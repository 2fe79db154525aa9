"""Hashing: polynomials over running sums, so that every stretch of an array is hashed without a loop.

The same on every machine and in every process (Python's own `hash` is not).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

FACTOR = 0x100000001B3  # the prime of FNV-1a; odd, so it has an inverse modulo 2⁶⁴


def powers(count: int) -> tuple[np.ndarray, np.ndarray]:
    """FACTOR and its inverse to the powers 0…count-1, modulo 2⁶⁴."""
    length = 1 << max(count - 1, 1).bit_length()  # few different lengths, each computed once
    return _powers_of(FACTOR, length)[:count], _powers_of(pow(FACTOR, -1, 1 << 64), length)[:count]


@lru_cache(maxsize=8)
def _powers_of(factor: int, count: int) -> np.ndarray:
    found = np.ones(count, np.uint64)
    done = 1
    while done < count:
        step = np.uint64(pow(factor, done, 1 << 64))
        found[done : 2 * done] = found[: min(done, count - done)] * step
        done *= 2
    return found


def mixed(z: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea & Flood 2014)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
