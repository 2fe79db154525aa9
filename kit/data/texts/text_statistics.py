"""Text statistics: a few numbers that tell a text's style: lengths, long words, punctuation, capitals, variety.

Readability formulas are built of such numbers (Flesch 1948: syllables of a word, words of a sentence).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

WORD = re.compile(r"\w+")
SENTENCE = re.compile(r"[.!?]+")
VOWELS = re.compile(r"[aeiouy]+")  # a group of them is about a syllable
MARKS = (",", ".", "!", "?", '"', "'", ";:", "-", "()", "#@", "/")
LONG = (7, 10)
SHORT = 3
COUNT = 15 + len(MARKS)


def of(texts: Sequence[str]) -> np.ndarray:
    """Statistics float32 [n, COUNT] of texts; those of an empty text are zeros."""
    return np.array([_of(text) for text in texts], np.float32).reshape(len(texts), COUNT)


def _of(text: str) -> list[float]:
    words = WORD.findall(text)
    if not words:
        return [0.0] * COUNT
    count, sentences = len(words), max(len(SENTENCE.findall(text)), 1)
    lengths = np.array([len(word) for word in words])
    distinct = len({word.lower() for word in words})
    return [
        np.log1p(len(text)), np.log1p(count), np.log(count / sentences), count / sentences,
        lengths.mean(), lengths.std(), *((lengths >= one).mean() for one in LONG), (lengths <= SHORT).mean(),
        len(VOWELS.findall(text.lower())) / count, distinct / count, distinct / np.sqrt(count),
        sum(word[0].isupper() for word in words) / count, sum(map(str.isupper, text)) / len(text),
        sum(map(str.isdigit, text)) / len(text), *(sum(map(text.count, marks)) / count for marks in MARKS),
    ]  # fmt: skip
