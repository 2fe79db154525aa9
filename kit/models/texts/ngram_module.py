"""NgramModule: logistic regression on n-grams weighted by naive Bayes (Wang & Manning 2012).

The features are binary; column j of answer c is weighted by its log-count ratio, and a row by one over the root of its
length. All that is learned (columns worth keeping, ratios, the mean length, the penalty, the weights) comes from the training
fold. Statistics of style, and the vectors of texts that have some (`kit.data.text_embeddings`, learned without answers), are
further features of the same regression. With `--landmarks` a second regression sees the vectors alone (`likeness`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch

from kit import resources
from kit.config import Config
from kit.data.text_embeddings import Vectors
from kit.errors import Usage
from kit.inputs.text import Texts
from kit.models.base import FoldModel, StepOutput
from kit.models.batch import Batch, Feed
from kit.models.graphs.base import Average, Graph
from kit.models.graphs.texts import Grams
from kit.models.probe.head_fit import Problem
from kit.models.texts import likeness, ngram_design, ngram_matrix, ngram_penalty
from kit.models.texts.ngram_design import SPREAD, Product
from kit.models.texts.ngram_matrix import Incidence
from kit.parts import NONE, Parts

FORWARD = 1 << 30  # rows predicted at a time
CHOOSING = 0.5  # of the time for a fit at most, for choosing its penalty


class TimeOver(Exception):
    """The time for a fit is over in the middle of its step."""


class NgramModule(FoldModel):
    """Trains on one batch, all rows; predicts probabilities or values.

    `columns`: how many n-grams the finished model has a place for (0: not trained yet); `size`: of the texts' vectors and
    statistics together; `statistics`: how many of these are statistics; `landmarks`: how many the second regression has.
    """

    resumable = False  # a fit takes seconds
    one_step = True
    takes_weights = True
    pseudo_share = 1.0  # beside 1,000 to 5,000 film reviews with answers, half of the others gained less, or lost
    column: torch.Tensor
    length: torch.Tensor
    style: torch.Tensor
    vectors: Vectors | None = None  # of the run, while it is exported

    def __init__(
        self,
        config: dict[str, Any],
        labels: dict[str, Any],
        steps: int = 1,
        columns: int = 0,
        size: int = 0,
        statistics: int = 0,
        landmarks: int = 0,
    ):
        further = {"statistics": statistics, "landmarks": landmarks}
        more = {name: count for name, count in further.items() if count}  # as earlier checkpoints, which have none
        super().__init__(config, labels, steps=steps, columns=columns, size=size, **more)
        if config["weights"]:
            raise Usage(f"--weights {config['weights']}: ngrams has no pretrained weights; add --model NAME.")
        self.best: list[torch.Tensor] | None = None  # the weights of the least loss, where time is short
        self.row_weights: torch.Tensor | None = None  # of all rows, while it is fitted
        outputs = len(self.labels.columns)
        self.register_buffer("column", torch.zeros(columns, dtype=torch.int32))
        self.register_buffer("length", torch.ones(()))
        if statistics:
            self.register_buffer("style", torch.zeros(3, statistics))
        self.weight = torch.nn.Parameter(torch.zeros(columns, outputs))
        self.direction = torch.nn.Parameter(torch.zeros(size, outputs))
        self.bias = torch.nn.Parameter(torch.zeros(outputs))
        self.likeness = likeness.Likeness(landmarks, size - statistics, outputs) if landmarks else None

    def learn(self, texts: Texts, rows: np.ndarray, y: np.ndarray) -> None:
        """Ratios, mean length and target scaling from the training rows; the weights begin at nothing."""
        self.scale_targets(y[rows])
        texts.points()  # first: with the matrix the n-grams go
        held = ngram_matrix.of(texts, self.config.ngrams, characters=self.config.characters)
        self.column = torch.from_numpy(held.known)  # now, so that predictions timed before the fit are of the same columns
        self.rows, self.known = torch.from_numpy(rows), torch.from_numpy(y)
        self.design = ngram_design.of(texts, held, self.config, self.labels, self.rows, y)
        self.length.fill_(self.design.length)
        if self.config.statistics:
            self.register_buffer("style", self.design.style)
        if self.config.landmarks and (points := self.points()).shape[1]:  # now, so that timed predictions are by as many
            self.likeness = likeness.blank(points, self.config.landmarks, len(self.bias))
        self.losses: list[float] = []
        self.weight, self.direction, _ = self._nothing(self.design)
        self.inverse_penalty, self.splits = self.config.inverse_penalty, []
        if not self.inverse_penalty:
            self.splits = [
                self._split(texts, held, y, *parts) for parts in ngram_penalty.splits(rows, self.config.seed, self.groups)
            ]
        with resources.importing():  # the first optimizer of a process loads torch._dynamo: now, not in the step that is timed
            self.solver = ngram_penalty.solver(self.parameters(), self.config.iterations)

    def _nothing(self, design: ngram_design.Design) -> list[torch.nn.Parameter]:
        """The parameters of a regression on this design, as they begin."""
        outputs = len(self.labels.columns)
        shapes = ((len(design.held.place), outputs), (design.dense.shape[1], outputs), (outputs,))
        return [torch.nn.Parameter(torch.zeros(shape)) for shape in shapes]

    def _split(self, texts: Texts, held: Incidence, y: np.ndarray, inner: np.ndarray, outer: np.ndarray) -> ngram_penalty.Split:
        rows = torch.from_numpy(inner)
        design = ngram_design.of(texts, held, self.config, self.labels, rows, y)
        return ngram_penalty.Split(design, rows, torch.from_numpy(outer), list(self._nothing(design)))

    @classmethod
    def seeded(cls, config: Config, rows: int) -> bool:
        """Only which rows choose the penalty."""
        return not config.inverse_penalty

    @classmethod
    def feed(cls, x: Texts, config: Config, count: int, mirror: bool = False, parts: Parts = NONE) -> Feed:
        return Feed(lambda rows: None, count, whole=True)

    def training_step(self, batch: Batch, batch_idx: int) -> StepOutput:
        """Choose the penalty if it is to be chosen, then fit; where time is over, the weights are the best that were tried."""
        if batch.weights is not None:  # over all rows, for the fits that choose the penalty
            self.row_weights = torch.ones(int(batch.rows.max()) + 1)
            self.row_weights[batch.rows] = batch.weights
        if self.splits:
            self.choose_penalty()
        solver, outputs = self.solver, list[StepOutput]()

        def closure() -> torch.Tensor:
            outputs[:] = [self.tried(batch)]
            solver.zero_grad()
            outputs[0]["loss"].backward()
            return outputs[0]["loss"]

        try:
            solver.step(closure)  # type: ignore[arg-type]
        except TimeOver:
            self.part = iterations_of(solver) / self.config.iterations
            with torch.no_grad():
                for parameter, best in zip(self.parameters(), self.best or [], strict=True):
                    parameter.copy_(best)
        return outputs[0]

    def tried(self, batch: Batch) -> StepOutput:
        """Loss and predictions of all training rows by the weights as they are."""
        assert batch.y is not None
        logits = self.design.logits(self.weight, self.direction, self.bias)[self.rows]
        loss = self.mean_loss(logits, self.scaled(batch.y), batch.weights)
        loss = ngram_penalty.penalised(loss, self.weight, self.direction, self.inverse_penalty, len(self.rows))
        predicted = self.answers(logits.detach())
        if self.until < math.inf:
            self.look_at_the_time(loss.item())
        return self.stepped(batch, loss, predicted)

    @property
    def learning_rate(self) -> float:
        return 1.0

    def choose_penalty(self) -> None:
        """Find the penalty by splits of the training rows."""
        half = time.monotonic() + CHOOSING * (self.until - time.monotonic())

        def loss(logits: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            weights = None if self.row_weights is None else self.row_weights[rows]
            return self.mean_loss(logits, self.scaled(self.known[rows]), weights)

        energy = self.design.energy(self.rows)
        self.inverse_penalty = ngram_penalty.chosen(self.splits, loss, energy, half)
        self.splits = []

    def look_at_the_time(self, loss: float) -> None:
        """Keep the weights of the least loss. Raises TimeOver where time is over and anything was learned."""
        self.losses.append(loss)
        if loss == min(self.losses):
            self.best = [parameter.detach().clone() for parameter in self.parameters()]
        if time.monotonic() >= self.until and min(self.losses) < self.losses[0]:
            raise TimeOver

    def learn_likeness(self) -> None:
        """Fit the second regression to the vectors of the training rows, or do without it where time is short."""
        if self.likeness is None:
            return
        weights = None if self.row_weights is None else self.row_weights[self.rows]

        def loss(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return self.mean_loss(logits, self.scaled(y), None)

        problem = Problem(
            self.points()[:, None], self.known[self.rows], loss, outputs=len(self.bias), intercept=True, until=self.until,
            weights=weights,
        )  # fmt: skip
        if likeness.fitted(self.likeness, problem):
            self.hparams["landmarks"] = len(self.likeness.landmarks)
        else:
            self.likeness = None

    def points(self) -> torch.Tensor:
        """The unit vectors [n, d] of the training rows, d 0 where texts have none."""
        return self.design.dense[self.rows, self.design.style.shape[1] :] / SPREAD

    def finish(self) -> None:
        """Ratio and weight become one. N-grams that say nothing keep their place, so that folds share their columns."""
        self.learn_likeness()
        with torch.no_grad():
            weight = torch.empty_like(self.weight)
            weight[torch.from_numpy(self.design.held.place)] = self.design.ratio * self.weight
            self.weight = torch.nn.Parameter(weight)
        self.hparams["columns"], self.hparams["size"] = len(self.column), len(self.direction)
        if self.design.style.shape[1]:
            self.hparams["statistics"] = self.design.style.shape[1]
        del self.design, self.rows, self.known, self.losses, self.solver
        self.best = self.row_weights = None

    def adopt(self, source: FoldModel) -> None:
        """Raises Usage."""
        raise Usage("--from: an n-gram model has no backbone to begin with.")

    def gather(self, x: Texts, rows: np.ndarray) -> Batch:
        points = ngram_design.dense(x, rows, self.style if self.config.statistics else torch.zeros(3, 0))
        held = ngram_matrix.of(x, self.config.ngrams, self.column.numpy(), self.config.characters)
        index = torch.from_numpy(rows)
        return Batch((held, index, points), None, index)

    @classmethod
    def graph(cls, models: Sequence[Self], weights: list[float]) -> Graph:
        return Average(Grams.of(models, models[0].vectors), weights).eval()

    def rows_per_pass(self, device: str) -> int:
        """All of them: a product is of all that there are."""
        return FORWARD

    def logits(self, x: tuple[Incidence, torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Logits [b, outputs] of some texts, by the matrix of all, their rows [b] in it, and their dense columns [b, d]."""
        held, rows, points = x
        product = Product.apply(held, self.weight[torch.from_numpy(held.place)])
        root = (self.length / torch.from_numpy(held.lengths)).sqrt()[:, None]
        said = (product * root)[rows] + points @ self.direction + self.bias
        if self.likeness is None:
            return said
        vectors = points[:, -self.likeness.landmarks.shape[1] :] / SPREAD
        return torch.lerp(said, self.likeness(vectors), likeness.SHARE)


def iterations_of(solver: Any) -> int:
    """How many an L-BFGS has begun."""
    return sum(state.get("n_iter", 0) for state in solver.state.values())
