"""Commands on Kaggle: download, submit, ledger, kernel.

`kit --help` and `kit list` load this file, so what a command needs beyond the parser is imported when it is called:
adapters (with numpy) and requests alone take three times as long to import as the parser.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kit.cli import knob_flags
from kit.config import time_limit
from kit.console import say, table
from kit.errors import Usage, did_you_mean
from kit.storage import run_folder

Adder = Callable[[str, str], argparse.ArgumentParser]


def add(add_command: Adder) -> None:
    """Describe the commands to the parser."""
    download = add_command("download", "download the files of a competition from Kaggle; the same command resumes")
    download.add_argument("name", metavar="NAME", help="name of a competition (see `kit list`) or its slug on Kaggle")
    download.add_argument("--out", help="folder to write to (default: data/SLUG, or $KIT_DATA/SLUG)")
    download.add_argument("--unpack", action="store_true", help="also unpack the archives; `kit run` can read them packed")
    submit = add_command("submit", "validate a submission and send it; without FILE, show the scores of earlier submissions")
    submit.add_argument("name", metavar="NAME", help="name of a competition (see `kit list`) or its slug on Kaggle")
    submit.add_argument("what", metavar="FILE|RUN", nargs="?", help="submission file (CSV) or folder of a run")
    submit.add_argument("-m", "--message", default="", help="description of the submission on Kaggle")
    submit.add_argument("--data", help="folder with the competition's files")
    submit.add_argument("--wait", action="store_true", help="wait until Kaggle has computed the score")
    submit.add_argument("--zip", action="store_true", help="send the file as a zip archive; use this if it is too large")
    ledger = add_command(
        "ledger", "show all runs and submissions: cross-validation score and leaderboard score, as a table and a chart"
    )
    ledger.add_argument("name", metavar="NAME", nargs="?", help="name of a competition (default: all competitions)")
    kernel = _add_kernel(add_command)
    knob_flags.add(kernel, knob_flags.ALL)
    for one in (download, submit, kernel):
        one.add_argument(
            "--timeout", type=float, default=60.0, metavar="SECONDS", help="time limit for an answer of Kaggle (default: 60)"
        )


def _add_kernel(add_command: Adder) -> argparse.ArgumentParser:
    kernel = add_command(
        "kernel", "build a Kaggle kernel that runs without internet, rehearse it here, push it, and show its status"
    )
    kernel.add_argument("action", metavar="build|rehearse|push|status", help="what to do with the kernel")
    kernel.add_argument("name", metavar="NAME", help="name of a competition (see `kit list`)")
    kernel.add_argument("--data", help="folder with the competition's files")
    kernel.add_argument("--out", help="folder of the kernel (default: runs/NAME/kernel)")
    build = kernel.add_argument_group(
        "build (a kernel that trains also takes the knobs of `kit run`; a kernel that predicts takes --views and --time-budget)"
    )
    build.add_argument("--run", metavar="RUN", help="predict with the models of this run; with --train, train as this run did")
    build.add_argument(
        "--train", dest="mode", action="store_const", const="train", help="train on Kaggle (default without --run)"
    )
    build.add_argument(
        "--infer", dest="mode", action="store_const", const="infer", help="only predict on Kaggle (default with --run)"
    )
    build.add_argument(
        "--notebook", action="store_true", help="write a notebook with score table, curves and images instead of a script"
    )
    rehearse = kernel.add_argument_group("rehearse")
    rehearse.add_argument(
        "--mount",
        default="",
        metavar="new|old|both",
        help="layout of Kaggle's input folder (default: both if the kernel predicts, new if it trains)",
    )
    rehearse.add_argument(
        "--hidden", action="store_true", help="also rehearse the rerun of a code competition, on a made-up test set"
    )
    rehearse.add_argument(
        "--rows", type=int, default=0, help="number of rows of the hidden test set, to estimate the time of the rerun"
    )
    rehearse.add_argument(
        "--python", default=sys.executable, help="Python interpreter to run the kernel in (see scripts/kaggle_image.sh)"
    )
    push = kernel.add_argument_group("push, status")
    push.add_argument("--wait", action="store_true", help="wait until the kernel ends and download its output")
    push.add_argument("--submit", metavar="TEXT", help="submit the version with this description when it is complete and valid")
    kernel.add_argument(
        "--preset", default="fast", help="preset of the adapter for a kernel that trains without --run: fast (default) or best"
    )
    return kernel


def download(arguments: argparse.Namespace) -> int:
    from kit.kaggle.download import download

    paths = download(
        arguments.name, arguments.out, arguments.unpack, seconds=arguments.timeout, quiet=arguments.quiet,
    )  # fmt: skip
    if arguments.json:
        print(json.dumps([str(path) for path in paths]))
    else:
        print("\n".join(f"{path}  {path.stat().st_size:,} bytes" for path in paths))
    return 0


def submit(arguments: argparse.Namespace) -> int:
    from kit.kaggle.submit import refresh, submit

    if arguments.what is None:
        _show(refresh(arguments.name, arguments.timeout, arguments.quiet), arguments.json)
        return 0
    what, name = arguments.what, arguments.name
    message = arguments.message or Path(what).name
    submission = submit(
        name, what, message, data=arguments.data, wait=arguments.wait, zipped=arguments.zip,
        seconds=arguments.timeout, quiet=arguments.quiet,
    )  # fmt: skip
    _show([submission], arguments.json)
    return 0


def _show(submissions: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print(json.dumps(submissions))
        return
    names = ("ref", "status", "public", "private", "message", "reason")
    rows = [[str(one.get(name) or "") for name in names] for one in submissions]
    print(table(list(names), rows) if rows else "There are no submissions yet.")


def ledger(arguments: argparse.Namespace) -> int:
    from kit.kaggle.api import adapter_name
    from kit.storage import ledger

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
            print(f"{name} · {facts['metric']}\n{table(ledger.HEADER, cells)}\n{_advice(facts, len(ledger.both(own)))}\n")
    if arguments.json:
        print(json.dumps(found))
    elif not found:
        print(f"{ledger.PLACE} is empty. `kit run` and `kit submit` add entries.", file=sys.stderr)
    return 0


def _tell(name: str, own: list[Any]) -> dict[str, Any]:
    """Facts from the ledger's rows of a competition; draws a chart if a submission has a score."""
    from kit.reporting import canvas, standings
    from kit.storage import ledger

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


