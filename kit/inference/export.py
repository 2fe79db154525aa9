"""Export: a run's models as one file that others load without the kit, tried on real rows, and a card that describes it."""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kit.config import Config
from kit.errors import BadData, Usage, install
from kit.inference import export_parity, members, model_card, safetensors_file
from kit.inference.loaded_run import load_run
from kit.models import graphs
from kit.models.graphs.tables import COLUMNS, Grove
from kit.storage import files, plain_json
from kit.storage.run_folder import Run
from kit.storage.run_record import STACK
from kit.storage.runs import blend_members

FORMATS = {
    "onnx": "model.onnx",
    "torchscript": "model.torchscript",
    "torch-export": "model.pt2",
    "safetensors": "fold0.safetensors",
}
TOLERANCE = 1e-4  # largest difference; of numbers, in deviations of the targets
Answer = Callable[[tuple[torch.Tensor, ...]], Sequence[np.ndarray]]  # a batch's inputs to what the graph gives


@dataclass(frozen=True)
class Exported:
    """What was written. `difference`: the largest, from the run's own models in fp32; `stored`: how near `test.csv` is."""

    path: Path
    card: Path
    difference: float
    stored: str
    rows: int


def export(run: Run, form: str, data: str | Path | None = None, out: str | Path | None = None) -> Exported:
    """Write the run's models as `form` and a model card beside it, once they answer real rows as the run does.

    Raises Usage for an unknown format, a missing extra or a run that is not complete, BadData where the exported model
    differs from the run's.
    """
    if form not in FORMATS:
        raise Usage(f"--format {form!r}: one of {', '.join(FORMATS)}.")
    if form == "onnx":
        _need("onnx", "onnxruntime", "onnxscript")
    if run.record.is_blend:
        raise _blend(run)
    whole = load_run(run, data)
    models = members.answering_models(whole)
    config = Config.of(run.record.settings).changed(devices="cpu", precision="fp32")
    tried = export_parity.rows(whole, config)
    members.equip(whole, tried.x, *models)
    graph = type(models[0]).graph(models, members.member_weights(run))
    folder = Path(out) if out else run.path / "export"
    path = folder / FORMATS[form]
    with _quiet():
        inputs = [graph.first.inputs(tried.x, rows) for rows in tried.batches]
        answer = WRITERS[form](path, graph, models, inputs[-1])
        given = [answer(one) for one in inputs]
    got = [np.concatenate(parts, axis=graph.row_axis[i]) for i, parts in enumerate(zip(*given, strict=True))]
    found = export_parity.compare(run, graph, models, tried, config, got)
    if not found.difference <= TOLERANCE:
        path.unlink(missing_ok=True)
        far = f"{found.difference:.2e} (at most {TOLERANCE:g})"
        raise BadData(f"{path}: not written: it differs from the run's models by {far}.")
    if graph.first.every is not None:
        files.write(folder / COLUMNS, plain_json.text(graph.first.every.json(), indent=1))
    made = model_card.Made(
        form=form, file=path.name, graph=graph, models=models, example=inputs[-1], difference=found.difference,
        rows=len(tried.ids),
    )  # fmt: skip
    card = model_card.write(run, folder, made)
    return Exported(path, card, found.difference, found.stored, len(tried.ids))


def _blend(run: Run) -> Usage:
    """What to export instead of a blend, and how what the exported models predict is combined."""
    about, members = run.record.blend, blend_members.counting(run.record)
    assert about is not None
    alone = f"{run.path}: a blend has no models of its own. Export"
    if not about["kept"]:
        return Usage(f"{alone} {members[0]['name']!r}: this blend is that run alone.")
    each = ", ".join(f"{one['name']!r} {one['weight']:.3f}" for one in members)
    how = {
        "mean": f"average what they predict by these weights: {each}",
        "rank": f"average the ranks of what they predict by these weights: {each}",
        STACK: f"combine what they predict by `blend`, `stack` of {run.path / 'run.json'}: {each}",
    }
    return Usage(f"{alone} its runs and {how[about['by']]} (docs/export.md). `kit kernel build` takes a blend as it is.")


def _need(*names: str) -> None:
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise Usage(f"--format onnx: {', '.join(missing)} is not installed: {install('onnx')}.")


def _dynamic(graph: graphs.Graph, models: list[Any]) -> tuple[dict[int, Any], ...]:
    """Which dimensions may differ from call to call. A transformer knows no more positions than it was built with."""
    known = {name: torch.export.Dim(name, min=1, max=1 << 30) for name in ("rows", "grams")}
    known["tokens"] = torch.export.Dim("tokens", min=2, max=getattr(models[0], "most", 512))
    return tuple({i: known[name] for i, name in enumerate(shape) if name} for shape in graph.first.shapes)


def _onnx(path: Path, graph: graphs.Graph, models: list[Any], example: tuple[torch.Tensor, ...]) -> Answer:
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # version 1.32 calls its maker's servers, from Linux too
    import onnxruntime

    path.parent.mkdir(parents=True, exist_ok=True)
    names = graph.first.names
    program = torch.onnx.export(
        graph, example, dynamo=True, input_names=list(names), output_names=list(graph.outputs), verbose=False,
        dynamic_shapes=(_dynamic(graph, models),),
    )  # fmt: skip
    assert program is not None
    try:
        files.write(path, program.model_proto.SerializeToString())
    except ValueError as fault:  # the format's own limit
        raise Usage(f"{path}: these models are over ONNX's 2 GB in one file. Use --format torch-export.") from fault
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, {name: one.numpy() for name, one in zip(names, inputs, strict=True)})


def _torchscript(path: Path, graph: graphs.Graph, models: list[Any], example: tuple[torch.Tensor, ...]) -> Answer:
    traced = torch.jit.trace(graph, example, check_trace=False, strict=False)
    buffer = io.BytesIO()
    torch.jit.save(traced, buffer)
    files.write(path, buffer.getvalue())
    loaded = torch.jit.load(str(path))
    return lambda inputs: _arrays(loaded(*inputs))


def _torch_export(path: Path, graph: graphs.Graph, models: list[Any], example: tuple[torch.Tensor, ...]) -> Answer:
    program = torch.export.export(graph, example, dynamic_shapes=(_dynamic(graph, models),), strict=False)
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    files.write(path, buffer.getvalue())
    loaded = torch.export.load(str(path)).module()
    return lambda inputs: _arrays(loaded(*inputs))


def _safetensors(path: Path, graph: graphs.Graph, models: list[Any], example: tuple[torch.Tensor, ...]) -> Answer:
    if isinstance(graph, Grove):
        raise Usage("--format safetensors: holds a network's weights; boosted trees take onnx, torchscript or torch-export.")
    for i, (member, model) in enumerate(zip(graph.members, models, strict=True)):
        safetensors_file.write(path.with_name(f"fold{i}.safetensors"), member, model)
        safetensors_file.read(path.with_name(f"fold{i}.safetensors"), member)
    return lambda inputs: _arrays(graph(*inputs))


def _arrays(given: torch.Tensor | tuple[torch.Tensor, ...]) -> list[np.ndarray]:
    return [one.detach().numpy() for one in (given if isinstance(given, tuple) else (given,))]


WRITERS: dict[str, Callable[..., Answer]] = {
    "onnx": _onnx, "torchscript": _torchscript, "torch-export": _torch_export, "safetensors": _safetensors,
}  # fmt: skip


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' tips, progress and their own use of what torch has deprecated."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
