"""Model card: what an exported model is, where it comes from, how good it is and how to load it, as a README beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm

from kit import labels as all_labels, metrics
from kit.data import levels
from kit.models import networks
from kit.models.graphs import Graph
from kit.storage import files, templates
from kit.storage.run_folder import Run
from kit.storage.weights import HUB

TEMPLATES = Path(__file__).parent / "templates"
SCRATCH = (*networks.OWN, "ngrams", "mlp", "tabm", "lightgbm", "xgboost", "catboost")  # models without a backbone


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
    info, model, first = run.info, made.models[0], made.graph.first
    kinds = [str(example.dtype).removeprefix("torch.") for example in made.example]
    shapes = [_shape(shape, example) for shape, example in zip(first.shapes, made.example, strict=True)]
    return templates.render(
        TEMPLATES, "card.md.j2",
        competition=Path(info["competition"]).stem,
        info=info,
        session=info["sessions"][-1],
        config=info["config"],
        scores=run.scores,
        shown=metrics.shown,
        backbone=_backbone(info["config"], info.get("notes", [])),
        form=made.form,
        file=made.file,
        models=len(made.models),
        rows=made.rows,
        difference=made.difference,
        inputs=list(zip(first.names, kinds, shapes, strict=True)),
        example=made.example[0].shape,
        names=first.names,
        outputs=made.graph.outputs,
        takes=first.takes,
        columns=first.every is not None,
        scale=levels.in_words(tuple(span)) if (span := (info.get("inputs") or {}).get("span")) else "",
        box=getattr(first, "box", None),
        views=len(getattr(model, "views", ())) or 1,
        longest_text=getattr(model, "most", ""),
        convention=int(getattr(model, "convention", 0)),
        labels=model.labels,
        decision=str(all_labels.from_json(run.record.labels).decision or ""),
    )  # fmt: skip


def _shape(names: tuple[str | None, ...], example: Any) -> str:
    """The dimensions of an input, by name where they may differ from call to call."""
    return ", ".join(str(name or size) for name, size in zip(names, example.shape, strict=True))


def _backbone(config: Mapping[str, Any], notes: Sequence[str]) -> str:
    """Which weights training began with, and their licence where the run noted it or timm knows it."""
    if config["from_run"]:
        return f"that of the run `{Path(config['from_run']).name}`; its licence holds here too."
    if not config["weights"] and config["model"] in SCRATCH:
        return f"none; `{config['model']}` was trained from scratch."
    noted = [note for note in notes if note.startswith("--weights")]
    if config["weights"] and config["weights"] != HUB and noted:
        return f"`{config['model']}`, pretrained; {'; '.join(noted)}."
    listed = timm.is_model(config["model"])
    pretrained = timm.get_pretrained_cfg(config["model"], allow_unregistered=True) if listed else None
    if pretrained is not None and not config["weights"]:
        return f"none; `{config['model']}` was trained from scratch."
    licence = getattr(pretrained, "license", None)
    known = f"{licence} (as timm has it)." if licence else "not known: see the model's page."
    return f"`{config['model']}`, pretrained; licence {known}"
