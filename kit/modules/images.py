"""ImageModule: the one LightningModule of every image competition; loss and activation belong to its Labels."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.optim.swa_utils import AveragedModel

from kit import augment, labels as all_labels, views
from kit.config import Config
from kit.devices import DTYPES
from kit.errors import Usage
from kit.labels import Labels
from kit.modules import networks, transfer
from kit.modules.muon import Muon

# Images per forward pass, views included. On a CPU more than fits its cache is slower and erratic: 28×28 images through
# the small net on two cores, 128: 35,000 a second in every run; 512: 18,000 to 34,000; 1024: 19,000 to 29,000.
FORWARD = {"cpu": 128, "gpu": 2048}


class ImageModule(pl.LightningModule):
    """Trains on batches of raw uint8 images, predicts probabilities or values.

    `config`, `labels`: their JSON (so that a checkpoint loads with `weights_only`). `channels`, `side`: of the images;
    `mirror`: may they be mirrored? `steps`: optimizer steps of the whole schedule.
    """

    resumable = True  # in the middle of a fit
    mean: torch.Tensor
    std: torch.Tensor
    shift: torch.Tensor
    scale: torch.Tensor

    def __init__(
        self, config: dict[str, Any], labels: dict[str, Any], channels: int, side: int, mirror: bool = False, steps: int = 1
    ):
        super().__init__()
        self.save_hyperparameters()
        self.config = Config(**config)
        self.labels = all_labels.from_json(labels)
        outputs = len(self.labels.columns)
        c = self.config
        self.net = networks.make(c.model, channels, side, outputs, c.width, c.dropout)
        if c.layout != "contiguous":
            self.net = self.net.to(memory_format=torch.channels_last)
        self.averaged = AveragedModel(self.net, multi_avg_fn=warm_average(c.ema), use_buffers=True) if c.ema else None
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("std", torch.ones(1, channels, 1, 1))
        self.register_buffer("shift", torch.zeros(outputs))
        self.register_buffer("scale", torch.ones(outputs))
        self.views = views.make(c.views, side, mirror, c.view_kind)
        self.thaw = transfer.Thaw(self.net, c)
        self.epoch = 0

    def learn(self, images: Any, rows: np.ndarray, y: np.ndarray) -> None:
        """What is learned before the first step, from the training fold's rows of `images` and all answers `y`.

        The normalisation of pixels (the pretrained weights' own where there are any) and targets, the whitening filters.
        """
        shift, scale = self.labels.scaling(y[rows])
        self.shift.copy_(torch.from_numpy(shift))
        self.scale.copy_(torch.from_numpy(scale))
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

    def adopt(self, source: ImageModule) -> None:
        """Begin with another run's backbone, as it predicts, and its normalisation of pixels."""
        transfer.adopt(self.net, source.net if source.averaged is None else source.averaged.module)
        if self.mean.shape != source.mean.shape:
            raise Usage("--from: that run's pictures have another number of channels.")
        self.mean.copy_(source.mean)
        self.std.copy_(source.std)
        self.average_anew()

    def average_anew(self) -> None:
        """The average of the weights begins with what they are now."""
        if self.averaged is not None:
            self.averaged.module.load_state_dict(self.net.state_dict())

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
        logits = self.predictor(self.normalised(images)).float()
        return self.labels.activation(logits) * self.scale + self.shift

    @property
    def predictor(self) -> torch.nn.Module:
        """The network that predicts: the average over the trajectory (EMA), or the last."""
        return self.net if self.averaged is None else self.averaged

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, torch.Tensor]:
        c, epoch, y = self.config, batch["epoch"], batch["y"]
        images = augment.apply(c.augment, batch["images"], c.seed, epoch, batch["rows"], self.hparams["mirror"])
        images, other, share = augment.mix(c.augment, images, c.seed, epoch, batch["step"])
        logits = self.net(self.normalised(images)).float()
        scaled = (y - self.shift) / self.scale if self.labels.kind == "numbers" else y
        loss = self.labels.loss(logits, scaled, c.label_smoothing)
        if other is not None:
            loss = share * loss + (1 - share) * self.labels.loss(logits, scaled[other], c.label_smoothing)
        predicted = self.labels.activation(logits.detach()) * self.scale + self.shift
        return {"loss": loss, "predicted": predicted, "y": y}

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if batch["step"] == 0 or batch_idx == 0:
            self.epoch = batch["epoch"]
            self.train()

    def train(self, mode: bool = True) -> ImageModule:
        """As torch's, but that frozen layers stay in eval mode."""
        super().train(mode)
        self.thaw.set(self.epoch)
        return self

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.averaged is not None:
            self.averaged.update_parameters(self.net)

    def finish(self) -> None:
        """Nothing to tidy up after a fit."""

    def gather(self, images: Any, rows: np.ndarray) -> dict[str, torch.Tensor]:
        """The batch that `predict_step` takes: uint8 [b, c, h, w]."""
        return {"images": torch.from_numpy(images[rows]).permute(0, 3, 1, 2)}

    def forward_rows(self, device: str) -> int:
        """How many rows to predict at a time."""
        return max(1, FORWARD[device] // len(self.views))

    def predict_step(self, batch: dict[str, Any], batch_idx: int = 0) -> torch.Tensor:
        """The mean prediction over the views [b, outputs], all views in one forward pass."""
        images = batch["images"].float()
        every = torch.cat([view.do(images) for view in self.views])
        parts = self(every).chunk(len(self.views))
        undone = [view.undo(part) if view.undo else part for view, part in zip(self.views, parts, strict=True)]
        return torch.stack(undone).mean(dim=0)

    def configure_optimizers(self) -> Any:
        c = self.config
        found: dict[tuple[float, float, bool], list[torch.nn.Parameter]] = {}
        head = networks.head_names(self.net)
        for name, parameter in self.net.named_parameters():
            if name in self.thaw.never:
                continue
            bias = name.rpartition(".")[2] == "bias"
            lr = c.lr * self.thaw.rate(name) * (c.bias_lr if bias else 1) * (c.head_lr if name in head else 1)
            orthogonal = c.optimizer == "muon" and parameter.ndim == 4 and name not in head
            found.setdefault((lr, c.weight_decay if parameter.ndim > 1 else 0.0, orthogonal), []).append(parameter)
        groups = [{"params": some, "lr": lr, "weight_decay": decay} for (lr, decay, _), some in found.items()]
        optimizer: torch.optim.Optimizer
        if c.optimizer == "sgd":
            optimizer = torch.optim.SGD(groups, lr=c.lr, momentum=0.9, nesterov=True)
        elif c.optimizer == "muon":
            kinds = [{**group, "orthogonal": one} for group, (_, _, one) in zip(groups, found, strict=True)]
            optimizer = Muon(kinds, c.lr, DTYPES.get(c.precision, torch.float32))
        else:
            optimizer = torch.optim.AdamW(groups, lr=c.lr, fused=True)
        shape = partial(SCHEDULES[c.schedule], steps=self.hparams["steps"], warmup=c.warmup)
        rate = torch.optim.lr_scheduler.LambdaLR(optimizer, [shape] * len(groups))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rate, "interval": "step"}}


