"""Quadratic equations: an epoch on the ink box beside a plain loop on whole frames, and predictions by a finished run.

    python scripts/bench/quadratic.py --data DIR [--times 3] [--run RUN]

DIR holds the competition's files. Both train the same net on the same rows in batches of 32; the plain loop does so in
fp32 on 100×300 pixels, by a DataLoader. In turns, the median counts. With --run: seconds to predict the test by all folds,
after imports, from the files to the submission.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

import kit
from kit.competition import load
from kit.modules import networks
from kit.runs import read_json


def plain(images: np.ndarray, y: np.ndarray) -> float:
    """Seconds of an epoch of a loop as one writes it."""
    net = networks.strip(1, 3, 16)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
    scaled = torch.from_numpy((y - y.mean(axis=0)) / y.std(axis=0))
    pictures = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    began = time.perf_counter()
    for x, target in DataLoader(TensorDataset(pictures, scaled), 32, shuffle=True):
        loss = torch.nn.functional.mse_loss(net(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - began


def cropped(data: Path) -> float:
    """Seconds that the kit trains one fold for an epoch, averaging of the weights and augmentation included."""
    with tempfile.TemporaryDirectory() as folder:
        run = kit.run("quadratic", data, out=Path(folder) / "run", only_fold=[0], epochs=1, quiet=True)
        return read_json(run.fold(0) / "fold.json")["seconds"]["train"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
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
    seconds = [(plain(images[rows], y[rows]), cropped(arguments.data)) for _ in range(arguments.times)]
    whole, box = (median(one) for one in zip(*seconds, strict=True))
    print(f"an epoch of {len(rows)} rows: whole frames {whole:.1f} s, ink box {box:.1f} s = {whole / box:.1f}×")


if __name__ == "__main__":
    main()
