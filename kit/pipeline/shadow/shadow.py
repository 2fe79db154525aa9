"""Shadow: keep rows back, train the presets without them, and rank their submissions as Kaggle would."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kit import config as configs
from kit.competition import kept_back
from kit.competition.kept_back import PRIVATE, PUBLIC, TRAIN
from kit.console import say as say_line, table
from kit.errors import BadData, Usage
from kit.metrics import Metric, shown
from kit.pipeline.comparison.recheck import READING
from kit.pipeline.plan import Plan, planned
from kit.pipeline.run import run as train
from kit.pipeline.shadow import entries, kaggle_board, parts, ranks
from kit.pipeline.shadow.entries import Entry
from kit.pipeline.shadow.kaggle_board import Place
from kit.pipeline.shadow.ranks import Meaning
from kit.reporting import canvas, rank_lines
from kit.storage import frames
from kit.storage.run_folder import read_json, write_json

FOLDER, PARTS, RECORD, FIGURE = "shadow", "parts.csv", "shadow.json", "shake-up.svg"


@dataclass(frozen=True)
class Standing:
    """A submission's scores and its ranks by them. `kept_back`: the score of all rows kept back."""

    name: str
    oof: float
    public: float
    private: float
    kept_back: float
    oof_rank: int
    public_rank: int
    private_rank: int

    @property
    def cells(self) -> list[str]:
        """The row of a table: name, scores and ranks, and how many places it gained."""
        gained = self.public_rank - self.private_rank
        boards = [shown(self.public), str(self.public_rank), shown(self.private), str(self.private_rank)]
        return [self.name, shown(self.oof), *boards, f"{gained:+d}" if gained else "0"]


@dataclass(frozen=True)
class Shadow:
    """A shadow leaderboard, the privately best submission first. `rows`: how many train, and are public and private.

    `places`: of each score on the competition's own leaderboard, where that was downloaded to `board`.
    """

    folder: str
    metric: str
    higher_is_better: bool
    rows: dict[str, int]
    standings: list[Standing]
    shake_up: float
    meaning: Meaning
    board: str
    places: list[Place]

    def json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def text(self) -> str:
        """For people."""
        count = self.rows
        head = f"{count[TRAIN]:,} rows train, {count[PUBLIC]:,} are public, {count[PRIVATE]:,} private; by {self.metric}"
        rows = [one.cells for one in self.standings]
        header = ["submission", "out of fold", "public", "rank", "private", "rank", "moved"]
        return "\n".join([head, table(header, rows), *self._meaning(), *self._places(), f"{self.folder}/{FIGURE}"])

    def _meaning(self) -> list[str]:
        """Lines on what a public rank means."""
        about, count = self.meaning, self.rows
        lines = []
        if math.isfinite(about.public):
            lines.append(
                f"a public score of {count[PUBLIC]:,} rows strays by ± {about.public:.5f},"
                f" a private one of {count[PRIVATE]:,} by ± {about.private:.5f}"
            )
        if math.isfinite(about.agrees):
            known = math.isfinite(about.oof_agrees)
            lines += [
                f"shake-up {self.shake_up:.3f}: the mean change of rank, as a share of {len(self.standings)} submissions",
                f"two submissions are in the private order by their public scores in {about.agrees:.0%} of the splits (by chance"
                " 50%)" + (f", by their out-of-fold scores in {about.oof_agrees:.0%}" if known else ""),
                f"the private first is the first by the public score in {about.first:.0%} of the splits (by chance"
                f" {1 / len(self.standings):.0%})" + (f", by the out-of-fold score in {about.oof_first:.0%}" if known else ""),
            ]
        return lines or [f"{self.metric} is not defined on so few rows, so nothing can be said of the ranks"]

    def _places(self) -> list[str]:
        if not self.places:
            return []
        rows = [
            [
                one.name,
                shown(one.score),
                f"{one.rank:,} of {one.teams:,}",
                f"{one.best:,} to {one.worst:,}",
                one.medal or "none",
            ]
            for one in self.places
        ]
        head = f"in {self.board}, by the score of all rows kept back"
        return [head, table(["submission", self.metric, "rank", "within its noise", "medal"], rows)]


def shadow(
    name: str,
    data: str | Path | None = None,
    presets: Sequence[str] = ("fast", "best"),
    out: str | Path | None = None,
    leaderboard: str | Path | None = None,
    fresh: bool = False,
    quiet: bool = False,
    knobs: Mapping[str, Any] | None = None,
) -> Shadow:
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
    canvas.write_svg(folder / FIGURE, figure(made))
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


def _ranked(found: list[Entry], part: pd.Series, metric: Metric, folder: Path) -> Shadow:
    """The leaderboard of these submissions."""
    rows = {name: int((part == name).sum()) for name in kept_back.PARTS}
    scores = [[getattr(one, name) for one in found] for name in ("score", "public", "private")]
    places = [ranks.ranks(one, metric.higher_is_better) for one in scores]
    standings = [
        Standing(one.name, one.score, one.public, one.private, one.kept_back, *of)
        for one, *of in zip(found, *places, strict=True)
    ]
    return Shadow(
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


def _placed(made: Shadow, noise: float, board: str, teams: Any) -> Shadow:
    places = [
        kaggle_board.place(one.name, one.kept_back, noise, teams, made.higher_is_better)
        for one in made.standings
        if math.isfinite(one.kept_back)
    ]
    return Shadow(**{**vars(made), "board": board, "places": places})


def figure(made: Shadow) -> Any:
    """The ranks out of fold, in public and in private, a line a submission."""
    names = [one.name for one in made.standings]
    columns = {
        "out of fold": [(one.oof_rank, shown(one.oof)) for one in made.standings],
        f"public ({made.rows[PUBLIC]:,} rows)": [(one.public_rank, shown(one.public)) for one in made.standings],
        f"private ({made.rows[PRIVATE]:,} rows)": [(one.private_rank, shown(one.private)) for one in made.standings],
    }
    return rank_lines.rank_lines(names, columns, f"Ranks by {made.metric}")
