"""Remote: the command line of what talks to Kaggle, or is about it: download, submit, ledger, kernel."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kit.errors import Usage

Adder = Callable[[str, str], argparse.ArgumentParser]


def add(add_command: Adder) -> None:
    """Describe the commands to the parser."""
    download = add_command("download", "fetch a competition's files from Kaggle; the same command resumes")
    download.add_argument("name", metavar="NAME", help="a competition (`kit list`) or its slug on Kaggle")
    download.add_argument("--out", help="where to (default: data/SLUG, or $KIT_DATA/SLUG)")
    download.add_argument("--unpack", action="store_true", help="unpack the archives too (`kit run` reads them packed)")
    submit = add_command("submit", "validate a submission and send it; without FILE: ask for the scores of what was sent")
    submit.add_argument("name", metavar="NAME")
    submit.add_argument("what", metavar="FILE|RUN", nargs="?", help="a CSV file or a run's folder")
    submit.add_argument("-m", "--message", default="", help="what to call it on Kaggle")
    submit.add_argument("--data", help="the folder with the competition's files")
    submit.add_argument("--wait", action="store_true", help="wait for the score")
    submit.add_argument("--zip", action="store_true", help="send it packed, where it is too large")
    ledger = add_command("ledger", "every run and submission: CV beside the leaderboard, as a table and a picture")
    ledger.add_argument("name", metavar="NAME", nargs="?", help="one competition (default: all)")
    for one in (download, submit):
        one.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="wait so long for an answer (60)")


def download(arguments: argparse.Namespace) -> int:
    from kit.download import download

    paths = download(arguments.name, arguments.out, arguments.unpack, arguments.timeout, arguments.quiet)
    if arguments.json:
        print(json.dumps([str(path) for path in paths]))
    else:
        print("\n".join(f"{path}  {path.stat().st_size:,} bytes" for path in paths))
    return 0


def submit(arguments: argparse.Namespace) -> int:
    from kit.submit import refresh, submit

    if arguments.what is None:
        _show(refresh(arguments.name, arguments.timeout, arguments.quiet), arguments.json)
        return 0
    what, name = arguments.what, arguments.name
    message = arguments.message or Path(what).name
    one = submit(
        name, what, message, arguments.data, arguments.wait, arguments.zip, arguments.timeout, arguments.quiet
    )  # fmt: skip
    _show([one], arguments.json)
    return 0


def _show(submissions: list[dict[str, Any]], as_json: bool) -> None:
    from kit.progress import table

    if as_json:
        print(json.dumps(submissions))
        return
    names = ("ref", "status", "public", "private", "message", "reason")
    rows = [[str(one.get(name) or "") for name in names] for one in submissions]
    print(table(list(names), rows) if rows else "no submissions yet")


def ledger(arguments: argparse.Namespace) -> int:
    from kit import ledger, scatter
    from kit.progress import say, table
    from kit.submit import adapter_name

    broken = ledger.entries()[1]
    if broken:
        say(f"{ledger.PLACE}: {broken} unreadable {'line is' if broken == 1 else 'lines are'} passed over")
    wanted = adapter_name(arguments.name) if arguments.name else None
    every = ledger.rows(wanted)
    if wanted and not every:
        raise Usage(f"{ledger.PLACE} has no run or submission of {wanted} yet.")
    found = []
    for name in dict.fromkeys(row.competition for row in every):
        own = [row for row in every if row.competition == name]
        scored = ledger.both(own)
        metric = next((row.run["metric"] for row in own if row.run), "score")
        picture = Path("runs") / name / "ledger.png"
        if scored:
            points = [(row.name, row.cv or 0.0, row.error, row.public or 0.0) for row in scored]
            scatter.write(picture, points, f"{name}: {metric}", "out-of-fold score ± standard error", "public score")
        facts = {
            "competition": name,
            "metric": metric,
            "rank_correlation": ledger.correlation(scored),
            "select": [{"ref": row.ref, "run": row.name, "why": why} for row, why in ledger.select(own)],
            "picture": str(picture) if scored else None,
        }
        found.append(facts | {"rows": [dict(zip(ledger.HEADER, ledger.cells(row), strict=True)) for row in own]})
        if not arguments.json:
            print(f"{name} · {metric}\n{table(ledger.HEADER, [ledger.cells(row) for row in own])}\n{_advice(facts, scored)}\n")
    if arguments.json:
        print(json.dumps(found))
    elif not found:
        print(f"{ledger.PLACE} is empty: `kit run` and `kit submit` write it", file=sys.stderr)
    return 0


def _advice(facts: dict[str, Any], scored: list[Any]) -> str:
    """What the scores say together: do CV and leaderboard agree, and what to select."""
    value = facts["rank_correlation"]
    lines = []
    if value is not None:
        trust = "" if value > 0.5 else ": they disagree. Look for a leak, or a test set unlike the training set"
        lines.append(f"rank correlation of CV and public score  {value:.2f}  ({len(scored)} submissions){trust}")
    elif scored:
        lines.append("rank correlation of CV and public score  needs three different scored submissions")
    lines += [f"select  {one['run']} ({one['ref']}): {one['why']}" for one in facts["select"]]
    if facts["picture"]:
        lines.append(f"picture  {facts['picture']}")
    return "\n".join(lines)


COMMANDS = {"download": download, "submit": submit, "ledger": ledger}
