"""Joined: a network of pictures and a perceptron on columns that sees the pictures' features beside them."""

from __future__ import annotations

import torch
from torch import nn

from kit.errors import Usage
from kit.models import networks
from kit.models.tables.mlp_module import Perceptron

HIDDEN = 64  # width of the perceptron's layers
BESIDE = 32  # numbers that stand for a picture beside its columns


class Joined(nn.Module):
    """Pictures [b, c, h, w] and encoded columns to logits [b, outputs].

    The picture's own logits (its features through `head`, the last layer that the network had) and those of the perceptron
    are added up. The perceptron begins at nothing, so a fit begins as that of the pictures alone.
    Raises Usage for a network that does not end in one linear layer.
    """

    def __init__(self, picture: nn.Module, numbers: int, flags: int, sizes: list[int], dropout: float, model: str):
        super().__init__()
        self.head = taken_off(picture, model)
        self.picture = picture
        self.narrow = nn.Sequential(nn.LayerNorm(self.head.in_features), nn.Linear(self.head.in_features, BESIDE))
        perceptron = Perceptron(numbers, flags, sizes, self.head.out_features, HIDDEN, dropout, beside=BESIDE)
        self.columns = perceptron.begin_at_nothing()

    def forward(
        self,
        pictures: torch.Tensor,
        z: torch.Tensor,
        missing: torch.Tensor,
        codes: torch.Tensor,
        other: torch.Tensor | None = None,
        share: float = 1.0,
    ) -> torch.Tensor:
        """`other` [b], `share`: where pictures were mixed, columns are too: `share` of a row's own, the rest of the other's."""
        features = self.picture(pictures)
        logits, beside = self.head(features).float(), self.narrow(features).float()
        with torch.autocast(pictures.device.type, enabled=False):  # eight bits are too few for a table's numbers
            columns = self.columns.seen(z, missing, codes)
            if other is not None:
                columns = torch.lerp(columns[other], columns, share)
            return logits + self.columns.answered(torch.cat([columns, beside], dim=1))

    def own_layers(self) -> list[list[str]]:
        """The names of its parameters, layer by layer from the picture to the answers; all of the columns' are in the last."""
        inner = [[f"picture.{name}" for name in layer] for layer in networks.layers(self.picture)]
        return [*inner, [name for name, _ in self.named_parameters() if not name.startswith("picture.")]]


def taken_off(net: nn.Module, model: str) -> nn.Linear:
    """The last layer of a network, which gives its features instead from now on. Raises Usage where that is not one layer."""
    owners = {name.rpartition(".")[0] for name in networks.head_names(net)}
    place = owners.pop() if len(owners) == 1 else ""
    head = net.get_submodule(place) if place else None
    if not isinstance(head, nn.Linear):
        raise Usage(
            f"--model {model}: does not end in one linear layer, beside whose features columns could stand. Try another."
        )
    parent, _, name = place.rpartition(".")
    setattr(net.get_submodule(parent), name, nn.Identity())
    return head
