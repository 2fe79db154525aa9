"""Quadratic equations: an epoch on the ink box beside a plain loop on whole frames, and predictions by a finished run.

    python scripts/bench/quadratic.py --data DIR [--model resnet18] [--times 3] [--run RUN]

DIR holds the competition's files. Both train the same net (the kit's own, or a timm model) on the rows of fold 0 in batches
of 32; the plain loop does so in fp32 on 100×300 pixels, by a DataLoader, and is timed over ten batches. In turns, the median
of CPU seconds counts. With --run: seconds to predict the test by all folds, after imports, from the files to the submission.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np
import timm
import torch
from torch.utils.data import DataLoader, TensorDataset

import kit
from kit.competition import load
from kit.models import networks

BATCHES = 10


def plain(model: str, images: np.ndarray, y: np.ndarray) -> float:
    """CPU seconds of an epoch of a loop as one writes it."""
    net = networks.strip(1, 3, 16) if model == "strip" else timm.create_model(model, in_chans=1, num_classes=3)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
    scaled = torch.from_numpy((y - y.mean(axis=0)) / y.std(axis=0))
    pictures = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    loader = DataLoader(TensorDataset(pictures, scaled), 32, shuffle=True)
    began = time.process_time()
    for x, target in islice(loader, BATCHES):
        loss = torch.nn.functional.mse_loss(net(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (time.process_time() - began) * len(loader) / BATCHES


def cropped(model: str, data: Path) -> float:
    """CPU seconds that the kit takes for an epoch of fold 0, averaging of the weights and augmentation included.

    The difference of two epochs and one: reading, the check of the first batch and the predictions are in both.
    """
    return spent(model, data, 2) - spent(model, data, 1)


def spent(model: str, data: Path, epochs: int) -> float:
    """CPU seconds of a run of fold 0."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        kit.run("quadratic", data, out=Path(folder) / "run", only_fold=[0], epochs=epochs, model=model, quiet=True)
        return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="strip")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--run", type=Path)
    arguments = parser.parse_args()
    facts = load("quadratic").competition
    tables = facts.tables(arguments.data)
    if arguments.run:
        kit.predict(arguments.run, arguments.data)  # once, for the imports
        began = time.perf_counter()
        answers, _ = kit.predict(arguments.run, arguments.data)
        print(f"{len(answers)} test rows predicted by {arguments.run} in {time.perf_counter() - began:.1f} s")
        return
    images, y = facts.inputs.load(arguments.data, tables.train, "train", 0).rows, tables.labels.encode(tables.train)
    rows = np.arange(len(y) * 4 // 5)
    model, data = arguments.model, arguments.data
    spent(model, data, 1)  # once, for the imports
    seconds = [(plain(model, images[rows], y[rows]), cropped(model, data)) for _ in range(arguments.times)]
    whole, box = (median(one) for one in zip(*seconds, strict=True))
    print(f"{model}, an epoch of {len(rows)} rows: whole frames {whole:.1f} s, ink box {box:.1f} s = {whole / box:.1f}×")


if __name__ == "__main__":
    main()
