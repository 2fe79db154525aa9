"""Depthwise convolutions in bf16 on a CPU: the same gradients by kernels of oneDNN that are fast.

In torch 2.14 the gradient of the input takes 25 times the forward pass where the stride is 2 (96 channels, 64×64, batch 32:
103 ms beside 4), and that of 5×5 weights 40 times (240 channels, 16×16: 45 ms beside 1); the forward pass and the gradients of
3×3 weights are fast. So the first is computed as a forward pass over a gradient with zeros between, the second by 3×3 parts.
A training step of tf_efficientnet_lite0 at 128 pixels takes half as long (`python scripts/bench/depthwise.py`: 0.46 to 0.52).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from kit.config import Config

PARTS = {3: (0,), 5: (0, 2), 7: (0, 3, 4)}  # by the side of a kernel: where its 3×3 parts begin, which may overlap
ORDER = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")


class Depthwise(torch.autograd.Function):
    """A convolution of each channel by itself: x [b, c, h, w], weight [c, 1, k, k], one stride and one padding."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, stride: int, padding: int) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return functional.conv2d(x, weight, stride=stride, padding=padding, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None, None]:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        by_x = of_input(x, weight, gradient, ctx.stride, ctx.padding)
        return by_x, of_weight(x, weight, gradient, ctx.stride, ctx.padding), None, None


def of_input(x: torch.Tensor, weight: torch.Tensor, gradient: torch.Tensor, stride: int, padding: int) -> torch.Tensor:
    """The gradient of `x`: that of the output, with zeros between, convolved with the kernel turned round."""
    (channels, _, side, _), (height, width) = weight.shape, x.shape[2:]
    b, _, h, w = gradient.shape
    wide = gradient
    if stride > 1:
        wide = torch.zeros(b, h * stride, w * stride, channels, dtype=gradient.dtype).permute(0, 3, 1, 2)
        wide[:, :, ::stride, ::stride] = gradient
    before = side - 1 - padding
    after = [size + padding - wide.shape[2 + axis] for axis, size in enumerate((height, width))]
    wide = functional.pad(wide, (before, after[1], before, after[0]))
    return functional.conv2d(wide, weight.flip(2, 3), groups=channels)


def of_weight(x: torch.Tensor, weight: torch.Tensor, gradient: torch.Tensor, stride: int, padding: int) -> torch.Tensor:
    """The gradient of `weight`, by its 3×3 parts."""
    (channels, _, side, _), (h, w) = weight.shape, gradient.shape[2:]
    x = functional.pad(x, (padding,) * 4)
    high, wide = (h - 1) * stride + 3, (w - 1) * stride + 3
    some, out = weight[:, :, :3, :3].contiguous(), torch.empty_like(weight)
    for i in PARTS[side]:
        for j in PARTS[side]:
            part = x[:, :, i : i + high, j : j + wide].contiguous(memory_format=torch.channels_last)
            out[:, :, i : i + 3, j : j + 3] = torch.ops.aten.convolution_backward(
                gradient, part, some, bias_sizes=None, stride=[stride] * 2, padding=[0, 0], dilation=[1, 1], transposed=False,
                output_padding=[0, 0], groups=channels, output_mask=[False, True, False],
            )[1]  # fmt: skip
    return out


class Faster(TorchFunctionMode):
    """Inside, depthwise convolutions of a forward pass have the faster gradients, where it computes in lower precision."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in (functional.conv2d, torch.conv2d):
            given: dict[str, Any] = {"bias": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1}
            given |= dict(zip(ORDER, args, strict=False)) | (kwargs or {})
            x, weight = given["input"], given["weight"]
            stride, padding, dilation = (_one(given[name]) for name in ("stride", "padding", "dilation"))
            known = suits(weight, given["groups"]) and given["bias"] is None and dilation == 1
            if torch.is_autocast_enabled("cpu") and known and stride and padding is not None and padding < weight.shape[2]:
                kind = torch.get_autocast_dtype("cpu")
                return Depthwise.apply(x.to(kind), weight.to(kind), stride, padding)
        return func(*args, **(kwargs or {}))


def _one(value: int | str | tuple[int, int]) -> int | None:
    """The value of both axes; None where they differ, or where it is a word."""
    if isinstance(value, int):
        return value
    return value[0] if isinstance(value, tuple) and value[0] == value[1] else None


def suits(weight: torch.Tensor, groups: int) -> bool:
    """Are these the weights [c, 1, k, k] of a depthwise convolution with a kernel that is known here?"""
    count, each, high, wide = weight.shape
    return groups == count > 1 == each and high == wide and high in PARTS


def faster(net: nn.Module, config: Config) -> Faster | None:
    """What a training step of `net` is to be done inside: in bf16 on a CPU, if it has depthwise convolutions; else None."""
    if config.devices != "cpu" or config.precision != "bf16":
        return None
    convolutions = [one for one in net.modules() if isinstance(one, nn.Conv2d)]
    return Faster() if any(suits(one.weight, one.groups) for one in convolutions) else None
