"""TextTableModule: what the n-grams of a text say, and the columns of its row, as the inputs of one perceptron.

The n-gram model is fitted to the training fold. Of the training rows themselves the perceptron sees what models of the other
rows say (`readers.unseen`), and of each text its vector too, so that it can learn that a text means one thing or another by
what a column says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from kit.config import Config
from kit.data.text_embeddings import Vectors
from kit.errors import Usage
from kit.models.base import FoldModel
from kit.models.batch import Batch, Feed
from kit.models.graphs import tables
from kit.models.graphs.base import Average, Graph
from kit.models.graphs.mixed import GramsAndColumns
from kit.models.graphs.texts import Grams
from kit.models.mixed import readers
from kit.models.tables.mlp_module import MLPModule, Perceptron
from kit.models.texts.ngram_design import SPREAD
from kit.models.texts.ngram_module import NgramModule
from kit.parts import NONE, Parts

MOST = 8.0  # logits of a text beyond which it counts no further


class Beside(nn.Module):
    """A perceptron on encoded columns and features of texts [b, f], the first `outputs` of which are the texts' own logits."""

    def __init__(self, perceptron: Perceptron, outputs: int):
        super().__init__()
        self.perceptron, self.outputs = perceptron.begin_at_nothing(), outputs

    def forward(self, z: torch.Tensor, missing: torch.Tensor, codes: torch.Tensor, beside: torch.Tensor) -> torch.Tensor:
        x = torch.cat([self.perceptron.seen(z, missing, codes), beside], dim=1)
        return self.perceptron.answered(x) + beside[:, : self.outputs]


class TextTableModule(MLPModule):
    """Trains on the columns of `MixedRows` and what is read of their texts. `mixed`: marks its checkpoints."""

    takes_weights = False  # the n-gram models count every row alike
    unseen: torch.Tensor
    vectors: Vectors | None = None  # of the run, while it is exported

    def __init__(self, config: dict[str, Any], labels: dict[str, Any], steps: int = 0, mixed: bool = True):
        super().__init__(config, labels, steps=steps, mixed=mixed)
        if config["weights"]:
            raise Usage(f"--weights {config['weights']}: texts together with columns have no pretrained weights. Leave it out.")
        self.texts: Any = None  # of all rows, while it is trained
        self._reader: tuple[NgramModule, ...] = ()  # in a tuple: it stays on the CPU, and is not trained
        self._read: tuple[Any, torch.Tensor] | None = None
        self.size = 0  # of the texts' vectors
        self.register_buffer("unseen", torch.zeros(0, len(self.labels.columns)))

    @classmethod
    def of(cls, config: Config, labels: Any, x: Any, *, steps: int, mirror: bool = False, parts: Parts = NONE) -> Self:
        module = super().of(config, labels, x.table, steps=steps, mirror=mirror, parts=parts)
        module.texts = x.first
        return module

    @classmethod
    def feed(cls, x: Any, config: Config, count: int, mirror: bool = False, parts: Parts = NONE) -> Feed:
        return super().feed(x.table, config, count, mirror=mirror, parts=parts)

    def learn(self, x: Any, rows: np.ndarray, y: np.ndarray) -> None:
        """The n-gram models of the texts and the encoding of the columns, from the training rows; and the network of both."""
        self.scale_targets(y[rows])
        self.size = x.first.points().shape[1]
        groups = readers.groups_of(x.first, self.groups)
        self.unseen = torch.from_numpy(readers.unseen(self.config, self.labels, x.first, rows, y, groups))
        self._reader = (readers.fitted(self.config, self.labels, x.first, rows, y, groups),)
        self.learn_columns(x.table, rows)

    def build_net(self, numbers: int, flags: int, sizes: list[int]) -> nn.Module:
        c, outputs = self.config, self.labels.outputs
        beside = outputs + self.size
        return Beside(Perceptron(numbers, flags, sizes, outputs, c.width, c.dropout, beside=beside), outputs)

    # --- how texts reach the network

    def features(self, said: torch.Tensor, texts: Any, rows: np.ndarray) -> torch.Tensor:
        """Logits of the texts of some rows, as the targets are scaled, and their vectors, float32 [rows, f]."""
        logits = ((said - self.shift.cpu()) / self.scale.cpu()).clamp(-MOST, MOST)
        points = torch.from_numpy(np.ascontiguousarray(texts.points()[rows])) * SPREAD
        return torch.cat([logits, points], dim=1).to(self.device)

    def trained_on(self, batch: Batch) -> dict[str, torch.Tensor]:
        beside = self.features(self.unseen[batch.rows].cpu(), self.texts, batch.rows.numpy())
        return {**super().trained_on(batch), "beside": beside}

    def gather(self, x: Any, rows: np.ndarray) -> Batch:
        if self._read is None or self._read[0] is not x.first:
            every = readers.read(self._reader[0], x.first, np.arange(len(x)))
            self._read = (x.first, torch.from_numpy(every))
        batch = super().gather(x.table, rows)
        batch.x["beside"] = self.features(self._read[1][torch.from_numpy(rows)], x.first, rows)
        return batch

    def doubts(self, x: Any, where: str) -> list[str]:
        return super().doubts(x.table, where)

    def adopt(self, source: FoldModel) -> None:
        raise Usage("--from: takes a backbone of pictures; texts and columns have none.")

    def finish(self) -> None:
        self.texts, self._read = None, None
        self.unseen = self.unseen[:0]
        super().finish()

    @classmethod
    def graph(cls, models: Sequence[Self], weights: list[float]) -> Graph:
        every = tables.union([model.encoding for model in models if model.encoding])
        texts = Grams.of([model._reader[0] for model in models], models[0].vectors)
        members = [GramsAndColumns(model, one, every, MOST) for model, one in zip(models, texts, strict=True)]
        return Average(members, weights).eval()

    # --- what a checkpoint holds of it

    def get_extra_state(self) -> dict[str, Any]:
        reader = [{"facts": dict(one.hparams), "state": one.state_dict()} for one in self._reader]
        return {**super().get_extra_state(), "reader": reader, "size": self.size}

    def load_state_dict(self, state_dict: Any, *args: Any, **kwargs: Any) -> Any:
        extra = state_dict["_extra_state"]
        self.size = extra["size"]
        readers_of = []
        for saved in extra["reader"]:
            reader = NgramModule(**saved["facts"])
            reader.load_state_dict(saved["state"])
            readers_of.append(reader.eval())
        self._reader = tuple(readers_of)
        self.unseen = torch.zeros_like(state_dict["unseen"])
        return super().load_state_dict(state_dict, *args, **kwargs)
