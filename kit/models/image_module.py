"""ImageModule: the one LightningModule of every image competition."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from kit import labels as all_labels
from kit.config import Config
from kit.data import augmentation, tta
from kit.errors import BadData, Usage
from kit.labels import Labels
from kit.models import networks, transfer
from kit.models.base import NetModule

# Images per forward pass, views included. On a CPU more than fits its cache is slower and erratic: 28×28 images through
# the small net on two cores, 128: 35,000 a second in every run; 512: 18,000 to 34,000; 1024: 19,000 to 29,000.
FORWARD = {"cpu": 128, "gpu": 2048}

INK = 16  # grey levels by which a pixel must differ between pictures: less is a JPEG's noise
MARGIN = 2  # pixels around the ink


class ImageModule(NetModule):
    """Trains on batches of raw uint8 images, predicts probabilities or values.

    `channels`, `side`: of the images; `mirror`: may they be mirrored? `steps`: optimizer steps of the whole schedule.
    """

    mean: torch.Tensor
    std: torch.Tensor
    box: torch.Tensor

    def __init__(
        self, config: dict[str, Any], labels: dict[str, Any], channels: int, side: int, mirror: bool = False, steps: int = 1
    ):
        super().__init__(config, labels)
        self.save_hyperparameters()
        c = self.config
        net = networks.make(c.model, channels, side, self.labels.outputs, c.width, c.dropout)
        if c.gradient_checkpointing:
            networks.recompute(net, c.model)
        self.take(net if c.layout == "contiguous" else net.to(memory_format=torch.channels_last))
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("std", torch.ones(1, channels, 1, 1))
        if c.crop == "ink":
            self.register_buffer("box", torch.zeros(4, dtype=torch.int64))  # top, bottom, left, right
        self.set_views(c.views)

    def set_views(self, count: int) -> None:
        """Predict by so many views. Those of a cropped picture, whose side is not known yet, move by one pixel."""
        side = tta.PIXELWISE if self.config.crop == "ink" else self.hparams["side"]
        self.views = tta.make(count, side, self.hparams["mirror"], self.config.view_kind)

    def learn(self, images: Any, rows: np.ndarray, y: np.ndarray) -> None:
        """What is learned before the first step, from the training fold's rows of `images` and all answers `y`.

        The normalisation of pixels (the pretrained weights' own where there are any) and targets, the whitening filters.
        """
        self.scale_targets(y[rows])
        if self.config.crop == "ink":
            self.box.copy_(torch.tensor(ink_box(images, rows)))
            self._try_box(images[rows[:2]])
            top, bottom, left, right = self.box.tolist()
            images = images[:, top:bottom, left:right] if isinstance(images, np.ndarray) else images
        mean, std = pixel_statistics(images, rows)
        if self.config.weights:
            known = transfer.pretrained(self.net, self.config, self.hparams["channels"], self.hparams["side"])
            if len(known["mean"]) == len(mean):
                mean, std = np.array(known["mean"]), np.array(known["std"])
        self.mean.copy_(torch.from_numpy(mean).view(1, -1, 1, 1))
        self.std.copy_(torch.from_numpy(std).view(1, -1, 1, 1))
        if isinstance(self.net, networks.Whitened):
            some = torch.from_numpy(images[rows[: networks.Whitened.PATCHES]]).permute(0, 3, 1, 2)
            self.net.learn(self.normalised(some))
        self.average_anew()

    def _try_box(self, some: np.ndarray) -> None:
        """Raise Usage where the network does not take pictures of the box's size."""
        try:
            with torch.inference_mode():
                self.net.eval()(self.normalised(self.cropped(torch.from_numpy(some).permute(0, 3, 1, 2))))
        except (RuntimeError, AssertionError, ValueError) as fault:
            raise Usage(f"--crop ink: --model {self.config.model} does not take the box ({str(fault)[:120]}).") from fault
        self.net.train()

    def cropped(self, images: torch.Tensor) -> torch.Tensor:
        """The pictures [b, c, h, w], or the box of them (`--crop ink`); what lies outside it is not looked at."""
        if self.config.crop != "ink":
            return images
        top, bottom, left, right = self.box.tolist()
        return images[..., top:bottom, left:right]

    def adopt(self, source: Any) -> None:
        """Begin with another run's backbone, as it predicts, and its normalisation of pixels."""
        if not isinstance(source, ImageModule) or self.mean.shape != source.mean.shape:
            raise Usage("--from: that run is not one on pictures of as many channels.")
        super().adopt(source)
        self.mean.copy_(source.mean)
        self.std.copy_(source.std)

    def normalised(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 or float 0…255 [b, c, h, w] to zero mean and unit deviation, in the chosen memory format."""
        factor, offset = 1 / (255 * self.std), -self.mean / self.std  # folded: two passes over the pixels, not four
        if images.stride(1) == 1 and images.shape[1] > 1:  # whole rows of pixels at a time: three channels are no vector
            count, channels, height, width = images.shape
            wide = [one.view(-1).repeat(width) for one in (factor, offset)]
            rows = images.permute(0, 2, 3, 1).reshape(count * height, width * channels)
            x = (rows.float() * wide[0]).add_(wide[1]).view(count, height, width, channels).permute(0, 3, 1, 2)
        else:
            x = (images.float() * factor).add_(offset)
        return x if self.config.layout == "contiguous" else channels_last(x)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Raw images to predictions [b, outputs], by the averaged weights where there are any."""
        return self.answers(self.predictor(self.normalised(images)).float())

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, torch.Tensor]:
        c, epoch, y = self.config, batch["epoch"], batch["y"]
        images = augmentation.apply(
            c.augment, self.cropped(batch["images"]), c.seed, epoch, batch["rows"], self.hparams["mirror"]
        )
        images, other, share = augmentation.mix(c.augment, images, c.seed, epoch, batch["step"])
        logits = self.net(self.normalised(images)).float()
        scaled = self.scaled(y)
        loss = self.labels.loss(logits, scaled, c.label_smoothing)
        if other is not None:
            loss = share * loss + (1 - share) * self.labels.loss(logits, scaled[other], c.label_smoothing)
        return {"loss": loss * batch["share"], "predicted": self.answers(logits.detach()), "y": y}

    def gather(self, images: Any, rows: np.ndarray) -> dict[str, torch.Tensor]:
        """The batch that `predict_step` takes: uint8 [b, c, h, w]."""
        return {"images": torch.from_numpy(images[rows]).permute(0, 3, 1, 2)}

    def forward_rows(self, device: str) -> int:
        """How many rows to predict at a time."""
        return max(1, FORWARD[device] // len(self.views))

    def predict_step(self, batch: dict[str, Any], batch_idx: int = 0) -> torch.Tensor:
        """The mean prediction over the views [b, outputs], all views in one forward pass."""
        images = self.cropped(batch["images"]).float()
        every = torch.cat([view.do(images) for view in self.views])
        parts = self(every).chunk(len(self.views))
        undone = [view.undo(part) if view.undo else part for view, part in zip(self.views, parts, strict=True)]
        return torch.stack(undone).mean(dim=0)


def ink_box(images: Any, rows: np.ndarray) -> tuple[int, int, int, int]:
    """Top, bottom, left, right (both ends exclusive at bottom and right) of the pixels in which these rows differ.

    With a margin: other rows may reach further. Raises BadData where no pixel differs.
    """
    lowest = np.full(images.shape[1:], 255, np.uint8)
    highest = np.zeros(images.shape[1:], np.uint8)
    each = max(1, (1 << 24) // int(np.prod(images.shape[1:])))  # rows of about 16 MB
    for start in range(0, len(rows), each):
        some = images[rows[start : start + each]]
        np.minimum(lowest, some.min(axis=0), out=lowest)
        np.maximum(highest, some.max(axis=0), out=highest)
    ink: np.ndarray = np.any(highest.astype(int) - lowest > INK, axis=-1)
    if not ink.any():
        raise BadData("--crop ink: the training pictures are all the same.")
    sides = []
    for axis in (0, 1):
        found = np.flatnonzero(ink.any(axis=1 - axis))
        sides += [max(0, int(found[0]) - MARGIN), min(ink.shape[axis], int(found[-1]) + 1 + MARGIN)]
    return sides[0], sides[1], sides[2], sides[3]


def pixel_statistics(images: Any, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each channel (of pixels from 0 to 1) over these rows; over 4,096 of them if streamed."""
    rows = rows if isinstance(images, np.ndarray) else rows[:: max(1, len(rows) // 4096)]
    count = np.zeros((256, images.shape[-1]), np.int64)  # of each value: exact, and seven times as fast as sums of squares
    each = max(1, (1 << 24) // int(np.prod(images.shape[1:])))  # rows of about 16 MB
    for start in range(0, len(rows), each):
        flat = images[rows[start : start + each]].reshape(-1, images.shape[-1])
        count += np.stack([np.bincount(channel, minlength=256) for channel in flat.T], axis=1)
    value, share = np.arange(256) / 255, count / count.sum(axis=0)
    mean = value @ share
    return mean, np.sqrt(np.maximum(value**2 @ share - mean**2, 1e-6))


def channels_last(x: torch.Tensor) -> torch.Tensor:
    """`x` [b, c, h, w] in channels_last, so that the convolutions know it.

    One channel is in both formats at once, and torch then goes by the strides: they must say channels_last too.
    """
    x = x.contiguous(memory_format=torch.channels_last)
    _, c, h, w = x.shape
    return x.as_strided(x.shape, (h * w, 1, w, 1)) if c == 1 else x


def make(config: Config, labels: Labels, channels: int, side: int, mirror: bool, steps: int) -> ImageModule:
    """A module with weights drawn from the global generator."""
    return ImageModule(config.json(), all_labels.to_json(labels), channels, side, mirror, steps)
