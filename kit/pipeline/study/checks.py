"""Checks of predictions that a training loop of a user's own hands to `fold.save`: shape, ids, numbers, scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import torch

from kit.errors import BadData, Usage, listed

SLACK = 1e-3  # by which probabilities may miss 0 and 1, and those that exclude each other the sum of 1

Predictions: TypeAlias = np.ndarray | torch.Tensor | pd.DataFrame | Sequence[torch.Tensor] | Sequence[Sequence[float]]


def checked_predictions(given: Predictions, ids: pd.Index, columns: list[str], where: str) -> np.ndarray:
    """Predictions as float32 [rows, columns] in the order of `ids`.

    Raises Usage for another shape or other ids, BadData for NaN.
    """
    if isinstance(given, pd.DataFrame):
        given = _by_id(given, ids, columns, where)
    values = _values(given, where)
    values = values[:, None] if values.ndim == 1 and len(columns) == 1 else values
    if values.shape != (len(ids), len(columns)):
        raise Usage(
            f"{where}: the predictions have the shape {list(values.shape)}; it must be {[len(ids), len(columns)]},"
            f" a column for each of {listed(columns)}."
        )
    if not np.isfinite(values).all():
        rows = np.flatnonzero(~np.isfinite(values).all(axis=1))
        raise BadData(f"{where}: NaN or infinity for {len(rows):,} rows (ids {listed(ids[rows[:3]])}).")
    return values.astype(np.float32)


def _values(given: Any, where: str) -> np.ndarray:
    """Numbers as one array: of batches as `trainer.predict` returns them, or of rows. Raises Usage for what is no number."""
    batches = isinstance(given, list | tuple) and bool(given) and isinstance(given[0], torch.Tensor | np.ndarray)
    batches = batches and given[0].ndim > 1
    try:
        return np.concatenate([_array(batch) for batch in given]) if batches else _array(given)
    except (TypeError, ValueError) as error:
        raise Usage(
            f"{where}: {type(given).__name__} is not an array of numbers ({error}).\n"
            "Give an array or tensor [rows, columns], what trainer.predict returns, or a frame by id."
        ) from error


def _array(part: Any) -> np.ndarray:
    values = part.detach().double().cpu().numpy() if isinstance(part, torch.Tensor) else part
    return np.asarray(values, dtype=np.float64)


def _by_id(frame: pd.DataFrame, ids: pd.Index, columns: list[str], where: str) -> np.ndarray:
    index = frame.index.astype(str)
    missing, strange = ids[~ids.isin(index)], index[~index.isin(ids)]
    if len(missing) or len(strange) or index.has_duplicates:
        faults = {"no row of id": missing, "unknown ids": strange, "several rows of id": index[index.duplicated()].unique()}
        what = "; ".join(f"{fault} {listed(some, 3)}" for fault, some in faults.items() if len(some))
        raise Usage(f"{where}: the frame has {what}. Its index must hold each id once.")
    named = frame.set_axis(index).set_axis(frame.columns.astype(str), axis=1)  # `classes_` of scikit-learn may be numbers
    absent = [name for name in columns if name not in named.columns]
    if absent:
        raise Usage(f"{where}: the frame has no column {listed(absent)}.")
    return _values(named.loc[ids, columns].to_numpy(), where)


def refuse_unbounded(values: np.ndarray, where: str, exclusive: bool) -> None:
    """Raise Usage for what cannot be probabilities: logits, say."""
    low, high = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    if low < -SLACK or high > 1 + SLACK:
        raise Usage(
            f"{where}: values from {low:.3g} to {high:.3g}; probabilities from 0 to 1 are wanted.\n"
            f"Logits become such by {'softmax' if exclusive else 'sigmoid'}."
        )
    sums = values.sum(axis=1)
    if exclusive and len(values) and np.abs(sums - 1).max() > SLACK * values.shape[1]:
        raise Usage(f"{where}: a row's probabilities sum up to {sums.min():.3g} to {sums.max():.3g}, not to 1.")
