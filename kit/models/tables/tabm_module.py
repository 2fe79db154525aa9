"""TabMModule: 16 perceptrons in one on a table's columns, as a LightningModule.

Gorishniy et al. 2024, "TabM: advancing tabular deep learning with parameter-efficient ensembling": the members share all
layers but the last, and each scales their inputs and outputs in a way of its own, the columns by random signs at first.
Each learns by a loss of its own; their predictions are averaged.
"""

from __future__ import annotations

import torch
from torch import nn

from kit.models.graphs import tables
from kit.models.tables.mlp_module import COSINES, EMBEDDED, FORWARD, MLPModule, Perceptron

MEMBERS = 16


class Scaled(nn.Linear):
    """A linear layer that the members share, from [b, inputs] or [members, b, inputs] to [members, b, outputs].

    Each member scales its inputs and outputs, and has a bias of its own. `scale`: of the inputs at first, float32
    [members, inputs].
    """

    def __init__(self, scale: torch.Tensor, outputs: int):
        members, inputs = scale.shape
        super().__init__(inputs, outputs)
        self.scale = nn.Parameter(scale.flatten())  # these have one axis, so that the weight decay spares them
        self.gain = nn.Parameter(torch.ones(members * outputs))
        self.bias = nn.Parameter(self.bias.detach().repeat(members))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scaled = x * self.scale.view(-1, 1, self.in_features)
        out = nn.functional.linear(scaled, self.weight) * self.gain.view(-1, 1, self.out_features)
        return out + self.bias.view(-1, 1, self.out_features)


class UnitDropout(nn.Dropout):
    """Dropout of [members, b, units] that drops a member's units for all rows of a batch alike.

    A draw for each row was no better, and a fit took up to half more time.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * super().forward(x.new_ones(len(x), 1, x.shape[2])) if self.training else x


class Heads(nn.Module):
    """A last layer for each member: [members, b, units] to logits [members, b, outputs], 0 at first."""

    def __init__(self, members: int, units: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(members, units, outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.bmm(x, self.weight)


def several(net: Perceptron, width: int, dropout: float, members: int) -> Perceptron:
    """A new perceptron made into so many: its logits are [members, b, outputs] from now on. Returns it.

    All inputs of a column begin with the same random sign.
    """
    numbers, categories = len(net.waves.frequency), len(net.offset)
    flags = net.straight.in_features - numbers * (1 + COSINES) - categories * EMBEDDED
    own, rest = torch.arange(numbers), numbers + torch.arange(flags + categories)
    column = torch.cat([own, own.repeat_interleave(COSINES), rest[:flags], rest[flags:].repeat_interleave(EMBEDDED)])
    signs = torch.randint(0, 2, (members, numbers + flags + categories)) * 2.0 - 1
    net.hidden = nn.Sequential(
        Scaled(signs[:, column], width), nn.SiLU(), UnitDropout(dropout),
        Scaled(torch.ones(members, width), width), nn.SiLU(), UnitDropout(dropout),
        Heads(members, width, net.straight.out_features),
    )  # fmt: skip
    return net


class TabMModule(MLPModule):
    """As MLPModule, with MEMBERS perceptrons that share most of their weights. Its logits are [members, b, outputs]."""

    member = tables.PerceivedByMembers

    def build_net(self, numbers: int, flags: int, sizes: list[int]) -> nn.Module:
        c = self.config
        one = Perceptron(numbers, flags, sizes, self.labels.outputs, c.width, c.dropout)
        return several(one, c.width, c.dropout, MEMBERS)

    def mean_loss(self, logits: torch.Tensor, y: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
        """The mean of the members' losses, of their logits [members, b, outputs]."""
        count = len(logits)
        weights = None if weights is None else weights.repeat(count)
        return super().mean_loss(logits.flatten(0, 1), torch.cat([y] * count), weights)

    def answers(self, logits: torch.Tensor) -> torch.Tensor:
        """The mean of the members' predictions [b, c], of their logits [members, b, outputs]."""
        return tables.members_mean(super().answers, logits)

    def rows_per_pass(self, device: str) -> int:
        return FORWARD // MEMBERS  # each member has activations of its own
