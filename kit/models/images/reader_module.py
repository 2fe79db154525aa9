"""ReaderModule: reads a line of text in a picture by a convolutional net with CTC, as a LightningModule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch

from kit.config import Config
from kit.data import augmentation
from kit.errors import BadData, Usage
from kit.labels import Labels, Reading
from kit.labels.reading import vote
from kit.models import weighting
from kit.models.base import StepOutput
from kit.models.batch import Batch
from kit.models.graphs.base import Graph
from kit.models.graphs.readers import Ballot, Lines
from kit.models.images.image_module import ImageModule
from kit.parts import NONE, Parts

AGREE = 0.5  # share of training rows whose text must give their numbers under the best convention


class ReaderModule(ImageModule):
    """Trains on pictures and their texts, predicts what `Reading` says a prediction is.

    Which convention the organisers followed, and the answer where nothing can be read, are learned from the training rows.
    """

    takes_weights = True
    labels: Reading
    convention: torch.Tensor
    unread: torch.Tensor

    def __init__(
        self, config: dict[str, Any], labels: dict[str, Any], channels: int, side: int, mirror: bool = False, **facts: Any
    ):
        super().__init__(config, labels, channels, side, mirror, **facts)
        self.register_buffer("convention", torch.zeros((), dtype=torch.int64))
        self.register_buffer("unread", torch.zeros(len(self.labels.names)))

    def learn(self, images: Any, rows: np.ndarray, y: np.ndarray) -> None:
        """As an ImageModule; and the convention, and the medians of the numbers. Raises BadData where no convention fits."""
        agree = self.labels.agreement(y[rows]).mean(axis=1)
        if agree.max() < AGREE:
            raise BadData(
                f"column {self.labels.column!r}: in {1 - agree.max():.0%} of the training rows the text does not give the"
                f" numbers {', '.join(self.labels.names)}. Are these columns of the same rows?"
            )
        self.convention.fill_(int(agree.argmax()))
        self.unread.copy_(torch.from_numpy(self.labels.prior(y[rows])[: len(self.unread)]))
        super().learn(images, rows, y)

    @classmethod
    def of(cls, config: Config, labels: Labels, x: Any, *, steps: int, mirror: bool = False, parts: Parts = NONE) -> Self:
        """As an ImageModule. Raises Usage for what makes no sense of a text."""
        if config.augment not in parts.augmentations and augmentation.policy(config.augment).mix:
            raise Usage(f"--augment {config.augment}: mixed pictures show no text. Try light.")
        return super().of(config, labels, x, steps=steps, mirror=mirror, parts=parts)

    def training_step(self, batch: Batch, batch_idx: int) -> StepOutput:
        assert batch.y is not None
        logits = self.logits(self.augmented(self.cropped(batch.x), batch))
        loss = weighting.weighted(self.labels.criterion, logits, batch.y, batch.weights) * batch.share
        return self.stepped(batch, loss, logits.detach().mean(dim=(1, 2))[:, None])

    @classmethod
    def graph(cls, models: Sequence[Self], weights: list[float]) -> Graph:
        return Ballot([Lines(model) for model in models], weights).eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Pictures [b, c, h, w] to log-probabilities [b, t, outputs]."""
        return self.labels.activation(self.predictor(self.normalised(x)))

    def seen(self, images: torch.Tensor) -> torch.Tensor:
        """Raw pictures uint8 [b, c, h, w] to log-probabilities [views, b, t, outputs]."""
        images = self.cropped(images).float()
        every = self(torch.cat([view.do(images) for view in self.views]))
        return every.reshape(len(self.views), len(images), *every.shape[1:])

    def predict_step(self, batch: Batch, batch_idx: int = 0) -> torch.Tensor:
        """Predictions [b, columns]; the views vote, as folds do."""
        every = self.seen(batch.x).flatten(0, 1)
        read = self.labels.read(every.detach(), self.unread.cpu().numpy(), int(self.convention))
        parts = read.reshape(len(self.views), len(batch), -1)
        return torch.from_numpy(vote(parts, np.ones(len(parts)), len(self.labels.names)))
