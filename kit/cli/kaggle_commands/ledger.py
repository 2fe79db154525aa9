"""Ledger: all runs and submissions with both scores, as a table and a chart."""

from __future__ import annotations

import argparse
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kit.cli import json_output
from kit.console import output, say, table
from kit.errors import KitError, Usage
from kit.kaggle.api import adapter_name
from kit.reporting import canvas, standings
from kit.storage import ledger
from kit.storage.run_folder import Run


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
        json_output.show({"competitions": found})
    elif not found:
        say(f"{ledger.PLACE} is empty. `kit run` and `kit submit` add entries.")
    return 0


def _tell(name: str, own: list[Any]) -> dict[str, Any]:
    """Facts from the ledger's rows of a competition; draws a chart if a submission has a score."""
    scored = ledger.both(own)
    metric = next((row.run["metric"] for row in own if row.run), "score")
    picture, chosen = Path("runs") / name / "ledger.png", ledger.select(own)
    if scored:
        points = [standings.Standing(row.name, row.cv or 0.0, row.error, row.public or 0.0) for row in scored]
        drawn = standings.standings(points, "out-of-fold score ± standard error", "public score", f"{name}: {metric}")
        canvas.write_png(picture, drawn)
    return {
        "competition": name,
        "metric": metric,
        "rank_correlation": ledger.correlation(scored),
        "select": [{"ref": row.ref, "run": row.name, "why": why} for row, why in chosen],
        "alike": _alike([row for row, _ in chosen]),
        "strays": [told for row, _ in chosen if (told := _strays(row))],
        "picture": str(picture) if scored else None,
    }


def _strays(row: ledger.Row) -> dict[str, Any] | None:
    """How far a public score of the row's size may stray; None where its run is not here, or does not tell."""
    from kit.pipeline.comparison import public_score

    with suppress(KitError):
        if row.run:
            told = public_score.strays(Run(Path(row.run["run"])))
            return {"run": row.name, "cv": row.cv, "public_score": row.public, **asdict(told)}
    return None


def _alike(chosen: list[ledger.Row]) -> float | None:
    """The correlation of the two chosen submissions' test predictions; None where their runs are not both here."""
    from kit.pipeline.comparison import public_score

    runs = [row.run["run"] for row in chosen if row.run]
    with suppress(KitError):
        if len(set(runs)) == 2:
            return public_score.alike(*(Run(Path(one)) for one in runs))
    return None


def _far(told: dict[str, Any]) -> str:
    """How far a public score may stray, and how far it is from the out-of-fold one."""
    error = told["error"]
    line = f"public score of {told['run']}  strays by ± {error:.5f} ({told['public']:,} of {told['test']:,} test rows)"
    if told["public_score"] is None or told["cv"] is None or not error > 0:
        return line
    return f"{line}: {told['public_score']:.5f} is {abs(told['public_score'] - told['cv']) / error:.1f} of these from CV"


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
    if facts["alike"] is not None:
        lines.append(f"the two correlate by {facts['alike']:.4f}: the more alike, the less the second insures")
    lines += [_far(one) for one in facts["strays"]]
    if facts["picture"]:
        lines.append(f"picture  {facts['picture']}")
    return "\n".join(lines)
