"""Options of Lightning's Trainer that the kit has no knob for (`--trainer KEY=VALUE`), and an adapter's callbacks."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint, EarlyStopping, Timer

from kit.config import Config
from kit.errors import Usage, did_you_mean
from kit.training.training_batches import ROWS, assigned, value

INSTEAD = {
    "accelerator": "--devices", "devices": "--devices", "precision": "--precision", "max_epochs": "--epochs",
    "accumulate_grad_batches": "--accumulate", "gradient_clip_val": "--clip", "max_time": "--time-budget",
    "logger": "--logger", "enable_checkpointing": "--checkpoint", "profiler": "--profile",
    "callbacks": "the adapter's `callbacks`",
    "limit_train_batches": f"--trainer {ROWS}=N, or --limit", "limit_val_batches": "--val-every",
    "check_val_every_n_epoch": "--val-every", "val_check_interval": "--val-every", "limit_predict_batches": "--limit",
    "limit_test_batches": "--limit", "fast_dev_run": f"--trainer {ROWS}=1 --epochs 1", "enable_progress_bar": "--quiet",
}  # fmt: skip
BREAKS = (
    "strategy", "num_nodes", "max_steps", "min_steps", "min_epochs", "num_sanity_val_steps", "use_distributed_sampler",
    "reload_dataloaders_every_n_epochs", "barebones", "plugins", "sync_batchnorm", "model_registry", "enable_model_summary",
)  # fmt: skip


def options(config: Config) -> dict[str, Any]:
    """The options as the Trainer takes them, `overfit_batches` among them.

    Raises Usage for one that it does not know, that the kit has a knob for, or that would break folds or resumption.
    """
    parameters = inspect.signature(pl.Trainer.__init__).parameters
    known = [name for name in parameters if name != "self"]
    found = {}
    for name, text in assigned(config).items():
        if name not in known:
            raise Usage(f"--trainer {name}: Lightning's Trainer has no such option.{did_you_mean(name, known)}")
        if name in INSTEAD:
            raise Usage(f"--trainer {name}: the kit sets it. Use {INSTEAD[name]}.")
        if name in BREAKS:
            raise Usage(
                f"--trainer {name}: refused, as folds and resumption depend on it. See kit.study for a loop of your own."
            )
        if not text:
            raise Usage(f"--trainer {name}: KEY=VALUE is wanted, as {ROWS}=2.")
        found[name] = value(text)
        if parameters[name].annotation in (bool, bool | None) and not isinstance(found[name], bool):
            raise Usage(f"--trainer {name}={text}: the value must be True or False.")
    return found


def checked(callbacks: Sequence[Any]) -> list[pl.Callback]:
    """An adapter's callbacks. Raises Usage for what is none, and for those whose work the kit does itself."""
    for callback in callbacks:
        if not isinstance(callback, pl.Callback):
            raise Usage(f"callbacks: {callback!r} is no callback of Lightning; write callbacks = [LearningRateMonitor()].")
        instead = {Checkpoint: "--checkpoint best", EarlyStopping: "--early-stop", Timer: "--time-budget"}
        for kind, flag in instead.items():
            if isinstance(callback, kind):
                raise Usage(
                    f"callbacks: {type(callback).__name__} is the kit's own work in `kit run`. Use {flag}, or kit.study."
                )
    return list(callbacks)
