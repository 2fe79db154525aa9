"""Registry: the module that a Config and the inputs ask for, new or from a checkpoint. An adapter's own come first."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from kit.config import Config
from kit.errors import Usage
from kit.inputs.base import kind_of
from kit.labels import Labels
from kit.models import families
from kit.models.base import FoldModel
from kit.parts import NONE, Parts, reference, resolve

PROBE = "kit.models.probe.probe_module"  # which imports Lightning


def module_class(config: Config, labels: Labels, x: Any, parts: Parts = NONE) -> type[FoldModel]:
    """The class of a model for inputs `x` as they are loaded. Raises Usage for one that does not take them."""
    found = kind_class(config.model, kind_of(x), labels.reads, parts)
    return import_module(PROBE).around(found) if config.strategy == "probe" else found


def kind_class(model: str, kind: str, reading: bool, parts: Parts = NONE) -> type[FoldModel]:
    """The class of `--model` for a kind of inputs, before any is loaded; `reading`: are the labels a text to be read?"""
    own = parts.modules.get(model)
    return checked(model, own) if own is not None else families.of(model, kind, reading, parts).load()


def checked(name: str, module: Any) -> type[FoldModel]:
    """A module of an adapter. Raises Usage where it is no FoldModel."""
    if not (isinstance(module, type) and issubclass(module, FoldModel)):
        raise Usage(
            f"modules[{name!r}]: a subclass of kit.FoldModule is wanted.\n"
            "Any other LightningModule trains in a loop of your own: see kit.study."
        )
    return module


def make(config: Config, labels: Labels, x: Any, *, steps: int, mirror: bool = False, parts: Parts = NONE) -> FoldModel:
    """A new module for inputs `x`, with weights drawn from the global generator."""
    return module_class(config, labels, x, parts).of(config, labels, x, steps=steps, mirror=mirror, parts=parts)


def saved(module: FoldModel) -> dict[str, Any]:
    """The hyperparameters of a module's checkpoint. That of an adapter names its class."""
    kind = type(module)
    own = {} if kind.__module__.startswith("kit.") else {"module": reference(kind)}
    return dict(module.hparams) | own


def rebuilt(hyper_parameters: dict[str, Any]) -> FoldModel:
    """The module that a checkpoint's hyperparameters describe, with weights that are still to be loaded."""
    facts = dict(hyper_parameters)
    own = facts.pop("module", "")
    return (resolve(own) if own else _family(facts).load())(**facts)


def _family(facts: dict[str, Any]) -> families.Family:
    """Of the kit's own: by the model's name, or by what only a transformer or a mixed model has."""
    if "mixed" in facts:
        return (
            families.TEXT_AND_TABLE
            if facts["config"]["model"] in families.TEXT_AND_TABLE.names
            else families.PICTURES_AND_TABLE
        )
    named = (families.NGRAMS, *families.PERCEPTRONS, *families.TREES, families.READER)
    for family in named:
        if facts["config"]["model"] in family.names:
            return family
    return families.TRANSFORMER if "tokenizer" in facts else families.IMAGE
