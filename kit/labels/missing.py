"""Missing answers: rows that have some of their answers only. What is missing is NaN in `y`, and nothing is learned from it.

torch and pandas are imported inside functions: see `kit.labels.base`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from kit.data.blanks import is_blank
from kit.data.folds import rarest_label
from kit.errors import BadData, listed
from kit.storage import frames

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from kit.labels.base import Labels


def blank(frame: pd.DataFrame) -> np.ndarray:
    """Which cells [n, c] hold no name: empty, or blanks only."""
    return np.stack([frames.by_cell(frame[name], str.strip) == "" for name in frame], axis=1).astype(bool)


def no_number(frame: pd.DataFrame) -> np.ndarray:
    """Which cells [n, c] hold no number, as people write that: empty, `NaN`, `n/a` and the like."""
    try:
        return np.isnan(frame.to_numpy(dtype=np.float64))
    except ValueError:  # words
        return np.stack([frames.by_cell(frame[name], is_blank) for name in frame], axis=1).astype(bool)


def by_column(function: Callable[..., np.ndarray], y: np.ndarray) -> np.ndarray:
    """`function(y, axis=0)` [c] of what each column of `y` [n, c] knows; NaN where a column knows nothing."""
    known = ~np.isnan(y)
    if known.all():
        return function(y, axis=0)
    return np.array([function(y[rows, j], axis=0) if rows.any() else np.nan for j, rows in enumerate(known.T)], y.dtype)


def by_row(values: np.ndarray) -> np.ndarray:
    """The mean [n] of each row's known values [n, c]."""
    return values.mean(axis=1) if not np.isnan(values).any() else np.nanmean(values, axis=1)


def strata(y: np.ndarray, dealt: np.ndarray, least: int = 0) -> np.ndarray:
    """Strata `dealt` [n], divided by the rarest answer that a row of `y` [n, c] has, so that each fold has its share of it.

    `least`: fewer rows of one rarest answer are one stratum: in strata of single rows nothing would be even.
    """
    known = ~np.isnan(y)
    if known.all():
        return dealt
    rarest = rarest_label(known)
    few = np.bincount(rarest, minlength=y.shape[1])[rarest] < least
    return np.where(few, 0, dealt + 2) * y.shape[1] + rarest


def masked(loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The mean of a loss over the answers that are there: `loss(logits, y)` is a mean over all, nothing where both are equal.

    To the same bits as that mean where none is missing; nothing waits for the GPU.
    """
    import torch

    known = ~y.isnan()
    y = torch.where(known, y, torch.zeros_like(y))
    return loss(torch.where(known, logits, y), y) * (known.numel() / known.sum().clamp(min=1))


def refuse_unknown(train: pd.DataFrame, missing: np.ndarray, columns: tuple[str, ...]) -> None:
    """Raise BadData for columns of which no row has an answer. `missing`: cells [n, columns]."""
    empty = [name for j, name in enumerate(columns) if missing[:, j].all()]
    if len(train) and empty:
        raise BadData(f"column {listed(empty)}: no training row has an answer; there is nothing to learn.")


def notes(labels: Labels, train: pd.DataFrame, left_out: np.ndarray, name: str) -> Iterator[str]:
    """Lines about training rows that lack answers. `left_out` [n]: those that are not learned from; `name`: of the file."""
    missing = labels.missing(train)
    some = missing.any(axis=1) & ~missing.all(axis=1)
    none, parted = left_out & ~some, left_out & some
    if none.any():
        yield f"{name}: {none.sum()} rows have no answer and are left out (ids {listed(train.index[none])})"
    if parted.any():
        why = "the adapter's own labels or loss" if labels.own else labels.describe()
        yield (
            f"{name}: {parted.sum()} rows have some of their answers only and are left out, as {why} take whole rows"
            f" (ids {listed(train.index[parted])})"
        )
    kept, ids = missing[~left_out], train.index[~left_out]
    if not kept.any():
        return
    known = len(kept) - kept.sum(axis=0)
    without = [(column, len(kept) - known[j]) for j, column in enumerate(labels.train_columns) if known[j] < len(kept)]
    yield (
        f"{name}: {kept.any(axis=1).sum():,} of {len(kept):,} rows have some of their answers only, and are learned from;"
        f" missing: {', '.join(f'{column!r} in {count:,} rows' for column, count in without)}"
    )
    for j in np.flatnonzero(known == 1):
        row = ids[~kept[:, j]][0]
        yield (
            f"{name}: column {labels.train_columns[j]!r} has one answer only (row {row!r}): the fold that validates it learns"
            " nothing of that column"
        )
