"""Shared pass: several predictions of the same rows; pictures that are decoded when asked for are decoded once for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from kit.config import Config
from kit.models.base import FoldModel

BYTES = 256 << 20  # of pictures decoded together, while the ones before are predicted
Predict = Callable[[Any, np.ndarray | None], np.ndarray]  # rows of inputs `x` (None: all) to predictions float32 [rows, c]


def worth_it(module: FoldModel, x: Any) -> bool:
    """Are these inputs decoded anew each time that they are asked for? Not where a module keeps what it made of them."""
    return getattr(x, "on_demand", False) and not module.one_pass


def each(predict: Sequence[Predict], module: FoldModel, x: Any, rows: np.ndarray | None, config: Config) -> list[np.ndarray]:
    """What each of `predict` gives for these rows of `x` (None: all), in their order.

    `module`: the first one's. What that gives does not depend on how many there are, to the bit.
    """
    if not worth_it(module, x):
        return [one(x, rows) for one in predict]
    index = np.arange(len(x)) if rows is None else rows
    at_once = module.rows_per_pass(config.devices)  # so that its batches are the same
    bytes_each = int(np.prod(x.shape[1:])) * at_once
    parts = [[one(pictures, None) for one in predict] for pictures in _blocks(x, index, max(1, BYTES // bytes_each) * at_once)]
    return [np.concatenate(own) for own in zip(*parts, strict=True)] if parts else [one(x, index) for one in predict]


def _blocks(x: Any, index: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """These rows, so many at a time; the next ones are decoded while those before are used."""
    with ThreadPoolExecutor(1) as pool:
        coming = None
        for start in range(0, len(index), count):
            following = pool.submit(x.__getitem__, index[start : start + count])
            if coming is not None:
                yield coming.result()
            coming = following
        if coming is not None:
            yield coming.result()
