"""Choice: the LightningModule that a kind of inputs and a Config ask for, new or from a checkpoint."""

from __future__ import annotations

from typing import Any

from kit.config import Config
from kit.errors import Usage, did_you_mean
from kit.inputs.cells import Cells
from kit.inputs.text import Texts
from kit.labels import Labels, Reading, to_json

TABLE_MODELS = ("mlp", "boosting")


def make(config: Config, labels: Labels, x: Any, mirror: bool, steps: int) -> Any:
    """A module for inputs `x` (as `Inputs.load` gives them), with weights drawn from the global generator."""
    if isinstance(x, Texts) and config.model != "ngrams":
        from kit.models import transformer_module

        return transformer_module.make(config, labels, steps)
    if isinstance(x, Texts):
        from kit.models.ngram_module import BagsModule

        return BagsModule(config.json(), to_json(labels), steps)
    if isinstance(x, Cells):
        return _table(config.model)(config.json(), to_json(labels), steps)
    _, height, width, channels = x.shape
    if isinstance(labels, Reading):
        from kit.models import reader_module

        return reader_module.make(config, labels, channels, height, mirror, steps)
    if config.model == "reader":
        raise Usage("--model reader: reads a text that is drawn; these pictures' answers are no text. Try convnet.")
    if config.view_kind == "flips" and config.views > 4 and height != width:
        raise Usage(f"--view-kind flips: pictures of {width}×{height} have 4 views only: the others would turn them.")
    from kit.models import image_module

    return image_module.make(config, labels, channels, height, mirror, steps)


def _table(model: str) -> Any:
    """The class of a model of tables."""
    if model not in TABLE_MODELS:
        raise Usage(f"--model {model}: for a table there are {' and '.join(TABLE_MODELS)}.{did_you_mean(model, TABLE_MODELS)}")
    if model == "mlp":
        from kit.models.mlp_module import MLPModule

        return MLPModule
    from kit.models.boosting_module import BoostingModule

    return BoostingModule


def rebuilt(hyper_parameters: dict[str, Any]) -> Any:
    """The module that a checkpoint's hyperparameters describe."""
    if hyper_parameters["config"]["model"] in TABLE_MODELS:
        return _table(hyper_parameters["config"]["model"])(**hyper_parameters)
    if "columns" in hyper_parameters:
        from kit.models.ngram_module import BagsModule

        return BagsModule(**hyper_parameters)
    if "tokenizer" in hyper_parameters:
        from kit.models.transformer_module import TransformerModule

        return TransformerModule(**hyper_parameters)
    if hyper_parameters["labels"]["type"] == "Reading":
        from kit.models.reader_module import ReaderModule

        return ReaderModule(**hyper_parameters)
    from kit.models.image_module import ImageModule

    return ImageModule(**hyper_parameters)
