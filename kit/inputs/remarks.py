"""Remarks: what deserves a look in loaded rows before training, and both splits as one to find what repeats itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.errors import listed
from kit.inputs.base import Loaded, kind_of
from kit.inputs.mixed.rows import MixedRows, first_part, parts

if TYPE_CHECKING:
    import pandas as pd


def are_pictures(loaded: Loaded) -> bool:
    """Are these rows pictures (and columns, perhaps), and not texts or a table alone?"""
    return kind_of(first_part(loaded.rows)) == "images"


def unit(loaded: Loaded) -> str:
    """What several of these rows are called."""
    return called(loaded.rows)


def called(rows: Any) -> str:
    """The same, of the rows themselves."""
    return getattr(rows, "unit", "pictures")


def remarks(train: Loaded, test: Loaded, ids: tuple[pd.Index, pd.Index]) -> Iterator[tuple[str, bool]]:
    """Lines about loaded rows, each with whether it deserves attention. `ids`: of the training rows and the test rows."""
    if are_pictures(train):
        yield from _of_pictures(first_part(train.look), first_part(test.look), ids[0])
    for name, loaded, own in (("training", train, ids[0]), ("test", test, ids[1])):
        for part in parts(loaded.rows):
            if kind_of(part) != "images":
                yield from part.remarks(name, own)


def _of_pictures(train: np.ndarray, test: np.ndarray, ids: pd.Index) -> Iterator[tuple[str, bool]]:
    yield f"pictures of {train.shape[2]}×{train.shape[1]}, {train.shape[3]} channels", False
    flat = np.flatnonzero(train.reshape(len(train), -1).std(axis=1) == 0)
    if len(flat):
        yield f"{len(flat)} training pictures are of one colour: ids {listed(ids[flat])}", True
    if train.shape[1:] != test.shape[1:]:
        yield f"test pictures are {test.shape[2]}×{test.shape[1]}, unlike the training pictures", True


def joined(train: Loaded, test: Loaded) -> Any:
    """What `Inputs.twins` takes of both splits as one, training rows first; None where they cannot be compared."""
    both = [_below(*some) for some in zip(parts(train.look), parts(test.look), strict=True)]
    return both[0] if len(both) == 1 else None if both[0] is None else MixedRows(*both)


def _below(first: Any, second: Any) -> Any:
    if not isinstance(first, np.ndarray):
        return first + second
    return np.concatenate([first, second]) if first.shape[1:] == second.shape[1:] else None
