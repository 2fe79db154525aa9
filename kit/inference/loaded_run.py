"""LoadedRun: a run with what its models need to predict again: its competition's facts, its configuration and labels.

Without torch: a report or a sheet of answers does without it. `kit.inference.members` loads the models.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from kit import competition as competitions, labels as all_labels
from kit.competition import Competition
from kit.config import Config
from kit.data.number_spelling import Spellings
from kit.errors import BadData, Usage
from kit.labels import Labels
from kit.models import families
from kit.models.families import Family
from kit.parts import NONE, Parts
from kit.storage.run_folder import Run


@dataclass(frozen=True)
class LoadedRun:
    """A run and its competition, as the run saw it. `root`: where its data is, or was."""

    run: Run
    root: Path
    facts: Competition
    labels: Labels
    parts: Parts = NONE

    @cached_property
    def config(self) -> Config:
        """The run's choices, on this device."""
        from kit.models import devices  # torch

        return devices.choose(self._settings, self._family)

    @property
    def has_vectors(self) -> bool:
        """Do its models see texts by vectors of n-grams, which the run's folder holds?"""
        return self._family.learns_vectors(self._settings)

    @property
    def _settings(self) -> Config:
        return Config.of(self.run.record.settings)

    @property
    def _family(self) -> Family:
        return families.of(self._settings.model, self.facts.inputs.kind, self.labels.reads, self.parts)

    def bound(self, model: Any) -> Any:
        """The model, with what a checkpoint cannot hold of its labels (a function of the adapter's)."""
        model.labels = all_labels.from_json(all_labels.to_json(model.labels), self.labels)
        return model


def load_run(run: Run, data: str | Path | None = None, needed: bool = True) -> LoadedRun:
    """A run with its competition's facts; its data is in `data` or where it was.

    Raises BadData or Usage where the data is `needed` and gone, Usage for a run that ended before it had read its data.
    """
    record = run.record
    if not record.labels:
        raise Usage(f"{run.path}: this run ended before it had read its data. Run it again, or remove the folder.")
    adapter = competitions.load(record.competition)
    root = Path(record.root)
    there = root.exists()  # the run may have been copied elsewhere
    if needed:
        root = found(run, adapter.competition, data or (root if there else None))
    facts = adapter.shaped(Config.of(record.config), root if needed or there else None).competition
    inputs = facts.inputs.changed(**(record.inputs or {})).spelled(Spellings.from_json(record.spellings))
    facts = replace(facts, inputs=inputs)
    return LoadedRun(run, root, facts, all_labels.from_json(record.labels, facts.labels), adapter.parts)


def found(run: Run, facts: Competition, data: str | Path | None) -> Path:
    """Where a run's data is: in `data`, else in a place where its competition's is looked for. Raises BadData or Usage."""
    try:
        return facts.find(data)
    except BadData as fault:
        was = run.record.root
        raise BadData(f"the data of {run.path} is no longer in {was}. Name its folder with --data.") from fault
