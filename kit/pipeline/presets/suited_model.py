"""Suited model: which of a preset's models the files ask for, where the command names none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kit import config as configs
from kit.competition import Adapter
from kit.config import Config
from kit.models import families


def choosable(adapter: Adapter, preset: str, config: Config, origins: Mapping[str, str]) -> bool:
    """Do the files decide? Not where a model is named by hand, or a knob that only the preset's own model heeds."""
    facts, by_hand = adapter.competition, {*configs.by_hand(origins)}
    variants = [name.removeprefix(f"{preset}-") for name in adapter.presets if name.startswith(f"{preset}-")]
    others = [name for name in variants if name not in configs.KNOBS]
    if facts.suits is None or "model" in by_hand or not others:
        return False
    own, *rest = (families.of(name, facts.inputs.kind, parts=adapter.parts).heeds for name in (config.model, *others))
    return not by_hand & own.difference(*rest)


def chosen(adapter: Adapter, preset: str, config: Config, root: Path) -> tuple[str, tuple[str, ...]]:
    """The model whose variant of the preset suits the files in `root`, "" for the preset's own, and lines on why it is that."""
    assert adapter.competition.suits is not None
    beginning = adapter.competition.suits(adapter.competition, config, root)
    if beginning is None:
        return "", ()
    model = beginning.fast.model
    if f"{preset}-{model}" in adapter.presets:
        return model, ()
    return "", (f"model {config.model}: suits {beginning.suits}; --model names another",)
