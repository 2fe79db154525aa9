"""Arguments of the commands that do not need Kaggle: runs, predictions, blends, adapters, reports, exports."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from kit.cli import knob_flags
from kit.cli.knob_flags import Shown
from kit.knobs import TASKS, WRITTEN

Adder = Callable[[str, str], argparse.ArgumentParser]


def add(add_command: Adder, knobs: Shown) -> None:
    """Describe the commands to the parser."""
    add_command("list", "list the competitions, and where their data was found")
    _add_run(add_command, knobs)
    _add_tune(add_command, knobs)
    _add_predict(add_command)
    _add_blend(add_command)
    _add_compare(add_command)
    _add_shadow(add_command, knobs)
    validate = add_command("validate", "list all errors of a submission file, with line and id")
    validate.add_argument("name", metavar="NAME", help="name of a competition (see `kit list`) or file of an adapter")
    validate.add_argument("file", metavar="FILE", help="submission file to check")
    validate.add_argument("--data", help="folder with the competition's files")
    knob_flags.add_some(validate, ("text", "target", "task", *WRITTEN))
    check = add_command("check", "test an adapter against its own facts, and audit its data")
    check.add_argument("name", metavar="NAME", help="name of a competition (see `kit list`) or file of an adapter")
    check.add_argument("--data", help="folder with the competition's files")
    check.add_argument("--preset", default="fast", help="preset of the adapter: fast (default) or best")
    knob_flags.add(check, knobs)
    new = add_command("new", "write a first adapter for a competition from its files")
    new.add_argument("name", metavar="NAME", help="name of the adapter; the file is competitions/NAME.py")
    new.add_argument("--from", dest="folder", required=True, metavar="DIR", help="folder with the competition's files")
    new.add_argument(
        "--target", default="", metavar="COLUMN", help="column of the answers, if the sample submission does not show it"
    )
    new.add_argument("--task", default="", choices=TASKS, help="what the answers are, if the files do not show it")
    knob_flags.add_some(new, WRITTEN)
    export = add_command(
        "export", "write the models of a complete run as one file, compare it with the run on real rows, and describe it"
    )
    export.add_argument("run", metavar="RUN", help="folder of a run")
    export.add_argument(
        "--format",
        default="onnx",
        metavar="…",
        help="file format: onnx (default), torchscript, torch-export or safetensors; csv: each fold's predictions",
    )
    export.add_argument("--data", help="folder with the data of the run, if it was moved; its rows are used for the comparison")
    export.add_argument("--out", help="folder to write to (default: RUN/export)")
    report = add_command(
        "report", "write an HTML page on a run: scores, learning curves, confusion matrix, calibration, largest errors, times"
    )
    report.add_argument("run", metavar="RUN", help="folder of a run")
    report.add_argument("--data", help="folder with the data of the run, if it was moved; the page shows its images or texts")
    explain = add_command(
        "explain", "explain a knob: what it does, which models heed it, what it is set to in a competition or a run, and why"
    )
    explain.add_argument("knob", metavar="KNOB", help="name of a knob, such as lr or head-lr")
    explain.add_argument(
        "name", metavar="NAME", nargs="?", help="competition, or folder of a run, for the value that it has there"
    )
    explain.add_argument("--run", metavar="RUN", help="folder of a run, for the value that it has there")
    explain.add_argument("--preset", default="fast", help="preset of the adapter: fast (default) or best")
    knob_flags.add_some(explain, ("model", "weights", "strategy"))
    add_command("weights", "list the pretrained weights of this machine, their licences, and what --weights calls them")
    add_command("doctor", "show what this machine offers and what is missing")


def _add_run(add_command: Adder, knobs: Shown) -> None:
    run = add_command("run", "train all folds, score, predict the test set and write the submission; the same command resumes")
    run.add_argument("name", metavar="NAME", help="name of a competition (see `kit list`) or file of an adapter")
    run.add_argument("--data", help="folder with the competition's files")
    run.add_argument(
        "--name", dest="run_name", metavar="RUN", help="name of the run (default: the preset and the changed knobs)"
    )
    run.add_argument("--out", help="folder of the run (default: runs/NAME/RUN)")
    run.add_argument("--only-fold", metavar="N,N", help="train only these folds; the first fold is 0")
    run.add_argument("--fresh", action="store_true", help="discard the earlier results and start again")
    run.add_argument(
        "--rewrite", action="store_true", help="make scores and submission of a complete run anew from its folds' predictions"
    )
    run.add_argument("--preset", default="fast", help="preset of the adapter: fast (default) or best")
    knob_flags.add(run, knobs)


def _add_tune(add_command: Adder, knobs: Shown) -> None:
    tune = add_command(
        "tune", "try values of some knobs on one fold, and test the best on another fold; the same command resumes"
    )
    tune.add_argument("name", metavar="NAME", help="name of a competition (see `kit list`) or file of an adapter")
    tune.add_argument("--data", help="folder with the competition's files")
    tune.add_argument("--trials", type=int, default=20, help="number of trials; the first is the preset itself (default: 20)")
    tune.add_argument(
        "--knobs",
        dest="tuned",
        default="",
        metavar="KNOBS",
        help="knobs and their ranges, such as lr,dropout=0:0.5,augment=light|heavy (default: the usual ones of the model)",
    )
    tune.add_argument(
        "--name", dest="run_name", metavar="RUN", help="name of the search (default: tune-, the preset and the changed knobs)"
    )
    tune.add_argument("--out", help="folder of the search (default: runs/NAME/RUN)")
    tune.add_argument("--fresh", action="store_true", help="discard the earlier results and start again")
    tune.add_argument("--preset", default="fast", help="preset of the adapter: fast (default) or best")
    knob_flags.add(tune, knobs)


def _add_predict(add_command: Adder) -> None:
    predict = add_command("predict", "predict a test set with the models of a complete run")
    predict.add_argument("run", metavar="RUN", help="folder of a run")
    predict.add_argument("--data", help="folder with the test set (default: the data of the run)")
    predict.add_argument("--views", type=int, help="number of views to average (default: as in the run)")
    predict.add_argument(
        "--time-budget", metavar="TIME", help="time limit, such as 20m; only the folds and views that fit are used"
    )
    predict.add_argument("--out", help="folder to write to (default: RUN/predict)")
    predict.add_argument(
        "--text", action="append", metavar="…", help="predict this text instead of a test set; may be repeated"
    )


def _add_blend(add_command: Adder) -> None:
    blend = add_command(
        "blend",
        "combine several runs with weights chosen on out-of-fold predictions; keep the best single run if that is not better",
    )
    blend.add_argument("runs", nargs="+", metavar="RUN", help="folder of a complete run")
    blend.add_argument("--name", dest="run_name", default="blend", metavar="RUN", help="name of the new run (default: blend)")
    blend.add_argument("--out", help="folder of the new run (default: runs/NAME/RUN)")
    blend.add_argument(
        "--oof", action="append", default=[], metavar="FILE", help="file of out-of-fold predictions of another program"
    )
    blend.add_argument(
        "--test", action="append", default=[], metavar="FILE", help="file of the test predictions that belong to the --oof file"
    )
    blend.add_argument(
        "--by",
        default="weights",
        metavar="HOW",
        help="weights (default), or stack: a regression on the predictions, kept if it is better than the weights",
    )
    blend.add_argument(
        "--columns", default="", metavar="NAMES", help="with --by stack: columns of numbers it looks at too, such as age,size"
    )
    blend.add_argument("--data", help="folder with the competition's files (default: the data of the runs)")
    blend.add_argument("--fresh", action="store_true", help="discard the earlier results and start again")


def _add_compare(add_command: Adder) -> None:
    compare = add_command("compare", "compare runs on the same rows: how much better is the best, how surely, and where")
    compare.add_argument("runs", nargs="+", metavar="RUN", help="folder of a complete run")
    compare.add_argument("--by", default="", metavar="COLUMN", help="show the scores by this column of the training table")
    compare.add_argument("--data", help="folder with the data of the runs, if it was moved; needed for --by only")
    recheck = add_command(
        "recheck", "train a run and its preset (or --against) on folds dealt anew, and say whether the gain survives"
    )
    recheck.add_argument("run", metavar="RUN", help="folder of a complete run")
    recheck.add_argument("--against", metavar="RUN", help="folder of the run that it is compared with (default: its preset)")
    recheck.add_argument("--seed", type=int, help="seed by which folds are dealt (default: the run's, and 1000 more)")
    recheck.add_argument("--repeats", type=int, default=1, help="how often folds are dealt (default: 1)")
    recheck.add_argument("--limit", type=int, help="use the first training rows only")
    recheck.add_argument("--data", help="folder with the data of the run, if it was moved")
    recheck.add_argument("--out", help="folder of the new runs (default: runs/NAME/recheck-RUN)")
    recheck.add_argument("--fresh", action="store_true", help="discard the earlier results and start again")


def _add_shadow(add_command: Adder, knobs: Shown) -> None:
    shadow = add_command(
        "shadow",
        "keep a fifth of the training rows back as a public and a private test, train presets without them, and rank their"
        " submissions; the same command resumes",
    )
    shadow.add_argument("name", metavar="NAME", help="name of a competition (see `kit list`) or file of an adapter")
    shadow.add_argument("--data", help="folder with the competition's files")
    shadow.add_argument("--presets", default="fast,best", metavar="NAMES", help="presets to train (default: fast,best)")
    shadow.add_argument(
        "--leaderboard",
        metavar="FILE",
        help="leaderboard as Kaggle gives it for download, to place the scores in (default: *publicleaderboard* in the data)",
    )
    shadow.add_argument("--out", help="folder of the runs (default: runs/NAME/shadow); all complete runs in it are ranked")
    shadow.add_argument("--fresh", action="store_true", help="discard the earlier results of these presets and start again")
    knob_flags.add(shadow, knobs)
