"""Card: what an exported model is, where it comes from, how good it is and how to load it, as a README beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.models import networks
from kit.models.graphs import Graph
from kit.storage import files
from kit.storage.run_folder import Run

MANY = 40  # answers named
SCRATCH = (*networks.OWN, "ngrams", "mlp", "boosting")  # models without a backbone

LOAD = {
    "onnx": """import onnxruntime

session = onnxruntime.InferenceSession("{file}")
{given} = session.run(None, {{{inputs}}}){first}""",
    "torchscript": """import torch

model = torch.jit.load("{file}")
{given} = model(*map(torch.as_tensor, [{names}]))""",
    "torch-export": """import torch

model = torch.export.load("{file}").module()
{given} = model(*map(torch.as_tensor, [{names}]))""",
    "safetensors": """from safetensors.torch import load_file

state = load_file("{file}")  # the network's own names; one file a fold, what else counts is in its metadata""",
}
BEFORE = {
    "pictures": "The pictures, uint8 from 0 to 255, upright, {colour}, resized to {height}×{width}; normalisation and the"
    " {views} are inside.",
    "tokens": "Numbers from the tokenizer of the backbone, its own marks included, at most {most}; mask is 1 where there is a"
    " token. Of a longer text take the first and the last half of that.",
    "grams": "`kit.data.ngrams.bags(texts, {order})`: its `columns`, and its `start` without the last; weights are inside.",
    "table": "`columns.json` names the columns of each input, in order. Numbers and dates (seconds since 1970) are NaN where"
    " missing. A category is its place in the list, from 1 on, a blank cell being one like any other; 0 stands for all that are"
    " not listed. Scaling, calendar and embeddings are inside, as each fold learned them. From a CSV file:\n\n```python\n"
    "{code}\n```",
}
BEFORE["lines"] = BEFORE["pictures"]
TABLE = """import json
import pathlib

import numpy
import pandas

columns = json.loads(pathlib.Path("columns.json").read_text(encoding="utf-8"))
frame = pandas.read_csv("test.csv", dtype=str, keep_default_na=False)"""
FROM_CELLS = {
    "numbers": """numbers = numpy.stack([
    pandas.to_numeric(frame[name], errors="coerce") for name in columns["numbers"]], axis=1).astype("float64")""",
    "dates": """dates = numpy.stack([  # "dmy": the day comes first
    (pandas.to_datetime(frame[name], format="mixed", errors="coerce", dayfirst=order == "dmy")
     - pandas.Timestamp(0)).dt.total_seconds()
    for name, order in columns["dates"]], axis=1)""",
    "categories": """categories = numpy.stack([
    1 + pandas.Index(known).get_indexer(frame[name].str.strip()) for name, known in columns["categories"]], axis=1)""",
}
READ = """Output: what is seen, and the text of it.

- `log_probabilities` float32 [{parts}, rows, steps, {symbols}]: of each {part}, at each place along the picture; symbol 0 is no
  character, the others are `{alphabet}`.
- `codes` int64 [rows, {longest}]: the text that most of them show, surest first, by its characters' places in the alphabet
  from 1 on, 0 after the end.
- `confidence` float32 [rows]: the mean probability that they give to this text.

The numbers ({names}) follow from the text by the competition's own grammar (in its adapter, `compute[{convention}]`), which
stays outside. Where a text is none of the grammar, or has less than half of the probability, the kit searches
`log_probabilities` for one that is; the codes are those of the plain text."""
LOG = "Learned as logarithms, given as the numbers themselves."


@dataclass(frozen=True)
class Made:
    """An exported model: its format and file, what it was made from, an example of its inputs, how near it is to the run."""

    form: str
    file: str
    graph: Graph
    models: list[Any]
    example: tuple[Any, ...]
    difference: float
    rows: int


def write(run: Run, folder: Path, made: Made) -> Path:
    """Write `README.md` beside the exported model; returns its path."""
    card = folder / "README.md"
    files.write(card, text(run, made))
    return card


