"""Holdout: which rows are kept back as a test set where the organisers gave none; by content, so that copies stay together."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

PART = 5  # every fifth


def kept_back(content: Sequence[bytes], answers: Sequence[str]) -> list[bool]:
    """For each row, whether it is kept back: a fifth of the different contents of every answer.

    The same for any order of the rows. Equal contents go together, whatever their answers.
    """
    digests = [sha256(one).hexdigest() for one in content]
    chosen: set[str] = set()
    for answer in sorted(set(answers)):
        own = sorted({digest for digest, one in zip(digests, answers, strict=True) if one == answer})
        chosen |= set(own[: len(own) // PART])
    return [digest in chosen for digest in digests]
