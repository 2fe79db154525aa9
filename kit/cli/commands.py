"""Commands that do not need Kaggle: runs, predictions, blends, adapters, reports, exports, this machine.

`kit --help` and `kit list` load this file, so what a command needs beyond the parser is imported when it is called: torch
and Lightning alone take seconds, adapters (with numpy) twice as long as the parser.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kit
from kit import resources
from kit.cli import doctor, knob_flags
from kit.cli.knob_flags import Shown
from kit.config import flag, time_limit
from kit.console import table
from kit.errors import BadData, Usage
from kit.reporting.summary import summary
from kit.storage.run_folder import Run

Adder = Callable[[str, str], argparse.ArgumentParser]


def add(add_command: Adder, knobs: Shown) -> None:
    """Describe the commands to the parser."""
    add_command("list", "list the competitions, and where their data was found")
    _add_run(add_command, knobs)
    _add_tune(add_command, knobs)
    _add_predict(add_command)
    _add_blend(add_command)
    validate = add_command("validate", "list all errors of a submission file, with line and id")
    validate.add_argument("name", metavar="NAME", help="name of a competition (see `kit list`) or file of an adapter")
    validate.add_argument("file", metavar="FILE", help="submission file to check")
    validate.add_argument("--data", help="folder with the competition's files")
    knob_flags.add_some(validate, ("text", "target"))
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
    export = add_command(
        "export", "write the models of a complete run as one file, compare it with the run on real rows, and describe it"
    )
    export.add_argument("run", metavar="RUN", help="folder of a run")
    export.add_argument(
        "--format", default="onnx", metavar="…", help="file format: onnx (default), torchscript, torch-export or safetensors"
    )
    export.add_argument("--data", help="folder with the data of the run, if it was moved; its rows are used for the comparison")
    export.add_argument("--out", help="folder to write to (default: RUN/export)")
    report = add_command(
        "report", "write an HTML page on a run: scores, learning curves, confusion matrix, calibration, largest errors, times"
    )
    report.add_argument("run", metavar="RUN", help="folder of a run")
    report.add_argument("--data", help="folder with the data of the run, if it was moved; the page shows its images or texts")
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
    blend.add_argument("--data", help="folder with the competition's files (default: the data of the runs)")
    blend.add_argument("--fresh", action="store_true", help="discard the earlier results and start again")


def _list(arguments: argparse.Namespace) -> int:
    from kit import competition as competitions

    rows = []
    for name in competitions.names():
        try:
            facts = competitions.load(name).competition
        except Usage as fault:
            print(f"kit: {fault}", file=sys.stderr)
            continue
        place = next((str(p) for p in facts.places() if facts.is_at(p)), "built in" if facts.embedded else "—")
        rows.append([name, facts.slug, facts.inputs.kind, facts.labels.describe(), facts.metric.name, place])
    header = ["name", "slug", "inputs", "labels", "metric", "data"]
    if arguments.json:
        print(json.dumps([dict(zip(header, row, strict=True)) for row in rows]))
    else:
        print(table(header, rows))
    return 0


def _run(arguments: argparse.Namespace) -> int:
    knobs = knob_flags.given(arguments)
    only = _numbers(arguments.only_fold)
    run = kit.run(
        arguments.name, arguments.data, arguments.preset, run_name=arguments.run_name, out=arguments.out, only_fold=only,
        fresh=arguments.fresh, quiet=arguments.quiet, **knobs,
    )  # fmt: skip
    _print_run(run, arguments.json)
    return 0


def _tune(arguments: argparse.Namespace) -> int:
    from kit.pipeline import tuning
    from kit.pipeline.plan import planned

    knobs = knob_flags.given(arguments)
    plan = planned(arguments.name, arguments.data, arguments.preset, knobs)
    target = Run(plan.folder(arguments.run_name, arguments.out, "tune-"))
    found = tuning.tune(
        plan, arguments.trials, arguments.tuned, target, fresh=arguments.fresh, quiet=arguments.quiet,
    )  # fmt: skip
    if arguments.json:
        gain = {"gain": found.gain.gain, "noise": found.gain.noise, "pays": found.gain.pays} if found.gain else None
        print(json.dumps({"run": str(found.run.path), "trials": [vars(one) for one in found.trials], "gain": gain}))
        return 0
    given = {"--data": arguments.data, "--preset": arguments.preset if arguments.preset != "fast" else None}
    given |= {flag(name): value for name, value in knobs.items() if name not in (*found.best.knobs, "time_budget")}
    words = [word for name, value in given.items() if value is not None for word in (name, str(value))]
    print(tuning.summary(found, shlex.join(["kit", "run", arguments.name, *words])))
    return 0


def _numbers(text: str | None) -> list[int] | None:
    try:
        return [int(part) for part in text.split(",")] if text else None
    except ValueError:
        raise Usage(f"--only-fold {text!r}: the value must be fold numbers such as 0,2.") from None


def _print_run(run: Any, as_json: bool) -> None:
    if as_json:
        scores = run.scores if run.complete else None
        print(
            json.dumps({"run": str(run.path), "status": run.record.status, "submission": str(run.submission), "scores": scores})
        )
        return
    print(summary(run))


def _predict(arguments: argparse.Namespace) -> int:
    if arguments.text:
        return _predict_texts(kit.load(arguments.run), arguments)
    limit = time_limit(arguments.time_budget)
    answers, path = kit.predict(arguments.run, arguments.data, views=arguments.views, out=arguments.out, time_budget=limit)
    print(
        json.dumps({"submission": str(path), "rows": len(answers)})
        if arguments.json
        else f"{path}  ({len(answers):,} rows, checked)"
    )
    return 0


def _predict_texts(run: Any, arguments: argparse.Namespace) -> int:
    from kit.pipeline.prediction import predict_texts

    answers = predict_texts(run, arguments.text)
    if arguments.json:
        print(json.dumps([{"text": text, **row} for text, row in zip(arguments.text, answers.to_dict("records"), strict=True)]))
        return 0
    shown = [text if len(text) <= 60 else text[:59] + "…" for text in arguments.text]
    rows = [[*(f"{value:.4f}" for value in row), text] for row, text in zip(answers.to_numpy(), shown, strict=True)]
    print(table([*answers.columns, "text"], rows))
    return 0


def _blend(arguments: argparse.Namespace) -> int:
    from kit.inference.blend import blend

    if len(arguments.oof) != len(arguments.test):
        raise Usage(f"{len(arguments.oof)} --oof and {len(arguments.test)} --test: each --oof file needs its --test file.")
    pairs = [(Path(oof), Path(test)) for oof, test in zip(arguments.oof, arguments.test, strict=True)]
    sources = [kit.load(one) for one in arguments.runs]
    run = blend(
        sources, pairs, name=arguments.run_name, out=arguments.out, data=arguments.data,
        fresh=arguments.fresh, quiet=arguments.quiet,
    )  # fmt: skip
    _print_run(run, arguments.json)
    return 0


def _validate(arguments: argparse.Namespace) -> int:
    knobs = knob_flags.given(arguments)
    faults = kit.validate(arguments.name, arguments.file, arguments.data, **knobs)
    if arguments.json:
        print(json.dumps(faults))
    else:
        print("\n".join(f"{arguments.file}: {fault}" for fault in faults) or f"{arguments.file}: no errors")
    return 65 if faults else 0


def _check(arguments: argparse.Namespace) -> int:
    with resources.importing():
        from kit import competition as competitions, config as configs
        from kit.pipeline import adapter_check
        from kit.reporting import data_audit

    adapter = competitions.load(arguments.name)
    knobs = knob_flags.given(arguments)
    config, _ = configs.resolve(adapter.preset(arguments.preset, configs.given(knobs)), arguments.preset, knobs)
    adapter = adapter.shaped(config)
    results = list(adapter_check.adapter(adapter))
    for name, fault in results:
        print(f"{'✗' if fault else '✓'} {name}{': ' + fault if fault else ''}")
    failed = sum(bool(fault) for _, fault in results)
    print(f"{len(results) - failed} of {len(results)} checks passed\n")
    try:
        root = adapter.competition.find(arguments.data) if not _lays_out(adapter, arguments) else None
    except BadData as fault:
        print(f"The data was not audited: {fault}")
        return 65 if failed else 0
    folder = Path("runs") / adapter.name / "check"
    for line, warns in data_audit.audit(adapter.shaped(config, root), root, folder, config) if root else []:
        print(f"{'!' if warns else '·'} {line}")
    return 65 if failed else 0


def _lays_out(adapter: Any, arguments: argparse.Namespace) -> bool:
    """Would a search for the data write the files of an embedded competition? `kit check` only writes contact sheets."""
    facts = adapter.competition
    return bool(facts.embedded and not arguments.data and not any(facts.is_at(p) for p in facts.places()))


def _new(arguments: argparse.Namespace) -> int:
    with resources.importing():
        from kit.competition import scaffold

    path, lines = scaffold.write(arguments.name, Path(arguments.folder), arguments.target)
    if arguments.json:
        print(json.dumps({"adapter": str(path), "lines": lines}))
        return 0
    print("\n".join([str(path), *lines]))
    print(f"\nRead the file, then run: kit check {arguments.name} --data {arguments.folder}")
    return 0


def _export(arguments: argparse.Namespace) -> int:
    run = kit.load(arguments.run)
    with resources.importing():
        from kit.inference import export

    done = export.export(run, arguments.format, arguments.data, arguments.out)
    if arguments.json:
        print(json.dumps({"model": str(done.path), "card": str(done.card), "difference": done.difference, "rows": done.rows}))
        return 0
    print(f"{done.path}  ({done.path.stat().st_size / 1e6:.1f} MB)\n{done.card}")
    print(f"largest difference from the models of the run on {done.rows} test rows  {done.difference:.1e}")
    if done.stored:
        print(f"largest difference from the predictions in test.csv  {done.stored}")
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from kit.reporting import html_report

    path = html_report.write(kit.load(arguments.run), arguments.data)
    print(json.dumps({"report": str(path)}) if arguments.json else path)
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    found = list(doctor.examine())
    marks = {"ok": "✓", "note": "·", "bad": "✗"}
    print(json.dumps(found) if arguments.json else "\n".join(f"{marks[state]} {line}" for state, line in found))
    return 1 if any(state == "bad" for state, _ in found) else 0


COMMANDS = {
    "list": _list,
    "run": _run,
    "tune": _tune,
    "predict": _predict,
    "blend": _blend,
    "validate": _validate,
    "check": _check,
    "new": _new,
    "export": _export,
    "report": _report,
    "doctor": _doctor,
}
