"""MLPModule: a perceptron on a table's numbers and embedded categories, as a LightningModule.

Numbers are scaled by quantiles, clipped smoothly and embedded by a few cosines each (Holzmüller et al. 2024, RealMLP);
a straight line from the inputs to the answer runs beside the hidden layers (Cheng et al. 2016, wide and deep).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from kit.config import Config
from kit.errors import Usage
from kit.inputs.cells import Cells
from kit.inputs.column_encoding import Encoding
from kit.models.base import FoldModule, StepOutput
from kit.models.batch import Batch, Feed
from kit.models.graphs import tables
from kit.models.graphs.base import Average, Graph
from kit.models.net_module import NetModule
from kit.parts import NONE, Parts

FORWARD = 1 << 15  # rows predicted at a time
TOGETHER = 1 << 15  # rows encoded together
SMALL_STEPS, SMALL_BATCH = 16, 32  # a small table's steps an epoch, of so many rows at least: else it learns too little
SPANS = ((25, 75), (10, 90), (2, 98), (0, 100))  # the first in which a column's numbers differ is its unit
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
    """Scaled numbers [b, p], flags of missing ones [b, m], codes [b, k] to logits [b, outputs]."""

    offset: torch.Tensor

    def __init__(self, numbers: int, flags: int, sizes: list[int], outputs: int, width: int, dropout: float):
        super().__init__()
        self.waves = Waves(numbers)
        self.embedding = nn.Embedding(max(1, sum(sizes)), EMBEDDED)
        self.register_buffer("offset", torch.tensor([0, *np.cumsum(sizes)[:-1].tolist()][: len(sizes)], dtype=torch.int64))
        inputs = numbers * (1 + COSINES) + flags + len(sizes) * EMBEDDED
        self.straight = nn.Linear(inputs, outputs)
        nn.init.zeros_(self.straight.weight)
        last = nn.Linear(width, outputs)
        nn.init.zeros_(last.weight)  # a fit begins as a straight line
        self.hidden = nn.Sequential(
            nn.Linear(inputs, width), nn.SiLU(), nn.Dropout(dropout),
            nn.Linear(width, width), nn.SiLU(), nn.Dropout(dropout), last,
        )  # fmt: skip

    def forward(self, z: torch.Tensor, missing: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        embedded = self.embedding(codes + self.offset)
        x = torch.cat([self.waves(z), missing, embedded.flatten(1)], dim=1)
        return self.straight(x) + self.hidden(x)

    def own_layers(self) -> list[list[str]]:
        """The names of its parameters, layer by layer from the table to the answers."""
        parts = {"waves": 0, "embedding": 0, "hidden.0": 1, "hidden.3": 2, "hidden.6": 3, "straight": 3}
        found: list[list[str]] = [[] for _ in range(4)]
        for name, _ in self.named_parameters():
            found[parts[name.rpartition(".")[0]]].append(name)
        return found


class MLPModule(NetModule):
    """Trains on batches of a table's rows, predicts probabilities or values.

    The network is made when the training fold is known, by `learn` or from a checkpoint's `_extra_state`.
    """

    centre: torch.Tensor
    factor: torch.Tensor
    flagged: torch.Tensor

    def __init__(self, config: dict[str, Any], labels: dict[str, Any], steps: int = 0):
        super().__init__(config, labels, steps=steps)
        if self.config.optimizer == "muon":
            raise Usage("--optimizer muon: is for convolutions; a table's perceptron takes adamw or sgd.")
        self.encoding: Encoding | None = None
        self._kept: tuple[Any, torch.device, dict[str, torch.Tensor]] | None = None

    def learn(self, cells: Cells, rows: np.ndarray, y: np.ndarray) -> None:
        """Kinds, categories, quantiles and target scaling from the training rows; then the network that fits them."""
        encoding = Encoding.learn(cells, rows)
        centre, factor, flagged = np.zeros(encoding.width), np.zeros(encoding.width), np.zeros(encoding.width, bool)
        for j, x in enumerate(encoding.columns_of(cells, rows)):
            (centre[j],), (factor[j],) = units(x[:, None])
            flagged[j] = np.isnan(x).any()
        self.build(encoding, torch.from_numpy(flagged))
        self.centre.copy_(torch.from_numpy(centre))
        self.factor.copy_(torch.from_numpy(factor))
        self.scale_targets(y[rows])

    def build(self, encoding: Encoding, flagged: torch.Tensor) -> None:
        """The network for tables of this encoding; a number of which some are missing is `flagged` (bool [width])."""
        self.encoding = encoding
        self.register_buffer("centre", torch.zeros(encoding.width, dtype=torch.float64))
        self.register_buffer("factor", torch.zeros(encoding.width, dtype=torch.float64))
        self.register_buffer("flagged", flagged)
        self.take(self.build_net(encoding.width, int(flagged.sum()), encoding.sizes))

    def get_extra_state(self) -> dict[str, Any]:
        return {"encoding": self.encoding.json() if self.encoding else None}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Nothing: `load_state_dict` needs it before."""

    def load_state_dict(self, state_dict: Any, *args: Any, **kwargs: Any) -> Any:
        """As torch's; makes the network first where there is none yet."""
        if self.encoding is None and state_dict["_extra_state"]["encoding"]:
            self.build(Encoding.from_json(state_dict["_extra_state"]["encoding"]), state_dict["flagged"])
        return super().load_state_dict(state_dict, *args, **kwargs)

    def adopt(self, source: FoldModule) -> None:
        """Raises Usage: there is no backbone to begin with."""
        raise Usage("--from: takes a backbone of pictures; a table's columns are its own.")

    @classmethod
    def feed(cls, x: Cells, config: Config, count: int, mirror: bool = False, parts: Parts = NONE) -> Feed:
        """Rows by their position in the table, which is encoded once. A small table has SMALL_STEPS steps an epoch."""
        return Feed(lambda rows: x, min(config.batch, max(SMALL_BATCH, count // SMALL_STEPS)))

    def build_net(self, numbers: int, flags: int, sizes: list[int]) -> nn.Module:
        """The network of scaled numbers [b, numbers], flags of missing ones [b, flags] and codes [b, len(sizes)]."""
        c = self.config
        return Perceptron(numbers, flags, sizes, self.labels.outputs, c.width, c.dropout)

    def encoded(self, cells: Cells) -> dict[str, torch.Tensor]:
        """A whole table as tensors on the module's device; the last one is kept."""
        if self._kept is None or self._kept[0] is not cells or self._kept[1] != self.device:
            assert self.encoding is not None
            width, flagged = self.encoding.width, self.flagged.cpu()
            z, missing = torch.zeros(len(cells), width), torch.zeros(len(cells), int(flagged.sum()))
            codes = torch.zeros(len(cells), len(self.encoding.sizes), dtype=torch.int64)
            for start in range(0, len(cells), TOGETHER):
                some = slice(start, start + TOGETHER)
                numbers, own = map(torch.from_numpy, self.encoding.encode(cells, some))
                scaled = torch.nan_to_num((numbers - self.centre.cpu()) * self.factor.cpu(), nan=0.0)
                z[some], missing[some], codes[some] = tables.bent(scaled).float(), numbers.isnan()[:, flagged].float(), own
            parts = {"z": z, "missing": missing, "codes": codes}
            self._kept = (cells, self.device, {name: part.to(self.device) for name, part in parts.items()})
        return self._kept[2]

    takes_weights = True

    def training_step(self, batch: Batch, batch_idx: int) -> StepOutput:
        assert batch.y is not None
        logits = self.logits({name: part[batch.rows] for name, part in self.encoded(batch.x).items()}).float()
        loss = self.mean_loss(logits, self.scaled(batch.y), batch.weights) * batch.share
        return self.stepped(batch, loss, self.answers(logits.detach()))

    def finish(self) -> None:
        """The table need not be kept once the fit is over."""
        self._kept = None

    def gather(self, x: Cells, rows: np.ndarray) -> Batch:
        index = torch.from_numpy(rows)
        return Batch({name: part[index.to(self.device)] for name, part in self.encoded(x).items()}, None, index)

    @classmethod
    def graph(cls, models: Sequence[Self], weights: list[float]) -> Graph:
        every = tables.union([model.encoding for model in models if model.encoding])
        return Average([tables.Perceived(model, every) for model in models], weights).eval()

    def doubts(self, x: Cells, where: str) -> list[str]:
        """Cells that cannot be read, or that no training row has."""
        return [*self.encoding.odd(x, where), *self.encoding.new(x, where)] if self.encoding else []

    def rows_per_pass(self, device: str) -> int:
        return FORWARD

    def logits(self, x: dict[str, torch.Tensor]) -> torch.Tensor:
        """Encoded rows (`z`, `missing`, `codes`) to the outputs of the net that trains."""
        return self.net(**x)

    def forward(self, x: dict[str, torch.Tensor]) -> torch.Tensor:
        """Encoded rows to predictions [b, c], by the averaged weights where there are any."""
        return self.answers(self.predictor(**x).float())


def units(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median and inverse span of every column [n, p]; 0 and 0 for a column that says nothing."""
    centre, factor = np.zeros(numbers.shape[1]), np.zeros(numbers.shape[1])
    for j in range(numbers.shape[1]):
        known = numbers[~np.isnan(numbers[:, j]), j]
        if len(known):
            centre[j] = np.median(known)
            ends = np.percentile(known, [end for span in SPANS for end in span]).reshape(-1, 2)
            spans = ends[:, 1] - ends[:, 0]
            factor[j] = 1 / spans[spans > 0][0] if (spans > 0).any() else 0.0
    return centre, factor
