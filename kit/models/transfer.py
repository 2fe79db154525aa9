"""Transfer: weights from elsewhere, and which layers learn when, and how fast."""

from __future__ import annotations

import warnings
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from kit.config import Config
from kit.errors import BadData, Unreachable, Usage, listed
from kit.models import networks

FILES = ("model.safetensors", "pytorch_model.bin", "*.safetensors", "*.pth", "*.pt", "*.bin")
ATTACH = "Attach a dataset with the weights and name it: --weights FILE|DIR (safetensors or a state dict)."
LOADED = 0.9  # share of a backbone's weights that a file must hold; less is another model's


def pretrained(net: nn.Module, config: Config, channels: int, side: int) -> dict[str, Any]:
    """Load the weights that `--weights` names into a timm net; returns its pretrained configuration (mean, std, …).

    Raises Usage where they are of another model, Unreachable where the hub cannot be reached, BadData for a broken file.
    """
    if config.model in networks.OWN:
        raise Usage(f"--weights: {config.model} is the kit's own net; there are weights for timm's. See --from.")
    overlay = {} if config.weights == "hub" else {"state_dict": read_weights(Path(config.weights))}
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    _refuse_deeper(before, overlay.get("state_dict", {}), config)

    create = partial(_created, config.model, channels, side, int(net.num_classes))  # type: ignore[arg-type]
    try:
        loaded = create(pretrained=True, pretrained_cfg_overlay=overlay or None)
    except Exception as fault:  # hub clients raise what their HTTP library does; timm what torch does
        said = str(fault).strip().splitlines()[0][:160] if str(fault).strip() else type(fault).__name__
        if config.weights == "hub":
            raise Unreachable(f"--weights hub: no weights of {config.model} from the hub ({said}).\n{ATTACH}") from fault
        raise Usage(f"--weights {config.weights}: not the weights of {config.model} ({said}).") from fault
    state, blank, head = loaded.state_dict(), create().state_dict(), networks.head_names(net)
    backbone = [name for name, tensor in before.items() if tensor.ndim > 1 and name not in head]
    changed = sum(not torch.equal(blank[name], state[name]) for name in backbone)
    if changed < LOADED * len(backbone):
        raise Usage(
            f"--weights {config.weights}: holds {changed} of {len(backbone)} weights of {config.model}: another model's?"
        )
    net.load_state_dict({name: before[name] if name in head else tensor for name, tensor in state.items()})
    return dict(loaded.pretrained_cfg)  # type: ignore[arg-type]


def _created(model: str, channels: int, side: int, outputs: int, **options: Any) -> nn.Module:
    """A timm network of the same random weights each time: what differs in a pretrained one was loaded."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return networks.from_timm(model, channels, side, outputs, **options)


def _refuse_deeper(own: dict[str, torch.Tensor], given: dict[str, torch.Tensor], config: Config) -> None:
    """Raise Usage for the weights of a deeper model of the same names: timm takes those it knows and drops the others."""
    known = own.keys() & given.keys()
    if len(known) >= LOADED * len(own) and len(known) < LOADED * len(given):
        raise Usage(
            f"--weights {config.weights}: {config.model} knows {len(known)} of its {len(given)} weights: a deeper model's?"
        )


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """A state dict from a file, or from the usual names in a folder. Tensors only: nothing in it is executed."""
    if path.is_dir():
        found = [one for pattern in FILES for one in sorted(path.glob(pattern))]
        if not found:
            raise Usage(f"--weights {path}: no {', '.join(FILES)} in it. {ATTACH}")
        if len(found) > 1 and found[0].name not in FILES:
            raise Usage(f"--weights {path}: holds {listed(one.name for one in found)}: name the one that is meant.")
        path = found[0]
    if not path.is_file():
        raise Usage(f"--weights {path}: no such file. {ATTACH}")
    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(path)
        else:
            with warnings.catch_warnings():  # about the protocol of a pickle that is none of torch's
                warnings.simplefilter("ignore")
                state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as fault:  # a broken or hostile pickle raises whatever its bytes happen to mean
        raise BadData(f"--weights {path}: not weights that can be read safely ({type(fault).__name__}).") from fault
    for key in ("state_dict", "model", "model_state_dict", "state_dict_ema"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(one, torch.Tensor) for one in state.values()):
        raise BadData(f"--weights {path}: holds no state dict.")
    broken = [name for name, tensor in state.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if broken:
        raise BadData(f"--weights {path}: NaN or infinity in {listed(broken)}: from a fit that diverged?")
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def adopt(net: nn.Module, source: nn.Module) -> None:
    """Copy another run's backbone (weights and statistics, all but the head). Raises Usage where they are unlike."""
    head = set(networks.head_names(net))
    own, other = net.state_dict(), source.state_dict()
    backbone = {name: tensor for name, tensor in own.items() if name not in head}
    unlike = [name for name, tensor in backbone.items() if name not in other or other[name].shape != tensor.shape]
    if unlike:
        raise Usage(
            f"--from: that run's net differs from this one's, first in {unlike[0]!r}: give the same --model and --width."
        )
    net.load_state_dict({**own, **{name: other[name] for name in backbone}})


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
        if self.config.strategy == "full":
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
