"""BoostingModule: scikit-learn's histogram gradient boosting (after LightGBM, Ke et al. 2017), as a LightningModule.

It is grown in one step and kept as a Forest, so that its checkpoint holds tensors and plain values only.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch

from kit.config import Config
from kit.errors import Usage
from kit.inputs.cells import Cells
from kit.inputs.column_encoding import Encoding
from kit.models import weighting
from kit.models.base import FoldModule, StepOutput
from kit.models.batch import Batch, Feed
from kit.models.graphs import tables
from kit.models.graphs.base import Graph
from kit.models.tables.forest import Forest, empty, joined
from kit.parts import NONE, Parts

FORWARD = 1 << 15  # rows predicted at a time
AFTER = 2  # times a forest's answers to the training rows, which a fit with a deadline leaves time for: these, valid and test
EARLY = 10_000  # rows above which scikit-learn draws some that decide when to stop
NEVER = -30.0  # the logit of a class that the training fold does not have


class BoostingModule(FoldModule):
    """Trains on one batch, all rows; predicts probabilities or values.

    Answers that exclude each other have trees that share a softmax; any others have trees of their own.
    """

    resumable = False
    one_step = True
    takes_weights = True

    def __init__(self, config: dict[str, Any], labels: dict[str, Any], steps: int = 1):
        super().__init__(config, labels, steps=steps)
        if self.labels.own_loss is not None:
            raise Usage("--model boosting: scikit-learn grows its trees by a loss of its own, not by the adapter's. Try mlp.")
        self.automatic_optimization = False
        self.forest = Forest(empty(len(self.labels.columns)))
        self.nothing = torch.nn.Parameter(torch.zeros(1))  # the Trainer's optimizer wants a parameter
        self.encoding: Encoding | None = None
        self._kept: tuple[Any, torch.Tensor] | None = None
        self.cells: Cells | None = None  # while it is fitted

    def learn(self, cells: Cells, rows: np.ndarray, y: np.ndarray) -> None:
        """Kinds, categories and target scaling from the training rows."""
        self.encoding = Encoding.learn(cells, rows)
        self.scale_targets(y[rows])
        self.cells = cells

    @classmethod
    def seeded(cls, config: Config, rows: int) -> bool:
        """Only which rows decide when to stop, and of very many, which ones the bins are made from."""
        return rows > EARLY

    @classmethod
    def feed(cls, x: Cells, config: Config, count: int, mirror: bool = False, parts: Parts = NONE) -> Feed:
        return Feed(lambda rows: None, count, whole=True)

    def adopt(self, source: FoldModule) -> None:
        """Raises Usage: there is no backbone to begin with."""
        raise Usage("--from: takes a backbone of pictures; a table's columns are its own.")

    def training_step(self, batch: Batch, batch_idx: int) -> StepOutput:
        assert batch.y is not None and self.cells is not None
        x, scaled = self.encoded(self.cells)[batch.rows], self.scaled(batch.y)
        weights = None if batch.weights is None else batch.weights.numpy()
        self.forest = Forest(self.grow(x.numpy(), scaled.numpy(), weights))
        logits = torch.cat([self.forest(some) for some in x.split(FORWARD)]).float()
        loss = weighting.weighted(self.labels.criterion, logits, scaled, batch.weights)
        return self.stepped(batch, loss, self.answers(logits))

    def grow(self, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> dict[str, torch.Tensor]:
        """The parts of a Forest fitted to rows float64 [n, features] and their (scaled) answers, a column by its own."""
        wanted = self.labels.certain(y) if not self.labels.continuous else y
        if self.labels.exclusive:
            return joined(*self._classes(x, wanted.argmax(axis=1), wanted.shape[1], weights))
        baseline, trees, columns = np.zeros(wanted.shape[1]), [], wanted.shape[1]
        for column, answers in enumerate(wanted.T):
            known = ~np.isnan(answers)
            rows, answers = (x, answers) if known.all() else (x[known], answers[known])
            some = weights if weights is None or known.all() else weights[known]
            one = (answers > 0.5).astype(int)
            if not len(rows):
                continue  # nothing is known: the mean of the scaled numbers, or a half
            if self.labels.continuous:
                fitted = self._grown("Regressor", rows, answers, columns - column, some)
                baseline[column] = fitted._baseline_prediction.item()
                trees += [(tree, column) for (tree,) in fitted._predictors]
            elif one.min() == one.max():
                baseline[column] = NEVER if one[0] == 0 else -NEVER
            else:
                fitted = self._grown("Classifier", rows, one, columns - column, some)
                baseline[column] = fitted._baseline_prediction.item()
                trees += [(tree, column) for (tree,) in fitted._predictors]
        return joined(trees, baseline)

    def _classes(
        self, x: np.ndarray, y: np.ndarray, outputs: int, weights: np.ndarray | None
    ) -> tuple[list[tuple[Any, int]], np.ndarray]:
        """Trees and baseline of one softmax; of two classes scikit-learn grows trees for the second only."""
        baseline = np.full(outputs, NEVER)
        present = np.unique(y)
        baseline[present] = 0.0
        if len(present) == 1:
            return [], baseline
        fitted = self._grown("Classifier", x, y, weights=weights)
        own = present[1:] if len(present) == 2 else present
        baseline[own] = fitted._baseline_prediction.ravel()
        return [(tree, int(own[i])) for round_ in fitted._predictors for i, tree in enumerate(round_)], baseline

    def _grown(self, kind: str, x: np.ndarray, y: np.ndarray, share: int = 1, weights: np.ndarray | None = None) -> Any:
        """A booster of all its rounds or, where time is short, as many as this part of it allows: one share of so many.

        It grows on and on (`warm_start`), each time by what half of the time left suffices for, and from one round on.
        """
        booster, trees = self._booster(kind), self.config.trees
        if kind == "Classifier" and np.unique(y, return_counts=True)[1].min() < 2:
            booster.set_params(early_stopping=False)  # it would keep back rows of every class, and one has a single row
        if self.until == math.inf:
            return booster.fit(x, y, weights)
        end = (now := time.monotonic()) + (self.until - now) / share
        booster.set_params(warm_start=True)
        rounds, more, answering = 0, 1, 0.0
        while more:
            began = time.monotonic()
            rounds = min(rounds + more, trees)
            booster.set_params(max_iter=rounds).fit(x, y, weights)
            growing = (time.monotonic() - began) / more
            if rounds == trees or booster.n_iter_ < rounds or _rests(booster):
                break
            if not answering:
                answering = AFTER * _seconds_to_answer(booster, x)
            left = end - time.monotonic() - rounds * answering
            more = max(0, int(left / 2 / (growing + answering)))
        else:
            self.part = min(self.part, rounds / trees)
        self.until -= rounds * answering
        return booster

    def _booster(self, kind: str) -> Any:
        from sklearn import ensemble

        c = self.config
        assert self.encoding is not None
        return getattr(ensemble, f"HistGradientBoosting{kind}")(
            max_iter=c.trees,
            max_leaf_nodes=c.leaves,
            learning_rate=c.shrinkage,
            categorical_features=list(range(len(self.encoding.sizes))) or None,
            random_state=c.seed % (1 << 32),
        )

    def encoded(self, cells: Cells) -> torch.Tensor:
        """A whole table as float64 (or float32, which holds it as well) [n, categories + numbers], NaN where nothing is known;
        the last one is kept.

        Categories come first, as scikit-learn puts them, from 0 on; a rare or unseen one is as good as missing.
        """
        if self._kept is None or self._kept[0] is not cells:
            assert self.encoding is not None
            known = len(self.encoding.sizes)
            kind = np.float32 if self.encoding.is_short(cells) else np.float64
            table = np.zeros((len(cells), known + self.encoding.width), kind)
            self.encoding.fill(table[:, known:], cells)
            for j, codes in enumerate(self.encoding.codes_of(cells)):
                table[:, j] = np.where(codes > 0, codes - 1.0, np.nan)
            self._kept = (cells, torch.from_numpy(table))
        return self._kept[1]

    def get_extra_state(self) -> dict[str, Any]:
        return {"encoding": self.encoding.json() if self.encoding else None}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.encoding = Encoding.from_json(state["encoding"]) if state["encoding"] else None

    def load_state_dict(self, state_dict: Any, *args: Any, **kwargs: Any) -> Any:
        """As torch's, for a forest of any size."""
        self.forest = Forest({name: state_dict[f"forest.{name}"].clone() for name in Forest.BUFFERS})
        return super().load_state_dict(state_dict, *args, **kwargs)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD([self.nothing], lr=self.config.shrinkage)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)}}

    def finish(self) -> None:
        """The table need not be kept once the fit is over."""
        self._kept = None
        self.cells = None

    def gather(self, x: Cells, rows: np.ndarray) -> Batch:
        index = torch.from_numpy(rows)
        return Batch(self.encoded(x)[index], None, index)

    @classmethod
    def graph(cls, models: Sequence[Self], weights: list[float]) -> Graph:
        every = tables.union([model.encoding for model in models if model.encoding])
        rows = [tables.Rows(model, every) for model in models]
        return tables.Grove(rows, weights, [model.forest for model in models]).eval()

    def doubts(self, x: Cells, where: str) -> list[str]:
        """Cells that cannot be read, or that no training row has."""
        return [*self.encoding.odd(x, where), *self.encoding.new(x, where)] if self.encoding else []

    def rows_per_pass(self, device: str) -> int:
        return FORWARD

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Rows float64 [b, features] to logits [b, outputs]."""
        return self.forest(x)


def _seconds_to_answer(booster: Any, x: np.ndarray) -> float:
    """How long a round's trees, as a Forest, take for these rows."""
    grown = Forest(joined([(tree, 0) for tree in booster._predictors[0]], np.zeros(1)))
    began = time.monotonic()
    grown(torch.from_numpy(x))
    return time.monotonic() - began


def _rests(booster: Any) -> bool:
    """Would it have ended here by itself? Grown on, it looks only after one round more."""
    return bool(booster.do_early_stopping_ and booster._should_stop(list(booster.validation_score_)))
