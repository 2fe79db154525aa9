"""PictureTableModule: the networks of pictures, together with the columns of the same row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch

from kit.config import Config
from kit.errors import Usage
from kit.labels import Labels
from kit.models.base import FoldModel
from kit.models.batch import Batch, Feed
from kit.models.graphs import tables
from kit.models.graphs.base import Average, Graph
from kit.models.graphs.mixed import PicturesAndColumns
from kit.models.images.image_module import ImageModule
from kit.models.mixed.joined import Joined
from kit.models.tables.encoded_module import EncodedModule
from kit.parts import NONE, Parts


class PictureTableModule(EncodedModule, ImageModule):
    """As `ImageModule`, on pictures and encoded columns (`MixedRows`). Views and augmentation are of the pictures alone.

    `mixed`: a mark by which a checkpoint tells that it is one.
    """

    takes_weights = True

    def __init__(self, config: dict[str, Any], labels: dict[str, Any], mixed: bool = True, **facts: Any):
        super().__init__(config, labels, **facts)
        self.hparams["mixed"] = mixed
        if self.config.optimizer == "muon":
            raise Usage("--optimizer muon: is for convolutions alone; with columns beside them, adamw or sgd learns.")
        self.cells: Any = None  # of all rows, while it is trained

    @classmethod
    def of(cls, config: Config, labels: Labels, x: Any, *, steps: int, mirror: bool = False, parts: Parts = NONE) -> Self:
        module = super().of(config, labels, x.first, steps=steps, mirror=mirror, parts=parts)
        module.cells = x.table
        return module

    @classmethod
    def feed(cls, x: Any, config: Config, count: int, mirror: bool = False, parts: Parts = NONE) -> Feed:
        """The pictures; `network_inputs` adds the columns of the same rows."""
        return ImageModule.feed(x.first, config, count, mirror=mirror, parts=parts)

    def learn(self, x: Any, rows: np.ndarray, y: np.ndarray) -> None:
        """What `ImageModule` learns; then the encoding of the columns, and the network of both."""
        super().learn(x.first, rows, y)
        self.learn_columns(x.table, rows)

    def build_net(self, numbers: int, flags: int, sizes: list[int]) -> torch.nn.Module:
        return Joined(self.net, numbers, flags, sizes, self.config.dropout, self.config.model)

    def adopt(self, source: FoldModel) -> None:
        """Begin with the backbone of a run on such pictures and columns."""
        if not isinstance(source, PictureTableModule):
            raise Usage("--from: that run is not one on pictures together with columns.")
        super().adopt(source)

    # --- how rows reach the network

    def network_inputs(self, images: torch.Tensor, batch: Batch, other: torch.Tensor | None, share: float) -> Any:
        columns = self.encoded_rows(self.cells, batch.rows)
        return {"pictures": images, **columns, **({} if other is None else {"other": other, "share": share})}

    def gather(self, x: Any, rows: np.ndarray) -> Batch:
        batch = super().gather(x.first, rows)
        return replace(batch, x={"pictures": batch.x, **self.encoded_rows(x.table, batch.rows)})

    def ready(self, x: Any) -> None:
        super().ready(x.first)

    def by_view(self, batch: Batch, run: Callable[[Any], torch.Tensor]) -> torch.Tensor:
        columns = {name: part.repeat(len(self.views), 1) for name, part in batch.x.items() if name != "pictures"}
        pictures = replace(batch, x=batch.x["pictures"])
        return super().by_view(pictures, lambda images: run({"pictures": images, **columns}))

    def _logits(self, x: Any) -> torch.Tensor:
        return self.net(**x | {"pictures": self.normalised(x["pictures"])}).float()

    def forward(self, x: Any) -> torch.Tensor:
        return self.answers(self.predictor(**x | {"pictures": self.normalised(x["pictures"])}).float())

    @property
    def captures(self) -> bool:
        """Never: a CUDA graph takes one tensor."""
        return False

    def doubts(self, x: Any, where: str) -> list[str]:
        return super().doubts(x.table, where)

    def finish(self) -> None:
        self.cells = None
        super().finish()

    @classmethod
    def graph(cls, models: Sequence[Self], weights: list[float]) -> Graph:
        every = tables.union([model.encoding for model in models if model.encoding])
        return Average([PicturesAndColumns(model, every) for model in models], weights).eval()
