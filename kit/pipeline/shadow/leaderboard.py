"""Leaderboard: submissions with their scores and ranks on a public and a private test, as a text, as JSON and as a figure."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from kit.competition.kept_back import PRIVATE, PUBLIC, TRAIN
from kit.console import table
from kit.metrics import shown
from kit.pipeline.shadow.kaggle_board import Place
from kit.pipeline.shadow.ranks import Meaning
from kit.reporting import rank_lines

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = "shake-up.svg"


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
class Leaderboard:
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
                f"two submissions are in the private order by their public scores in {about.agrees:.0%} of the splits"
                " (by chance 50%)" + (f", by their out-of-fold scores in {about.oof_agrees:.0%}" if known else ""),
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

    def figure(self) -> Figure:
        """The ranks out of fold, in public and in private, a line a submission."""
        columns = {
            "out of fold": [(one.oof_rank, shown(one.oof)) for one in self.standings],
            f"public ({self.rows[PUBLIC]:,} rows)": [(one.public_rank, shown(one.public)) for one in self.standings],
            f"private ({self.rows[PRIVATE]:,} rows)": [(one.private_rank, shown(one.private)) for one in self.standings],
        }
        return rank_lines.rank_lines([one.name for one in self.standings], columns, f"Ranks by {self.metric}")
