"""Transfer: weights from elsewhere, and which layers learn when, and how fast."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

import torch
from torch import nn

from kit.config import Config
from kit.errors import Unreachable, Usage
from kit.models import networks, state_dicts
from kit.storage import weights

ATTACH = (
    "Without internet name a file or folder (on Kaggle of an attached dataset): --weights FILE|DIR (safetensors or a state"
    " dict), or train a model without weights, such as --preset fast."
)
FETCHED = "--weights hub: when the first fold begins, the weights of {model} are fetched, unless this machine has them"
LOADED = 0.9  # share of a backbone's weights that a file must hold; less is another model's
GREY = "--weights: the pictures are grey, which {model} sees as three equal channels (its first filters are summed)"


def pretrained(net: nn.Module, config: Config, channels: int, side: int) -> dict[str, Any]:
    """Load the weights that `--weights` names into a timm net; returns its pretrained configuration (mean, std, …).

    Raises Usage where they are of another model, Unreachable where the hub cannot be reached, BadData for a broken file.
    """
    state, known, _ = _loaded(net, config, channels, side)
    net.load_state_dict(state)
    return known


def remarks(config: Config, channels: int) -> list[str]:
    """What there is to say of the weights that `--weights` names, before any row is read. Raises as `pretrained` does.

    Those of the hub are fetched when the first fold begins.
    """
    if config.model in networks.OWN:
        raise Usage(f"--weights: {config.model} is the kit's own net; there are weights for timm's. See --from.")
    grey = [GREY.format(model=config.model)] if channels == 1 else []
    if config.weights == weights.HUB:
        return [FETCHED.format(model=config.model), *_hub_licence(config.model), *grey]
    side = networks.native_side(config.model)
    net = networks.from_timm(config.model, 3, side, 2)
    return [*weights.remarks(config.weights), *_loaded(net, config, 3, side)[2], *grey]


def _hub_licence(model: str) -> list[str]:
    """A line where the weights that timm fetches may not be used commercially."""
    import timm

    known = timm.get_pretrained_cfg(model, allow_unregistered=True) if timm.is_model(model) else None
    return weights.forbidden(getattr(known, "license", None) or "")


def _loaded(
    net: nn.Module, config: Config, channels: int, side: int
) -> tuple[dict[str, torch.Tensor], dict[str, Any], list[str]]:
    """The state of a timm net with the weights of `--weights` and its own head; its pretrained configuration; remarks."""
    if config.model in networks.OWN:
        raise Usage(f"--weights: {config.model} is the kit's own net; there are weights for timm's. See --from.")
    before, head = {name: tensor.clone() for name, tensor in net.state_dict().items()}, networks.head_names(net)
    said: list[str] = []
    overlay: dict[str, Any] = {}
    why = ""
    if config.weights != weights.HUB:
        stem, who = networks.stem_names(net), f"--weights {config.weights}"
        given = state_dicts.read(config.weights)
        given, said = state_dicts.fitted(given, before, head=head, stem=stem, who=who, model=config.model)
        overlay, why = {"state_dict": given}, state_dicts.difference(given, before, head, stem)

    create = partial(_created, config.model, channels, side, int(net.num_classes))  # type: ignore[arg-type]
    try:
        loaded = create(pretrained=True, pretrained_cfg_overlay=overlay or None)
    except Exception as fault:  # hub clients raise what their HTTP library does; timm what torch does
        if overlay:
            raise Usage(f"--weights {config.weights}: not the weights of {config.model}: {why}.") from fault
        reason = (str(fault).strip() or type(fault).__name__).splitlines()[0].partition(". ")[0][:160]
        raise Unreachable(f"--weights hub: no weights of {config.model} from the hub ({reason}).\n{ATTACH}") from fault
    state, blank = loaded.state_dict(), create().state_dict()
    backbone = [name for name, tensor in before.items() if tensor.ndim > 1 and name not in head]
    changed = sum(not torch.equal(blank[name], state[name]) for name in backbone)
    if changed < LOADED * len(backbone):
        more = f" ({why})" if overlay else ""
        raise Usage(
            f"--weights {config.weights}: holds {changed} of {len(backbone)} weights of {config.model}: another model's?{more}"
        )
    state = {name: before[name] if name in head else tensor for name, tensor in state.items()}
    return state, dict(loaded.pretrained_cfg), said  # type: ignore[arg-type]


def _created(model: str, channels: int, side: int, outputs: int, **options: Any) -> nn.Module:
    """A timm network of the same random weights each time: what differs in a pretrained one was loaded."""
    with torch.random.fork_rng(devices=[]), _quiet("timm"), _quiet("huggingface_hub"):
        torch.manual_seed(0)
        return networks.from_timm(model, channels, side, outputs, **options)


@contextmanager
def _quiet(library: str) -> Iterator[None]:
    """Without timm's lists of every name that a file lacks or holds besides (up to 8 kB), and the hub's twelve lines on each
    try to reach it; the error says what failed."""
    logger = logging.getLogger(library)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def adopt(net: nn.Module, source: nn.Module, *, head: bool = False) -> None:
    """Copy another run's backbone (weights and statistics), and its `head` too where it has the same.

    Raises Usage where the backbones are unlike.
    """
    own, other = net.state_dict(), source.state_dict()
    names = set(networks.head_names(net))
    backbone = {name: tensor for name, tensor in own.items() if name not in names}
    unlike = [name for name, tensor in backbone.items() if name not in other or other[name].shape != tensor.shape]
    if unlike:
        raise Usage(
            f"--from: that run's net differs from this one's, first in {unlike[0]!r}: give the same --model and --width."
        )
    same = head and all(name in other and other[name].shape == own[name].shape for name in names)
    net.load_state_dict({**own, **{name: other[name] for name in (own if same else backbone)}})


class Thaw:
    """Which parameters of `net` learn in which epoch.

    full: all; freeze: the head only; freeze-unfreeze: the head only before epoch `--unfreeze`, then all; gradual: the
    head, then from `--unfreeze` on one more layer at a time, so that the last half of the epochs trains all
    (Howard & Ruder 2018). What is frozen stays as it is to the bit, batch normalisation's statistics included.
    """

    def __init__(self, net: nn.Module, config: Config):
        self.net, self.config = net, config
        self.never = {name for name, parameter in net.named_parameters() if not parameter.requires_grad}

    @cached_property
    def layers(self) -> list[list[str]]:
        """Its layers, found out only where they learn differently: not every timm model says what they are."""
        return networks.layers(self.net)

    def open_layers(self, epoch: int) -> int:
        """How many layers learn under a strategy that freezes, counted from the head."""
        c, total = self.config, len(self.layers)
        if c.strategy == "freeze":
            return 1
        if c.strategy == "freeze-unfreeze":
            return total if epoch >= c.unfreeze else 1
        span = max(1, c.epochs // 2 - c.unfreeze)
        return 1 if epoch < c.unfreeze else min(total, 2 + (epoch - c.unfreeze) * max(1, total - 1) // span)

    def set(self, epoch: int) -> None:
        """Let the layers of this epoch learn and keep the others as they are."""
        if self.config.strategy in ("full", "probe"):  # a probe's head is fitted outside the network
            return
        frozen = {name for layer in self.layers[: len(self.layers) - self.open_layers(epoch)] for name in layer}
        for name, parameter in self.net.named_parameters():
            parameter.requires_grad = name not in frozen and name not in self.never
            if name in frozen:
                parameter.grad = None  # an optimizer would go on with the last one
        if self.net.training and frozen:
            _rest(self.net, "", frozen)

    def rate(self, name: str) -> float:
        """The share of the learning rate that a parameter gets: `--layer-decay` per layer from the head."""
        if self.config.layer_decay == 1:
            return 1.0
        depth = next(i for i, layer in enumerate(self.layers) if name in layer)
        return self.config.layer_decay ** (len(self.layers) - 1 - depth)


def _rest(module: nn.Module, prefix: str, frozen: set[str]) -> None:
    """Put what is frozen as a whole into eval mode, so that its statistics and dropout rest too."""
    names = [f"{prefix}{name}" for name, _ in module.named_parameters()]
    if names and all(name in frozen for name in names):
        module.eval()
        return
    for name, child in module.named_children():
        _rest(child, f"{prefix}{name}.", frozen)
