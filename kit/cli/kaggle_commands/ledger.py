"""Ledger: all runs and submissions with both scores, as a table and a chart."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from kit.console import output, say, table
from kit.errors import Usage
from kit.kaggle.api import adapter_name
from kit.reporting import canvas, standings
from kit.storage import ledger, plain_json


def main(arguments: argparse.Namespace) -> int:
    broken = ledger.entries()[1]
    if broken:
        say(f"{ledger.PLACE}: {broken} unreadable {'line was' if broken == 1 else 'lines were'} ignored")
    wanted = adapter_name(arguments.name) if arguments.name else None
    every = ledger.rows(wanted)
    if wanted and not every:
        raise Usage(f"{ledger.PLACE} does not contain a run or submission of {wanted} yet.")
    found = []
    for name in dict.fromkeys(row.competition for row in every):
        own = [row for row in every if row.competition == name]
        facts = _tell(name, own)
        cells = [ledger.cells(row) for row in own]
        found.append(facts | {"rows": [dict(zip(ledger.HEADER, one, strict=True)) for one in cells]})
        if not arguments.json:
            output(f"{name} · {facts['metric']}\n{table(ledger.HEADER, cells)}\n{_advice(facts, len(ledger.both(own)))}\n")
    if arguments.json:
        output(json.dumps(plain_json.finite(found), allow_nan=False))
    elif not found:
        say(f"{ledger.PLACE} is empty. `kit run` and `kit submit` add entries.")
    return 0


def _tell(name: str, own: list[Any]) -> dict[str, Any]:
    """Facts from the ledger's rows of a competition; draws a chart if a submission has a score."""
    scored = ledger.both(own)
    metric = next((row.run["metric"] for row in own if row.run), "score")
    picture = Path("runs") / name / "ledger.png"
    if scored:
        points = [standings.Standing(row.name, row.cv or 0.0, row.error, row.public or 0.0) for row in scored]
        drawn = standings.standings(points, "out-of-fold score ± standard error", "public score", f"{name}: {metric}")
        canvas.write_png(picture, drawn)
    return {
        "competition": name,
        "metric": metric,
        "rank_correlation": ledger.correlation(scored),
        "select": [{"ref": row.ref, "run": row.name, "why": why} for row, why in ledger.select(own)],
        "picture": str(picture) if scored else None,
    }


def _advice(facts: dict[str, Any], scored: int) -> str:
    """Whether CV and leaderboard agree, and which submissions to select."""
    value = facts["rank_correlation"]
    lines = []
    if value is not None:
        trust = "" if value > 0.5 else ". They disagree: look for a leak, or for a test set that differs from the training set"
        lines.append(f"rank correlation of CV and public score  {value:.2f}  ({scored} submissions){trust}")
    elif scored:
        lines.append("rank correlation of CV and public score  needs three scored submissions that differ")
    lines += [f"select  {one['run']} ({one['ref']}): {one['why']}" for one in facts["select"]]
    if facts["picture"]:
        lines.append(f"picture  {facts['picture']}")
    return "\n".join(lines)
