"""Features: what a frozen backbone gives its last layer, for every view, computed once and kept by rows and weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from kit import resources
from kit.config import Config
from kit.data.joined_pictures import JoinedPictures
from kit.errors import Usage
from kit.inputs.image_files import Streamed
from kit.inputs.texts import Texts
from kit.models import devices, networks
from kit.models.net_module import NetModule
from kit.storage import array_cache, files

OF_THE_ANSWERS = ("shift", "scale")  # buffers of a module that its features do not depend on
CHUNK = 1 << 24  # bytes of pictures that are hashed at a time
AGREEMENT = 1e-3  # largest relative difference of logits by the last layer alone and by the whole network


class Backbone:
    """The network of a module up to its last layer, `head`: maps what `module.logits` takes to features float32 [b, d].

    `factor`: by which the network multiplies what the head gives. Raises Usage for a network that does not end in one
    linear layer.
    """

    def __init__(self, module: NetModule):
        self.module = module
        owners = {name.rpartition(".")[0] for name in networks.head_names(module.net)}
        head = module.net.get_submodule(owners.pop()) if len(owners) == 1 else None
        if not isinstance(head, torch.nn.Linear):
            raise self._refusal()
        self.head, self.factor = head, 1.0

    def __call__(self, x: Any) -> torch.Tensor:
        return self._run(x)[0]

    def _run(self, x: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Features and the logits of the whole network."""
        seen: list[torch.Tensor] = []
        hook = self.head.register_forward_pre_hook(lambda head, given: seen.append(given[0]))
        try:
            logits = self.module.logits(x)
        finally:
            hook.remove()
        if len(seen) != 1 or seen[0].ndim != 2:
            raise self._refusal()
        return seen[0].float(), logits.float()

    def measure(self, x: Any) -> None:
        """Find `factor` by some rows, with a head of random weights. Raises Usage where more than a factor follows the head."""
        with torch.inference_mode():
            self.head.weight.normal_()
            found, logits = self._run(x)
            own = self.head(found)
            self.factor = float((logits * own).sum() / own.square().sum())
            if not (logits - self.factor * own).norm() <= AGREEMENT * logits.norm() or not self.factor:
                raise self._refusal()

    def _refusal(self) -> Usage:
        model = self.module.config.model
        return Usage(f"--strategy probe: {model} does not end in one linear layer on pooled features. Try --strategy freeze.")


def of(backbone: Backbone, x: Any, config: Config) -> np.ndarray:
    """Features float32 [n, views, d] of all rows of `x` (as the inputs load them), from the cache where they are kept."""
    module = backbone.module
    shape = (len(x), len(module.views), backbone.head.in_features)

    def fill(array: np.ndarray) -> tuple[int, dict[str, Any]]:
        found, device = array.view(np.float32).reshape(shape), devices.torch_device(config)
        module.eval().to(device)
        each = module.rows_per_pass(config.devices)
        with resources.reusing(), torch.inference_mode(), devices.autocast(config):
            for start in range(0, len(x), each):
                rows = np.arange(start, min(start + each, len(x)))
                parts = module.by_view(module.gather(x, rows).to(device), backbone)
                found[rows] = parts.transpose(0, 1).cpu().numpy()
        return len(x), {}

    key = _key(module, x, config)
    kept = array_cache.get(key) or array_cache.put(key, (len(x), shape[1] * shape[2] * 4), fill, small=0)
    return np.ascontiguousarray(kept[0]).view(np.float32).reshape(shape)


def _key(module: NetModule, x: Any, config: Config) -> str:
    """The rows' content, the weights, the normalisation, and all else that features depend on."""
    known = hashlib.sha256()
    for part in _content(x):
        known.update(part)
    head = {f"net.{name}" for name in networks.head_names(module.net)} | {*OF_THE_ANSWERS}
    for name, tensor in module.state_dict().items():
        if name not in head:
            known.update(f"{name} {list(tensor.shape)}".encode())
            known.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    facts = {name: value for name, value in module.hparams.items() if name not in ("config", "labels", "steps")}
    chosen = [config.model, config.precision, config.devices, config.layout, config.tokens, config.crop]
    views = [getattr(view, "name", view) for view in module.views]
    known.update(repr([type(module).__qualname__, facts, chosen, views, x.shape]).encode())
    return f"features-{known.hexdigest()[:32]}"


def _content(x: Any) -> Iterator[Any]:
    """What rows hold, in bytes; of pictures that are decoded when they are asked for, what tells their files apart."""
    if isinstance(x, Texts):
        yield from (text.encode("utf-8", "surrogatepass") + b"\0" for text in x)
    elif isinstance(x, JoinedPictures):
        for part in x.parts:
            yield from _content(part)
    elif isinstance(x, Streamed):
        pictures = x.pictures
        content = files.fingerprint(pictures.store.path.parent, pictures.files(), by_time=True)
        yield repr([content, pictures.span, pictures.found]).encode("utf-8", "surrogatepass")
    else:
        each = max(1, CHUNK // int(np.prod(x.shape[1:])))
        yield from (np.ascontiguousarray(x[start : start + each]) for start in range(0, len(x), each))
