"""Plan: what a command means: which adapter, configuration and data. Nothing is read yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit import competition as competitions, config as configs
from kit.models import families
from kit.models.families import Family
from kit.pipeline.initial_weights import fingerprint
from kit.storage import files, run_folder
from kit.training import loggers


@dataclass(frozen=True)
class Plan:
    """What a command means: the adapter, the configuration and where its values came from, the data.

    `known`: what a folder's run must agree in to be gone on with; `name`: of the run, where none is given.
    """

    adapter: competitions.Adapter
    config: configs.Config
    origins: dict[str, str]
    preset: str
    root: Path
    known: dict[str, Any]

    @property
    def name(self) -> str:
        changed = {key: configs.shown(key, getattr(self.config, key)) for key in configs.by_hand(self.origins)}
        return run_folder.default_name(self.preset, changed)

    def folder(self, name: str | None, out: str | Path | None, kind: str = "") -> Path:
        """Where what it makes is: in `out`, or under a name; without one under its own, after `kind`."""
        return Path(out) if out else Path("runs") / self.adapter.name / (name or f"{kind}{self.name}")


def planned(name: str, data: str | Path | None, preset: str, knobs: Mapping[str, Any]) -> Plan:
    """The Plan of a command. Raises Usage and BadData for what cannot be meant, before anything is read."""
    adapter = competitions.load(name)
    config, origins, preset = resolved(adapter, preset, knobs)
    loggers.names(config)  # one that is missing is said at once
    root = adapter.competition.find(data)
    adapter = adapter.shaped(config, root)
    known = {
        "competition": adapter.source,
        "config": config.json(),
        "data": files.fingerprint(root, adapter.competition.files(root)),
        "backbone": fingerprint(config.from_run),
    }
    return Plan(adapter, config, origins, preset, root, known)


def resolved(
    adapter: competitions.Adapter, preset: str, knobs: Mapping[str, Any]
) -> tuple[configs.Config, dict[str, str], str]:
    """The configuration, where each of its values came from, and the preset that it began with."""
    begin = adapter.preset(preset, configs.given(knobs))
    config, origins = configs.resolve(begin, preset, knobs)
    if config.model != begin.model and (other := family_of(adapter, config).name) in {*adapter.presets} - {preset}:
        preset = other  # a fit of n-grams and a fine-tuning, say, have no value in common
        config, origins = configs.resolve(adapter.preset(preset), preset, knobs)
    return config, origins, preset


def family_of(adapter: competitions.Adapter, config: configs.Config) -> Family:
    """The family of models that a Config asks for on an adapter's inputs."""
    facts = adapter.competition
    return families.of(config.model, facts.inputs.kind, facts.labels.reads, adapter.parts)
