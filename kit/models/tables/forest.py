"""Forest: regression trees as tensors, so that a fitted booster is a checkpoint like any other and predicts by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Tree:
    """One tree's nodes as the parts of a Forest have them, its first node 0: arrays [nodes], `child` [nodes, 2].

    `sets`: the codes that go to the left, a set for each node that asks for a category.
    """

    output: int
    child: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    value: np.ndarray
    chosen: np.ndarray
    missing: np.ndarray
    sets: Sequence[np.ndarray] = ()

    @classmethod
    def leaf(cls, output: int, value: float) -> Tree:
        """A tree that says the same of every row."""
        one = np.zeros(1, np.int64)
        child, threshold, values = np.zeros((1, 2), np.int64), np.zeros(1), np.array([value])
        return cls(output, child, one, threshold, value=values, chosen=one - 1, missing=one)


def joined(trees: Sequence[Tree], baseline: np.ndarray) -> dict[str, torch.Tensor]:
    """The parts of the Forest of some trees, over `baseline` [outputs]."""
    sizes = np.array([len(tree.child) for tree in trees], np.int64)
    root = np.cumsum([0, *sizes])[:-1].astype(np.int64)
    start = np.repeat(root, sizes)
    first = np.repeat(np.cumsum([0, *(len(tree.sets) for tree in trees)])[:-1].astype(np.int64), sizes)
    sets = [one for tree in trees for one in tree.sets]
    codes = np.zeros((len(sets), CODES), bool)
    for inside, one in zip(codes, sets, strict=True):
        inside[one] = True

    def every(name: str, kind: type) -> np.ndarray:
        return np.concatenate([getattr(tree, name) for tree in trees]).astype(kind) if trees else np.zeros(0, kind)

    child = np.concatenate([tree.child for tree in trees]) if trees else np.zeros((0, 2), np.int64)
    chosen = every("chosen", np.int64)
    parts = {
        "root": root,
        "output": np.array([tree.output for tree in trees], np.int64),
        "child": child.astype(np.int64) + start[:, None],
        "feature": every("feature", np.int64),
        "threshold": every("threshold", np.float64),
        "value": every("value", np.float64),
        "chosen": np.where(chosen >= 0, chosen + first, -1),
        "missing": every("missing", np.int64),
        "codes": codes,
        "baseline": baseline.astype(np.float64),
    }
    return {name: torch.from_numpy(np.ascontiguousarray(part)) for name, part in parts.items()}
