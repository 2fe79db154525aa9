"""FitState: how far the fit of one fold is; a snapshot holds it beside weights and optimizer."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

import torch

from kit.models.base import StepOutput
from kit.models.batch import Batch
from kit.training.fold import Fold
from kit.training.loaders import Batches


@dataclass
class Epoch:
    """What the steps of the running epoch returned, a tensor a step."""

    predicted: list[torch.Tensor] = field(default_factory=list)
    y: list[torch.Tensor] = field(default_factory=list)
    loss: list[torch.Tensor] = field(default_factory=list)
    count: list[torch.Tensor] = field(default_factory=list)  # rows of each step

    def add(self, batch: Batch, output: StepOutput) -> None:
        """Take over what one step returned; the loss as the sum over the batch's rows."""
        if "predicted" in output and "y" in output:
            self.predicted.append(output["predicted"])
            self.y.append(output["y"])
        self.count.append(torch.tensor([len(batch)]))
        self.loss.append(output["loss"].detach().reshape(1) * (len(batch) / batch.share))

    def state_dict(self) -> dict[str, torch.Tensor] | None:
        """All of it, a tensor each; None where the epoch has just begun."""
        parts = {"predicted": self.predicted, "y": self.y, "loss": self.loss, "count": self.count}
        return {name: torch.cat(part) for name, part in parts.items() if part} if self.loss else None

    @classmethod
    def restored(cls, saved: dict[str, torch.Tensor] | None, device: torch.device) -> Epoch:
        """Undoes `state_dict`."""
        parts = {name: [part] if name == "count" else [part.to(device)] for name, part in (saved or {}).items()}
        return cls(**parts)


@dataclass
class FitState:
    """How far a fit is. `batches`: what it is fed by, which knows the next epoch and step.

    `epoch`: of the last step; `done`: steps done over all epochs, a part of one where a fit of one step ran out of time;
    `seconds`: of the sessions before this one, and of all once the fit is over; `position`: of the schedule where this
    session began; `history`: a row an epoch; `best`: of the best validation, where it is kept, its score, its epoch, the
    first with this score (`since`) and the weights.
    """

    fold: Fold
    batches: Batches
    epoch: int = 0
    done: float = 0.0
    seconds: float = 0.0
    position: float = 0.0
    until: float = math.inf  # `time.monotonic()` when the fit must be over
    began: float = field(default_factory=time.monotonic)
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Any] | None = None
    outputs: Epoch = field(default_factory=Epoch)

    @property
    def epochs(self) -> float:
        """How many were trained; a part of one where the time was over."""
        whole = self.done / self.batches.steps
        return int(whole) if whole == int(whole) else float(f"{whole:.3g}")

    @property
    def validates_every(self) -> int:
        """Epochs between validations; 0: none."""
        return self.fold.config.val_every or int(self.fold.keeps_best)
