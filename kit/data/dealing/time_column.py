"""Time column: a column that orders the rows, as numbers that sort."""

from __future__ import annotations

import numpy as np
import pandas as pd

from kit.errors import BadData


def times(train: pd.DataFrame, column: str) -> np.ndarray:
    """The time column as sortable values: numbers (float64), or dates as pandas reads them (int64, microseconds).

    Raises BadData naming the row.
    """
    values = pd.to_numeric(train[column], errors="coerce")
    if values.isna().any():
        dates = pd.to_datetime(train[column], errors="coerce", format="mixed", utc=True)
        values = dates.dt.as_unit("us") if dates.isna().sum() < values.isna().sum() else values
    if values.isna().any():
        row = train.index[values.isna()][0]
        raise BadData(f"training row {row!r}, column {column!r}: {train.at[row, column]!r} is neither a number nor a date.")
    return values.astype(np.float64 if values.dtype.kind in "if" else np.int64).to_numpy()
