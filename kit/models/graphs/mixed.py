"""Mixed: the graphs of models of pictures, or of texts, together with the columns of the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from kit.inputs.column_encoding import Encoding
from kit.inputs.mixed.rows import MixedRows
from kit.models.graphs.base import Member, network
from kit.models.graphs.gram_lookup import PlacedGrams
from kit.models.graphs.images import Pictures
from kit.models.graphs.tables import Scaled
from kit.models.graphs.texts import Grams
from kit.models.texts.ngram_design import SPREAD


class PicturesAndColumns(Pictures):
    """What `Pictures` takes, then what `tables.Rows` takes, to predictions [rows, answers]."""

    def __init__(self, module: Any, every: Encoding):
        super().__init__(module)
        self.columns, self.every = Scaled(module, every), every
        self.names, self.shapes = self.names + self.columns.names, self.shapes + self.columns.shapes

    def forward(self, images: torch.Tensor, *columns: torch.Tensor) -> torch.Tensor:
        return super().forward(images, *self.columns(*columns))

    def inputs(self, x: MixedRows, rows: np.ndarray) -> tuple[torch.Tensor, ...]:
        return *super().inputs(x.first, rows), *self.columns.inputs(x.table, rows)


class GramsAndColumns(Member):
    """What `Grams` takes, then what `tables.Rows` takes, to predictions [rows, answers].

    `module`: on the columns; `texts`: what reads its texts; `most`: logits of a text beyond which it counts no further.
    """

    takes = Grams.takes

    def __init__(self, module: Any, texts: Grams, every: Encoding, most: float):
        super().__init__(module)
        self.perceptron, self.texts, self.columns = network(module), texts, Scaled(module, every)
        self.every, self.most = every, most
        self.names, self.shapes = ("grams", "offsets", *self.columns.names), self.texts.shapes + self.columns.shapes

    def shared(self, *inputs: torch.Tensor) -> tuple[Any, ...]:
        return *self.texts.shared(*inputs[:2]), *inputs[2:]

    def forward(self, grams: PlacedGrams, *columns: torch.Tensor) -> torch.Tensor:
        said = self.texts.logits(grams) * self.texts.scale + self.texts.shift
        logits = ((said - self.shift) / self.scale).clamp(-self.most, self.most)
        beside = torch.cat([logits, grams.points * SPREAD], dim=1)
        return self.answers(self.perceptron(*self.columns(*columns), beside))

    def inputs(self, x: MixedRows, rows: np.ndarray) -> tuple[torch.Tensor, ...]:
        return *self.texts.inputs(x.first, rows), *self.columns.inputs(x.table, rows)
