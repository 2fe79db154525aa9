"""Parts that an adapter brings of its own: networks, modules, augmentations, callbacks, knobs; and how files name them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field
from operator import attrgetter
from typing import Any

from kit.errors import Usage


@dataclass(frozen=True)
class Parts:
    """What an adapter's file defines besides its competition and presets, by the name that a knob takes.

    `networks`: `build(channels, side, outputs, config) -> nn.Module` for `--model NAME`. `modules`: subclasses of
    `kit.FoldModule` for `--model NAME`. `augmentations`: an albumentations `Compose`, or a function from a batch of pictures
    to one, for `--augment NAME`. `callbacks`: Lightning callbacks that join the kit's own. `knobs`: `kit.knob(…)` by name.
    """

    networks: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    modules: Mapping[str, type] = field(default_factory=dict)
    augmentations: Mapping[str, Any] = field(default_factory=dict)
    callbacks: tuple[Any, ...] = ()
    knobs: Mapping[str, Field[Any]] = field(default_factory=dict)

    @property
    def models(self) -> list[str]:
        """The names that `--model` takes besides the kit's own."""
        return [*self.networks, *self.modules]


NONE = Parts()


def reference(thing: Any) -> str:
    """Such as `competitions.mine:build`: how a checkpoint names a function or class of an adapter's file.

    Raises Usage for one that has no name at the top of a file, where another process could find it.
    """
    module, name = getattr(thing, "__module__", ""), getattr(thing, "__qualname__", "")
    if not name or "<" in name:
        raise Usage(
            f"{name or repr(thing)}: a checkpoint cannot name it.\n"
            "Define it with `def` or `class` at the top of the adapter's file."
        )
    return f"{module}:{name}"


def resolve(name: str) -> Any:
    """Undoes `reference`, once the adapter is loaded. Raises Usage where it is not there."""
    module, _, path = name.partition(":")
    try:
        return attrgetter(path)(sys.modules[module])
    except (KeyError, AttributeError):
        raise Usage(f"{name} is not there. It belongs to an adapter's file, which must be loaded first.") from None
