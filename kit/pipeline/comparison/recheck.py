"""Recheck: two configurations trained on folds dealt anew, to see whether the gain of the one survives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from kit import config as configs
from kit.console import say
from kit.errors import Usage
from kit.inference.loaded_run import load_run
from kit.knobs import MachineKnobs
from kit.metrics import shown
from kit.pipeline.comparison.compare import Comparison, compare
from kit.pipeline.plan import planned
from kit.pipeline.run import run as train
from kit.storage import files
from kit.storage.run_folder import Run

FURTHER = 1000  # by which the seed of the new folds is larger: far beyond those of repeats
READING = ("text", "target", "task", "delimiter", "quoting", "decimal", "encoding")
DEALING = ("limit", "folds", "split", "gap")
SHARED = {*READING, *DEALING, "seed", "repeats", *(one.name for one in fields(MachineKnobs))}  # what a preset is given too
NOISES = 2.0


@dataclass(frozen=True)
class Rechecked:
    """How much better the run is than the other on folds that neither has seen. `before`: on those of the run, NaN where the
    other is its preset; `noise`: the larger of that of the rows and that of the folds."""

    run: str
    against: str
    seed: int
    metric: str
    score: float
    other: float
    gain: float
    noise: float
    before: float

    @property
    def survives(self) -> bool:
        """Is the run better by more than noise?"""
        return self.gain > NOISES * self.noise

    def json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "survives": self.survives}

    def text(self) -> str:
        """The verdict, in a line, after the two scores."""
        before = "" if math.isnan(self.before) else f" (before {self.before:+.5f})"
        told = f"{self.gain:+.5f} ± {self.noise:.5f} on folds dealt anew with seed {self.seed}{before}"
        if math.isnan(self.gain) or math.isnan(self.noise):
            verdict = f"{self.metric} is not defined on these rows, so nothing can be said"
        elif self.survives:
            verdict = f"the gain survives: {told}"
        elif self.gain < -NOISES * self.noise:
            verdict = f"the gain is a loss: {told}"
        else:
            verdict = f"the gain does not survive: {told}, no more than chance may make"
        return f"{self.run}  {self.metric} {shown(self.score)}\n{self.against}  {self.metric} {shown(self.other)}\n{verdict}"


def recheck(
    run: Run,
    against: Run | None = None,
    seed: int | None = None,
    repeats: int = 1,
    limit: int | None = None,
    data: str | Path | None = None,
    out: str | Path | None = None,
    fresh: bool = False,
    quiet: bool = False,
) -> Rechecked:
    """Train both on folds of another seed (None: the run's and FURTHER), or what is missing of that, and compare them.

    `against`: None for the run's preset, with the same data and folds. Raises Usage for runs that cannot be trained again.
    """
    if against is not None and against.path.resolve() == run.path.resolve():
        raise Usage(f"{run.path} is rechecked against itself. Name another run, or leave --against out for the preset.")
    new = {"seed": run.record.config["seed"] + FURTHER if seed is None else seed, "repeats": repeats}
    new |= {} if limit is None else {"limit": limit}
    root = data_of(run, data)
    sides = [_knobs(run, root), _preset(run, root) if against is None else _knobs(against, root, run)]
    _refuse_equal(run, against, root, [knobs | new for knobs in sides])
    other = f"preset-{run.record.preset}" if against is None else against.path.name
    few = f"-limit{limit}" if limit else ""
    title = f"recheck-{run.path.name}-against-{other}-seed{new['seed']}{few}"
    place = Path(out) if out else Path("runs") / run.record.name / title
    folders = run.path.name, other + "-other" * (other == run.path.name)
    trained = [
        _train(whose, root, {**knobs, **new}, place / folder, fresh, quiet)
        for folder, whose, knobs in zip(folders, (run, against or run), sides, strict=True)
    ]
    told = compare(trained)
    gain, noise = _gain(told, trained[0])
    score, beside = (told.scores[str(one.path)] for one in trained)
    return Rechecked(
        run=str(run.path),
        against=f"preset {run.record.preset}" if against is None else str(against.path),
        seed=new["seed"],
        metric=told.metric,
        score=score,
        other=beside,
        gain=gain,
        noise=noise,
        before=math.nan if against is None else _gain(compare([run, against]), run)[0],
    )


def _refuse_equal(run: Run, against: Run | None, root: Path, sides: list[dict[str, Any]]) -> None:
    """Raise Usage where both sides come to one configuration, so that they would be trained twice the same."""
    records = [run.record, (against or run).record]
    first, second = (
        planned(one.competition, root, one.preset, knobs).config.json() for one, knobs in zip(records, sides, strict=True)
    )
    if not configs.difference(first, second):
        other = f"its preset {run.record.preset} comes to" if against is None else f"{against.path} has"
        raise Usage(
            f"{run.path}: {other} the same configuration, so the same would be trained twice. Name another run with --against."
        )


def _train(whose: Run, root: Path, knobs: dict[str, Any], out: Path, fresh: bool, quiet: bool) -> Run:
    """A run's preset with these knobs, trained in a folder of its own, or what is missing of that."""
    if not quiet:
        say(f"{out.name}, trained on folds of seed {knobs['seed']}")
    record = whose.record
    return train(
        record.competition, root, record.preset, run_name=None, out=out, only_fold=None, fresh=fresh, rewrite=False,
        quiet=quiet, knobs=knobs,
    )  # fmt: skip


def data_of(run: Run, data: str | Path | None) -> Path:
    """Where a run's data is. Raises Usage where it is another than the run was trained on."""
    whole = load_run(run, data)
    if files.fingerprint(whole.root, whole.facts.files(whole.root)) != run.record.data:
        raise Usage(f"{whole.root}: not the data of {run.path}. Name its folder with --data.")
    return whole.root


def _gain(told: Comparison, run: Run) -> tuple[float, float]:
    """How much better the run is than the other of the two, and the larger of the two noises."""
    pair = told.pairs[0]
    sign = 1 if pair.better == str(run.path) else -1
    noises = [pair.difference.noise, pair.folds.noise if pair.folds else math.nan]
    known = [one for one in noises if math.isfinite(one)]
    return sign * pair.difference.gain, max(known, default=math.nan)


def _knobs(run: Run, root: Path, like: Run | None = None) -> dict[str, Any]:
    """What a run was asked for by hand, so that its preset becomes its configuration again.

    Raises Usage where it cannot be trained again, or is of another competition or data than `like`.
    """
    record = run.finished().record
    if record.is_blend or record.study:
        made = (
            "a blend, which trains nothing: recheck its runs"
            if record.is_blend
            else "made by kit.study, so it cannot be trained"
        )
        raise Usage(f"{run.path}: {made}.")
    if like is not None and (record.competition, record.data) != (like.record.competition, like.record.data):
        raise Usage(f"{like.path} and {run.path} are of different competitions or data.")
    config = record.config
    if config["folds_from"]:
        raise Usage(f"{run.path}: its folds are those of {config['folds_from']}, which cannot be dealt anew.")
    if config.get("pseudo"):
        raise Usage(f"{run.path}: it learns from folds of {config['pseudo']}, which cannot be dealt anew.")
    if record.dealt is not None and record.dealt["by_time"]:
        raise Usage(f"{run.path}: its folds are by time, and the same however often they are dealt.")
    asked = {name: config[name] for name in configs.by_hand(record.origins) if name not in ("on", "repeats", "seed")}
    asked |= _moved(run, root, asked)
    dealt = {} if like is None else {name: like.record.config[name] for name in DEALING}
    return asked | {name: value for name, value in dealt.items() if config[name] != value}  # both on the same folds


def _moved(run: Run, root: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Knobs of a run whose values follow from its preset no longer, as that has changed since."""
    now = planned(run.record.competition, root, run.record.preset, asked).config.json()
    skipped = {*configs.IMMATERIAL, "seed", "repeats"}
    return {name: value for name, value in run.record.config.items() if now.get(name, value) != value and name not in skipped}


def _preset(run: Run, root: Path) -> dict[str, Any]:
    """What the run's preset is asked for, so that it has the same data and folds. Raises Usage where the run is its preset."""
    record, knobs = run.record, _knobs(run, root)
    shared = {name: value for name, value in knobs.items() if name in SHARED}
    if len(shared) == len(knobs):
        raise Usage(f"{run.path}: nothing of its preset {record.preset} was changed. Name another run with --against.")
    return shared
