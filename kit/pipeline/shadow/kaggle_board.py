"""Kaggle board: a competition's own leaderboard as Kaggle gives it for download, a score's place in it, its medal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from kit.errors import BadData, Usage
from kit.storage import archives, files, frames
from kit.storage.tables import table_file

NAME = "*publicleaderboard*"
TEAMS = ("TeamId", "TeamName")  # columns that tell teams apart, the surer first
SCORE = "Score"


@dataclass(frozen=True)
class Place:
    """Where a score would stand among `teams` teams, itself counted: between `best` and `worst` within its noise."""

    name: str
    score: float
    rank: int
    best: int
    worst: int
    teams: int
    medal: str


def find(root: Path) -> Path | None:
    """The newest downloaded leaderboard in a competition's folder, by name; None where there is none."""
    folder = root if root.is_dir() else root.parent
    found = [path for path in folder.glob(NAME) if path.suffix.lower() in (".csv", ".zip")]
    return max(found, key=lambda path: path.name, default=None)


def read(path: Path, higher_is_better: bool) -> np.ndarray:
    """The best score of each team, float64 [teams]. Teams without a score are left out.

    Raises Usage where there is no such file, BadData for a column that is missing, a score that is none, and no scores.
    """
    if not path.is_file():
        raise Usage(f"--leaderboard {path}: there is no such file.")
    table = table_file.read(_content(path), str(path)).frame
    frames.need_columns(table, [SCORE], str(path))
    team = next((name for name in TEAMS if name in table), None)
    if team is None:
        raise BadData(f"{path}: no column {TEAMS[1]!r}, which names the teams of a leaderboard.")
    table = table[table[SCORE].astype(str).str.strip() != ""]
    score = pd.to_numeric(table[SCORE], errors="coerce").to_numpy(np.float64)
    wrong = np.flatnonzero(~np.isfinite(score))
    if len(wrong):
        line = int(table.index[wrong[0]]) + 2
        raise BadData(f"{path}, line {line}: the score {table[SCORE].iloc[wrong[0]]!r} is not a number.")
    if not len(score):
        raise BadData(f"{path}: no scores.")
    best = pd.Series(score).groupby(table[team].to_numpy()).agg("max" if higher_is_better else "min")
    return best.to_numpy()


def _content(path: Path) -> bytes:
    """The bytes of a table, which a zip may hold under any name."""
    if path.suffix.lower() != ".zip":
        return files.read(path.parent, path.name)
    store = archives.open_store(path)
    tables = [name for name in store.names if name.lower().endswith(".csv")]
    if len(tables) != 1:
        raise BadData(f"{path}: {len(tables)} tables in it; one is expected.")
    return store.read(tables[0])


def place(name: str, score: float, noise: float, board: np.ndarray, higher_is_better: bool) -> Place:
    """Where a score would stand. `noise`: its standard error; 0 or NaN: not known. Raises ValueError for NaN."""
    if not math.isfinite(score):
        raise ValueError("a score that is not defined has no place")
    sign = 1 if higher_is_better else -1
    away = noise if math.isfinite(noise) else 0.0
    rank, best, worst = (1 + int((sign * board > sign * score + one).sum()) for one in (0.0, away, -away))
    teams = len(board) + 1
    return Place(name, score, rank, best=best, worst=worst, teams=teams, medal=medal(rank, teams))


def medal(rank: int, teams: int) -> str:
    """The medal of a rank among so many teams, as Kaggle's published rules give them; "" for none."""
    for name, last in zip(("gold", "silver", "bronze"), bands(teams), strict=True):
        if rank <= last:
            return name
    return ""


def bands(teams: int) -> tuple[int, int, int]:
    """The last rank of gold, silver and bronze among so many teams; the first of all has gold."""
    if teams < 100:
        last = (0.1 * teams, 0.2 * teams, 0.4 * teams)
    elif teams < 250:
        last = (10, 0.2 * teams, 0.4 * teams)
    elif teams < 1000:
        last = (10 + 0.002 * teams, 50, 100)
    else:
        last = (10 + 0.002 * teams, 0.05 * teams, 0.1 * teams)
    gold, silver, bronze = (max(1, math.floor(round(one, 6))) for one in last)
    return gold, silver, bronze
