"""ImageModule: the one LightningModule of every image competition; loss and activation belong to its Labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.optim.swa_utils import AveragedModel

from kit import augment, labels as all_labels, views
from kit.config import Config
from kit.labels import Labels
from kit.modules import networks


class ImageModule(pl.LightningModule):
    """Trains on batches of raw uint8 images, predicts probabilities or values.

    `config`, `labels`: their JSON (so that a checkpoint loads with `weights_only`). `channels`, `side`: of the images.
    `steps`: optimizer steps of the whole schedule.
    """

    mean: torch.Tensor
    std: torch.Tensor
    shift: torch.Tensor
    scale: torch.Tensor

    def __init__(self, config: dict[str, Any], labels: dict[str, Any], channels: int, side: int, steps: int = 1):
        super().__init__()
        self.save_hyperparameters()
        self.config = Config(**config)
        self.labels = all_labels.from_json(labels)
        outputs = len(self.labels.columns)
        c = self.config
        self.net = networks.make(c.model, channels, side, outputs, c.width, c.dropout)
        if c.layout != "contiguous":
            self.net = self.net.to(memory_format=torch.channels_last)
        self.averaged = AveragedModel(self.net, multi_avg_fn=_warm_average(c.ema), use_buffers=True) if c.ema else None
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("std", torch.ones(1, channels, 1, 1))
        self.register_buffer("shift", torch.zeros(outputs))
        self.register_buffer("scale", torch.ones(outputs))
        self.views = views.make(c.views, side)

    def learn_scaling(self, images: np.ndarray, y: np.ndarray) -> None:
        """Set normalisation of pixels and targets from the training fold's rows (uint8 [n, h, w, c]) and answers."""
        total, squares = np.zeros(images.shape[-1]), np.zeros(images.shape[-1])
        for part in np.array_split(images, max(1, len(images) // 4096)):
            flat = part.reshape(-1, part.shape[-1]).astype(np.float32) / 255
            total += flat.sum(axis=0, dtype=np.float64)
            squares += (flat**2).sum(axis=0, dtype=np.float64)
        count = images.size / images.shape[-1]
        mean = total / count
        std = np.sqrt(np.maximum(squares / count - mean**2, 1e-6))
        self.mean.copy_(torch.from_numpy(mean).view(1, -1, 1, 1))
        self.std.copy_(torch.from_numpy(std).view(1, -1, 1, 1))
        shift, scale = self.labels.scaling(y)
        self.shift.copy_(torch.from_numpy(shift))
        self.scale.copy_(torch.from_numpy(scale))

    def normalised(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 or float 0…255 [b, c, h, w] to zero mean and unit deviation, in the chosen memory format."""
        x = (images.float() / 255 - self.mean) / self.std
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
        images = augment.apply(self.config.augment, batch["images"].float(), self.config.seed, batch["epoch"], batch["rows"])
        logits = self.net(self.normalised(images)).float()
        y = batch["y"]
        scaled = (y - self.shift) / self.scale if self.labels.kind == "numbers" else y
        loss = self.labels.loss(logits, scaled, self.config.label_smoothing)
        predicted = self.labels.activation(logits.detach()) * self.scale + self.shift
        return {"loss": loss, "predicted": predicted, "y": y}

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.averaged is not None:
            self.averaged.update_parameters(self.net)

    def predict_step(self, batch: dict[str, Any], batch_idx: int = 0) -> torch.Tensor:
        """The mean prediction over the views [b, outputs], all views in one forward pass."""
        images = batch["images"].float()
        every = torch.cat([view.do(images) for view in self.views])
        parts = self(every).chunk(len(self.views))
        undone = [view.undo(part) if view.undo else part for view, part in zip(self.views, parts, strict=True)]
        return torch.stack(undone).mean(dim=0)

    def configure_optimizers(self) -> Any:
        c = self.config
        decayed = [p for p in self.net.parameters() if p.requires_grad and p.ndim > 1]
        free = [p for p in self.net.parameters() if p.requires_grad and p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": c.weight_decay}, {"params": free, "weight_decay": 0.0}]
        if c.optimizer == "sgd":
            optimizer: torch.optim.Optimizer = torch.optim.SGD(groups, lr=c.lr, momentum=0.9, nesterov=True)
        else:
            optimizer = torch.optim.AdamW(groups, lr=c.lr, fused=True)
        rate = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, c.lr, total_steps=self.hparams["steps"] + 1, pct_start=c.warmup, cycle_momentum=False
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rate, "interval": "step"}}


def channels_last(x: torch.Tensor) -> torch.Tensor:
    """`x` [b, c, h, w] in channels_last, so that the convolutions know it.

    One channel is in both formats at once, and torch then goes by the strides: they must say channels_last too.
    """
    x = x.contiguous(memory_format=torch.channels_last)
    _, c, h, w = x.shape
    return x.as_strided(x.shape, (h * w, 1, w, 1)) if c == 1 else x


def _warm_average(decay: float) -> Any:
    """An exponential average whose decay starts low, so that a short run does not average its random start."""

    def update(averaged: list[torch.Tensor], current: list[torch.Tensor], seen: torch.Tensor) -> None:
        if not averaged[0].is_floating_point():  # batch normalisation's count of batches
            torch._foreach_copy_(averaged, current)
            return
        now = min(decay, (1 + float(seen)) / (10 + float(seen)))
        torch._foreach_lerp_(averaged, current, 1 - now)

    return update


def make(config: Config, labels: Labels, channels: int, side: int, steps: int) -> ImageModule:
    """A module with weights drawn from the global generator."""
    return ImageModule(config.json(), all_labels.to_json(labels), channels, side, steps)
