"""BagsModule: logistic regression on n-grams weighted by naive Bayes (Wang & Manning 2012), as a LightningModule.

The features are binary; column j of answer c is weighted by its log-count ratio, and a row by one over the root of its
length. All that is learned (columns worth keeping, ratios, the mean length, the weights) comes from the training fold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from kit import labels as all_labels, ngrams
from kit.config import Config
from kit.inputs.text import Texts

FORWARD = 8192  # rows predicted at a time
RARE = 2  # an n-gram of fewer training texts says nothing of others


class Product(torch.autograd.Function):
    """`matrix @ weights` for a constant sparse matrix whose transpose is at hand (float32, whatever the precision)."""

    @staticmethod
    def forward(ctx: Any, matrix: torch.Tensor, transposed: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        ctx.transposed = transposed
        return matrix @ weights

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[None, None, torch.Tensor]:  # type: ignore[override]
        return None, None, ctx.transposed @ gradient


class BagsModule(pl.LightningModule):
    """Trains on one batch, all rows; predicts probabilities or values.

    `columns`: how many n-grams the finished model knows (0: not trained yet).
    """

    resumable = False  # a fit takes seconds, and is one step
    column: torch.Tensor
    shift: torch.Tensor
    scale: torch.Tensor
    length: torch.Tensor

    def __init__(self, config: dict[str, Any], labels: dict[str, Any], steps: int = 1, columns: int = 0):
        super().__init__()
        self.save_hyperparameters()
        self.config, self.labels = Config(**config), all_labels.from_json(labels)
        outputs = len(self.labels.columns)
        self.register_buffer("column", torch.zeros(columns, dtype=torch.int32))
        self.register_buffer("length", torch.ones(()))
        self.register_buffer("shift", torch.zeros(outputs))
        self.register_buffer("scale", torch.ones(outputs))
        self.weight = torch.nn.Parameter(torch.zeros(columns, outputs))
        self.bias = torch.nn.Parameter(torch.zeros(outputs))
        self.table: torch.Tensor | None = None

    def learn(self, texts: Texts, rows: np.ndarray, y: np.ndarray) -> None:
        """Ratios, mean length and target scaling from the training rows; the weights begin at nothing."""
        shift, scale = self.labels.scaling(y[rows])
        self.shift.copy_(torch.from_numpy(shift))
        self.scale.copy_(torch.from_numpy(scale))
        layout = matrix_of(texts, self.config.ngrams)
        self.matrix, self.transposed, known, lengths = layout
        self.rows = torch.from_numpy(rows)
        self.length.fill_(float(lengths[self.rows].mean()))
        self.root = (self.length / lengths).sqrt()[:, None]
        self.ratio = self._ratios(torch.from_numpy(self.labels.certain(y)), len(y))
        self.column = known
        self.weight = torch.nn.Parameter(torch.zeros(len(known), len(self.labels.columns)))

    def _ratios(self, certain: torch.Tensor, count: int) -> torch.Tensor:
        """[columns, outputs]: log of (share of an answer's rows with the n-gram over the share of the others)."""
        inside = torch.zeros(count, 1)
        inside[self.rows] = 1
        known = self.transposed @ inside
        if self.labels.kind == "numbers":
            return (known >= RARE).float().expand(-1, certain.shape[1])
        with_it, with_all = self.transposed @ (certain * inside), (certain * inside).sum(dim=0)
        without, without_all = known - with_it, len(self.rows) - with_all
        ratio = ((with_it + 1) / (with_all + 2)).log() - ((without + 1) / (without_all + 2)).log()
        return ratio * (known >= RARE)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, torch.Tensor]:
        c = self.config
        with torch.autocast(self.device.type, enabled=False):
            product = Product.apply(self.matrix, self.transposed, self.ratio * self.weight)
            logits = (product * self.root + self.bias)[self.rows]
            y = batch["y"]
            scaled = (y - self.shift) / self.scale if self.labels.kind == "numbers" else y
            penalty = self.weight.square().sum() / (2 * c.inverse_penalty * len(self.rows))
            loss = self.labels.loss(logits, scaled, c.label_smoothing) + penalty
            predicted = self.labels.activation(logits.detach()) * self.scale + self.shift
        return {"loss": loss, "predicted": predicted, "y": y}

    def configure_optimizers(self) -> Any:
        c = self.config
        optimizer = torch.optim.LBFGS(
            self.parameters(), max_iter=c.iterations, history_size=6, tolerance_grad=0, tolerance_change=0,
            line_search_fn="strong_wolfe",
        )  # fmt: skip
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)}}

    def finish(self) -> None:
        """Keep the n-grams that say something, with ratio and weight in one."""
        with torch.no_grad():
            kept = (self.ratio != 0).any(dim=1)
            self.weight = torch.nn.Parameter((self.ratio * self.weight)[kept])
            self.column = self.column[kept]
        self.hparams["columns"] = len(self.column)
        del self.matrix, self.transposed, self.ratio, self.root, self.rows

    def gather(self, texts: Texts, rows: np.ndarray) -> dict[str, Any]:
        """The batch that `predict_step` takes."""
        return {"bags": texts.bags(self.config.ngrams).only(rows)}

    def forward_rows(self, device: str) -> int:
        """How many rows to predict at a time."""
        return FORWARD

    def forward(self, bags: ngrams.Bags) -> torch.Tensor:
        """Predictions [b, outputs] of rows of n-grams."""
        if self.table is None:  # n-grams by their own number: looked up, not searched
            self.table = torch.zeros(1 << ngrams.BITS, self.weight.shape[1])
            self.table[self.column.long()] = self.weight.detach()
        values = self.table[torch.from_numpy(bags.columns.astype(np.int64))]
        lengths = torch.from_numpy(np.diff(bags.start))
        sums = torch.segment_reduce(values, "sum", lengths=lengths, unsafe=True, initial=0)
        root = (self.length / lengths.clamp(min=1)).sqrt()[:, None]
        return self.labels.activation(sums * root + self.bias) * self.scale + self.shift

    def predict_step(self, batch: dict[str, Any], batch_idx: int = 0) -> torch.Tensor:
        return self(batch["bags"])


