"""Predict: a test set, or single texts, by the models of a complete run."""

from __future__ import annotations

import argparse

import kit
from kit.cli import json_output
from kit.config import time_limit
from kit.console import output, table
from kit.pipeline.prediction import predict_texts
from kit.storage.run_folder import Run


def main(arguments: argparse.Namespace) -> int:
    if arguments.text:
        return _texts(kit.load(arguments.run), arguments)
    limit = time_limit(arguments.time_budget)
    answers, path = kit.predict(arguments.run, arguments.data, views=arguments.views, out=arguments.out, time_budget=limit)
    if arguments.json:
        json_output.show({"submission": str(path), "rows": len(answers)})
    else:
        output(f"{path}  ({len(answers):,} rows, checked)")
    return 0


def _texts(run: Run, arguments: argparse.Namespace) -> int:
    answers = predict_texts(run, arguments.text)
    if arguments.json:
        pairs = zip(arguments.text, answers.to_dict("records"), strict=True)
        json_output.show({"answers": [{"text": text, **row} for text, row in pairs]})
        return 0
    shown = [text if len(text) <= 60 else text[:59] + "…" for text in arguments.text]
    rows = [[*(f"{value:.4f}" for value in row), text] for row, text in zip(answers.to_numpy(), shown, strict=True)]
    output(table([*answers.columns, "text"], rows))
    return 0
