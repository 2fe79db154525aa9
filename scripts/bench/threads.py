"""Milliseconds of a training step by one thread and by two, and its operations: from where on do two threads pay?

    python scripts/bench/threads.py NAME [--data DIR] [--rounds 12] [--KNOB VALUE …]

One thread and two take turns of a quarter of a second, so that what else the machine does meets both alike. Printed are the
mean of each one's fastest eighth, which says most about idle cores, and the median, which says what they had here.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

import kit
from kit.models import devices, registry
from kit.models.lightning import step_threads
from kit.training.datamodule import FoldData
from kit.training.fold import Fold

TURN = 0.25  # seconds


def stepper(fold: Fold) -> tuple[Callable[[], None], float]:
    """A function that trains one step of a fold's fit, and the operations of a step."""
    kind = registry.module_class(fold.config, fold.labels, fold.x, fold.parts)
    module = kind.of(fold.config, fold.labels, fold.x, steps=1000, mirror=fold.mirror, parts=fold.parts)
    module.learn(fold.x, fold.train, fold.y)
    loader = FoldData(fold, module=kind).train_dataloader()
    optimizer = module.configure_optimizers()["optimizer"]

    def batches() -> Iterator[Any]:
        while True:
            yield from loader

    following = batches()

    def step() -> None:
        batch = next(following)
        module.on_train_batch_start(batch, 0)
        with devices.autocast(fold.config):
            loss = module.training_step(batch, 0)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        module.on_train_batch_end(None, batch, 0)

    return step, step_threads.operations(module, fold.x, fold.config)


def main() -> None:
    """Take turns, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--data")
    parser.add_argument("--rounds", type=int, default=12)
    known, rest = parser.parse_known_args()
    knobs = dict(zip((word.removeprefix("--").replace("-", "_") for word in rest[::2]), rest[1::2], strict=True))
    with tempfile.TemporaryDirectory() as folder:
        step, operations = stepper(kit.study(known.name, known.data, out=folder, quiet=True, **knobs).folds[0].fit)
        taken: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(known.rounds):
            for count, times in taken.items():
                torch.set_num_threads(count)
                step()
                began, steps = time.perf_counter(), 0
                while time.perf_counter() - began < TURN:
                    step()
                    steps += 1
                times.append((time.perf_counter() - began) / steps * 1000)
    best = {count: statistics.mean(sorted(times)[: max(1, len(times) // 8)]) for count, times in taken.items()}
    middle = {count: statistics.median(times) for count, times in taken.items()}
    print(f"{known.name} {knobs}: {operations / 1e9:.3f} billion operations a step")
    for what, found in (("fastest", best), ("median", middle)):
        print(f"  {what}: {found[1]:.2f} ms by one thread, {found[2]:.2f} by two: {found[1] / found[2]:.2f}×")


if __name__ == "__main__":
    main()