def kernel(arguments: argparse.Namespace) -> int:
    action = ACTIONS.get(arguments.action)
    if action is None:
        raise Usage(f"kit kernel {arguments.action!r}: use {', '.join(ACTIONS)}.{did_you_mean(arguments.action, ACTIONS)}")
    return action(arguments)


def _build(arguments: argparse.Namespace) -> int:
    from kit.kaggle import kernel

    knobs = knob_flags.given(arguments)
    views = int(knobs["views"]) if "views" in knobs and arguments.mode != "train" else None
    limit = time_limit(knobs.get("time_budget")) if arguments.mode != "train" else None
    built = kernel.build(
        arguments.name, run_folder.load(arguments.run) if arguments.run else None, arguments.mode, preset=arguments.preset,
        knobs=knobs, notebook=arguments.notebook, views=views, time_budget=limit, out=_folder(arguments),
    )  # fmt: skip
    size = built.code.stat().st_size
    if arguments.json:
        print(json.dumps({"folder": str(built.folder), "code": str(built.code), "dataset": str(built.dataset or "")}))
        return 0
    print(f"{built.code}  {size:,} bytes, {built.settings['mode']}, internet off")
    if built.dataset:
        print(f"{built.dataset}  the dataset of the kernel, which `kit kernel push` uploads")
    print(f"Next, run: kit kernel rehearse {arguments.name}")
    return 0


def _rehearse(arguments: argparse.Namespace) -> int:
    from kit import competition as competitions
    from kit.kaggle import kernel, rehearsal

    folder = _folder(arguments) or kernel.folder_of(arguments.name)
    usual = "new" if kernel.Built(folder).settings["mode"] == "train" else "both"
    layouts = {"new": ("new",), "old": ("old",), "both": rehearsal.LAYOUTS}.get(arguments.mount or usual)
    if layouts is None:
        raise Usage(f"--mount {arguments.mount!r}: one of new, old, both.")
    done = rehearsal.rehearse(
        arguments.name, arguments.data, layouts, rerun=arguments.hidden, python=arguments.python, folder=folder,
    )  # fmt: skip
    if arguments.json:
        print(json.dumps([vars(one) for one in done]))
    else:
        print("\n".join(rehearsal.verdict(done, competitions.load(arguments.name).competition.code, arguments.rows)))
        bad = sum(bool(one.faults) for one in done)
        print(
            f"{bad} of {len(done)} rehearsals failed. Do not push this kernel."
            if bad
            else f"All rehearsals passed. The kernel can be pushed: {folder}"
        )
    return 65 if any(one.faults for one in done) else 0


def _push(arguments: argparse.Namespace) -> int:
    from kit.kaggle import push

    pushed = push.push(arguments.name, _folder(arguments), arguments.timeout, arguments.quiet)
    if arguments.wait or arguments.submit:
        return _status(arguments)
    print(json.dumps(pushed) if arguments.json else f"{pushed['id']} version {pushed['version']}  {pushed['url']}")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from kit.kaggle import push

    state = push.status(
        arguments.name, _folder(arguments), wait=arguments.wait, message=arguments.submit, data=arguments.data,
        seconds=arguments.timeout, quiet=arguments.quiet,
    )  # fmt: skip
    if arguments.json:
        print(json.dumps(state))
        return 0
    print(f"{state['id']} version {state['version']}  {'COMPLETE' if 'output' in state else state['status']}")
    if "output" in state:
        print(f"output  {state['output']}  (submission.csv checked)")
    if "ref" in state:
        _show([state], False)
    return 0


def _folder(arguments: argparse.Namespace) -> Path | None:
    return Path(arguments.out) if arguments.out else None


ACTIONS = {"build": _build, "rehearse": _rehearse, "push": _push, "status": _status}
COMMANDS = {"download": download, "submit": submit, "ledger": ledger, "kernel": kernel}
