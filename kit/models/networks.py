"""Networks: the kit's own two small convolutional nets, or any timm backbone, for 1 or 3 channels; and their layers."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from kit.errors import Usage, did_you_mean

STAGES_MAX_WIDTH = 8  # times the first layer's
OWN = ("convnet", "whitened", "strip", "reader")
GLYPH_ROWS = 4  # rows of features that a line of text is brought to, whatever its height
PLACES = 13  # along a strip, that its last layers tell apart


def make(
    model: str,
    channels: int,
    side: int,
    outputs: int,
    *,
    width: int = 32,
    dropout: float = 0.0,
    build: Callable[[], nn.Module] | None = None,
) -> nn.Module:
    """A network of images [b, channels, side, side] to logits [b, outputs]; `build`: makes one of an adapter's own.

    Raises Usage for a name that timm does not know or a network that refuses this size.
    """
    try:
        net = build() if build else _built(model, channels, side, outputs, width, dropout)
        with torch.inference_mode():
            net.eval()(torch.zeros(1, channels, side, side))
    except (RuntimeError, AssertionError, ValueError, TypeError, ZeroDivisionError) as fault:
        reason = " ".join(str(fault).split())[:120].rstrip(".")
        own = f" {native_side(model)}" if model not in OWN and not build else ""
        raise Usage(f"--model {model}: does not take {side}×{side} images ({reason}). Try --size{own}.") from fault
    return net.train()


def _built(model: str, channels: int, side: int, outputs: int, width: int, dropout: float) -> nn.Module:
    if model == "convnet":
        return convnet(channels, side, outputs, width, dropout)
    if model == "whitened":
        return Whitened(channels, side, outputs, width, dropout)
    if model == "strip":
        return strip(channels, outputs, width, dropout)
    if model == "reader":
        return reader(channels, outputs, width, dropout)
    return from_timm(model, channels, side, outputs, drop_rate=dropout)


def is_known(model: str) -> bool:
    """Does `--model` name one of the kit's networks, or of timm's?"""
    import timm

    return model in OWN or timm.is_model(model)


def from_timm(model: str, channels: int, side: int, outputs: int, **options: Any) -> nn.Module:
    """A network of timm, told the images' size where it is built for one (a ViT, say). `options`: of `timm.create_model`.

    Raises Usage for a name that timm does not know.
    """
    import timm

    if not timm.is_model(model):
        known = did_you_mean(model, [*OWN, *timm.list_models()])
        raise Usage(f"--model {model!r}: neither {', '.join(OWN)} nor a timm model.{known}")
    config = timm.get_pretrained_cfg(model, allow_unregistered=True)
    size: dict[str, Any] = {"img_size": side} if config and config.fixed_input_size else {}
    return timm.create_model(model, num_classes=outputs, in_chans=channels, **size, **options)


def native_side(model: str) -> int:
    """Pixels a side of the pictures that a timm network was pretrained on; 224 where timm does not say."""
    import timm

    config = timm.get_pretrained_cfg(model, allow_unregistered=True)
    return int(config.input_size[-1]) if config else 224


def stem_names(net: nn.Module) -> list[str]:
    """The weights of a timm net that see the pictures' channels."""
    first = dict(getattr(net, "pretrained_cfg", None) or {}).get("first_conv") or ()
    return [f"{name}.weight" for name in ([first] if isinstance(first, str) else first)]


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
    return nn.Sequential(*layers, GlobalMax(), nn.Flatten(), nn.Dropout(dropout), nn.Linear(wide, outputs))


def _convolution(seen: int, wide: int, pool: bool = False) -> nn.Sequential:
    convolution = nn.Conv2d(seen, wide, 3, padding=1, bias=False)
    return nn.Sequential(convolution, *([nn.MaxPool2d(2)] if pool else []), nn.BatchNorm2d(wide), nn.ReLU(inplace=True))


def strip(channels: int, outputs: int, width: int, dropout: float = 0.0) -> nn.Sequential:
    """A line of text or signs [b, channels, h, w] of any size to logits [b, outputs], by what stands where along it."""
    wide = 16 * width
    along = [_along(8 * width, 8 * width, 5, 2), _along(8 * width, wide, 5, 2), nn.AdaptiveMaxPool2d((1, PLACES)), nn.Flatten()]
    head = [nn.Dropout(dropout), nn.Linear(PLACES * wide, wide), nn.ReLU(inplace=True), nn.Linear(wide, outputs)]
    return nn.Sequential(*_glyphs(channels, width), *along, *head)


