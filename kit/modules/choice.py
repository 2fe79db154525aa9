"""Choice: the LightningModule that a kind of inputs and a Config ask for, new or from a checkpoint."""

from __future__ import annotations

from typing import Any

from kit.config import Config
from kit.inputs.text import Texts
from kit.labels import Labels, to_json


def make(config: Config, labels: Labels, x: Any, mirror: bool, steps: int) -> Any:
    """A module for inputs `x` (as `Inputs.load` gives them), with weights drawn from the global generator."""
    if isinstance(x, Texts) and config.model != "ngrams":
        from kit.modules import transformer

        return transformer.make(config, labels, steps)
    if isinstance(x, Texts):
        from kit.modules.bags import BagsModule

        return BagsModule(config.json(), to_json(labels), steps)
    from kit.modules import images

    _, height, _, channels = x.shape
    return images.make(config, labels, channels, height, mirror, steps)


def rebuilt(hyper_parameters: dict[str, Any]) -> Any:
    """The module that a checkpoint's hyperparameters describe."""
    if "columns" in hyper_parameters:
        from kit.modules.bags import BagsModule

        return BagsModule(**hyper_parameters)
    if "tokenizer" in hyper_parameters:
        from kit.modules.transformer import TransformerModule

        return TransformerModule(**hyper_parameters)
    from kit.modules.images import ImageModule

    return ImageModule(**hyper_parameters)
