"""Arguments of the commands on Kaggle: download, submit, ledger, kernel."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from kit.cli import knob_flags

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
    build.add_argument("--run", metavar="RUN", help="predict as this run or blend does; with --train, train as this run did")
    build.add_argument(
        "--train", dest="mode", action="store_const", const="train", help="train on Kaggle (default without --run)"
    )
    build.add_argument(
        "--infer", dest="mode", action="store_const", const="infer", help="only predict on Kaggle (default with --run)"
    )
    build.add_argument(
        "--notebook", action="store_true", help="write a notebook with score table, curves and images instead of a script"
    )
    build.add_argument(
        "--code-file", metavar="FILE", help="write this notebook of yours with the kit's source in it, which trains by itself"
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
