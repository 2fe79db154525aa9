"""JoinedPictures: pictures of several sources one behind another, of which some are decoded only when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class JoinedPictures:
    """Pictures indexed like one array uint8 [n, h, w, c]. `parts`: arrays of such pictures, or `Streamed` ones, of one size."""

    dtype = np.dtype(np.uint8)
    on_demand = True  # see `kit.inference.shared_pass`

    def __init__(self, parts: Sequence[Any]):
        self.parts = parts
        self.starts = np.cumsum([0, *(len(part) for part in parts)])
        self.shape = (int(self.starts[-1]), *parts[0].shape[1:])
        self.ndim = 4

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        if isinstance(rows, int | np.integer):
            return self[np.array([rows])][0]
        some = np.arange(len(self))[rows]
        images = np.empty((len(some), *self.shape[1:]), np.uint8)
        for part, start, end in zip(self.parts, self.starts, self.starts[1:], strict=False):
            mine = np.flatnonzero((some >= start) & (some < end))
            if mine.size:
                images[mine] = part[some[mine] - start]
        return images


def joined(*parts: Any) -> Any:
    """Pictures of one size, one behind another: one array where all of them are in memory."""
    return np.concatenate(parts) if all(isinstance(part, np.ndarray) for part in parts) else JoinedPictures(parts)
