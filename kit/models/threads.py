"""Threads: how many compute on the CPU: no more than cores are there for, and one where that suffices."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from kit import resources

_most: list[int] = []  # threads that the fits inside `at_most` may use; the last entry counts


def available() -> int:
    """As many as torch takes, but no more than cores that a quota leaves, unless OMP_NUM_THREADS asks for them."""
    taken = torch.get_num_threads()
    return taken if os.environ.get("OMP_NUM_THREADS") else min(taken, resources.core_count())


@contextmanager
def at_most(count: int) -> Iterator[None]:
    """Compute with so many threads inside, and let `share` choose; as before afterwards."""
    before = torch.get_num_threads()
    _most.append(count)
    torch.set_num_threads(count)
    try:
        yield
    finally:
        _most.pop()
        torch.set_num_threads(before)


@contextmanager
def within_quota() -> Iterator[None]:
    """Compute with as many threads as are `available`; as before afterwards. Decorates functions too."""
    with at_most(available()):
        yield


def keep_to_quota() -> None:
    """Compute with no more threads than are `available` from now on: what comes next is not the kit's to enclose."""
    torch.set_num_threads(available())


def use_all() -> None:
    """Compute with all threads that `at_most` allows: what a fit does before its net is known."""
    if _most:
        torch.set_num_threads(_most[-1])


def enclosed() -> bool:
    """Is this inside `at_most`, so that a fit may choose its threads?"""
    return bool(_most)
