"""Timings: where the time of training went, as Lightning's profiler has it."""

from __future__ import annotations

import re
from typing import Any

from kit.console import table

# What Lightning calls it and what that is. The optimizer's step calls forward and backward.
PARTS = {
    r"\[_TrainingEpochLoop\].train_dataloader_next": "data",
    r"\[Strategy\].*.batch_to_device": "data",
    r"\[Strategy\].*.training_step": "forward",
    r"\[Strategy\].*.backward": "backward",
    r"\[LightningModule\].*.optimizer_step": "optimizer",
    r"\[LightningModule\].*.on_train_batch_end": "average of weights",
    r"\[Callback\]Snapshots.on_train_batch_start": "checkpoints",
    r"\[Callback\](History|FiniteLoss|Report).on_train_batch_end": "metrics",
    r"\[Callback\](History|Validation|Report).on_train_epoch_end": "metrics",
}


class Timings:
    """Seconds by part, over all fits of a process. On a GPU forward and backward are the time to ask for them."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def add(self, profiler: Any) -> None:
        """Count what a Lightning SimpleProfiler has recorded of a fit."""
        found = dict.fromkeys(PARTS.values(), 0.0)
        for action, durations in profiler.recorded_durations.items():
            part = next((part for pattern, part in PARTS.items() if re.fullmatch(pattern, action)), None)
            if part:
                found[part] += sum(durations)
        found["optimizer"] = max(0.0, found["optimizer"] - found["forward"] - found["backward"])
        whole = sum(profiler.recorded_durations.get("run_training_epoch", []))
        found["the loop itself"] = max(0.0, whole - sum(found.values()))
        for part, spent in found.items():
            self.seconds[part] = self.seconds.get(part, 0.0) + spent

    def table(self) -> str:
        """Aligned lines of part, seconds and share, the largest first."""
        whole = sum(self.seconds.values()) or 1.0
        ordered = sorted(self.seconds.items(), key=lambda pair: -pair[1])
        rows = [[part, f"{spent:.2f}", f"{100 * spent / whole:.1f}"] for part, spent in ordered]
        return table(["training's time", "seconds", "%"], rows)
