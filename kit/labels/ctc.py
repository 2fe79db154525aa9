"""CTC: from log-probabilities along a picture to the text it shows (Graves et al. 2006). Symbol 0 is the blank."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

NOTHING = float("-inf")
BEAM = 12  # texts kept at each step of the search
TRIED = 6  # symbols tried at each step
LEAST = -14.0  # log-probability (one in a million) below which a symbol is not tried, nor a text believed


def greedy(steps: np.ndarray, longest: int) -> np.ndarray:
    """The most probable symbol of each step [n, t], repeats and blanks left out: int64 [n, longest], 0 after the end.

    What is longer than `longest` is cut.
    """
    kept = (steps != 0) & np.diff(steps, axis=1, prepend=0).astype(bool)
    place = np.cumsum(kept, axis=1) - 1
    codes = np.zeros((len(steps), longest), np.int64)
    row, step = np.nonzero(kept & (place < longest))
    codes[row, place[row, step]] = steps[row, step]
    return codes


def probability(log_probabilities: torch.Tensor, codes: torch.Tensor | np.ndarray) -> torch.Tensor:
    """The probability [n] that log-probabilities [n, t, symbols] give to these texts [n, longest], over all alignments."""
    return (-loss(log_probabilities, codes, "none")).exp()


def loss(log_probabilities: torch.Tensor, codes: torch.Tensor | np.ndarray, reduction: str = "mean") -> torch.Tensor:
    """The negative log-likelihood of texts; a mean is taken over rows of theirs per symbol."""
    import torch

    codes = torch.as_tensor(codes)
    count, steps, _ = log_probabilities.shape
    given = torch.full((count,), steps, dtype=torch.int64)
    lengths = (codes > 0).sum(dim=1)
    # A text that is too long for the steps has probability nothing, and no gradient.
    return torch.nn.functional.ctc_loss(
        log_probabilities.transpose(0, 1), codes, given, lengths, reduction=reduction, zero_infinity=reduction == "mean"
    )


def search(log_probabilities: np.ndarray, width: int = BEAM) -> list[tuple[tuple[int, ...], float]]:
    """The most probable texts of one picture [t, symbols] with their log-probabilities, by prefix beam search (best first)."""
    beams: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, NOTHING)}  # ending in a blank, ending in a symbol
    for row in log_probabilities.tolist():
        symbols = sorted((k for k in range(1, len(row)) if row[k] > LEAST), key=row.__getitem__)[-TRIED:]
        grown: dict[tuple[int, ...], tuple[float, float]] = {}
        for text, (blank, symbol) in beams.items():
            both = _sum(blank, symbol)
            _add(grown, text, both + row[0], symbol + row[text[-1]] if text else NOTHING)
            for k in symbols:
                _add(grown, (*text, k), NOTHING, (blank if text and k == text[-1] else both) + row[k])
        beams = dict(sorted(grown.items(), key=lambda one: _sum(*one[1]), reverse=True)[:width])
    return [(text, _sum(*parts)) for text, parts in beams.items()]


def _add(beams: dict[tuple[int, ...], tuple[float, float]], text: tuple[int, ...], blank: float, symbol: float) -> None:
    old = beams.get(text)
    beams[text] = (_sum(old[0], blank), _sum(old[1], symbol)) if old else (blank, symbol)


def _sum(one: float, other: float) -> float:
    """The logarithm of the sum of two numbers given by theirs."""
    high, low = (one, other) if one > other else (other, one)
    return high if low == NOTHING else high + math.log1p(math.exp(low - high))
