"""BagsModule: logistic regression on n-grams weighted by naive Bayes (Wang & Manning 2012), as a LightningModule.

The features are binary; column j of answer c is weighted by its log-count ratio, and a row by one over the root of its
length. All that is learned (columns worth keeping, ratios, the mean length, the weights) comes from the training fold.
Texts that have vectors (`kit.vectors`, learned without answers) bring these as further features of the same regression.
"""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from kit import ngrams
from kit.errors import Usage
from kit.inputs.text import Texts
from kit.modules.targets import TargetModule

FORWARD = 8192  # rows predicted at a time
SPREAD = 2.5  # a text's vector is of this length: of 1 to 30 the best for film reviews, and 2 to 4 as good
RARE = 2  # an n-gram of fewer training texts says nothing of others


class TimeOver(Exception):
    """The time for a fit is over in the middle of its step."""


class Product(torch.autograd.Function):
    """`matrix @ weights` for a constant scipy CSR matrix: as fast as torch's on a CPU, and it copies nothing."""

    @staticmethod
    def forward(ctx: Any, matrix: Any, weights: torch.Tensor) -> torch.Tensor:
        ctx.matrix = matrix
        return torch.from_numpy(times(matrix, weights.detach().numpy()))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[None, torch.Tensor]:  # type: ignore[override]
        return None, torch.from_numpy(transposed_times(ctx.matrix, gradient.numpy()))


def times(matrix: Any, values: np.ndarray) -> np.ndarray:
    """`matrix @ values`, each half of the rows in a thread of its own."""
    return np.concatenate(list(_pool().map(lambda half: half @ values, halves(matrix))))


def transposed_times(matrix: Any, values: np.ndarray) -> np.ndarray:
    """`matrix.T @ values`. Two threads on any machine, so that the sum has one order."""
    first, second = halves(matrix)
    cut = first.shape[0]
    one, two = _pool().map(lambda pair: pair[0].T @ pair[1], ((first, values[:cut]), (second, values[cut:])))
    return one + two


def halves(matrix: Any) -> tuple[Any, Any]:
    """The upper and the lower rows of a CSR matrix, without a copy."""
    from scipy.sparse import csr_matrix

    rows, columns = matrix.shape
    middle = rows // 2
    cut = matrix.indptr[middle]
    upper = csr_matrix((matrix.data[:cut], matrix.indices[:cut], matrix.indptr[: middle + 1]), (middle, columns))
    lower = csr_matrix((matrix.data[cut:], matrix.indices[cut:], matrix.indptr[middle:] - cut), (rows - middle, columns))
    return upper, lower


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2)