def one_cycle(step: int, steps: int, warmup: float) -> float:
    """The share of the peak learning rate at a step: two cosines, up from 1/25 and down to nothing (Smith & Topin 2018).

    torch's OneCycleLR is the same, but divides by zero where the rise is one step long.
    """
    rise = max(warmup * (steps + 1) - 1, 0.0)
    low, high, part = (0.04, 1.0, step / rise) if step < rise else (4e-6, 1.0, (steps - step) / max(steps - rise, 1.0))
    return low + (high - low) * (1 - math.cos(math.pi * min(max(part, 0.0), 1.0))) / 2


def linear(step: int, steps: int, warmup: float) -> float:
    """Straight up from nothing, where there is a warm-up, and straight down to nothing."""
    rise = warmup * steps
    return (step + 1) / (rise + 1) if step < rise else max(0.0, (steps - step) / max(steps - rise, 1.0))


SCHEDULES = {"one-cycle": one_cycle, "linear": linear}


def pixel_statistics(images: Any, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each channel (of pixels from 0 to 1) over these rows; over 4,096 of them if streamed."""
    rows = rows if isinstance(images, np.ndarray) else rows[:: max(1, len(rows) // 4096)]
    total, squares, count = np.zeros(images.shape[-1]), np.zeros(images.shape[-1]), 0
    each = max(1, (1 << 24) // int(np.prod(images.shape[1:])))  # rows of about 16 MB
    for start in range(0, len(rows), each):
        flat = images[rows[start : start + each]].reshape(-1, images.shape[-1]).astype(np.float32) / 255
        total += flat.sum(axis=0, dtype=np.float64)
        squares += (flat**2).sum(axis=0, dtype=np.float64)
        count += len(flat)
    mean = total / count
    return mean, np.sqrt(np.maximum(squares / count - mean**2, 1e-6))


def channels_last(x: torch.Tensor) -> torch.Tensor:
    """`x` [b, c, h, w] in channels_last, so that the convolutions know it.

    One channel is in both formats at once, and torch then goes by the strides: they must say channels_last too.
    """
    x = x.contiguous(memory_format=torch.channels_last)
    _, c, h, w = x.shape
    return x.as_strided(x.shape, (h * w, 1, w, 1)) if c == 1 else x


def warm_average(decay: float) -> Any:
    """An exponential average whose decay starts low, so that a short run does not average its random start."""

    def update(averaged: list[torch.Tensor], current: list[torch.Tensor], seen: torch.Tensor) -> None:
        if not averaged[0].is_floating_point():  # batch normalisation's count of batches
            torch._foreach_copy_(averaged, current)
            return
        now = min(decay, (1 + float(seen)) / (10 + float(seen)))
        torch._foreach_lerp_(averaged, current, 1 - now)

    return update


def make(config: Config, labels: Labels, channels: int, side: int, mirror: bool, steps: int) -> ImageModule:
    """A module with weights drawn from the global generator."""
    return ImageModule(config.json(), all_labels.to_json(labels), channels, side, mirror, steps)