def matrix_of(texts: Texts, order: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """All texts as a sparse matrix [n, columns] of ones, its transpose, the columns' numbers, and the rows' lengths.

    Only columns of at least RARE texts have a place: no training fold could know the others. Made once for all folds.
    """
    made = texts.__dict__.setdefault("_matrices", {})
    if order not in made:
        bags = texts.bags(order)
        ordered = np.sort(bags.columns)
        first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, int)
        known = ordered[first[np.diff(np.r_[first, len(ordered)]) >= RARE]]
        place = np.full(1 << ngrams.BITS, -1, np.int32)
        place[known] = np.arange(len(known), dtype=np.int32)
        columns = place[bags.columns]
        kept = columns >= 0
        start = np.r_[0, np.cumsum(kept)][bags.start].astype(np.int32)
        from scipy.sparse import csr_matrix

        whole = csr_matrix((np.ones(start[-1], np.float32), columns[kept], start), (len(texts), len(known)))
        lengths = torch.from_numpy(np.maximum(np.diff(bags.start), 1).astype(np.float32))
        made[order] = (_sparse(whole), _sparse(whole.T.tocsr()), torch.from_numpy(known.astype(np.int32)), lengths)
    return made[order]


def _sparse(matrix: Any) -> torch.Tensor:
    import warnings

    parts = (torch.from_numpy(matrix.indptr), torch.from_numpy(matrix.indices), torch.from_numpy(matrix.data))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*Sparse CSR tensor support is in beta.*")
        return torch.sparse_csr_tensor(*parts, size=matrix.shape, check_invariants=False)
