"""Character n-grams: runs of 2 to so many characters inside words, as hashed columns: endings, stems, punctuation, capitals.

A word is what stands between white space, with one space before it and one after it. N-grams are of lower case; one that has a
capital counts as it is written too, as the use of capitals tells one writer from another. Characters are code points, so that
every script has n-grams of equal length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kit.data.texts.hashing import mixed, powers

BREAK = ord(" ")
SALT = 0xD6E8FEB86659FD93  # tells them from the hashes of words


def prepared(texts: Sequence[str]) -> list[str]:
    """Texts as their characters are hashed: single spaces between words, before the first and after the last."""
    return [f" {' '.join(text.replace('<br />', ' ').split())} " for text in texts]


def grams(texts: Sequence[str], longest: int, bits: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For each length 2 to `longest`, in lower case and as written where that differs: columns (int64, below 2 ** `bits`), text
    numbers, and the places of the first characters.

    `texts` are prepared ones. Places count the characters of all texts, one after another.
    """
    number = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    written, lower = _points(texts), _points([_lower(text) for text in texts])
    running = [_running(points) for points in (lower, written)]
    breaks, capitals = (_counted(one) for one in (lower == BREAK, lower != written))
    inverse = powers(len(lower))[1]
    found = []
    for length in range(2, longest + 1):
        count = max(len(lower) - length + 1, 0)
        inner = breaks[length - 1 : length - 1 + count] - breaks[1 : 1 + count]  # white space but at the ends
        outer = breaks[length : length + count] - breaks[:count] - inner
        first = np.flatnonzero((inner == 0) & (outer < length))
        for sums, places in zip(running, (first, first[capitals[first + length] > capitals[first]]), strict=True):
            hashed = (sums[places + length] - sums[places]) * inverse[places]
            column = mixed(hashed ^ np.uint64(SALT * length & (1 << 64) - 1)) >> np.uint64(64 - bits)
            found.append((column.astype(np.int64), number[places], places))
    return found


def _lower(text: str) -> str:
    """As `str.lower`, character by character where that would change how many there are."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(one.lower() if len(one.lower()) == 1 else one for one in text)


def _points(texts: Sequence[str]) -> np.ndarray:
    return np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)


def _running(points: np.ndarray) -> np.ndarray:
    return np.concatenate(
        [np.zeros(1, np.uint64), np.cumsum((points.astype(np.uint64) + np.uint64(1)) * powers(len(points))[0])]
    )


def _counted(marked: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(marked)])
