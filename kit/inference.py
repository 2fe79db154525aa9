"""Inference: predictions of a module or of a run's checkpoints, views in one forward pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from kit import checkpoints, devices, frames
from kit.config import Config
from kit.errors import Usage
from kit.runs import Run, read_json

# Images per forward pass, views included. On a CPU more than fits its cache is slower and erratic: 28×28 images through
# the small net on two cores, 128: 35,000 a second in every run; 512: 18,000 to 34,000; 1024: 19,000 to 29,000.
FORWARD = {"cpu": 128, "gpu": 2048}


def predict(module: Any, images: Any, rows: np.ndarray | None, config: Config) -> np.ndarray:
    """Predictions float32 [rows, c] for uint8 images [n, h, w, c], in row order; `rows` None: all."""
    device = devices.torch_device(config)
    module.to(device)
    index = np.arange(len(images)) if rows is None else rows
    each = max(1, FORWARD[config.devices] // len(module.views))
    parts = []
    with torch.inference_mode(), devices.autocast(config):
        for start in range(0, len(index), each):
            some = torch.from_numpy(images[index[start : start + each]]).permute(0, 3, 1, 2)
            parts.append(module.predict_step({"images": some.to(device)}).float().cpu())
    return torch.cat(parts).numpy() if parts else np.zeros((0, len(module.labels.columns)), np.float32)


def members(run: Run) -> list[Path]:
    """The folders whose models answer the test: the folds', the refit's, or both, by the run's `final`."""
    names = {"folds": run.info["folds"], "refit": ["refit"], "both": [*run.info["folds"], "refit"]}
    return [run.fold(name) for name in names[run.info["config"]["final"]]]


def combine(run: Run, parts: list[Any]) -> Any:
    """One frame from the members' frames: folds weigh together as much as the refit, where there are both."""
    folds = len(parts) - 1
    weights = [1.0 / folds] * folds + [1.0] if run.info["config"]["final"] == "both" else None
    return frames.average(parts, weights)


def load(run: Run, views: int | None = None) -> list[Any]:
    """The models of a finished run, checked; with another number of views if asked.

    Raises Usage where the run is not complete, BadData where a checkpoint is broken.
    """
    from kit import views as all_views

    if not run.complete:
        raise Usage(f"{run.path}: this run is not complete. Run it again; it goes on where it stopped.")
    models = []
    for folder in members(run):
        model = checkpoints.load_model(folder / "model.ckpt", read_json(folder / "fold.json")["checksums"]["model.ckpt"])
        if views:
            facts = model.hparams
            model.views = all_views.make(views, facts["side"], facts["mirror"], model.config.view_kind)
        models.append(model)
    return models
