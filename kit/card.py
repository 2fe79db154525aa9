"""Card: what an exported model is, where it comes from, how good it is and how to load it, as a README beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kit import files
from kit.runs import Run

MANY = 40  # answers named

LOAD = {
    "onnx": """import onnxruntime

session = onnxruntime.InferenceSession("{file}")
predictions = session.run(None, {{{inputs}}})[0]""",
    "torchscript": """import torch

model = torch.jit.load("{file}")
predictions = model({names})""",
    "torch-export": """import torch

model = torch.export.load("{file}").module()
predictions = model({names})""",
    "safetensors": """from safetensors.torch import load_file

state = load_file("{file}")  # the network's own names; one file a fold, what else counts is in its metadata""",
}
BEFORE = {
    "images": "The pictures, uint8 from 0 to 255, upright, {colour}, resized to {height}×{width}; normalisation and the"
    " {views} views are inside.",
    "ids": "Numbers from the tokenizer of the backbone, its own marks included, at most {most}; mask is 1 where there is a"
    " token. Of a longer text take the first and the last half of that.",
    "columns": "`kit.ngrams.bags(texts, {order})`: its `columns`, and its `start` without the last; weights are inside.",
}


def write(run: Run, folder: Path, form: str, path: Path, models: list[Any], example: Any, difference: float, rows: int) -> Path:
    """Write `README.md` beside the exported model; returns its path."""
    card = folder / "README.md"
    files.write(card, text(run, form, path.name, models[0], len(models), example, difference, rows))
    return card


def text(run: Run, form: str, file: str, model: Any, members: int, example: Any, difference: float, rows: int) -> str:
    """The card, in Markdown."""
    from kit.modules import graphs

    info, scores = run.info, run.scores
    config: Mapping[str, Any] = info["config"]
    names: tuple[str, ...] = graphs.kind(model).names
    shapes = graphs.kind(model).shapes
    taken = "\n".join(map(_input, names, shapes, example))
    answers = list(model.labels.columns)
    named = ", ".join(f"`{one}`" for one in answers[:MANY]) + (
        f" and {len(answers) - MANY} more" if len(answers) > MANY else ""
    )
    unit = "values in the targets' own units" if model.labels.kind == "numbers" else "probabilities"
    load = LOAD[form].format(file=file, names=", ".join(names), inputs=", ".join(f'"{one}": {one}' for one in names))
    held = scores["extra"].get("held_out")
    more = f" On {scores['rows']['test']:,} rows that no fold saw: {held:.5f}." if held is not None else ""
    folds = f"{len(scores['folds'])} of them, seed {config['seed']}"
    return f"""# {Path(info["competition"]).stem}: {config["model"]}, {members} models averaged

A run of the Kaggle baseline kit (preset {info["preset"]}) on `{Path(info["competition"]).stem}`, exported as {form}.

| input | type | shape |
|---|---|---|
{taken}

{_before(names[0], model, example)}

Output: {unit} float32 [rows, {len(answers)}]: {named}.

```python
{load}
```

## How good it is

Out-of-fold {scores["metric"]} {scores["oof"]:.5f} over {scores["rows"]["train"]:,} training rows: each was predicted by the
model that never saw it. Folds: {scores["mean"]:.5f} ± {scores["std"]:.5f} ({folds}; copies of a row stay in one fold).{more}
The average of all models, which this file holds, was not itself scored on the training rows.

The file answers {rows} test rows as the run's own models do in fp32, to {difference:.1e}{_unit(model)}.

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


def _before(name: str, model: Any, example: Any) -> str:
    """What is to be done to raw rows before they are put in."""
    facts: dict[str, Any] = {}
    if name == "images":
        _, facts["height"], facts["width"], channels = example[0].shape
        facts |= {"colour": "grey" if channels == 1 else "red, green, blue", "views": len(model.views)}
    return BEFORE[name].format(**facts, most=getattr(model, "most", ""), order=model.config.ngrams)


def _unit(model: Any) -> str:
    return " deviations of the targets" if model.labels.kind == "numbers" else ""


def _backbone(config: Mapping[str, Any]) -> str:
    """Which weights training began with, and their licence where timm knows it."""
    if config["from_run"]:
        return f"that of the run `{Path(config['from_run']).name}`; its licence holds here too."
    if not config["weights"] and config["model"] in ("convnet", "whitened", "ngrams"):
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
