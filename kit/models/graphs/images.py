"""Pictures: the graph of a model of images."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from kit.models.graphs.base import Member, network


class Pictures(Member):
    """uint8 [rows, height, width, channels] to predictions [rows, answers]: crop, views and normalisation inside."""

    takes = "pictures"
    factor: torch.Tensor
    offset: torch.Tensor
    names: tuple[str, ...] = ("images",)
    shapes: tuple[tuple[str | None, ...], ...] = (("rows", None, None, None),)

    def __init__(self, module: Any):
        super().__init__(module)
        self.net = pools_written_out(network(module).to(memory_format=torch.contiguous_format))
        self.views = module.views
        self.box = tuple(module.box.tolist()) if module.config.crop == "ink" else None
        self.register_buffer("factor", 1 / (255 * module.std))
        self.register_buffer("offset", -module.mean / module.std)

    def seen(self, images: torch.Tensor, *beside: torch.Tensor) -> list[torch.Tensor]:
        """What the network makes of the pictures, view by view; `beside`: what else it takes of each row."""
        raw = images.permute(0, 3, 1, 2).float()
        if self.box:
            top, bottom, left, right = self.box
            raw = raw[:, :, top:bottom, left:right]
        every = torch.cat([view.do(raw.contiguous()) for view in self.views])
        logits = self.net(every * self.factor + self.offset, *(part.repeat(len(self.views), 1) for part in beside))
        return list(logits.reshape(len(self.views), -1, *logits.shape[1:]).unbind())

    def forward(self, images: torch.Tensor, *beside: torch.Tensor) -> torch.Tensor:
        parts = [self.answers(logits) for logits in self.seen(images, *beside)]
        undone = [view.undo(part) if view.undo else part for view, part in zip(self.views, parts, strict=True)]
        return torch.stack(undone).mean(dim=0)

    def inputs(self, x: Any, rows: np.ndarray) -> tuple[torch.Tensor, ...]:
        return (torch.from_numpy(np.ascontiguousarray(x[rows])),)


class Pooled(nn.Module):
    """AdaptiveMaxPool2d, written out: ONNX has none but for sides that are multiples of its output's."""

    def __init__(self, size: tuple[int | None, int | None]):
        super().__init__()
        self.size = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for axis, count in zip((2, 3), self.size, strict=True):
            side = x.shape[axis]
            if count is not None:
                ends = [(i * side // count, -(-(i + 1) * side // count)) for i in range(count)]
                parts = [x.narrow(axis, a, b - a).amax(dim=axis, keepdim=True) for a, b in ends]
                x = torch.cat(parts, dim=axis)
        return x


def pools_written_out(net: nn.Module) -> nn.Module:
    """The network, each AdaptiveMaxPool2d of several places a Pooled."""
    for name, part in net.named_children():
        if isinstance(part, nn.AdaptiveMaxPool2d) and isinstance(part.output_size, tuple):
            setattr(net, name, Pooled(part.output_size))
        else:
            pools_written_out(part)
    return net
