"""MLPModule: a perceptron on a table's numbers and embedded categories, as a LightningModule.

Numbers are scaled by quantiles, clipped smoothly and embedded by a few cosines each (Holzmüller et al. 2024, RealMLP);
a straight line from the inputs to the answer runs beside the hidden layers (Cheng et al. 2016, wide and deep).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import nn

from kit.config import Config
from kit.errors import Usage
from kit.inputs.cells import Cells
from kit.models.base import FoldModel, StepOutput
from kit.models.batch import Batch, Feed
from kit.models.graphs import tables
from kit.models.graphs.base import Average, Graph
from kit.models.tables.encoded_module import EncodedModule
from kit.parts import NONE, Parts

FORWARD = 1 << 15  # rows predicted at a time
SMALL_STEPS, SMALL_BATCH = 16, 32  # a small table's steps an epoch, of so many rows at least: else it learns too little
FASTEST = 1.5  # deviation of the waves' first frequencies, in radians per unit
COSINES = 4  # that stand beside each number
EMBEDDED = 8  # numbers that stand for a category


class Waves(nn.Module):
    """Numbers [b, p] to [b, p × (1 + COSINES)]: themselves, and cosines of each."""

    def __init__(self, count: int):
        super().__init__()
        self.frequency = nn.Parameter(torch.randn(count, COSINES) * FASTEST)
        self.phase = nn.Parameter((torch.rand(count, COSINES) * 2 - 1) * math.pi)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        waves = torch.cos(torch.addcmul(self.phase, z[..., None], self.frequency))
        return torch.cat([z, waves.flatten(1)], dim=1)


class Perceptron(nn.Module):
    """Scaled numbers [b, p], flags of missing ones [b, m], codes [b, k] to logits [b, outputs].

    `beside`: how many features of something else (a picture, a text) it sees beside the columns.
    """

    offset: torch.Tensor

    def __init__(
        self, numbers: int, flags: int, sizes: list[int], outputs: int, width: int, dropout: float, beside: int = 0
    ):  # fmt: skip
        super().__init__()
        self.waves = Waves(numbers)
        self.embedding = nn.Embedding(max(1, sum(sizes)), EMBEDDED)
        self.register_buffer("offset", torch.tensor([0, *np.cumsum(sizes)[:-1].tolist()][: len(sizes)], dtype=torch.int64))
        inputs = numbers * (1 + COSINES) + flags + len(sizes) * EMBEDDED + beside
        self.straight = nn.Linear(inputs, outputs)
        nn.init.zeros_(self.straight.weight)
        last = nn.Linear(width, outputs)
        nn.init.zeros_(last.weight)  # a fit begins as a straight line
        self.hidden = nn.Sequential(
            nn.Linear(inputs, width), nn.SiLU(), nn.Dropout(dropout),
            nn.Linear(width, width), nn.SiLU(), nn.Dropout(dropout), last,
        )  # fmt: skip

    def forward(self, z: torch.Tensor, missing: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        return self.answered(self.seen(z, missing, codes))

    def seen(self, z: torch.Tensor, missing: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """The columns as the layers see them [b, columns]."""
        embedded = self.embedding(codes + self.offset)
        return torch.cat([self.waves(z), missing, embedded.flatten(1)], dim=1)

    def answered(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of what `seen` gives, with `beside` behind it where there is any."""
        return self.straight(x) + self.hidden(x)

    def begin_at_nothing(self) -> Perceptron:
        """Answer nothing at first, so that a fit begins as what this perceptron is added to; returns itself."""
        for layer in (self.straight, self.hidden[-1]):
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        return self

    def own_layers(self) -> list[list[str]]:
        """The names of its parameters, layer by layer from the table to the answers."""
        parts = {"waves": 0, "embedding": 0, "hidden.0": 1, "hidden.3": 2, "hidden.6": 3, "straight": 3}
        found: list[list[str]] = [[] for _ in range(4)]
        for name, _ in self.named_parameters():
            found[parts[name.rpartition(".")[0]]].append(name)
        return found


class MLPModule(EncodedModule):
    """Trains on batches of a table's rows, predicts probabilities or values."""

    def __init__(self, config: dict[str, Any], labels: dict[str, Any], steps: int = 0, **facts: Any):
        super().__init__(config, labels, steps=steps, **facts)
        if self.config.optimizer == "muon":
            raise Usage("--optimizer muon: is for convolutions; a table's perceptron takes adamw or sgd.")

    def learn(self, cells: Cells, rows: np.ndarray, y: np.ndarray) -> None:
        """The encoding and target scaling from the training rows, and the network."""
        self.learn_columns(cells, rows)
        self.scale_targets(y[rows])

    def adopt(self, source: FoldModel) -> None:
        """Raises Usage: there is no backbone to begin with."""
        raise Usage("--from: takes a backbone of pictures; a table's columns are its own.")

    @classmethod
    def feed(cls, x: Cells, config: Config, count: int, mirror: bool = False, parts: Parts = NONE) -> Feed:
        """Rows by their position in the table, which is encoded once. A small table has SMALL_STEPS steps an epoch."""
        return Feed(lambda rows: x, min(config.batch, max(SMALL_BATCH, count // SMALL_STEPS)))

    def build_net(self, numbers: int, flags: int, sizes: list[int]) -> nn.Module:
        c = self.config
        return Perceptron(numbers, flags, sizes, self.labels.outputs, c.width, c.dropout)

    takes_weights = True
    member: ClassVar[type[tables.Perceived]] = tables.Perceived  # of a graph

    def trained_on(self, batch: Batch) -> dict[str, torch.Tensor]:
        """The encoded rows of a batch to train on."""
        return self.encoded_rows(batch.x, batch.rows)

    def training_step(self, batch: Batch, batch_idx: int) -> StepOutput:
        assert batch.y is not None
        logits = self.logits(self.trained_on(batch)).float()
        loss = self.mean_loss(logits, self.scaled(batch.y), batch.weights) * batch.share
        return self.stepped(batch, loss, self.answers(logits.detach()))

    def gather(self, x: Cells, rows: np.ndarray) -> Batch:
        index = torch.from_numpy(rows)
        return Batch(self.encoded_rows(x, index), None, index)

    @classmethod
    def graph(cls, models: Sequence[Self], weights: list[float]) -> Graph:
        every = tables.union([model.encoding for model in models if model.encoding])
        return Average([cls.member(model, every) for model in models], weights).eval()

    def rows_per_pass(self, device: str) -> int:
        return FORWARD

    def logits(self, x: dict[str, torch.Tensor]) -> torch.Tensor:
        """Encoded rows (`z`, `missing`, `codes`) to the outputs of the net that trains."""
        return self.net(**x)

    def forward(self, x: dict[str, torch.Tensor]) -> torch.Tensor:
        """Encoded rows to predictions [b, c], by the averaged weights where there are any."""
        return self.answers(self.predictor(**x).float())
