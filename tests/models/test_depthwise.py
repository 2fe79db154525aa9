"""Depthwise convolutions: the faster gradients are those of torch, and only bf16 fits on a CPU take them."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from kit.config import Config
from kit.models.images import depthwise
from kit.models.images.depthwise import Depthwise, Faster


@pytest.mark.parametrize("side", (9, 16))
@pytest.mark.parametrize("stride", (1, 2))
@pytest.mark.parametrize("kernel", (3, 5, 7))
@pytest.mark.parametrize("padded", (True, False))
def test_gradients_are_those_of_torch(kernel: int, stride: int, side: int, padded: bool) -> None:
    padding = kernel // 2 * padded
    x = torch.randn(4, 8, side, side, dtype=torch.float64)
    weight = torch.randn(8, 1, kernel, kernel, dtype=torch.float64)
    found = []
    for own in (True, False):
        leaves = [x.clone().requires_grad_(), weight.clone().requires_grad_()]
        out = Depthwise.apply(*leaves, stride, padding) if own else functional.conv2d(*leaves, None, stride, padding, 1, 8)
        (out * torch.linspace(-1, 1, out.numel(), dtype=torch.float64).view_as(out)).sum().backward()
        found.append([out.detach(), *(leaf.grad for leaf in leaves)])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_inside_a_net_nothing_else_changes() -> None:
    net = nn.Sequential(
        nn.Conv2d(8, 8, 5, 2, 2, groups=8, bias=False), nn.Conv2d(8, 8, 3, padding="same", groups=8), nn.Conv2d(8, 4, 1),
        nn.Conv2d(4, 4, (1, 3), groups=4), nn.Conv2d(4, 4, 3, dilation=2, groups=4, bias=False),
    )  # fmt: skip
    x = torch.randn(2, 8, 16, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        plain = net(x)
        with Faster():
            inside = net(x)
    assert torch.equal(plain, inside) and inside.dtype == torch.bfloat16
    names = {type(step[0]).__name__ for step in _graph(inside.grad_fn)}
    assert "DepthwiseBackward" in names and "ConvolutionBackward0" in names


def _graph(node: object) -> list[tuple[object]]:
    found, left = [], [node]
    while left:
        one = left.pop()
        found.append((one,))
        left += [parent for parent, _ in one.next_functions if parent is not None]  # type: ignore[attr-defined]
    return found


def test_in_full_precision_and_with_odd_sides_it_is_torch_s_own() -> None:
    x, weight = torch.randn(2, 8, 9, 9, requires_grad=True), torch.randn(8, 1, 3, 3)
    with Faster():
        full = functional.conv2d(x, weight, groups=8)
    assert full.dtype == torch.float32 and type(full.grad_fn).__name__ == "ConvolutionBackward0"
    with torch.autocast("cpu", dtype=torch.bfloat16):
        wanted = functional.conv2d(x, weight, padding=(1, 0), groups=8)
        with Faster():
            found = functional.conv2d(x, weight, padding=(1, 0), groups=8)
    assert torch.equal(found, wanted)


def test_only_bf16_fits_of_such_nets_on_a_cpu_take_it() -> None:
    net = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4))
    here = Config(devices="cpu", precision="bf16")
    assert depthwise.faster(net, here) is not None
    assert depthwise.faster(nn.Conv2d(4, 4, 3), here) is None
    assert depthwise.faster(net, here.changed(precision="fp32")) is None
    assert depthwise.faster(net, here.changed(devices="gpu")) is None
