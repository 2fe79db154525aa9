"""TargetModule: what every module of the kit shares: labels, and numbers as targets of zero mean and unit deviation."""

from __future__ import annotations

import math
from typing import Any

import pytorch_lightning as pl
import torch

from kit import labels as all_labels
from kit.config import Config


class TargetModule(pl.LightningModule):
    """Learns scaled targets [n, c], answers in their own units; anything but numbers stays as it is (shift 0, scale 1).

    `config`, `labels`: their JSON (so that a checkpoint loads with `weights_only`).
    """

    until = math.inf  # `time.monotonic()` when a fit that is one step must be over
    part = 1.0  # of that step, as there was time for it
    shift: torch.Tensor
    scale: torch.Tensor

    def __init__(self, config: dict[str, Any], labels: dict[str, Any]):
        super().__init__()
        self.config = Config(**config)
        self.labels = all_labels.from_json(labels).chosen(self.config)
        self.register_buffer("shift", torch.zeros(len(self.labels.columns)))
        self.register_buffer("scale", torch.ones(len(self.labels.columns)))

    def scale_targets(self, y: Any) -> None:
        """Learn the shift and scale of targets from the training rows' answers."""
        shift, scale = self.labels.scaling(y)
        self.shift.copy_(torch.from_numpy(shift))
        self.scale.copy_(torch.from_numpy(scale))

    def scaled(self, y: torch.Tensor) -> torch.Tensor:
        """Answers as the loss takes them."""
        return (y - self.shift) / self.scale if self.labels.kind == "numbers" else y

    def answers(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits as predictions, in the targets' own units."""
        return self.labels.activation(logits) * self.scale + self.shift
