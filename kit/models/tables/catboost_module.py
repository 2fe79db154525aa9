"""CatBoostModule: CatBoost (Prokhorenkova et al. 2018; extra `catboost`), which learns numbers for categories as it grows.

These are no questions that a Forest asks, so a checkpoint holds the bytes of CatBoost's own binary format, which is data
alone, and who predicts needs the library too.
"""

from __future__ import annotations

import io
import math
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch

from kit.config import Config
from kit.errors import BadData, Usage
from kit.models.graphs.base import Graph
from kit.models.tables.boosters import Boosters, Clock, Grown, Task, patience
from kit.models.tables.forest import Forest, joined
from kit.models.tables.trees_module import TreesModule

LOSS = {"numbers": "RMSE", "chances": "CrossEntropy", "classes": "MultiClass"}
DEEPEST = 10
LEAST = 1e-6  # of a class's share
NO_ROW = 1e-9  # how likely a round may draw no row at all, which ends CatBoost in an error


class CatBoostModule(TreesModule):
    """CatBoost on the CPU: the same bytes with the same number of threads.

    `stored` uint8: its models, one after the other; `ends` [models]: where the bytes of each end; `answered` [models,
    outputs]: which outputs it answers, −1 where there are no more.
    """

    library = "catboost"
    native = 1 << 30
    means_alone = False
    stored: torch.Tensor
    ends: torch.Tensor
    answered: torch.Tensor

    def __init__(self, config: dict[str, Any], labels: dict[str, Any], steps: int = 1):
        super().__init__(config, labels, steps=steps)
        self._models: list[Any] = []
        self.keep([], np.zeros(len(self.labels.columns)))

    @classmethod
    def seeded(cls, config: Config, rows: int) -> bool:
        """It orders the rows by chance."""
        return True

    def keep(self, boosters: Boosters, baseline: np.ndarray) -> None:
        self.forest = Forest(joined([], baseline))
        boosters = Boosters(one for one in boosters if one[1].model)
        wide, parts = max((len(outputs) for outputs, _ in boosters), default=0), [one.model for _, one in boosters]
        answered = [outputs + [-1] * (wide - len(outputs)) for outputs, _ in boosters]
        self.register_buffer("stored", torch.from_numpy(np.frombuffer(b"".join(parts), np.uint8).copy()))
        self.register_buffer("ends", torch.tensor(np.cumsum([len(part) for part in parts]), dtype=torch.int64))
        self.register_buffer("answered", torch.tensor(answered, dtype=torch.int64).reshape(len(boosters), wide))
        self._models = []

    def load_state_dict(self, state_dict: Any, *args: Any, **kwargs: Any) -> Any:
        """As torch's, for models of any size."""
        for name in ("stored", "ends", "answered"):
            setattr(self, name, state_dict[name].clone())
        self._models = []
        return super().load_state_dict(state_dict, *args, **kwargs)

    def fitted(self, task: Task, clock: Clock) -> Grown:
        import catboost

        class Watch:
            def after_iteration(self, state: Any) -> bool:
                return not clock.stops(state.iteration)

        assert self.encoding is not None
        if is_alike(task):
            return Grown([], mean_logits(task), 1)
        known = list(range(len(self.encoding.sizes)))
        data = catboost.Pool(self._columns_of(task.x), task.y, weight=task.weights, cat_features=known)
        judged = None
        if task.judged:
            judged = catboost.Pool(self._columns_of(task.judged[0]), task.judged[1], cat_features=known)
        model = catboost.CatBoost(self.settings(task))
        more = {"early_stopping_rounds": patience(self.config.shrinkage), "use_best_model": True} if judged else {}
        silent = {"log_cout": io.StringIO(), "log_cerr": io.StringIO()}  # warns of a class that only judges have
        try:
            model.fit(data, eval_set=judged, callbacks=[Watch()] if clock.limited else None, **more, **silent)
        except catboost.CatBoostError as fault:
            raise BadData(f"--model catboost: it cannot learn from these rows ({fault}). Try --model lightgbm.") from fault
        about = model.get_metadata()
        for name in ("model_guid", "train_finish_time"):  # else no two fits give the same bytes
            about[name] = ""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.cbm"
            model.save_model(str(path))
            return Grown([], np.zeros(task.outputs), model.tree_count_, path.read_bytes())

    def settings(self, task: Task) -> dict[str, Any]:
        """CatBoost's own."""
        c = self.config
        share = max(c.rows_share, 1 - NO_ROW ** (1 / len(task.y)))
        sampled = {"bootstrap_type": "Bernoulli", "subsample": share} if c.rows_share < 1 else {}
        sampled |= {"classes_count": task.outputs} if task.kind == "classes" else {}
        return {
            "loss_function": LOSS[task.kind], "iterations": task.rounds, "learning_rate": c.shrinkage,
            "depth": max(1, min(DEEPEST, round(math.log2(c.leaves)))), "rsm": c.columns_share,
            "random_seed": c.seed % (1 << 31), "thread_count": torch.get_num_threads(), "allow_writing_files": False,
            "verbose": False, **sampled,
        }  # fmt: skip

    def _columns_of(self, x: np.ndarray) -> Any:
        """Rows as CatBoost takes them: categories as whole numbers, −1 where there is none."""
        assert self.encoding is not None
        known = len(self.encoding.sizes)
        codes = pd.DataFrame(np.nan_to_num(x[:, :known], nan=-1.0).astype(np.int64))
        return pd.concat([codes, pd.DataFrame(x[:, known:], columns=range(known, x.shape[1]))], axis=1)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Rows float64 [b, features] to logits [b, outputs]. Raises Usage where CatBoost is not installed."""
        logits = super().logits(x)
        rows = self._columns_of(x.numpy())
        for model, answered in zip(self._opened(), self.answered, strict=True):
            outputs = answered[answered >= 0]
            raw = model.predict(rows, prediction_type="RawFormulaVal", thread_count=torch.get_num_threads())
            logits[:, outputs] += torch.from_numpy(np.ascontiguousarray(raw)).reshape(len(rows), len(outputs))
        return logits

    def _opened(self) -> list[Any]:
        if not self._models and len(self.ends):
            self.remarks(self.config, 0)
            import catboost

            ends = [0, *self.ends.tolist()]
            parts = [self.stored[begin:end].numpy().tobytes() for begin, end in pairwise(ends)]
            self._models = [catboost.CatBoost().load_model(blob=part) for part in parts]
        return self._models

    @classmethod
    def graph(cls, models: Sequence[Self], weights: list[float]) -> Graph:
        """Raises Usage: CatBoost's numbers for categories are no graph."""
        raise Usage("kit export: a model of catboost has no graph. Export one of lightgbm, xgboost or mlp.")


def is_alike(task: Task) -> bool:
    """Are all rows, or all answers, the same? CatBoost ends in an error then, where other libraries learn the mean answer."""
    x = task.x.astype(np.float32)
    same = (x == x[:1]) | (np.isnan(x) & np.isnan(x[:1]))
    return bool(same.all()) or bool((task.y == task.y[0]).all())


def mean_logits(task: Task) -> np.ndarray:
    """The logits [outputs] of the mean answer."""
    weights = np.ones(len(task.y)) if task.weights is None else task.weights
    if task.kind == "classes":
        return np.log(np.maximum(np.bincount(task.y.astype(int), weights, task.outputs), LEAST) / weights.sum())
    mean = np.average(task.y, weights=weights)
    if task.kind == "chances":
        mean = np.clip(mean, LEAST, 1 - LEAST)
        return np.array([np.log(mean / (1 - mean))])
    return np.array([mean])
