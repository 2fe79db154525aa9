"""Registry: the module that a Config and the inputs ask for, new or from a checkpoint. An adapter's own come first."""

from __future__ import annotations

from typing import Any

from kit.config import Config
from kit.errors import Usage, did_you_mean
from kit.inputs.cells import Cells
from kit.inputs.text import Texts
from kit.labels import Labels, Reading
from kit.models.base import FoldModule
from kit.models.images.image_module import ImageModule
from kit.models.images.reader_module import ReaderModule
from kit.models.tables.boosting_module import BoostingModule
from kit.models.tables.mlp_module import MLPModule
from kit.models.texts.ngram_module import NgramModule
from kit.models.texts.transformer_module import TransformerModule
from kit.parts import NONE, Parts, reference, resolve

TABLES: dict[str, type[FoldModule]] = {"mlp": MLPModule, "boosting": BoostingModule}
NAMED: dict[str, type[FoldModule]] = {**TABLES, "ngrams": NgramModule, "reader": ReaderModule}


def module_class(config: Config, labels: Labels, x: Any, parts: Parts = NONE) -> type[FoldModule]:
    """The class of a model for inputs `x` as they are loaded. Raises Usage for one that does not take them."""
    if config.model in parts.modules:
        return checked(config.model, parts.modules[config.model])
    if isinstance(x, Texts):
        return NgramModule if config.model == "ngrams" else TransformerModule
    if isinstance(x, Cells):
        if config.model not in TABLES:
            known = [*TABLES, *parts.modules]
            hint = did_you_mean(config.model, known)
            raise Usage(f"--model {config.model}: for a table there are {' and '.join(known)}.{hint}")
        return TABLES[config.model]
    if isinstance(labels, Reading):
        return ReaderModule
    if config.model == "reader":
        raise Usage("--model reader: reads a text that is drawn; these pictures' answers are no text. Try convnet.")
    return ImageModule


def checked(name: str, module: Any) -> type[FoldModule]:
    """A module of an adapter. Raises Usage where it is no FoldModule."""
    if not (isinstance(module, type) and issubclass(module, FoldModule)):
        raise Usage(
            f"modules[{name!r}]: a subclass of kit.FoldModule is wanted.\n"
            "Any other LightningModule trains in a loop of your own: see kit.study."
        )
    return module


def make(config: Config, labels: Labels, x: Any, *, steps: int, mirror: bool = False, parts: Parts = NONE) -> FoldModule:
    """A new module for inputs `x`, with weights drawn from the global generator."""
    return module_class(config, labels, x, parts).of(config, labels, x, steps=steps, mirror=mirror, parts=parts)


def saved(module: FoldModule) -> dict[str, Any]:
    """The hyperparameters of a module's checkpoint. That of an adapter names its class."""
    kind = type(module)
    own = {} if kind.__module__.startswith("kit.") else {"module": reference(kind)}
    return dict(module.hparams) | own


def rebuilt(hyper_parameters: dict[str, Any]) -> FoldModule:
    """The module that a checkpoint's hyperparameters describe, with weights that are still to be loaded."""
    facts = dict(hyper_parameters)
    own = facts.pop("module", "")
    return (resolve(own) if own else _class_of(facts))(**facts)


def _class_of(facts: dict[str, Any]) -> type[FoldModule]:
    """Of the kit's own: by the model's name, or by what only one of them has."""
    model = facts["config"]["model"]
    if model in NAMED:
        return NAMED[model]
    return TransformerModule if "tokenizer" in facts else ImageModule