def reader(channels: int, outputs: int, width: int, dropout: float = 0.0) -> nn.Sequential:
    """A line of text [b, channels, h, w] to logits [b, w / 4, outputs]: what each place along it shows."""
    return nn.Sequential(
        *_glyphs(channels, width),
        _along(8 * width, 8 * width, 3),
        nn.Dropout(dropout),
        nn.Conv2d(8 * width, outputs, 1),
        Steps(),
    )


class GlobalMax(nn.AdaptiveMaxPool2d):
    """The maximum over all pixels, [b, c, 1, 1]; with `--deterministic` by a kernel that has no lot in its gradients."""

    def __init__(self) -> None:
        super().__init__(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if torch.are_deterministic_algorithms_enabled():
            return x.flatten(2).max(dim=2).values[:, :, None, None]
        return super().forward(x)


class Steps(nn.Module):
    """[b, c, 1, t] as [b, t, c]."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.squeeze(2).transpose(1, 2)


def _glyphs(channels: int, width: int) -> list[nn.Module]:
    """To [b, 8 width, 1, w / 4]: each column of features has seen a glyph of about 25 pixels, and its neighbours."""
    return [
        _normed(nn.Conv2d(channels, width, 5, 2, 2, bias=False)),
        _normed(nn.Conv2d(width, 2 * width, 3, 2, 1, bias=False)),
        _normed(nn.Conv2d(2 * width, 4 * width, 3, (2, 1), 1, bias=False)),
        nn.AdaptiveMaxPool2d((GLYPH_ROWS, None)),
        _normed(nn.Conv2d(4 * width, 8 * width, (GLYPH_ROWS, 3), padding=(0, 1), bias=False)),
    ]


def _along(seen: int, wide: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return _normed(nn.Conv2d(seen, wide, (1, kernel), (1, stride), (0, kernel // 2), bias=False))


def _normed(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU(inplace=True))


class Whitened(nn.Module):
    """The net of KellerJordan/cifar10-airbench (Jordan 2024): small colour pictures, in very few epochs.

    The first layer decorrelates 2×2 patches by fixed filters, learned from the training pictures (`learn`); the others
    begin as identities (Dirac). Stages pool first; batch normalisation has a bias, no gain.
    """

    PATCHES = 5000  # pictures that the filters are learned from

    def __init__(self, channels: int, side: int, outputs: int, width: int, dropout: float = 0.0):
        super().__init__()
        filters = 2 * 4 * channels
        self.whiten = nn.Conv2d(channels, filters, 2)
        self.whiten.weight.requires_grad = False
        widths = [filters, width, 4 * width, 4 * width]
        self.stages = nn.Sequential(*(_stage(seen, wide) for seen, wide in itertools.pairwise(widths)))
        self.pool = GlobalMax()
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(4 * width, outputs, bias=False)
        nn.init.zeros_(self.head.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stages(nn.functional.gelu(self.whiten(x)))
        return self.head(self.dropout(self.pool(x).flatten(1))) / 9

    def learn(self, x: torch.Tensor) -> None:
        """Set the whitening filters from normalised training pictures [n, channels, side, side]."""
        channels = x.shape[1]
        patches = x.float().unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, channels * 4)
        values, vectors = torch.linalg.eigh((patches.T @ patches / len(patches)).cpu())
        filters = (vectors / (values + 5e-4).sqrt()).T.reshape(-1, channels, 2, 2)
        self.whiten.weight.data.copy_(torch.cat([filters, -filters]))


def _stage(seen: int, wide: int) -> nn.Sequential:
    return nn.Sequential(
        _dirac(seen, wide), nn.MaxPool2d(2), _norm(wide), nn.GELU(), _dirac(wide, wide), _norm(wide), nn.GELU()
    )


def _dirac(seen: int, wide: int) -> nn.Conv2d:
    convolution = nn.Conv2d(seen, wide, 3, padding=1, bias=False)
    nn.init.dirac_(convolution.weight.data[:seen])
    return convolution


def _norm(wide: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(wide, eps=1e-12, momentum=0.4)
    norm.weight.requires_grad = False
    return norm


def layers(net: nn.Module) -> list[list[str]]:
    """The names of its parameters, layer by layer from the picture to the head (the last)."""
    if isinstance(net, nn.Sequential):
        parts = [[f"{i}.{name}" for name, _ in part.named_parameters()] for i, part in enumerate(net)]
    elif isinstance(net, Whitened):
        whole = {"whiten": net.whiten, **{f"stages.{i}": part for i, part in enumerate(net.stages)}, "head": net.head}
        parts = [[f"{place}.{name}" for name, _ in part.named_parameters()] for place, part in whole.items()]
    elif hasattr(net, "own_layers"):
        parts = net.own_layers()  # type: ignore[operator]
    elif hasattr(net, "base_model_prefix"):
        parts = _encoder_layers(net)
    elif not hasattr(net, "group_matcher"):  # of an adapter's own: its children in their order, the last is the head
        parts = [[f"{name}.{one}" for one, _ in child.named_parameters()] for name, child in net.named_children()]
        direct = [name for name, _ in net.named_parameters(recurse=False)]
        parts = [direct, *parts]
    else:
        from timm.models import group_parameters

        head = set(head_names(net))
        groups = group_parameters(net, net.group_matcher(coarse=True))  # type: ignore[operator]
        parts = [[name for name in groups[key] if name not in head] for key in sorted(groups)]
        parts.append([name for name, _ in net.named_parameters() if name in head])
    return [part for part in parts if part]


def head_names(net: nn.Module) -> list[str]:
    """The parameters of the last layer, which belongs to the answers of one competition."""
    if isinstance(net, nn.Sequential | Whitened) or hasattr(net, "own_layers"):
        return layers(net)[-1]
    if hasattr(net, "base_model_prefix"):
        return [name for name, _ in net.named_parameters() if _in_head(net, name)]
    if not hasattr(net, "get_classifier"):
        return layers(net)[-1]
    head = net.get_classifier()  # type: ignore[operator]
    heads = head if isinstance(head, tuple | list) else [head]  # distilled ViTs have two
    own = {id(parameter) for one in heads for parameter in one.parameters()}
    return [name for name, parameter in net.named_parameters() if id(parameter) in own]


def zero_head(net: nn.Module) -> None:
    """Make the last layer begin at zero, so that the first steps do not send the noise of drawn weights through the backbone.

    timm draws the head of an EfficientNet for ten classes from ±0.3: the first loss of tf_efficientnet_lite0 on CIFAR-10 was 18
    at 64 pixels and 8 at 128, where equal chances have 2.3.
    """
    names = set(head_names(net))
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name in names:
                parameter.zero_()


def _encoder_layers(net: nn.Module) -> list[list[str]]:
    """Of a Hugging Face classifier: the embeddings, each block of its longest list of blocks, the head."""
    base = getattr(net, str(net.base_model_prefix))
    lists = [(name, one) for name, one in base.named_modules() if isinstance(one, nn.ModuleList)]
    name, blocks = max(lists, key=lambda pair: len(pair[1]), default=("", []))
    prefix = f"{net.base_model_prefix}.{name}."
    parts: list[list[str]] = [[] for _ in range(len(blocks) + 2)]
    for one, _ in net.named_parameters():
        block = int(one.removeprefix(prefix).split(".")[0]) + 1 if len(blocks) and one.startswith(prefix) else 0
        after = not block and any(parts[1:])  # a last norm, say, belongs to the last block
        parts[-1 if _in_head(net, one) else len(blocks) if after else block].append(one)
    return parts


def _in_head(net: nn.Module, name: str) -> bool:
    """Whatever is not of the model that was pretrained, and its pooler, which many were pretrained without."""
    prefix = f"{net.base_model_prefix}."
    return not name.startswith(prefix) or name.startswith(f"{prefix}pooler.")


def recompute(net: nn.Module, model: str) -> None:
    """Compute activations a second time in the backward pass. Raises Usage for a net that cannot."""
    # transformers: the new name and the old; timm
    names = ("activation_checkpointing_enable", "gradient_checkpointing_enable", "set_grad_checkpointing")
    switch = next((getattr(net, name) for name in names if hasattr(net, name)), None)
    if switch is None:
        raise Usage(f"--gradient-checkpointing: {model} has none; timm models and transformers have.")
    switch()