def text(run: Run, made: Made) -> str:
    """The card, in Markdown."""
    info, scores, model = run.info, run.scores, made.models[0]
    config: Mapping[str, Any] = info["config"]
    first = made.graph.first
    taken = "\n".join(map(_input, first.names, first.shapes, made.example))
    names = {"file": made.file, "names": ", ".join(first.names), "inputs": ", ".join(f'"{one}": {one}' for one in first.names)}
    names["given"] = ", ".join(made.graph.outputs)
    load = LOAD[made.form].format(**names, first="[0]" if len(made.graph.outputs) == 1 else "")
    held = scores["extra"].get("held_out")
    more = f" On {scores['rows']['test']:,} rows that no fold saw: {held:.5f}." if held is not None else ""
    folds = f"{len(scores['folds'])} of them, seed {config['seed']}"
    return f"""# {Path(info["competition"]).stem}: {config["model"]}, {len(made.models)} models {_together(made)}

A run of the Kaggle baseline kit (preset {info["preset"]}) on `{Path(info["competition"]).stem}`, exported as {made.form}.

| input | type | shape |
|---|---|---|
{taken}

{_before(made)}

{_output(made)}

```python
{load}
```

## How good it is

Out-of-fold {scores["metric"]} {scores["oof"]:.5f} over {scores["rows"]["train"]:,} training rows: each was predicted by the
model that never saw it. Folds: {scores["mean"]:.5f} ± {scores["std"]:.5f} ({folds}; copies of a row stay in one fold).{more}
All models together, which this file holds, were not themselves scored on the training rows.

The file answers {made.rows} test rows as the run's own models do in fp32, to {made.difference:.1e}{_unit(model)}.

## Where it comes from

- Data: fingerprint `{info["data"]}`; no file of it is in here. Its licence is the competition's.
- Backbone: {_backbone(config)}
- Trained {str(info.get("finished", ""))[:10]} on {info.get("device", "")}; torch {info["sessions"][-1]["versions"]["torch"]},
  kit at `{info["sessions"][-1]["commit"]}`. Every setting is in the run's `run.json`.
"""


def _input(name: str, shape: tuple[str | None, ...], example: Any) -> str:
    """A row of the table of inputs: dimensions by name where they may differ."""
    sides = ", ".join(str(a or b) for a, b in zip(shape, example.shape, strict=True))
    return f"| `{name}` | {str(example.dtype).removeprefix('torch.')} | [{sides}] |"


def _before(made: Made) -> str:
    """What is to be done to raw rows before they are put in."""
    facts: dict[str, Any] = {}
    first, model = made.graph.first, made.models[0]
    if first.takes in ("pictures", "lines"):
        _, facts["height"], facts["width"], channels = made.example[0].shape
        views = f"{len(model.views)} views" if len(model.views) > 1 else "one view"
        facts |= {"colour": "grey" if channels == 1 else "red, green, blue", "views": views}
        facts["views"] += ", and the box that is looked at," if first.box else ""
    if first.takes == "table":
        facts["code"] = "\n".join([TABLE, *(FROM_CELLS[name] for name in first.names)])
    return BEFORE[first.takes].format(**facts, most=getattr(model, "most", ""), order=model.config.ngrams)


def _together(made: Made) -> str:
    return "averaged" if made.graph.first.takes != "lines" else "that vote"


def _output(made: Made) -> str:
    """What comes out."""
    model, labels = made.models[0], made.models[0].labels
    if made.graph.first.takes == "lines":
        views = len(model.views)
        return READ.format(
            parts=len(made.models) * views, part="fold and view" if views > 1 else "fold", symbols=labels.outputs,
            alphabet=labels.alphabet, longest=labels.longest, names=", ".join(labels.names), convention=int(model.convention),
        )  # fmt: skip
    numbers, log = labels.kind == "numbers", getattr(labels, "log", False)
    answers = list(labels.names if numbers else labels.columns)
    named = ", ".join(f"`{one}`" for one in answers[:MANY]) + (
        f" and {len(answers) - MANY} more" if len(answers) > MANY else ""
    )
    unit = "values in the targets' own units" if numbers else "probabilities"
    outside = ["rounding"] * getattr(labels, "whole", False) + ["the declared bounds"] * bool(getattr(labels, "low", ()))
    after = f" {LOG}" if log else ""
    after += f" Left to the submission: {' and '.join(outside)}." if outside else ""
    return f"Output: {unit} float32 [rows, {len(answers)}]: {named}.{after}"


def _unit(model: Any) -> str:
    return (
        " deviations of the (logarithms of the) targets"
        if getattr(model.labels, "log", False)
        else " deviations of the targets"
        if model.labels.kind == "numbers"
        else ""
    )


def _backbone(config: Mapping[str, Any]) -> str:
    """Which weights training began with, and their licence where timm knows it."""
    if config["from_run"]:
        return f"that of the run `{Path(config['from_run']).name}`; its licence holds here too."
    if not config["weights"] and config["model"] in SCRATCH:
        return f"none; `{config['model']}` was trained from scratch."
    import timm

    known = timm.is_model(config["model"])
    found = timm.get_pretrained_cfg(config["model"], allow_unregistered=True) if known else None
    if found is not None and not config["weights"]:
        return f"none; `{config['model']}` was trained from scratch."
    said = getattr(found, "license", None)
    return f"`{config['model']}`, pretrained; licence " + (
        f"{said} (as timm has it)." if said else "not known: see the model's page."
    )
