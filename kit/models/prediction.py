"""Predictions of a module: rows gathered, views in one forward pass; and how long a row takes."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from kit.config import Config
from kit.models import devices
from kit.models.base import FoldModule


def predict(module: FoldModule, x: Any, rows: np.ndarray | None, config: Config) -> np.ndarray:
    """Predictions float32 [rows, c] for inputs `x` as they are loaded, in row order; `rows` None: all."""
    device = devices.torch_device(config)
    module.to(device)
    if rows is None:
        module.ready(x)
    index = np.arange(len(x)) if rows is None else rows
    each = module.rows_per_pass(config.devices)
    parts = []
    with torch.inference_mode(), devices.autocast(config):
        for start in range(0, len(index), each):
            batch = module.gather(x, index[start : start + each]).to(device)
            parts.append(module.predict_step(batch).float().cpu())
    return torch.cat(parts).numpy() if parts else np.zeros((0, len(module.labels.columns)), np.float32)


def pace(module: FoldModule, x: Any, config: Config) -> float:
    """Seconds that a row's prediction by a module in eval mode takes: of a few rows of `x`, after as many that do not count."""
    some = np.arange(min(len(x), 2 * module.rows_per_pass(config.devices)))
    predict(module, x, some[: max(1, len(some) // 2)], config)
    began = time.monotonic()
    predict(module, x, some, config)
    return (time.monotonic() - began) / max(1, len(some))
