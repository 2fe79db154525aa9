"""Networks: the kit's own small convolutional net, or any timm backbone, for 1 or 3 channels."""

import math
from typing import Any

import torch
from torch import nn

from kit.errors import Usage, did_you_mean

STAGES_MAX_WIDTH = 8  # times the first layer's


def make(model: str, channels: int, side: int, outputs: int, width: int = 32, dropout: float = 0.0) -> nn.Module:
    """A network of images [b, channels, side, side] to logits [b, outputs].

    Raises Usage for a name that timm does not know or a backbone that refuses this size.
    """
    if model == "convnet":
        return convnet(channels, side, outputs, width, dropout)
    import timm

    if not timm.is_model(model):
        raise Usage(f"--model {model!r}: neither convnet nor a timm model.{did_you_mean(model, timm.list_models())}")
    sized: dict[str, Any] = (
        {"img_size": side} if timm.get_pretrained_cfg(model, allow_unregistered=True) and _fixed(model) else {}
    )
    try:
        net = timm.create_model(model, in_chans=channels, num_classes=outputs, drop_rate=dropout, **sized)
        with torch.inference_mode():
            net.eval()(torch.zeros(1, channels, side, side))
    except (RuntimeError, AssertionError, ValueError, TypeError) as fault:
        raise Usage(f"--model {model}: does not take {side}×{side} images ({str(fault)[:120]}). Try --size.") from fault
    return net.train()


def _fixed(model: str) -> bool:
    """Does this backbone (a ViT, say) need to know the size of its images?"""
    import timm

    config = timm.get_pretrained_cfg(model, allow_unregistered=True)
    return bool(config and config.fixed_input_size)


def convnet(channels: int, side: int, outputs: int, width: int, dropout: float = 0.0) -> nn.Sequential:
    """Stages of two 3×3 convolutions that halve the image and double the width, until about 7×7; then the maximum.

    Each pool stands before its batch normalisation, which then works on a quarter of the pixels (the order of
    KellerJordan/cifar10-airbench).
    """
    pools = max(1, round(math.log2(side / 7)))
    layers: list[nn.Module] = []
    seen, wide = channels, width
    for _ in range(pools):
        layers += [_convolution(seen, wide), _convolution(wide, wide, pool=True)]
        seen, wide = wide, min(wide * 2, width * STAGES_MAX_WIDTH)
    layers += [_convolution(seen, wide), _convolution(wide, wide)]
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(wide, outputs))


def _convolution(seen: int, wide: int, pool: bool = False) -> nn.Sequential:
    convolution = nn.Conv2d(seen, wide, 3, padding=1, bias=False)
    return nn.Sequential(convolution, *([nn.MaxPool2d(2)] if pool else []), nn.BatchNorm2d(wide), nn.ReLU(inplace=True))
