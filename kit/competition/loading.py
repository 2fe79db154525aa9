"""Adapters by name, slug or file, from the `competitions` folders."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import Field, dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from kit.adapter_files import names
from kit.competition import kept_back
from kit.competition.facts import Competition
from kit.config import KNOBS, Config
from kit.errors import BadData, KitError, Usage, did_you_mean, listed
from kit.knobs import chosen_from
from kit.parts import NONE, Parts
from kit.storage.run_folder import Run


@dataclass(frozen=True)
class Adapter:
    """A file of a `competitions` folder: its competition and presets. `source`: what `load` finds it by."""

    name: str
    source: str
    competition: Competition
    presets: Mapping[str, Config] = field(default_factory=dict)
    parts: Parts = NONE

    def shaped(self, config: Config, root: Path | None = None) -> Adapter:
        """The adapter with the facts that follow from a Config and, where there is a folder, from its files.

        Raises Usage for knobs that a loss of the adapter does not use.
        """
        facts = self.competition.written(config)
        facts = facts.shape(facts, config, root) if facts.shape else facts
        adapter = replace(self, competition=kept_back.answered(facts, config.kept_back) if config.kept_back else facts)
        adapter.competition.labels.chosen(config)  # before anything is read
        return adapter

    def find(self, data: str | Path | None = None) -> Path:
        """See `Competition.find`. Where nothing is found, the message names the folder that an earlier run was trained on."""
        try:
            return self.competition.find(data)
        except BadData as fault:
            for run, root in self._trained():
                raise BadData(f"{fault}\n{run} was trained on the files in {root}: --data {root}") from fault
            raise

    def _trained(self) -> Iterator[tuple[Path, str]]:
        """The runs of the competition below the working folder whose files are still there, and where; the newest first."""
        found = sorted(Path("runs", self.name).glob("*/run.json"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
        for run in (Run(file.parent) for file in found):
            with suppress(KitError):  # of a broken run nothing is said here
                root = run.record.root
                if root and run.record.competition == self.source and self.competition.is_at(Path(root)):
                    yield run.path, root

    def preset(self, name: str, knobs: Iterable[str] = (), model: str = "") -> Config:
        """A preset by name, or its variant: `NAME-KNOB` for a knob that is given, or `NAME-MODEL`.

        Raises Usage naming those there are.
        """
        if name not in self.presets:
            raise Usage(f"--preset {name!r}: {self.name} has {listed(self.presets)}.{did_you_mean(name, self.presets)}")
        variants = [f"{name}-{end}" for end in (*knobs, model) if f"{name}-{end}" in self.presets]
        return self.presets[variants[0] if variants else name]


_loaded: dict[Path, tuple[tuple[int, int], ModuleType]] = {}


def _module(path: Path) -> ModuleType:
    """An adapter's file as a module, executed once for each content.

    It stands in `sys.modules` while it is executed, as any imported module does: `@dataclass` and timm's `@register_model`
    look there. Raises Usage for whatever it raises.
    """
    about = path.stat()
    stamp, name = (about.st_mtime_ns, about.st_size), f"competitions.{path.stem}"
    if path in _loaded and _loaded[path][0] == stamp:
        sys.modules[name] = _loaded[path][1]  # another folder's file of this name may have been loaded since
        return _loaded[path][1]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module, before = importlib.util.module_from_spec(spec), sys.modules.get(name)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as fault:  # a stranger's file may raise anything
        sys.modules.pop(name)
        if before is not None:
            sys.modules[name] = before
        where = f", line {fault.lineno}" if isinstance(fault, SyntaxError) else ""
        raise Usage(f"{path}{where}: the adapter cannot be loaded ({type(fault).__name__}: {fault}).") from fault
    _loaded[path] = (stamp, module)
    return module


def load(name: str) -> Adapter:
    """The adapter of this name, slug, or file. Raises Usage where there is none or its file is no adapter."""
    known = names()
    path = Path(name) if name.endswith(".py") else known.get(name)
    if path is None:
        by_slug = {load(one).competition.slug: one for one in known}
        if name not in by_slug:
            raise Usage(f"unknown competition {name!r}.{did_you_mean(name, known)} `kit list` shows all.")
        name, path = by_slug[name], known[by_slug[name]]
    if not path.is_file():
        raise Usage(f"{path}: no such adapter file.")
    module = _module(path.resolve())
    if not isinstance(getattr(module, "competition", None), Competition):
        raise Usage(f"{path}: defines no `competition = Competition(...)`.")
    presets, parts = getattr(module, "presets", {}), parts_of(module, path)
    if not isinstance(presets, Mapping) or not all(isinstance(one, Config) for one in presets.values()):
        raise Usage(f'{path}: `presets` gives a Config to each name, as in presets = {{"fast": Config(epochs=8)}}.')
    knobs = {**parts.knobs, "augment": chosen_from(KNOBS["augment"], parts.augmentations)}
    every = {**module.competition.inputs.presets(), **presets}
    declared = {name: _declaring(config, knobs, f"{path}: preset {name!r}") for name, config in every.items()}
    source = path.stem if known.get(path.stem) == path else str(path.resolve())
    return Adapter(name=path.stem, source=source, competition=module.competition, presets=declared, parts=parts)


def _declaring(preset: Config, knobs: Mapping[str, Field[Any]], where: str) -> Config:
    try:
        return preset.declaring(knobs)
    except Usage as fault:
        raise Usage(f"{where}: {fault}") from fault


def parts_of(module: ModuleType, path: Path) -> Parts:
    """What an adapter's file brings besides its facts. Raises Usage, with how it is written, where that is not right."""
    found = {name: getattr(module, name, None) for name in ("networks", "modules", "augmentations", "callbacks", "knobs")}
    how = {
        "networks": 'networks = {"mine": build}, where build(channels, side, outputs, config) returns an nn.Module',
        "modules": 'modules = {"mine": MyModule}, a subclass of kit.FoldModule',
        "augmentations": 'augmentations = {"mine": …}, an albumentations Compose or a function of a batch of pictures',
        "knobs": 'knobs = {"alpha": kit.knob(0.25, "what it does")}',
    }
    for name, said in how.items():
        value = {} if found[name] is None else found[name]
        right = isinstance(value, Mapping) and all(
            isinstance(part, Field) if name == "knobs" else isinstance(part, type) if name == "modules" else callable(part)
            for part in value.values()
        )
        if not right:
            raise Usage(f"{path}: `{name}` is written {said}.")
    taken = [name for name in found["knobs"] or {} if name in KNOBS]
    if taken:
        raise Usage(f"{path}: the kit has a knob {taken[0]!r} already. Give the knob of the adapter another name.")
    callbacks = found.pop("callbacks") or ()
    if not isinstance(callbacks, list | tuple):
        raise Usage(f"{path}: `callbacks` is written callbacks = [LearningRateMonitor()].")
    return Parts(**{name: value for name, value in found.items() if value is not None}, callbacks=tuple(callbacks))
