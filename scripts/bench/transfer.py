"""Transfer between halves of CIFAR-10: strategy × accuracy × trainable parameters × seconds, with few labels.

    python scripts/bench/transfer.py --data DIR [--labels 20] [--source 2000] [--cifar100 DIR]

DIR holds Kaggle's cifar-10. A net learns its first five classes (`--source` pictures of each); then `--labels` pictures
of each of the other five train it further by every strategy, and from scratch; accuracy is on 400 held-out pictures of
each. All through the front door, on pictures laid out for `kit run folders`. With --cifar100 the same net goes to that.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
import zipfile
from pathlib import Path

import kit
from kit.config import Config
from kit.console import table
from kit.models import networks
from kit.models.transfer import Thaw

HELD_OUT = 400
NET = {"model": "whitened", "width": 32, "size": 32, "views": 2, "augment": "light", "folds": 2, "label_smoothing": 0.1}
STRATEGIES = {
    "from scratch": {},
    "full": {"strategy": "full"},
    "full, layer decay": {"strategy": "full", "layer_decay": 0.5},
    "freeze": {"strategy": "freeze"},
    "freeze-unfreeze": {"strategy": "freeze-unfreeze", "unfreeze": 10},
    "gradual": {"strategy": "gradual", "unfreeze": 5, "layer_decay": 0.5},
}


def lay_out(data: Path, root: Path, classes: list[str], train: int, test: int, skip: int = 0) -> None:
    """Write so many pictures of each class, after the first `skip`, as `train/<class>/` and `test/<class>/`."""
    with (data / "trainLabels.csv").open() as file:
        rows = list(csv.reader(file))[1:]
    with zipfile.ZipFile(data / "train.zip") as archive:
        for one in classes:
            ids = [row for row, label in rows if label == one][skip : skip + train + test]
            for place, row in enumerate(ids):
                path = root / ("train" if place < train else "test") / one / f"{row}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(f"train/{row}.png"))


def trainable(knobs: dict[str, object], outputs: int) -> str:
    """Parameters that learn in the first epoch, and in the last if those are others."""
    config = Config().changed(**knobs)
    net = networks.make(config.model, 3, config.size, outputs, width=config.width)
    thaw, counts = Thaw(net, config), []
    for epoch in (0, config.epochs - 1):
        thaw.set(epoch)
        counts.append(sum(p.numel() for p in net.parameters() if p.requires_grad))
    return f"{counts[0]:,}" + (f" → {counts[1]:,}" if counts[1] != counts[0] else "")


def compare(name: str, data: Path, source: Path, out: Path, **more: object) -> None:
    """A line for each strategy."""
    lines = []
    for strategy, knobs in STRATEGIES.items():
        chosen = {**NET, "epochs": 30, "batch": 50, "lr": 2e-3, **more, **knobs}
        if strategy != "from scratch":
            chosen["from_run"] = str(source)
        began = time.perf_counter()
        run = kit.run(name, data, out=out / strategy.replace(" ", "-"), quiet=True, **chosen)
        seconds = time.perf_counter() - began
        outputs = run.test.shape[1]
        lines.append([strategy, f"{run.scores['extra']['held_out']:.4f}", trainable(chosen, outputs), f"{seconds:.1f}"])
        print(lines[-1], flush=True)
    print(table(["strategy", "held-out accuracy", "trainable parameters", "seconds"], lines))


def main() -> None:
    """Train the source, then compare the strategies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--labels", type=int, default=20)
    parser.add_argument("--source", type=int, default=2000)
    parser.add_argument("--cifar100", type=Path)
    arguments = parser.parse_args()
    from competitions.cifar10 import CLASSES

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        lay_out(arguments.data, root / "source", list(CLASSES[:5]), arguments.source, HELD_OUT)
        lay_out(arguments.data, root / "target", list(CLASSES[5:]), arguments.labels, HELD_OUT)
        source = kit.run(
            "folders", root / "source", out=root / "run", quiet=True, **NET, epochs=8, batch=256, lr=4e-3, final="refit"
        )
        print(f"source: {', '.join(CLASSES[:5])}; held-out accuracy {source.scores['extra']['held_out']:.4f}")
        print(f"target: {', '.join(CLASSES[5:])}; {arguments.labels} labels each")
        compare("folders", root / "target", source.path, root / "target-runs")
        if arguments.cifar100:
            print("target: cifar100, 5 epochs")
            compare("cifar100", arguments.cifar100, source.path, root / "cifar100-runs", epochs=5, batch=512)


if __name__ == "__main__":
    main()
