"""LightGBMModule: trees grown by LightGBM (Ke et al. 2017; extra `lightgbm`)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch

from kit.models.tables.boosters import Clock, Grown, Task, patience
from kit.models.tables.forest import Tree
from kit.models.tables.trees_module import TreesModule

OBJECTIVE = {"numbers": "regression", "chances": "cross_entropy", "classes": "multiclass"}
ZERO, GONE = 1, 2  # kinds of missing numbers: none that are missing were seen, or NaN


class LightGBMModule(TreesModule):
    """LightGBM, on one thread or several: the same bytes with the same number of them."""

    library = "lightgbm"

    def fitted(self, task: Task, clock: Clock) -> Grown:
        import lightgbm

        rounds = 0

        def watch(state: Any) -> None:
            nonlocal rounds
            rounds = state.iteration + 1
            first = trees_of(state.model.model_to_string(num_iteration=1), task.outputs) if rounds == 1 else ()
            if clock.stops(rounds, *((first, task.x) if rounds == 1 else ())):
                raise lightgbm.callback.EarlyStopException(state.iteration, state.evaluation_result_list or [])

        assert self.encoding is not None
        settings = self.settings(task)
        known = list(range(len(self.encoding.sizes)))
        data = lightgbm.Dataset(task.x, task.y, weight=task.weights, categorical_feature=known, params=settings)
        judged = [data.create_valid(*task.judged)] if task.judged else []
        calls: list[Any] = [lightgbm.early_stopping(patience(self.config.shrinkage), verbose=False)] if judged else []
        calls += [watch] if clock.limited else []
        booster = lightgbm.train(settings, data, task.rounds, valid_sets=judged, callbacks=calls)
        best = booster.best_iteration if judged and booster.best_iteration > 0 else booster.current_iteration()
        return Grown(trees_of(booster.model_to_string(num_iteration=best), task.outputs), np.zeros(task.outputs), best)

    def settings(self, task: Task) -> dict[str, Any]:
        """LightGBM's own."""
        c = self.config
        share = max(c.rows_share, min(1.0, 1.5 / len(task.y)))  # a row at least: LightGBM ends in an error without any
        return {
            "objective": OBJECTIVE[task.kind], "num_class": task.outputs, "num_leaves": c.leaves, "learning_rate": c.shrinkage,
            "feature_fraction": c.columns_share, "bagging_fraction": share, "bagging_freq": int(share < 1),
            "seed": c.seed % (1 << 31), "num_threads": torch.get_num_threads(), "deterministic": True, "force_col_wise": True,
            "verbosity": -1,
        }  # fmt: skip


def trees_of(model: str, outputs: int) -> list[Tree]:
    """The trees in the text of a LightGBM model."""
    texts = model.partition("\nend of trees")[0].split("\nTree=")[1:]
    every = [dict(line.split("=", 1) for line in text.splitlines() if "=" in line) for text in texts]
    return [_tree(lines, i % outputs) for i, lines in enumerate(every)]


def _tree(lines: dict[str, str], output: int) -> Tree:
    """Inner nodes come first, then the leaves."""

    def read(name: str, kind: type = np.int64) -> np.ndarray:
        return np.array(lines.get(name, "").split(), kind)

    value, feature, asks = read("leaf_value", float), read("split_feature"), read("decision_type")
    if not len(feature):
        return Tree.leaf(output, float(value[0]))
    inner, leaves = len(feature), len(value)
    ends = np.stack([read("left_child"), read("right_child")], axis=1)
    threshold, nothing = read("threshold", float), asks >> 2 & 3
    by_set = (asks & 1).astype(bool)
    to_left = np.where(nothing == GONE, asks >> 1 & 1, threshold >= 0)  # where none was missing, a missing number counts as 0
    edges, words = read("cat_boundaries"), read("cat_threshold", np.uint32)
    sets = [np.flatnonzero(words[begin:end, None] >> np.arange(32, dtype=np.uint32) & 1) for begin, end in pairwise(edges)]
    itself = np.arange(inner, inner + leaves)
    blank = np.zeros(leaves)
    return Tree(
        output,
        child=np.concatenate([np.where(ends < 0, inner + ~ends, ends), np.stack([itself, itself], axis=1)]),
        feature=np.concatenate([feature, blank]),
        threshold=np.concatenate([np.where(by_set, 0, threshold), blank]),
        value=np.concatenate([np.zeros(inner), value]),
        chosen=np.concatenate([np.where(by_set, threshold, -1), blank - 1]),
        missing=np.concatenate([np.where(by_set, 1, 1 - to_left), blank]),
        sets=sets,
    )
