"""Rule: the advice that a rule gives: what a run shows, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

CLEAR = 2.0  # times its noise: a difference below it is none


@dataclass(frozen=True)
class Advice:
    """What a run shows, with numbers, and what to do about it by which knobs; `docs`: page and heading that say more."""

    rule: str
    shows: str
    do: str
    knobs: tuple[str, ...]
    docs: str
