"""FitState: how far the fit of one fold is; a snapshot holds it beside weights and optimizer."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import torch

from kit.models.base import StepOutput
from kit.models.batch import Batch
from kit.training.fold import Fold
from kit.training.loaders import Batches
from kit.training.ranks import exchange, group


@dataclass
class Epoch:
    """What the steps of the running epoch returned, a tensor a step."""

    predicted: list[torch.Tensor] = field(default_factory=list)
    y: list[torch.Tensor] = field(default_factory=list)
    loss: list[torch.Tensor] = field(default_factory=list)
    count: list[torch.Tensor] = field(default_factory=list)  # rows of each step

    def add(self, batch: Batch, output: StepOutput, parts: int = 1) -> None:
        """Take over what one step returned; the loss, which Lightning has divided by `parts`, as the sum over its rows."""
        if "predicted" in output and "y" in output:
            self.predicted.append(output["predicted"])
            self.y.append(output["y"])
        self.count.append(torch.tensor([len(batch)]))
        self.loss.append(output["loss"].detach().reshape(1) * (parts * len(batch) / batch.share))

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
    first with this score (`since`) and the weights; `logged`: the last values that an adapter's callbacks and module logged.
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
    logged: dict[str, float] = field(default_factory=dict)
    outputs: Epoch = field(default_factory=Epoch)

    @property
    def epochs(self) -> float:
        """How many were trained; a part of one where the time was over."""
        whole = self.done / self.batches.steps
        return int(whole) if whole == int(whole) else float(f"{whole:.3g}")

    def bring_home(self) -> None:
        """Rank 0 has what all ranks' steps of this epoch returned, in the order of the parts; the others have nothing."""
        if group.count() == 1:
            return
        device = self.outputs.loss[0].device if self.outputs.loss else torch.device("cpu")
        found = exchange.gathered({name: [one.cpu() for one in some] for name, some in vars(self.outputs).items()})
        self.outputs = Epoch()
        for name in vars(self.outputs) if found else []:
            some = in_turn([one[name] for one in found or []])
            setattr(self.outputs, name, some if name == "count" else [one.to(device) for one in some])

    @property
    def validates_every(self) -> int:
        """Epochs between validations; 0: none."""
        return self.fold.config.val_every or int(self.fold.keeps_best)


def in_turn(lists: list[list[torch.Tensor]]) -> list[torch.Tensor]:
    """The first of each list, then the second of each, and so on; what the first list has more was there before."""
    before = len(lists[0]) - len(lists[-1])
    return [*lists[0][:before], *chain.from_iterable(zip(lists[0][before:], *lists[1:], strict=True))]
