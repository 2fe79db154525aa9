"""Graphs: the models of a run as one network of plain tensors: raw inputs in, predictions out, folds averaged inside."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import nn

from kit.errors import Usage
from kit.inputs.text import Texts
from kit.modules.images import ImageModule


class Average(nn.Module):
    """The weighted mean of the members' predictions."""

    shares: torch.Tensor

    def __init__(self, members: list[nn.Module], weights: list[float]):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.shares = torch.tensor(weights) / sum(weights)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        parts = torch.stack([member(*inputs) for member in self.members])
        return (parts * self.shares.to(parts).view(-1, 1, 1)).sum(dim=0)


class Member(nn.Module):
    """What all share: activation, and the targets' own units."""

    shift: torch.Tensor
    scale: torch.Tensor

    def __init__(self, module: Any):
        super().__init__()
        self.labels = module.labels
        self.register_buffer("shift", module.shift.clone())
        self.register_buffer("scale", module.scale.clone())

    def answers(self, logits: torch.Tensor) -> torch.Tensor:
        return self.labels.activation(logits.float()) * self.scale + self.shift


class Pictures(Member):
    """uint8 [rows, height, width, channels] to predictions [rows, answers]: views and normalisation inside."""

    factor: torch.Tensor
    offset: torch.Tensor
    names = ("images",)
    shapes = (("rows", None, None, None),)

    def __init__(self, module: Any):
        super().__init__(module)
        self.net = network(module).to(memory_format=torch.contiguous_format)
        self.views = module.views
        self.register_buffer("factor", 1 / (255 * module.std))
        self.register_buffer("offset", -module.mean / module.std)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        raw = images.permute(0, 3, 1, 2).float().contiguous()
        every = torch.cat([view.do(raw) for view in self.views]) if len(self.views) > 1 else self.views[0].do(raw)
        parts = self.answers(self.net(every * self.factor + self.offset))
        parts = parts.reshape(len(self.views), -1, parts.shape[-1])
        undone = [view.undo(part) if view.undo else part for view, part in zip(self.views, parts.unbind(), strict=True)]
        return torch.stack(undone).mean(dim=0)


class Tokens(Member):
    """ids int64 [rows, tokens] and mask int64 [rows, tokens] to predictions [rows, answers]."""

    names = ("ids", "mask")
    shapes = (("rows", "tokens"), ("rows", "tokens"))

    def __init__(self, module: Any):
        super().__init__(module)
        self.net = network(module)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.answers(self.net(input_ids=ids, attention_mask=mask.bool()).logits)


class Grams(Member):
    """columns int64 [grams], the distinct n-grams of all rows one after another (`kit.ngrams.bags`), and offsets int64
    [rows], where each row begins, to predictions [rows, answers].

    A column is found among the known ones by bisection, written out: neither ONNX nor TorchScript has a search.
    """

    names = ("columns", "offsets")
    shapes = (("grams",), ("rows",))
    column: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor
    length: torch.Tensor

    def __init__(self, module: Any):
        super().__init__(module)
        self.register_buffer("column", module.column.long())
        self.known = len(module.column)
        self.register_buffer("weight", torch.cat([module.weight.detach(), module.weight.new_zeros(1, module.weight.shape[1])]))
        self.register_buffer("bias", module.bias.detach().clone())
        self.register_buffer("length", module.length.clone())

    def forward(self, columns: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        known = self.known
        place = torch.zeros_like(columns)  # how many known columns are below
        for bit in reversed(range(known.bit_length())):
            ahead = place + (1 << bit)
            below = (ahead <= known) & (self.column[(ahead - 1).clamp(max=known - 1)] < columns)
            place = torch.where(below, ahead, place)
        hit = (place < known) & (self.column[place.clamp(max=known - 1)] == columns)
        found = self.weight[torch.where(hit, place, known)]
        begins = torch.zeros(columns.shape[0] + 1, dtype=torch.long, device=columns.device)
        begins = begins.scatter_add(0, offsets, torch.ones_like(offsets))
        row = begins.cumsum(0)[:-1] - 1
        rows = offsets.shape[0]
        total = torch.zeros(rows, found.shape[1], device=found.device).scatter_add(0, row[:, None].expand_as(found), found)
        lengths = torch.zeros(rows, device=found.device).scatter_add(0, row, torch.ones_like(row, dtype=torch.float32))
        return self.answers(total * (self.length / lengths.clamp(min=1)).sqrt()[:, None] + self.bias)


def network(module: Any) -> nn.Module:
    """A copy of the network that predicts, in eval mode, with nothing left of the training's averaging."""
    net = module.net if module.averaged is None else module.averaged.module
    return copy.deepcopy(net).eval().requires_grad_(False)


def kind(module: Any) -> type[Any]:
    """The graph for a module. Raises Usage for one that has none."""
    if isinstance(module, ImageModule):
        return Pictures
    if hasattr(module, "tokenizer"):
        return Tokens
    if hasattr(module, "column"):
        return Grams
    raise Usage(f"kit export: {type(module).__name__} has no graph yet; export takes runs on pictures and texts.")


def make(models: list[Any], weights: list[float]) -> Average:
    """The one graph of a run's models. Raises Usage as `kind` does."""
    return Average([kind(model)(model) for model in models], weights).eval()


def inputs(model: Any, x: Any, rows: np.ndarray) -> tuple[torch.Tensor, ...]:
    """What the graph takes for these rows of `x` (as the inputs load them)."""
    of = kind(model)
    if of is Pictures:
        return (torch.from_numpy(np.ascontiguousarray(x[rows])),)
    if of is Tokens:
        ids, mask = model.tokenizer.tokens(x).batch(rows, model.most)
        return torch.from_numpy(ids), torch.from_numpy(mask).long()
    bags = Texts(x[rows]).bags(model.config.ngrams)
    return torch.from_numpy(bags.columns.astype(np.int64)), torch.from_numpy(bags.start[:-1].astype(np.int64))
