"""Batch: some rows of a split, as a module takes them, and where in a fit they stand; Feed: how a module wants its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from kit.data.device_copy import sent


@dataclass(frozen=True)
class Batch:
    """Some rows of a split. `x, y = batch` takes it apart as a DataLoader's pair.

    `x`: what the module learns from: for pictures a tensor uint8 [b, channels, height, width], or what the module's `feed`
    and `gather` make of the rows. `y`: the answers as the labels encode them, int64 [b] or float32 [b, c]; None where they
    are not known. `rows`: the rows' positions in their split, int64 [b], always in the host's memory.
    `epoch`, `step`: of the fit, from 0; a step is one part of a batch. `share`: the part's size over the mean part's;
    `last`: does the optimizer step after this part? `keys`: what the random draws of each row go by, int64 [b]: its position,
    and another number for each further copy in an epoch (`--balance`); None: the positions. `weights`: of the rows' losses,
    float32 [b], in the host's memory, 1 on the mean of all rows to train on; None: all count alike.
    """

    x: Any
    y: torch.Tensor | None
    rows: torch.Tensor
    epoch: int = 0
    step: int = 0
    share: float = 1.0
    last: bool = True
    keys: torch.Tensor | None = None
    weights: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Any]:
        return iter((self.x, self.y))

    def to(self, device: torch.device | str, non_blocking: bool = True) -> Batch:
        """The batch with the tensors of `x` and `y` on a device. Lightning calls it, as it calls a tensor's.

        The host does not wait for the copy; nothing writes to the source again, which a feed has made for this batch.
        """
        y = None if self.y is None else sent(self.y, device)
        return replace(self, x=_moved(self.x, device), y=y)


def _moved(x: Any, device: torch.device | str) -> Any:
    if isinstance(x, torch.Tensor):
        return sent(x, device)
    if isinstance(x, dict):
        return {name: _moved(part, device) for name, part in x.items()}
    return x


def taken(rows_of_split: Any, rows: np.ndarray) -> Any:
    """Some rows as the `x` of a Batch: pictures as a tensor uint8 [b, channels, height, width], anything else indexed."""
    some = rows_of_split[rows]
    return torch.from_numpy(some).permute(0, 3, 1, 2) if isinstance(some, np.ndarray) and some.ndim == 4 else some


@dataclass(frozen=True)
class Feed:
    """How a module wants the training rows of a fold.

    `collate`: from positions int64 [b] to the `x` of a Batch. `batch`: rows per optimizer step. `lengths` [n]: where given,
    rows of like length are put together. `whole`: one batch an epoch, of all rows, whose `x` the module holds itself.
    `pictures`: where given, what worker processes decode one by one instead of `collate`, and `change` by an albumentations
    transform of a picture uint8 [h, w, c]. `resident`: where given, all pictures uint8 [n, h, w, c] on the GPU, from which
    the rows are taken there instead.
    """

    collate: Callable[[np.ndarray], Any]
    batch: int
    lengths: np.ndarray | None = None
    whole: bool = False
    pictures: Any = None
    change: Any = None
    resident: torch.Tensor | None = None
