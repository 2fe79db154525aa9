"""Shadow: keep rows back, train the presets without them, and rank their submissions as Kaggle would."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from kit import config as configs
from kit.competition import kept_back
from kit.competition.kept_back import PUBLIC, TRAIN
from kit.console import say as say_line
from kit.errors import BadData, Usage
from kit.metrics import Metric
from kit.pipeline.comparison.recheck import READING
from kit.pipeline.plan import Plan, planned
from kit.pipeline.run import run as train
from kit.pipeline.shadow import entries, kaggle_board, parts, ranks
from kit.pipeline.shadow.entries import Entry
from kit.pipeline.shadow.leaderboard import FIGURE, Leaderboard, Standing
from kit.reporting import canvas
from kit.storage import frames
from kit.storage.run_folder import read_json, write_json

FOLDER, PARTS, RECORD = "shadow", "parts.csv", "shadow.json"


def shadow(
    name: str,
    data: str | Path | None = None,
    presets: Sequence[str] = ("fast", "best"),
    out: str | Path | None = None,
    leaderboard: str | Path | None = None,
    fresh: bool = False,
    quiet: bool = False,
    knobs: Mapping[str, Any] | None = None,
) -> Leaderboard:
    """Keep a fifth of the training rows back, train the presets on the others (or what is missing of that), and rank the
    submissions of all complete runs in the folder.

    `out`: the folder (None: `runs/NAME/shadow`); `leaderboard`: a file of Kaggle's (None: one that lies with the data).
    Raises Usage for presets that there are not, and where the folder keeps other rows back; BadData for too few rows.
    """
    plans = {preset: planned(name, data, preset, knobs or {}) for preset in dict.fromkeys(presets)}
    if not plans:
        raise Usage("--presets: name one preset at least, as in --presets fast,best.")
    first = next(iter(plans.values()))
    for plan in plans.values():
        _refuse(plan)
    folder = Path(out) if out else Path("runs") / first.adapter.name / FOLDER
    metric = first.adapter.competition.metric
    board = Path(leaderboard) if leaderboard else kaggle_board.find(first.root)
    teams = None if board is None else kaggle_board.read(board, metric.higher_is_better)

    def say(text: str) -> None:
        if not quiet:
            say_line(text)

    _keep_back(plans, folder, fresh, say)
    for preset, plan in plans.items():
        train(
            name, data, preset, run_name=None, out=folder / plan.name, only_fold=None, fresh=fresh, rewrite=False, quiet=quiet,
            knobs={**(knobs or {}), "kept_back": str(folder / PARTS)},
        )  # fmt: skip
    part = kept_back.read(folder / PARTS)
    found = entries.read(folder, part, first.adapter.competition.tables(first.root), say)
    if not found:
        raise BadData(f"{folder}: no complete run answers the rows that are kept back.")
    made = _ranked(found, part, metric, folder)
    if teams is not None:
        noise = ranks.error(metric, [one.hidden for one in found], int((part != TRAIN).sum()))
        made = _placed(made, noise, str(board), teams)
    write_json(folder / RECORD, {**read_json(folder / RECORD), "leaderboard": made.json()})
    canvas.write_svg(folder / FIGURE, made.figure())
    return made


def _refuse(plan: Plan) -> None:
    """Raise Usage for knobs that name rows themselves."""
    for knob, value in (("kept_back", plan.config.kept_back), ("folds_from", plan.config.folds_from)):
        if value:
            raise Usage(f"{configs.flag(knob)} {value}: kit shadow keeps rows back itself, and deals the folds of the others.")


def _made(plan: Plan) -> dict[str, Any]:
    """What the rows that are kept back depend on."""
    facts, config = plan.adapter.competition, plan.config
    knobs = {name: getattr(config, name) for name in ("limit", "split", *READING)}
    return {"data": plan.known["data"], **knobs, "group": facts.group, "time": facts.time, "public": facts.public}


def _keep_back(plans: Mapping[str, Plan], folder: Path, fresh: bool, say: Callable[[str], None]) -> None:
    """Deal the rows that are kept back, once. Raises Usage where the folder holds a run, or was made of other rows."""
    presets, made = [*plans], [_made(plan) for plan in plans.values()]
    for preset, other in zip(presets, made, strict=True):
        if other != made[0]:
            raise Usage(f"--presets {presets[0]},{preset}: they read other rows ({_difference(made[0], other)}).")
    if (folder / "run.json").exists():
        raise Usage(f"{folder}: holds a run. Name another folder with --out.")
    if (folder / RECORD).exists() and (folder / PARTS).exists() and not fresh:
        before = read_json(folder / RECORD).get("made", {})
        if before != made[0]:
            raise Usage(
                f"{folder}: was made of other rows ({_difference(before, made[0])}).\nUse --out for a new one, or --fresh."
            )
        return
    part, notes = parts.dealt(next(iter(plans.values())), say)
    for note in notes:
        say(note)
    frames.write_csv(folder / PARTS, part.to_frame())
    write_json(folder / RECORD, {"made": made[0]})


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {before.get(name)} → {value}" for name, value in now.items() if before.get(name) != value)


def _ranked(found: list[Entry], part: pd.Series, metric: Metric, folder: Path) -> Leaderboard:
    """The leaderboard of these submissions."""
    rows = {name: int((part == name).sum()) for name in kept_back.PARTS}
    scores = [[getattr(one, name) for one in found] for name in ("score", "public", "private")]
    places = [ranks.ranks(one, metric.higher_is_better) for one in scores]
    standings = [
        Standing(one.name, one.score, one.public, one.private, one.kept_back, *of)
        for one, *of in zip(found, *places, strict=True)
    ]
    return Leaderboard(
        folder=str(folder),
        metric=metric.name,
        higher_is_better=metric.higher_is_better,
        rows=rows,
        standings=sorted(standings, key=lambda one: (one.private_rank, one.public_rank)),
        shake_up=ranks.shake_up(places[1], places[2]),
        meaning=ranks.meaning(
            [one.name for one in found], metric, [one.hidden for one in found], entries.out_of_fold(found), rows[PUBLIC]
        ),
        board="",
        places=[],
    )


def _placed(made: Leaderboard, noise: float, board: str, teams: Any) -> Leaderboard:
    places = [
        kaggle_board.place(one.name, one.kept_back, noise, teams, made.higher_is_better)
        for one in made.standings
        if math.isfinite(one.kept_back)
    ]
    return replace(made, board=board, places=places)
