"""Predictions of a module: rows gathered, views in one forward pass; and how long a row takes."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from kit.config import Config
from kit.console import say
from kit.models import devices, resident
from kit.models.base import FoldModel

AHEAD = 2  # passes that a GPU has before it while the host gathers rows and reads what is done


def predict(module: FoldModel, x: Any, rows: np.ndarray | None, config: Config) -> np.ndarray:
    """Predictions float32 [rows, c] for inputs `x` as they are loaded, in row order; `rows` None: all.

    Where the memory does not suffice, it goes on with half as many rows at a time.
    """
    device = devices.torch_device(config)
    module.to(device)
    if rows is None:
        module.ready(x)
    index = np.arange(len(x)) if rows is None else rows
    each, done, parts = module.rows_per_pass(config.devices), 0, list[Arriving]()
    while done < len(index):
        said = ""
        try:
            parts.append(_pass(module, x, index[done : done + each], config))
        except (RuntimeError, MemoryError) as fault:
            if each < 2 or not devices.out_of_memory(fault):
                raise
            said = (str(fault) or "out of memory").splitlines()[0][:80]
        if said:  # here, as the exception held the tensors of the pass
            each = min(each, len(index) - done) // 2
            resident.clear()
            torch.cuda.empty_cache()
            say(f"{said}: predictions go on with {each:,} rows at a time")
            continue
        done += len(parts[-1])
        if len(parts) > AHEAD:
            parts[-1 - AHEAD].wait()
    return np.concatenate([part.numpy() for part in parts]) if parts else np.zeros((0, len(module.labels.columns)), np.float32)


def _pass(module: FoldModel, x: Any, rows: np.ndarray, config: Config) -> Arriving:
    with torch.inference_mode(), devices.autocast(config):
        return Arriving(module.predict_step(module.gather(x, rows).to(devices.torch_device(config))).float())


class Arriving:
    """A pass's predictions [b, c] on their way to the host's memory, for which the next pass need not wait."""

    def __init__(self, predicted: torch.Tensor):
        self.host, self.event = predicted, None
        if predicted.is_cuda:
            self.host = torch.empty(predicted.shape, dtype=predicted.dtype, pin_memory=True)
            self.host.copy_(predicted, non_blocking=True)
            self.event = torch.cuda.Event()
            self.event.record()

    def __len__(self) -> int:
        return len(self.host)

    @property
    def ready(self) -> bool:
        """Are they there?"""
        return self.event is None or self.event.query()

    def wait(self) -> None:
        """Until they are there."""
        if self.event is not None:
            self.event.synchronize()

    def numpy(self) -> np.ndarray:
        self.wait()
        return self.host.numpy()


def pace(module: FoldModel, x: Any, config: Config) -> float:
    """Seconds that a row's prediction by a module in eval mode takes: of a few rows of `x`, after as many that do not count."""
    some = np.arange(min(len(x), 2 * module.rows_per_pass(config.devices)))
    predict(module, x, some[: max(1, len(some) // 2)], config)
    began = time.monotonic()
    predict(module, x, some, config)
    return (time.monotonic() - began) / max(1, len(some))
