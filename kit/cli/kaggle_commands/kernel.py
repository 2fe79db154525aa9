"""Kernel: build a Kaggle kernel, rehearse it here, push it, show its status."""

from __future__ import annotations

import argparse
from pathlib import Path

from kit import competition as competitions
from kit.cli import json_output, knob_flags
from kit.cli.kaggle_commands.submit import show
from kit.config import time_limit
from kit.console import output
from kit.errors import Usage, did_you_mean
from kit.kaggle import dataset, kernel, push, rehearsal
from kit.storage import run_folder
from kit.storage.runs import blend_members


def main(arguments: argparse.Namespace) -> int:
    action = ACTIONS.get(arguments.action)
    if action is None:
        raise Usage(f"kit kernel {arguments.action!r}: use {', '.join(ACTIONS)}.{did_you_mean(arguments.action, ACTIONS)}")
    return action(arguments)


def _build(arguments: argparse.Namespace) -> int:
    knobs = knob_flags.given(arguments)
    views = int(knobs["views"]) if "views" in knobs and arguments.mode != "train" else None
    limit = time_limit(knobs.get("time_budget")) if arguments.mode != "train" else None
    notebook = Path(arguments.code_file) if arguments.code_file else arguments.notebook
    run = run_folder.load(arguments.run) if arguments.run else None
    built = kernel.build(
        arguments.name, run, arguments.mode, preset=arguments.preset, knobs=knobs, notebook=notebook, views=views,
        time_budget=limit, out=_folder(arguments),
    )  # fmt: skip
    size = built.code.stat().st_size
    if arguments.json:
        files = {"folder": str(built.folder), "code": str(built.code)}
        json_output.show({**files, "dataset": str(built.dataset) if built.dataset else None})
        return 0
    output(f"{built.code}  {size:,} bytes, {built.settings['mode']}, internet off")
    if run and run.record.is_blend:
        names = ", ".join(one["name"] for one in blend_members.counting(run.record))
        output(f"{run.path}  a blend: the kernel predicts by {names} and combines them as `kit predict {run.path}` does")
    if built.dataset:
        sizes = [path.stat().st_size for path in built.dataset.iterdir() if path.name != dataset.METADATA]
        told = f"{len(sizes)} files, {sum(sizes) / 1e6:,.1f} MB"
        output(f"{built.dataset}  {told}: the dataset of the kernel, which `kit kernel push` uploads")
    output(f"Next, run: kit kernel rehearse {arguments.name}")
    return 0


def _rehearse(arguments: argparse.Namespace) -> int:
    folder = _folder(arguments) or kernel.folder_of(arguments.name)
    usual = "new" if kernel.Built(folder).settings["mode"] == "train" else "both"
    layouts = {"new": ("new",), "old": ("old",), "both": rehearsal.LAYOUTS}.get(arguments.mount or usual)
    if layouts is None:
        raise Usage(f"--mount {arguments.mount!r}: one of new, old, both.")
    done = rehearsal.rehearse(
        arguments.name, arguments.data, layouts, rerun=arguments.hidden, python=arguments.python, folder=folder,
    )  # fmt: skip
    if arguments.json:
        json_output.show({"rehearsals": [vars(one) for one in done]})
    else:
        output("\n".join(rehearsal.verdict(done, competitions.load(arguments.name).competition.code, arguments.rows)))
        bad = sum(bool(one.faults) for one in done)
        output(
            f"{bad} of {len(done)} rehearsals failed. Do not push this kernel."
            if bad
            else f"All rehearsals passed. The kernel can be pushed: {folder}"
        )
    return 65 if any(one.faults for one in done) else 0


def _push(arguments: argparse.Namespace) -> int:
    pushed = push.push(arguments.name, _folder(arguments), arguments.timeout, arguments.quiet)
    if arguments.wait or arguments.submit:
        return _status(arguments)
    if arguments.json:
        json_output.show(pushed)
    else:
        output(f"{pushed['id']} version {pushed['version']}  {pushed['url']}")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    state = push.status(
        arguments.name, _folder(arguments), wait=arguments.wait, message=arguments.submit, data=arguments.data,
        seconds=arguments.timeout, quiet=arguments.quiet,
    )  # fmt: skip
    if arguments.json:
        json_output.show(state)
        return 0
    output(f"{state['id']} version {state['version']}  {'COMPLETE' if 'output' in state else state['status']}")
    if "output" in state:
        output(f"output  {state['output']}  (submission.csv checked)")
    if "ref" in state:
        show([state], False)
    return 0


def _folder(arguments: argparse.Namespace) -> Path | None:
    return Path(arguments.out) if arguments.out else None


ACTIONS = {"build": _build, "rehearse": _rehearse, "push": _push, "status": _status}
