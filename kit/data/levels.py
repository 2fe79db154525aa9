"""Levels: which values of pictures of more than 8 bits become 0 to 255, learned from the values that there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

Span: TypeAlias = tuple[float, ...]  # (low, high), or (lowest, low, high, highest) where few values are far from the rest

WHOLE: Span = (0.0, 65535.0)  # all values of 16 bits
SAMPLE = 1024  # values of a picture that are looked at, besides its lowest and highest
REST = 0.001  # share of values at either end that may be far from the rest: hot pixels, burnt-in marks
MARGIN = 0.1  # ... and by this share of what the rest spans
LONG = 0.5  # ... if they are, by this share of what the rest spans, they get TAIL levels instead of most of them
TAIL = 32
ENDLESS = 1e30  # no measured value, but what stands for none


@dataclass(frozen=True)
class Seen:
    """The values of a picture: the lowest, the highest, and some."""

    lowest: float
    highest: float
    some: np.ndarray


def seen(values: np.ndarray) -> Seen | None:
    """What there is to learn from one picture's values of any shape; None where none is a number."""
    numbers = values[finite(values)]
    if not numbers.size:
        return None
    places = np.random.default_rng(0).integers(0, numbers.size, SAMPLE)
    return Seen(float(numbers.min()), float(numbers.max()), numbers[places].astype(np.float64))


def finite(values: np.ndarray) -> np.ndarray:
    """Which values are numbers: not NaN, infinite, or a number that is so large that it stands for none."""
    return np.abs(values) < ENDLESS if values.dtype.kind == "f" else np.ones(values.shape, bool)


def learned(pictures: Sequence[Seen]) -> Span:
    """The span of these pictures' values. No value is beyond it: what tells classes apart may be small and bright."""
    lowest, highest = min(one.lowest for one in pictures), max(one.highest for one in pictures)
    if lowest == highest:
        return lowest, lowest + 1
    some = np.concatenate([one.some for one in pictures])
    inner = some[(some > lowest) & (some < highest)]  # neither a margin nor what is saturated
    if not len(inner) or (highest - lowest <= 255 and (some == np.round(some)).all()):  # nothing is lost
        return lowest, highest
    low, high = np.quantile(inner, [REST, 1 - REST]).tolist()
    near = inner[(inner >= low - MARGIN * (high - low)) & (inner <= high + MARGIN * (high - low))]
    low, high = float(near.min()), float(near.max())
    far = LONG * (high - low)
    low, high = (low if low - lowest > far else lowest), (high if highest - high > far else highest)
    return (lowest, highest) if low >= high or (low, high) == (lowest, highest) else (lowest, low, high, highest)


def knots(span: Span) -> tuple[list[float], list[float]]:
    """Values in ascending order, and the level of each; levels between them are in proportion."""
    if len(span) == 2:
        return list(span), [0.0, 255.0]
    lowest, low, high, highest = span
    levels = {lowest: 0.0, high: 255.0 - TAIL * (high < highest), highest: 255.0, low: float(TAIL * (low > lowest))}
    return sorted(levels), sorted(levels.values())


def scaled(values: np.ndarray, span: Span) -> np.ndarray:
    """Values of any shape as uint8. What is beyond the span is as its ends; what is no number as its low end."""
    if values.dtype == np.uint16:
        return _table(span)[values]
    values, known = values.astype(np.float64), finite(values)
    return _levels(values if known.all() else np.where(known, values, span[0]), span)


@lru_cache(maxsize=8)
def _table(span: Span) -> np.ndarray:
    return _levels(np.arange(1 << 16, dtype=np.float64), span)


def _levels(values: np.ndarray, span: Span) -> np.ndarray:
    return np.interp(values, *knots(span)).round().astype(np.uint8)


def in_words(span: Span) -> str:
    """How values are scaled, as a sentence's end."""
    few = len(span) > 2
    low, high = span[1:3] if few else span
    first, last = np.interp([low, high], *knots(span))
    said = f"values {number(low)} to {number(high)} are scaled to {first:.0f} to {last:.0f}"
    return f"{said}; rarer ones, from {number(span[0])} to {number(span[-1])}, to the levels that are left" if few else said


def number(value: Any) -> str:
    """A value as people write it."""
    return f"{value:,.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:.4g}"
