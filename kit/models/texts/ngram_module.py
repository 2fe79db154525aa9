"""NgramModule: logistic regression on n-grams weighted by naive Bayes (Wang & Manning 2012), as a LightningModule.

The features are binary; column j of answer c is weighted by its log-count ratio, and a row by one over the root of its
length. All that is learned (columns worth keeping, ratios, the mean length, the weights) comes from the training fold.
Texts that have vectors (`kit.data.text_embeddings`, learned without answers) bring these as further features of the same
regression.
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
from kit.inputs.text import Texts
from kit.models.base import FoldModule, StepOutput
from kit.models.batch import Batch, Feed
from kit.models.graphs.base import Average, Graph
from kit.models.graphs.texts import Grams
from kit.models.texts import ngram_matrix
from kit.models.texts.ngram_matrix import RARE, Incidence
from kit.parts import NONE, Parts

FORWARD = 1 << 30  # rows predicted at a time
SPREAD = 2.5  # a text's vector is of this length: of 1 to 30 the best for film reviews, and 2 to 4 as good


class TimeOver(Exception):
    """The time for a fit is over in the middle of its step."""


class Product(torch.autograd.Function):
    """`held.times(weights)` of an Incidence, with its gradient."""

    @staticmethod
    def forward(ctx: Any, held: Incidence, weights: torch.Tensor) -> torch.Tensor:
        ctx.held = held
        return torch.from_numpy(held.times(weights.detach().numpy()))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[None, torch.Tensor]:  # type: ignore[override]
        return None, torch.from_numpy(ctx.held.transposed_times(gradient.numpy()))


class NgramModule(FoldModule):
    """Trains on one batch, all rows; predicts probabilities or values.

    `columns`: how many n-grams the finished model has a place for (0: not trained yet); `size`: of the texts' vectors.
    """

    resumable = False  # a fit takes seconds
    one_step = True
    column: torch.Tensor
    length: torch.Tensor

    def __init__(self, config: dict[str, Any], labels: dict[str, Any], steps: int = 1, columns: int = 0, size: int = 0):
        super().__init__(config, labels, steps=steps, columns=columns, size=size)
        if config["weights"]:
            raise Usage(f"--weights {config['weights']}: ngrams has no pretrained weights; add --model NAME.")
        self.best: list[torch.Tensor] | None = None  # the weights of the least loss, where time is short
        outputs = len(self.labels.columns)
        self.register_buffer("column", torch.zeros(columns, dtype=torch.int32))
        self.register_buffer("length", torch.ones(()))
        self.weight = torch.nn.Parameter(torch.zeros(columns, outputs))
        self.direction = torch.nn.Parameter(torch.zeros(size, outputs))
        self.bias = torch.nn.Parameter(torch.zeros(outputs))

    def learn(self, texts: Texts, rows: np.ndarray, y: np.ndarray) -> None:
        """Ratios, mean length and target scaling from the training rows; the weights begin at nothing."""
        self.scale_targets(y[rows])
        self.points = points_of(texts, rows)  # first: with the matrix the n-grams go
        self.held = ngram_matrix.of(texts, self.config.ngrams)
        self.column = torch.from_numpy(self.held.known)  # now, so that predictions timed before the fit are of the same columns
        self.rows = torch.from_numpy(rows)
        lengths = torch.from_numpy(self.held.lengths)
        self.length.fill_(float(lengths[self.rows].mean()))
        self.root = (self.length / lengths).sqrt()[:, None]
        self.ratio = self._ratios(torch.from_numpy(self.labels.certain(y)), len(y))
        self.losses: list[float] = []
        self.weight = torch.nn.Parameter(torch.zeros(len(self.held.place), len(self.labels.columns)))
        self.direction = torch.nn.Parameter(torch.zeros(self.points.shape[1], len(self.labels.columns)))

    def _ratios(self, certain: torch.Tensor, count: int) -> torch.Tensor:
        """[columns, outputs]: log of (share of an answer's rows with the n-gram over the share of the others)."""
        inside = torch.zeros(count, 1)
        inside[self.rows] = 1
        known = self._texts_with(inside)
        if self.labels.continuous:
            return (known >= RARE).float().expand(-1, certain.shape[1])
        answered = inside
        if certain.isnan().any():  # each answer counts the texts that have it
            answered, certain = inside * ~certain.isnan(), certain.nan_to_num()
            known = self._texts_with(answered)
        with_it, with_all = self._texts_with(certain * inside), (certain * inside).sum(dim=0)
        without, without_all = known - with_it, answered.sum(dim=0) - with_all
        ratio = ((with_it + 1) / (with_all + 2)).log() - ((without + 1) / (without_all + 2)).log()
        return ratio * (known >= RARE)

    def _texts_with(self, counted: torch.Tensor) -> torch.Tensor:
        """For every n-gram, the sum of `counted` [rows, c] over the texts that have it."""
        return torch.from_numpy(self.held.transposed_times(counted.numpy()))

    @classmethod
    def feed(cls, x: Texts, config: Config, count: int, mirror: bool = False, parts: Parts = NONE) -> Feed:
        return Feed(lambda rows: None, count, whole=True)

    def training_step(self, batch: Batch, batch_idx: int) -> StepOutput:
        assert batch.y is not None
        c = self.config
        with torch.autocast(self.device.type, enabled=False):
            product = Product.apply(self.held, self.ratio * self.weight)
            logits = (product * self.root + self.bias)[self.rows] + self.points @ self.direction
            penalty = (self.weight.square().sum() + self.direction.square().sum()) / (2 * c.inverse_penalty * len(self.rows))
            loss = self.labels.criterion(logits, self.scaled(batch.y), c.label_smoothing) + penalty
            predicted = self.answers(logits.detach())
        if self.until < math.inf:
            self.look_at_the_time(loss.item())
        return self.stepped(batch, loss, predicted)

    def look_at_the_time(self, loss: float) -> None:
        """Keep the weights of the least loss. Raises TimeOver where time is over and anything was learned."""
        self.losses.append(loss)
        if loss == min(self.losses):
            self.best = [parameter.detach().clone() for parameter in self.parameters()]
        if time.monotonic() >= self.until and min(self.losses) < self.losses[0]:
            raise TimeOver

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        """As Lightning's; where time is over, the weights are the best that the solver has tried."""
        before = iterations_of(optimizer)
        try:
            optimizer.step(closure=optimizer_closure)
        except TimeOver:
            self.part = (iterations_of(optimizer) - before) / self.config.iterations
            with torch.no_grad():
                for parameter, best in zip(self.parameters(), self.best or [], strict=True):
                    parameter.copy_(best)

    def configure_optimizers(self) -> Any:
        c = self.config
        optimizer = torch.optim.LBFGS(
            self.parameters(), max_iter=c.iterations, history_size=6, tolerance_grad=0, tolerance_change=0,
            line_search_fn="strong_wolfe",
        )  # fmt: skip
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)}}

    def finish(self) -> None:
        """Ratio and weight become one. N-grams that say nothing keep their place, so that folds share their columns."""
        with torch.no_grad():
            weight = torch.empty_like(self.weight)
            weight[torch.from_numpy(self.held.place)] = self.ratio * self.weight
            self.weight = torch.nn.Parameter(weight)
        self.hparams["columns"], self.hparams["size"] = len(self.column), len(self.direction)
        del self.points, self.held, self.ratio, self.root, self.rows, self.losses
        self.best = None

    def adopt(self, source: FoldModule) -> None:
        """Raises Usage."""
        raise Usage("--from: an n-gram model has no backbone to begin with.")

    def gather(self, x: Texts, rows: np.ndarray) -> Batch:
        points = points_of(x, rows)
        held = ngram_matrix.of(x, self.config.ngrams, self.column.numpy())
        index = torch.from_numpy(rows)
        return Batch((held, index, points), None, index)

    @classmethod
    def graph(cls, models: Sequence[Self], weights: list[float]) -> Graph:
        return Average([Grams(model) for model in models], weights).eval()

    def rows_per_pass(self, device: str) -> int:
        """All of them: a product is of all that there are."""
        return FORWARD

    def logits(self, x: tuple[Incidence, torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Logits [b, outputs] of some texts, by the matrix of all texts, their rows [b] in it, and their vectors [b, d]."""
        held, rows, points = x
        product = Product.apply(held, self.weight[torch.from_numpy(held.place)])
        root = (self.length / torch.from_numpy(held.lengths)).sqrt()[:, None]
        return (product * root)[rows] + points @ self.direction + self.bias


def iterations_of(solver: Any) -> int:
    """How many an L-BFGS has begun, over all its steps."""
    return sum(state.get("n_iter", 0) for state in solver.state.values())


def points_of(texts: Texts, rows: np.ndarray) -> torch.Tensor:
    """The vectors of some texts [rows, d] on the scale at which one penalty suits them and the n-grams."""
    return torch.from_numpy(texts.points()[rows]) * SPREAD
