"""What every graph is made of: members that answer by themselves, and the mean of what they say."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from kit.inputs.column_encoding import Encoding


class Member(nn.Module, ABC):
    """A fold's model as plain tensors: raw inputs in, predictions [rows, answers] in the targets' own units out.

    `names`: of its inputs; `shapes`: their dimensions, by name where they may differ from call to call; `takes`: what they
    are, for the card. `every`: the columns of a table that it takes, of all folds together, where it takes any.
    """

    takes: ClassVar[str]
    one_view: ClassVar[bool] = False  # does it answer by the first view alone?
    names: tuple[str, ...]
    shapes: tuple[tuple[str | None, ...], ...]
    every: Encoding | None = None
    shift: torch.Tensor
    scale: torch.Tensor

    def __init__(self, module: Any):
        super().__init__()
        self.labels = module.labels
        self.register_buffer("shift", module.shift.clone())
        self.register_buffer("scale", module.scale.clone())

    def answers(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits as predictions."""
        return self.labels.activation(logits.float()) * self.scale + self.shift

    def shared(self, *inputs: torch.Tensor) -> tuple[Any, ...]:
        """What `forward` takes of the inputs. What all members of a run find alike in them is found here, once in the graph."""
        return inputs

    @abstractmethod
    def inputs(self, x: Any, rows: np.ndarray) -> tuple[torch.Tensor, ...]:
        """What the graph takes for these rows of `x` (as the inputs load them)."""


class Graph(nn.Module):
    """The models of a run as one network. `outputs`: the names of what it gives; `row_axis`: along which of their axes the
    rows lie."""

    log = False  # is what was learned as a logarithm given as the number itself?
    outputs: tuple[str, ...] = ("predictions",)
    row_axis: tuple[int, ...] = (0,)
    shares: torch.Tensor

    def __init__(self, members: list[Any], weights: list[float]):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("shares", torch.tensor(weights) / sum(weights), persistent=False)

    @property
    def one_view(self) -> bool:
        """Do its members answer by the first view alone?"""
        return self.first.one_view

    @property
    def first(self) -> Any:
        """A member; all of a run take the same inputs."""
        return self.members[0]


class Average(Graph):
    """The weighted mean of the members' predictions; what was learned as a logarithm comes out as the number itself."""

    def __init__(self, members: list[Any], weights: list[float]):
        super().__init__(members, weights)
        self.log = bool(self.first.labels.log)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        shared = self.first.shared(*inputs)
        return self.mean([member(*shared) for member in self.members])

    def mean(self, parts: list[torch.Tensor]) -> torch.Tensor:
        """Of what each member predicts."""
        every = torch.stack(parts)
        mean = (every * self.shares.to(every).view(-1, 1, 1)).sum(dim=0)
        return mean.expm1() if self.log else mean


def network(module: Any) -> nn.Module:
    """A copy of the network that predicts, in eval mode, with nothing left of the training's averaging."""
    net = module.net if module.averaged is None else module.averaged.module
    return copy.deepcopy(net).eval().requires_grad_(False)
