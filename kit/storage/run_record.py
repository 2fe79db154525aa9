"""Run record: what `run.json` holds, as named fields; keys that this version does not know are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from kit.storage.runs.parts import RunPart

STACK = "stack"  # how a blend combines predictions where it does not weigh them


class Session(TypedDict):
    """A process that worked on a run: when and where it began, with which versions, commit and arguments."""

    started: str
    python: str
    platform: str
    cpus: int
    versions: dict[str, str | None]
    commit: str | None
    argv: list[str]


class BlendMember(TypedDict):
    """A run or a pair of files that was blended, its score (None: not defined), its weight, checksums of its predictions."""

    name: str
    score: float | None
    weight: float
    sums: list[str]


class BlendGain(TypedDict):
    """Whether a blend was kept, how predictions are combined (`mean`, `rank`, `stack`), and by how much weights are better than
    the best single run.

    `seeds`: how many runs that differ by seed alone are averaged, where the blend is nothing else. `stack`: one that was tried
    (`kit.inference.blending.stacking.Stacked`): whether it was kept, its gain over the weights.
    """

    kept: bool
    by: str
    gain: float | None
    noise: float | None
    seeds: NotRequired[int]
    stack: NotRequired[dict[str, Any]]


class Decided(TypedDict):
    """A decision that was tried on out-of-fold rows: its kind, whether it was kept, the scores without and with it, its gain;
    by fold, what was learned on the rows of the others (`kit.labels.decision.Decision.json`)."""

    kind: str
    kept: bool
    plain: float | None
    nested: float | None
    gain: float | None
    noise: float | None
    folds: dict[str, dict[str, Any]]


class TimeFit(TypedDict, total=False):
    """What a time budget leaves time for: views, whether they are weighed, models that answer the test; and notes on it."""

    views: int
    weigh: bool
    answering: int
    notes: list[str]


class Dealt(TypedDict):
    """How `folds.csv` came about: a checksum of it and of all that it depends on; whether folds are by time; notes on it."""

    key: str
    by_time: bool
    notes: list[str]


@dataclass(frozen=True)
class RunRecord:
    """What `run.json` holds. A field that is None is not in the file; other fields are, once a run has begun."""

    competition: str  # an adapter's name, or its file
    config: dict[str, Any]  # every knob of `kit.config.Config` by name
    status: str = ""  # running, complete, failed, stopped; tuned for trials
    reason: str = ""  # why it failed or stopped
    data: str = ""  # fingerprint of the competition's files
    backbone: str = ""  # fingerprint of the weights that the training began with
    extra: str = ""  # fingerprint of the tables of extra rows, if any
    pseudo: str = ""  # fingerprint of the predictions of the test that are learned from, if any
    ranges: list[str] | None = None  # of a tuning: the values that were tried
    preset: str = ""
    origins: dict[str, str] = field(default_factory=dict)  # where each knob's value came from
    root: str = ""  # the folder of the competition's files
    sessions: list[Session] = field(default_factory=list)
    device: str = ""
    precision: str = ""
    layout: str = ""
    repeats: str = ""  # what the same command gives on the same machine: the same bytes, or the same to a GPU's noise
    folds: list[int] = field(default_factory=list)
    repeated: list[list[int]] | None = None  # the folds of each further repeat
    dealt: Dealt | None = None  # of a run that this version has dealt
    labels: dict[str, Any] = field(default_factory=dict)  # see `kit.labels.to_json`
    inputs: dict[str, Any] | None = None  # what the inputs learned from the training rows, see `kit.inputs.base.Loaded`
    spellings: dict[str, Any] | None = None  # how columns write numbers, see `kit.data.number_spelling.Spellings`
    notes: list[str] = field(default_factory=list)  # what was noticed about the data
    extra_rows: int | None = None  # how many rows train only, beside those of the training table
    prior: list[float] = field(default_factory=list)  # the prediction for test rows that cannot be read
    chosen: dict[str, Any] | None = None  # knobs that were found when the run began (`--lr auto`)
    in_time: TimeFit | None = None
    vectors: str | None = None  # fingerprint of the vectors that the texts have
    members: list[BlendMember] | None = None  # of a blend
    blend: BlendGain | None = None
    decision: Decided | None = None  # how predictions become answers; one that was kept is in `labels` too
    finished: str | None = None  # when, such as 2026-01-31T12:00:00+0000
    study: bool = False  # of `kit.study`: it was trained outside the kit, which has no models of it
    others: dict[str, Any] = field(default_factory=dict)  # keys of another version, by name

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> RunRecord:
        """The record of a `run.json`, which holds at least `competition` and `config`."""
        given = {key: value for key, value in stored.items() if key in FIELDS}
        return cls(**given, others={key: value for key, value in stored.items() if key not in FIELDS})

    def json(self) -> dict[str, Any]:
        """Plain values, in the order of the fields; `from_json` gives the same record again."""
        values = {name: getattr(self, name) for name in FIELDS}
        return {name: value for name, value in values.items() if value is not None} | self.others

    def changed(self, **values: Any) -> RunRecord:
        """This record with other values. Raises TypeError for a field that there is not."""
        return replace(self, **values)

    @property
    def settings(self) -> dict[str, Any]:
        """Every knob by name, with what was found for those that were left to the kit."""
        return self.config | (self.chosen or {})

    @property
    def parts(self) -> list[RunPart]:
        """The fits that the run is made of, as far as its folds are dealt."""
        return RunPart.every([self.folds, *(self.repeated or [])], self.settings.get("seeds", 1), self.config["final"])

    @property
    def name(self) -> str:
        """The name of the competition's adapter."""
        return Path(self.competition).stem

    @property
    def is_blend(self) -> bool:
        """Was it made of the predictions of other runs? Then it has no models of its own."""
        return self.members is not None

    @property
    def is_tuning(self) -> bool:
        """Does the folder hold the trials of `kit tune`?"""
        return self.ranges is not None


FIELDS = tuple(one.name for one in fields(RunRecord) if one.name != "others")
