"""Forest: regression trees as tensors, so that a fitted booster is a checkpoint like any other and predicts by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

CODES = 256  # a category's code is below it


class Forest(nn.Module):
    """Trees whose leaves' values are summed up to logits [n, outputs], in float64.

    `root` [trees]: each tree's first node; `output` [trees]: the column it adds to; `child` [nodes, 2]: where a row goes on
    (a leaf: itself). A node asks whether column `feature` is at most `threshold`, or in the set `codes[chosen]` of a
    category (`chosen` −1: a number); `missing` is the child of a row that has nothing there.
    """

    BUFFERS = ("root", "output", "child", "feature", "threshold", "value", "chosen", "missing", "codes", "baseline")
    root: torch.Tensor
    output: torch.Tensor
    child: torch.Tensor
    feature: torch.Tensor
    threshold: torch.Tensor
    value: torch.Tensor
    chosen: torch.Tensor
    missing: torch.Tensor
    codes: torch.Tensor
    baseline: torch.Tensor

    def __init__(self, parts: dict[str, torch.Tensor]):
        super().__init__()
        for name in self.BUFFERS:
            self.register_buffer(name, parts[name])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits float64 [n, outputs] of rows [n, features], NaN where nothing is known; on the CPU.

        Rows go down a tree together, node by node: all trees level by level, as tensors, took 20 times as long.
        """
        columns = np.ascontiguousarray(x.numpy().T, np.float64)
        logits = np.repeat(self.baseline.numpy()[:, None], len(x), axis=1)
        ask, child, value = self._questions(), self.child.tolist(), self.value.tolist()
        every = np.arange(len(x))
        for root, output in zip(self.root.tolist(), self.output.tolist(), strict=True):
            waiting = [(root, every)]
            while waiting:
                node, rows = waiting.pop()
                left, right = child[node]
                if left == node:
                    logits[output][rows] += value[node]
                elif len(rows):
                    goes_left = ask(node, columns, rows)
                    waiting += [(left, rows[goes_left]), (right, rows[~goes_left])]
        return torch.from_numpy(np.ascontiguousarray(logits.T))

    def _questions(self) -> Callable[[int, np.ndarray, np.ndarray], np.ndarray]:
        """A function of (node, columns [features, n], rows): which of the rows go to the left."""
        feature, threshold, chosen = self.feature.tolist(), self.threshold.tolist(), self.chosen.tolist()
        missing, codes = self.missing.tolist(), self.codes.numpy()

        def ask(node: int, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
            asked = columns[feature[node]].take(rows)
            if chosen[node] >= 0:
                known = asked == asked
                inside = codes[chosen[node]].take(np.where(known, asked, 0).astype(np.intp))
                return np.where(known, inside, missing[node] == 0)
            return ~(asked > threshold[node]) if missing[node] == 0 else asked <= threshold[node]  # NaN: both say no

        return ask


def empty(outputs: int) -> dict[str, torch.Tensor]:
    """The parts of a Forest without a tree."""
    return joined([], np.zeros(outputs))


def joined(grown: list[tuple[Any, int]], baseline: np.ndarray) -> dict[str, torch.Tensor]:
    """The parts of the Forest of scikit-learn's trees, each with the column that it adds to, over `baseline` [outputs]."""
    sizes = [len(tree.nodes) for tree, _ in grown]
    root = np.cumsum([0, *sizes])[:-1]
    nodes = [tree.nodes for tree, _ in grown]
    leaf, left, right, feature, threshold, value, category, set_number, missing_left = (
        np.concatenate([one[name] for one in nodes]) if nodes else np.zeros(0)
        for name in ("is_leaf", "left", "right", "feature_idx", "num_threshold", "value", "is_categorical", "bitset_idx",
                     "missing_go_to_left")
    )  # fmt: skip
    start = np.repeat(root, sizes)
    itself = np.arange(len(start))
    ends = [np.where(leaf > 0, itself, one.astype(np.int64) + start) for one in (left, right)]
    sets = [tree.raw_left_cat_bitsets for tree, _ in grown]
    first = np.repeat(np.cumsum([0, *map(len, sets)])[:-1], sizes)
    bits = np.concatenate(sets) if sets else np.zeros((0, 8), np.uint32)
    parts = {
        "root": root.astype(np.int64),
        "output": np.array([column for _, column in grown], np.int64),
        "child": np.stack(ends, axis=1).reshape(-1, 2),
        "feature": feature.astype(np.int64),
        "threshold": threshold.astype(np.float64),
        "value": value.astype(np.float64),
        "chosen": np.where(category > 0, set_number.astype(np.int64) + first, -1),
        "missing": 1 - missing_left.astype(np.int64),
        "codes": (bits[:, :, None] >> np.arange(32, dtype=np.uint32) & 1).reshape(len(bits), CODES).astype(bool),
        "baseline": baseline.astype(np.float64),
    }
    return {name: torch.from_numpy(np.ascontiguousarray(part)) for name, part in parts.items()}
