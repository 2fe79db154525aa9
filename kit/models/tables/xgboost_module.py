"""XGBoostModule: trees grown by XGBoost (Chen and Guestrin 2016; extra `xgboost`)."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch

from kit.models.tables.boosters import Clock, Grown, Task, patience
from kit.models.tables.forest import CODES, Tree
from kit.models.tables.trees_module import TreesModule

OBJECTIVE = {"numbers": "reg:squarederror", "chances": "binary:logistic", "classes": "multi:softprob"}


class XGBoostModule(TreesModule):
    """XGBoost's histogram trees, grown leaf by leaf, on the CPU: the same bytes with the same number of threads."""

    library = "xgboost"

    def fitted(self, task: Task, clock: Clock) -> Grown:
        import xgboost

        class Watch(xgboost.callback.TrainingCallback):
            def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
                first = trees_of(model, task.outputs, 1) if epoch == 0 else ()
                return clock.stops(epoch + 1, *((first, task.x) if epoch == 0 else ()))

        known = len(self.encoding.sizes) if self.encoding is not None else 0
        kinds = ["c"] * known + ["q"] * (task.x.shape[1] - known)
        more: dict[str, Any] = {"feature_types": kinds, "enable_categorical": True, "nthread": torch.get_num_threads()}
        data = xgboost.QuantileDMatrix(task.x, task.y, weight=task.weights, **more)
        calls: list[Any] = [Watch()] if clock.limited else []
        judged = []
        if task.judged:
            judged = [(xgboost.QuantileDMatrix(*task.judged, ref=data, **more), "judged")]
            calls.append(xgboost.callback.EarlyStopping(rounds=patience(self.config.shrinkage)))
        middle = float(np.average(task.y, weights=task.weights)) if task.kind != "classes" else 0.5
        booster = xgboost.train(
            self.settings(task, middle), data, task.rounds, evals=judged, verbose_eval=False, callbacks=calls
        )
        best = booster.best_iteration + 1 if judged else booster.num_boosted_rounds()
        logit = np.log(middle / (1 - middle)) if task.kind == "chances" else middle if task.kind == "numbers" else 0.0
        return Grown(trees_of(booster, task.outputs, best), np.full(task.outputs, logit), best)

    def settings(self, task: Task, middle: float) -> dict[str, Any]:
        """XGBoost's own."""
        c = self.config
        classes = {"num_class": task.outputs} if task.kind == "classes" else {}
        return {
            "objective": OBJECTIVE[task.kind], "base_score": middle, "tree_method": "hist", "grow_policy": "lossguide",
            "max_leaves": c.leaves, "max_depth": 0, "learning_rate": c.shrinkage, "subsample": c.rows_share,
            "colsample_bytree": c.columns_share, "seed": c.seed % (1 << 31), "nthread": torch.get_num_threads(),
            "verbosity": 0, "device": "cpu", **classes,
        }  # fmt: skip


def trees_of(booster: Any, outputs: int, rounds: int) -> list[Tree]:
    """The trees of the first rounds."""
    model = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]["model"]
    return [_tree(one, i % outputs) for i, one in enumerate(model["trees"][: rounds * outputs])]


def _tree(one: dict[str, Any], output: int) -> Tree:
    """XGBoost asks of float32 whether it is below a threshold, and lists the categories that go to the right."""
    ends = np.array([one["left_children"], one["right_children"]], np.int64).T
    leaf, cut = ends[:, 0] < 0, np.array(one["split_conditions"], np.float32)
    by_set = np.array(one["split_type"], np.int64) == 1
    below = np.nextafter(cut, np.float32(-np.inf)).astype(np.float64)
    itself, chosen = np.arange(len(ends)), np.full(len(ends), -1)
    sets: list[np.ndarray] = []
    for node, begin, size in zip(one["categories_nodes"], one["categories_segments"], one["categories_sizes"], strict=True):
        chosen[node] = len(sets)
        sets.append(np.setdiff1d(np.arange(CODES), one["categories"][begin : begin + size]))
    return Tree(
        output,
        child=np.where(leaf[:, None], itself[:, None], ends),
        feature=np.where(leaf, 0, one["split_indices"]),
        threshold=np.where(leaf | by_set, 0.0, (below + cut) / 2),
        value=np.where(leaf, cut, 0.0),
        chosen=chosen,
        missing=np.where(leaf, 0, 1 - np.array(one["default_left"], np.int64)),
        sets=sets,
    )
