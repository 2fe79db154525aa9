"""Plan: what a command means: which adapter, configuration and data. Nothing is read yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kit import competition as competitions, config as configs, recipes
from kit.competition import kept_back
from kit.data.dealing import gaps
from kit.errors import BadData, Usage
from kit.inference.decisions import learning
from kit.models import families
from kit.models.families import Family
from kit.pipeline import clusters, suited_model
from kit.pipeline.dealing import folds_file
from kit.pipeline.initial_weights import fingerprint
from kit.pipeline.pseudo import source as pseudo
from kit.recipes import Recipe
from kit.storage import files, run_folder
from kit.storage.run_folder import Run
from kit.storage.runs.parts import RunPart
from kit.training import loggers

DEFAULT = configs.Config()
LEFT_OPEN = ("text", "target", "task")  # the facts of `csv`, which other adapters state in their files
RECIPE = "recipe of a"  # the origin of a value, with the recipe's name


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
    config, origins, preset = resolved(adapter, preset, knobs)
    config, origins = with_folds_of(config, origins)
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
        config, origins = with_folds_of(config, origins)
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


def with_folds_of(config: configs.Config, origins: dict[str, str]) -> tuple[configs.Config, dict[str, str]]:
    """The Config with as many folds as `--folds-from` has. Raises Usage where another number is asked for too."""
    if not config.folds_from:
        return config, origins
    count = folds_file.count(config.folds_from, config.repeats)
    if "folds" in configs.by_hand(origins) and config.folds != count:
        raise Usage(f"--folds {config.folds}: {config.folds_from} has {count}. Leave --folds out.")
    return config.changed(folds=max(count, 2)), origins | {"folds": "--folds-from"}


def resolved(
    adapter: competitions.Adapter, preset: str, knobs: Mapping[str, Any], model: str = ""
) -> tuple[configs.Config, dict[str, str], str]:
    """The configuration, where each of its values came from, and the preset that it began with.

    `model`: whose variant of the preset is taken, where no flag names another one.
    Where flags ask for another family of models than the preset's, that family's recipe takes the place of what the preset
    had chosen for its own model.
    """
    by_hand = configs.given(knobs)
    config, origins = configs.resolve(adapter.preset(preset, by_hand, model), preset, knobs)
    begin = adapter.preset(preset, by_hand, config.model)
    config, origins = configs.resolve(begin, preset, knobs)
    adapter = adapter.shaped(config)  # a table or texts? flags may say
    if config.model != begin.model and (other := family_of(adapter, config).name) in {*adapter.presets} - {preset}:
        preset = other  # a fit of n-grams and a fine-tuning, say, have no value in common
        begin = adapter.preset(preset)
        config, origins = configs.resolve(begin, preset, knobs)
    recipe = other_recipe(adapter, begin, config)
    if recipe is not None:
        config, origins = configs.resolve(beginning(adapter, preset, config, configs.given(knobs)), preset, knobs)
        decided = recipes.DECIDED - {*configs.by_hand(origins)}
        origins |= {name: f"{RECIPE} {recipe.name}" for name in decided if getattr(config, name) != getattr(DEFAULT, name)}
    return config, origins, preset


def beginning(adapter: competitions.Adapter, preset: str, config: configs.Config, by_hand: list[str]) -> configs.Config:
    """What a Config was before flags changed it: a preset, or the recipe of another model than the preset's over it."""
    begin = adapter.preset(preset, by_hand, config.model)
    recipe = other_recipe(adapter, begin, config)
    labels = adapter.competition.labels
    smooth = labels.own_loss is None and labels.answers == "one class"
    return begin if recipe is None else recipe.over(begin, smooth)


def replaced(adapter: competitions.Adapter, preset: str, config: configs.Config, origins: Mapping[str, str]) -> tuple[str, ...]:
    """A line on the knobs that a preset had chosen and a recipe has replaced; none where there are none."""
    begin = adapter.preset(preset, configs.by_hand(origins), config.model)
    taken = [one for one in origins.values() if one.startswith(RECIPE)]
    if not taken:
        return ()
    names = [name for name in recipes.DECIDED if getattr(begin, name) not in (getattr(DEFAULT, name), getattr(config, name))]
    names = sorted(configs.flag(name) for name in names if name not in configs.by_hand(origins))
    return (f"the {taken[0]} replaces what preset {preset} has for {begin.model}: {' '.join(names)}",) if names else ()


def other_recipe(adapter: competitions.Adapter, begin: configs.Config, config: configs.Config) -> Recipe | None:
    """The recipe of a Config's model, where it is of another family than that of the preset that it began with."""
    own, kind = adapter.parts.models, adapter.competition.inputs.kind
    recipe, first = (recipes.of(one, kind, own) for one in (config, begin))
    return None if recipe is None or (first is not None and recipe.name == first.name) else recipe


def family_of(adapter: competitions.Adapter, config: configs.Config) -> Family:
    """The family of models that a Config asks for on an adapter's inputs, as its strategy has them learn.

    Raises Usage where there is none.
    """
    facts = adapter.competition
    family = families.of(config.model, facts.inputs.kind, facts.labels.reads, adapter.parts)
    return family.by(config.strategy, config.model)
