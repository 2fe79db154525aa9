"""CIFAR-10 with classes of 1,500 down to 30 pictures: accuracy on as many held-out pictures of each class.

    python scripts/bench/imbalance.py --data DIR [--seeds 2]

DIR holds Kaggle's cifar-10. Each line is a choice: the mean over all classes and the three rarest classes' own accuracy.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

import kit
from kit.console import table

MOST, LEAST, HELD_OUT = 1500, 30, 200
NET = {
    "model": "whitened", "width": 16, "size": 32, "epochs": 8, "batch": 250, "optimizer": "muon", "lr": 0.24, "bias_lr": 220,
    "head_lr": 3.5, "weight_decay": 0, "schedule": "linear", "warmup": 0, "label_smoothing": 0.2, "ema": 0, "augment": "light",
    "folds": 2, "views": 1, "precision": "fp32",
}  # fmt: skip
CHOICES: dict[str, dict[str, object]] = {"as it comes": {}, "balance": {"balance": 1}}


def lay_out(data: Path, root: Path, classes: tuple[str, ...]) -> list[str]:
    """Write the pictures as `train/<class>/` and `test/<class>/`; the three rarest classes."""
    with (data / "trainLabels.csv").open() as file:
        rows = list(csv.reader(file))[1:]
    counts = [round(MOST * (LEAST / MOST) ** (i / (len(classes) - 1))) for i in range(len(classes))]
    with zipfile.ZipFile(data / "train.zip") as archive:
        for one, count in zip(classes, counts, strict=True):
            ids = [row for row, label in rows if label == one][: HELD_OUT + count]
            for place, row in enumerate(ids):
                path = root / ("test" if place < HELD_OUT else "train") / one / f"{row}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(f"train/{row}.png"))
    return list(classes[-3:])


def main() -> None:
    """A line for each choice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    from competitions.cifar10 import CLASSES

    lines = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        rarest = lay_out(arguments.data, root / "data", CLASSES)
        for name, knobs in CHOICES.items():
            for seed in range(arguments.seeds):
                began = time.perf_counter()
                run = kit.run("folders", root / "data", out=root / f"{name}-{seed}", quiet=True, seed=seed, **NET, **knobs)
                seconds = time.perf_counter() - began
                truth = np.array([Path(row).parts[-2] for row in run.test.index])
                right = run.test.idxmax(axis=1).to_numpy() == truth
                rare = right[np.isin(truth, rarest)].mean()
                lines.append([name, str(seed), f"{right.mean():.4f}", f"{rare:.4f}", f"{seconds:.0f}"])
                print(lines[-1], flush=True)
    print(table(["choice", "seed", "accuracy, all classes alike", "the three rarest", "seconds"], lines))


if __name__ == "__main__":
    main()