class BagsModule(TargetModule):
    """Trains on one batch, all rows; predicts probabilities or values.

    `columns`: how many n-grams the finished model has a place for (0: not trained yet); `size`: of the texts' vectors.
    """

    resumable = False  # a fit takes seconds, and is one step
    column: torch.Tensor
    length: torch.Tensor

    def __init__(self, config: dict[str, Any], labels: dict[str, Any], steps: int = 1, columns: int = 0, size: int = 0):
        super().__init__(config, labels)
        if config["weights"]:
            raise Usage(f"--weights {config['weights']}: ngrams has no pretrained weights; add --model NAME.")
        self.save_hyperparameters()
        outputs = len(self.labels.columns)
        self.register_buffer("column", torch.zeros(columns, dtype=torch.int32))
        self.register_buffer("length", torch.ones(()))
        self.weight = torch.nn.Parameter(torch.zeros(columns, outputs))
        self.direction = torch.nn.Parameter(torch.zeros(size, outputs))
        self.bias = torch.nn.Parameter(torch.zeros(outputs))

    def learn(self, texts: Texts, rows: np.ndarray, y: np.ndarray) -> None:
        """Ratios, mean length and target scaling from the training rows; the weights begin at nothing."""
        self.scale_targets(y[rows])
        known = known_columns(texts, self.config.ngrams)
        self.matrix, lengths = matrix_of(texts, self.config.ngrams, known)
        self.rows = torch.from_numpy(rows)
        self.length.fill_(float(lengths[self.rows].mean()))
        self.root = (self.length / lengths).sqrt()[:, None]
        self.ratio = self._ratios(torch.from_numpy(self.labels.certain(y)), len(y))
        self.column = torch.from_numpy(known)
        self.points = points_of(texts, rows)
        self.losses: list[float] = []
        self.weight = torch.nn.Parameter(torch.zeros(len(known), len(self.labels.columns)))
        self.direction = torch.nn.Parameter(torch.zeros(self.points.shape[1], len(self.labels.columns)))

    def _ratios(self, certain: torch.Tensor, count: int) -> torch.Tensor:
        """[columns, outputs]: log of (share of an answer's rows with the n-gram over the share of the others)."""
        inside = torch.zeros(count, 1)
        inside[self.rows] = 1
        known = self._texts_with(inside)
        if self.labels.kind == "numbers":
            return (known >= RARE).float().expand(-1, certain.shape[1])
        with_it, with_all = self._texts_with(certain * inside), (certain * inside).sum(dim=0)
        without, without_all = known - with_it, len(self.rows) - with_all
        ratio = ((with_it + 1) / (with_all + 2)).log() - ((without + 1) / (without_all + 2)).log()
        return ratio * (known >= RARE)

    def _texts_with(self, counted: torch.Tensor) -> torch.Tensor:
        """For every n-gram, the sum of `counted` [rows, c] over the texts that have it."""
        return torch.from_numpy(transposed_times(self.matrix, counted.numpy()))

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, torch.Tensor]:
        c = self.config
        with torch.autocast(self.device.type, enabled=False):
            product = Product.apply(self.matrix, self.ratio * self.weight)
            logits = (product * self.root + self.bias)[self.rows] + self.points @ self.direction
            y = batch["y"]
            penalty = (self.weight.square().sum() + self.direction.square().sum()) / (2 * c.inverse_penalty * len(self.rows))
            loss = self.labels.loss(logits, self.scaled(y), c.label_smoothing) + penalty
            predicted = self.answers(logits.detach())
        if self.until < math.inf:
            self.look_at_the_time(loss.item())
        return {"loss": loss, "predicted": predicted, "y": y}

    def look_at_the_time(self, loss: float) -> None:
        """Keep the weights of the least loss. Raises TimeOver where time is over and anything was learned."""
        self.losses.append(loss)
        if loss == min(self.losses):
            self.best = [one.detach().clone() for one in self.parameters()]
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
                for one, best in zip(self.parameters(), self.best, strict=True):
                    one.copy_(best)

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
            self.weight = torch.nn.Parameter(self.ratio * self.weight)
        self.hparams["columns"], self.hparams["size"] = len(self.column), len(self.direction)
        del self.points, self.matrix, self.ratio, self.root, self.rows, self.losses
        self.__dict__.pop("best", None)

    def adopt(self, source: Any) -> None:
        """Raises Usage."""
        raise Usage("--from: an n-gram model has no backbone to begin with.")

    def gather(self, texts: Texts, rows: np.ndarray) -> dict[str, Any]:
        """The batch that `predict_step` takes."""
        matrix, lengths = matrix_of(texts, self.config.ngrams, self.column.numpy())
        return {"matrix": matrix[rows], "lengths": lengths[torch.from_numpy(rows)], "points": points_of(texts, rows)}

    def forward_rows(self, device: str) -> int:
        """How many rows to predict at a time."""
        return FORWARD

    def forward(self, matrix: Any, lengths: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        """Predictions [b, outputs] of rows as `matrix_of` and `points_of` have them."""
        product = Product.apply(matrix, self.weight)
        logits = product * (self.length / lengths).sqrt()[:, None] + points @ self.direction + self.bias
        return self.answers(logits)

    def predict_step(self, batch: dict[str, Any], batch_idx: int = 0) -> torch.Tensor:
        return self(batch["matrix"], batch["lengths"], batch["points"])


def iterations_of(solver: Any) -> int:
    """How many an L-BFGS has begun, over all its steps."""
    return sum(state.get("n_iter", 0) for state in solver.state.values())


def points_of(texts: Texts, rows: np.ndarray) -> torch.Tensor:
    """The vectors of some texts [rows, d] on the scale at which one penalty suits them and the n-grams."""
    return torch.from_numpy(texts.points()[rows]) * SPREAD


def known_columns(texts: Texts, order: int) -> np.ndarray:
    """The numbers (int32, rising) of the columns of at least RARE texts: no part of these texts could know the others."""
    known = texts.__dict__.setdefault("_known", {})
    if order not in known:
        ordered = np.sort(texts.bags(order).columns)
        first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, int)
        known[order] = ordered[first[np.diff(np.r_[first, len(ordered)]) >= RARE]].astype(np.int32)
    return known[order]


def matrix_of(texts: Texts, order: int, known: np.ndarray) -> tuple[Any, torch.Tensor]:
    """Texts as a sparse matrix [n, known] of ones, and the lengths of their rows before rare columns were left out.

    Kept beside the texts: all folds of a run know the same columns.
    """
    from scipy.sparse import csr_matrix

    made = texts.__dict__.setdefault("_matrices", {})
    key = (order, hash(known.tobytes()))
    if key not in made:
        bags = texts.bags(order)
        place = np.full(1 << ngrams.BITS, -1, np.int32)
        place[known] = np.arange(len(known), dtype=np.int32)
        columns = place[bags.columns]
        kept = columns >= 0
        start = np.r_[np.int32(0), np.cumsum(kept, dtype=np.int32)][bags.start]
        columns = columns[kept]
        matrix = csr_matrix((np.ones(len(columns), np.float32), columns, start), (len(texts), len(known)))
        lengths = torch.from_numpy(np.maximum(np.diff(bags.start), 1).astype(np.float32))
        made.clear()  # one at a time: another order or run's columns take its place
        made[key] = (matrix, lengths)
    return made[key]
