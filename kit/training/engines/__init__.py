"""Engines: what takes the steps of a fit. Lightning takes 3 CPU seconds to import, and a model of one step needs none of it."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from kit import resources
from kit.config import Config
from kit.models.base import FoldModel
from kit.parts import Parts


def of(kind: type[FoldModel], config: Config, parts: Parts) -> ModuleType:
    """The engine that fits models of this class: Lightning where they, an adapter's callbacks or a flag ask for its Trainer.

    It has `suited(kind)`, the class of the modules to fit; `share`, which chooses their threads; and `train`.
    """
    asked = kind.by_trainer or config.trainer or config.profile or parts.callbacks
    with resources.importing():
        return import_module(f"{__name__}.{'lightning' if asked else 'direct'}")


def check(config: Config, parts: Parts) -> None:
    """Raise Usage for options of the Trainer, or callbacks of an adapter, that cannot be used."""
    if config.trainer or parts.callbacks:
        options = import_module(f"{__name__}.trainer_options")
        options.options(config)
        options.checked(parts.callbacks)
