"""Plan: what a command means: which adapter, configuration and data. Nothing is read yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from kit import competition as competitions, config as configs
from kit.competition import kept_back
from kit.data.dealing import gaps
from kit.errors import BadData, Usage
from kit.inference.decisions import learning
from kit.pipeline import clusters
from kit.pipeline.dealing import folds_file
from kit.pipeline.initial_weights import fingerprint
from kit.pipeline.presets import suited_model
from kit.pipeline.presets.resolution import family_of, replaced, resolved, with_folds_of
from kit.pipeline.pseudo import source as pseudo
from kit.storage import files, run_folder
from kit.storage.run_folder import Run
from kit.storage.runs.parts import RunPart
from kit.training import loggers

LEFT_OPEN = ("text", "target", "task")  # the facts of `csv`, which other adapters state in their files


@dataclass(frozen=True)
class Plan:
    """What a command means: the adapter, the configuration and where its values came from, the data.

    `known`: what a folder's run must agree in to be gone on with; `name`: of the run, where none is given; `notes`: lines on
    how the configuration came about. `suited`: does the model follow from the files, as no one names another?
    """

    adapter: competitions.Adapter
    config: configs.Config
    origins: dict[str, str]
    preset: str
    root: Path
    known: dict[str, Any]
    notes: tuple[str, ...] = ()
    suited: bool = False

    @property
    def name(self) -> str:
        changed = {
            key: configs.shown(key, getattr(self.config, key))
            for key in configs.by_hand(self.origins)
            if key not in configs.UNNAMED
        }
        return run_folder.default_name(self.preset, changed)

    def folder(self, name: str | None, out: str | Path | None, kind: str = "") -> Path:
        """Where what it makes is: in `out`, or under a name; without one under its own, after `kind`."""
        return Path(out) if out else Path("runs") / self.adapter.name / (name or f"{kind}{self.name}")

    def parts(self, only: Sequence[int] | None = None) -> list[str]:
        """The parts of a run that these folds are, as its folder names them; without any, all."""
        folds = [range(self.config.folds) if only is None else only] * self.config.repeats
        return [
            str(part) for part in RunPart.every(folds, self.config.seeds, "folds" if only is not None else self.config.final)
        ]


def planned(name: str, data: str | Path | None, preset: str, knobs: Mapping[str, Any], begun: str | None = None) -> Plan:
    """The Plan of a command. Raises Usage and BadData for what cannot be meant, before anything is read.

    `begun`: the model of the preset where none is named by hand (""; the adapter's own); None: that which suits the files.
    """
    adapter = competitions.load(name)
    count = cache(folds_file.count)  # a large file is read once, whatever model is chosen
    config, origins, preset = resolved(adapter, preset, knobs)
    config, origins = with_folds_of(config, origins, count)
    gaps.parsed(config.gap)
    if config.kept_back:
        kept_back.read(config.kept_back)
    loggers.names(config)  # one that is missing is said at once
    clusters.refuse_missing(config.on)
    root = adapter.find(data)
    shaped = adapter.shaped(config, root)
    suited = suited_model.choosable(shaped, preset, config, origins)
    model, said = suited_model.chosen(shaped, preset, config, root) if suited and begun is None else (begun or "", ())
    if suited and model:
        config, origins, preset = resolved(adapter, preset, knobs, model)
        config, origins = with_folds_of(config, origins, count)
    adapter, facts = shaped, shaped.competition
    if not facts.one_file and not facts.is_at(root):  # before --fresh removes what another folder gave
        first = competitions.first_of(facts.train)
        raise BadData(f"{root}: no such file in it: {first}.\nIs it the folder with the files of {adapter.name}? See --data.")
    family_of(adapter, config)  # what cannot be is said before anything is read
    if config.repeats > 1 and ((adapter.competition.time and config.split == "auto") or config.split == "time"):
        raise Usage(f"--repeats {config.repeats}: folds by time are the same each time that they are dealt. Use --seeds.")
    if config.decide != "none" and origins["decide"] == "flag":
        learning.refuse_unsuited(adapter.competition.labels, adapter.competition.metric)
    known: dict[str, Any] = {
        "competition": adapter.source,
        "config": config.json(),
        "data": files.fingerprint(root, adapter.competition.files(root)),
        "backbone": fingerprint(config.from_run),
        "extra": extra_of(adapter.competition, root) if config.extra_weight else "",
    }
    known["pseudo"] = pseudo.fingerprint(config, adapter.name, known["data"])
    notes = said + replaced(adapter, preset, config, origins)
    if "extra_weight" in configs.by_hand(origins) and not adapter.competition.extra:
        notes += (f"--extra-weight changes nothing: {adapter.competition.slug} has no extra rows",)
    idle = [configs.flag(name) for name in ("pseudo_rows", "pseudo_weight", "pseudo_share") if name in configs.by_hand(origins)]
    if idle and not config.pseudo:
        notes += (f"{' '.join(idle)} changes nothing without --pseudo",)
    return Plan(adapter, config, origins, preset, root, known, notes=notes, suited=suited)


def continued(plan: Plan, target: Run, name: str, data: str | Path | None, preset: str, knobs: Mapping[str, Any]) -> Plan:
    """The plan, or with the model that the run in the folder began with, where the files decide: they, or which libraries are
    installed, may say otherwise by now. The others: what `planned` was asked."""
    begun = target.record.config.get("model", "") if plan.suited and target.began else ""
    if begun in ("", plan.config.model):
        return plan
    again = planned(name, data, preset, knobs, begun=begun)
    said = f"{target.path} began with --model {begun} and goes on with it; --fresh takes {plan.config.model}"
    return replace(again, notes=(*again.notes, said))


def extra_of(facts: competitions.Competition, root: Path) -> str:
    """The fingerprint of the tables of extra rows; empty where there are none."""
    paths = facts.extra_files(root)
    return files.fingerprint(facts.extra_place(root), paths) if paths else ""
