"""Large sets: CPU seconds and peak memory of what grows with the number of rows, each in a process of its own.

    python scripts/bench/large_sets.py [CASE …]

Makes its sets in a temporary folder (1 GB), runs each case in a new process, and prints a table. `before` and `after` are
measured with the same script: run it in a checkout of each, with PYTHONPATH set to it.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROWS, CLASSES = 100_000, 1000  # of the predictions
Case = Callable[[Path], Callable[[], object]]  # lays a set out in a folder, unmeasured; what is measured


def predictions(folder: Path) -> Callable[[], object]:
    """A fold of 100,000 validation and 100,000 test rows of 1,000 classes, saved by a study."""
    import kit

    answers = np.arange(2 * ROWS) % CLASSES
    rows = pd.DataFrame({"id": np.arange(2 * ROWS), "x": answers * 0.5 + np.arange(2 * ROWS) / 1e6})
    rows.assign(y=[f"c{one}" for one in answers]).to_csv(folder / "train.csv", index=False)
    rows[:ROWS].assign(id=np.arange(2 * ROWS, 3 * ROWS)).to_csv(folder / "test.csv", index=False)
    sample = "id,y\n" + "".join(f"{i},c{i % CLASSES}\n" for i in range(2 * ROWS, 3 * ROWS))
    (folder / "sample_submission.csv").write_text(sample)
    study = kit.study("csv", folder, out=folder / "run", folds=2, target="y", quiet=True)
    fold = study.folds[0]
    values = np.random.default_rng(0).random((ROWS, CLASSES), dtype=np.float32)
    values /= values.sum(axis=1, keepdims=True)
    return lambda: fold.save(validation=values[: len(fold.validation_ids)], test=values)


def table(folder: Path, test: bool = True, limit: int = 0) -> Callable[[], object]:
    """A million rows of twenty columns, read and checked as `kit run csv --target y` does it."""
    from kit import competition as competitions
    from kit.config import Config

    rng, n = np.random.default_rng(0), 1_000_000
    columns: dict[str, Any] = {"id": np.arange(n)}
    columns |= {f"n{i}": rng.normal(size=n).round(4) for i in range(12)} | {f"i{i}": rng.integers(0, 1000, n) for i in range(4)}
    columns |= {f"c{i}": np.array(["red", "green", "blue"], object)[rng.integers(0, 3, n)] for i in range(2)}
    frame = pd.DataFrame(columns | {"y": rng.integers(0, 2, n)})
    frame.to_csv(folder / "train.csv", index=False)
    if test:
        frame.drop(columns="y")[:10_000].assign(id=np.arange(n, n + 10_000)).to_csv(folder / "test.csv", index=False)
    root = folder if test else folder / "train.csv"
    config = Config(model="mlp", target="y", limit=limit)
    return lambda: competitions.load("csv").shaped(config, root).competition.tables(root, limit)


def text_table(folder: Path) -> Callable[[], object]:
    """The same rows, of which one column is text and the others are not used."""
    import kit
    from kit.metrics import accuracy

    table(folder)
    (folder / "sample_submission.csv").write_text("id,y\n" + "".join(f"{i},0\n" for i in range(1_000_000, 1_010_000)))
    facts = kit.Competition("x", "id", kit.Text("c0"), kit.OneOf("y"), accuracy)
    return lambda: facts.tables(folder)


def noise(folder: Path) -> Callable[[], object]:
    """80,000 pictures like noise, looked through for near duplicates."""
    from kit.data import duplicates

    rng, images = np.random.default_rng(0), np.empty((80_000, 32, 32, 3), np.uint8)
    for some in np.array_split(images, 40):
        contrast = rng.uniform(25, 60, (len(some), 1, 1, 1)).astype(np.float32)
        grey = rng.normal(size=(len(some), 32, 32, 1)).astype(np.float32)
        colour = rng.normal(size=some.shape).astype(np.float32)
        some[:] = (128 + contrast * (grey + 0.15 * colour)).clip(0, 255)
    return lambda: duplicates.groups(images)


def folders(folder: Path) -> Callable[[], object]:
    """4,000 pictures of 250 KB in two folders, no test/: a fifth is kept back by content."""
    from kit import competition as competitions

    rng = np.random.default_rng(0)
    for i in range(4000):
        path = folder / "train" / "ab"[i % 2] / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.bytes(250_000))
    return lambda: competitions.load("folders").competition.tables(folder)


def finished(folder: Path) -> Callable[[], object]:
    """Five folds of 400 MB each, recognised as finished."""
    from kit.pipeline import crossval

    for k in range(5):
        (folder / f"fold{k}").mkdir()
        (folder / f"fold{k}" / "model.ckpt").write_bytes(np.random.default_rng(k).bytes(400_000_000))
        crossval.seal(folder / f"fold{k}", {})
    return lambda: [crossval.finished(folder / f"fold{k}") for k in range(5)]


def streamed(folder: Path) -> Callable[[], object]:
    """1,500 pictures of 512×512 that are not kept decoded: two epochs, three folds, three views and averaged weights."""
    from PIL import Image

    import kit

    rng = np.random.default_rng(0)
    for split, count in (("train", 300), ("test", 1200)):
        for i in range(count):
            path = folder / split / "ab"[i % 2] / f"{i}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            small = Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8).astype(np.uint8))
            small.resize((512, 512), Image.Resampling.BICUBIC).save(path, quality=90)
    knobs: dict[str, Any] = {"size": 64, "width": 4, "epochs": 2, "folds": 3, "batch": 32, "views": 3, "ema": 0.9, "workers": 0}
    return lambda: kit.run("folders", folder, out=folder / "run", cache_gb=0.0, quiet=True, **knobs)


CASES: dict[str, Case] = {
    "predictions": predictions,
    "table": table,
    "table, limit 20,000": lambda folder: table(folder, limit=20_000),
    "single file": lambda folder: table(folder, test=False),
    "single file, limit 20,000": lambda folder: table(folder, test=False, limit=20_000),
    "text column": text_table,
    "noise": noise,
    "folders": folders,
    "finished": finished,
    "streamed": streamed,
}


def used() -> tuple[float, float]:
    """CPU seconds of this process, and its peak memory in MB."""
    known = resource.getrusage(resource.RUSAGE_SELF)
    return known.ru_utime + known.ru_stime, known.ru_maxrss / 1024


def measure(name: str) -> None:
    """Run one case in this process and print its row."""
    with tempfile.TemporaryDirectory() as folder:
        work = CASES[name](Path(folder))
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew, where Linux lets it
        began, (cpu, _) = time.monotonic(), used()
        work()
        peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        print(
            f"{name:26} {used()[0] - cpu:8.1f} {time.monotonic() - began:8.1f} {int(peak.split()[1]) / 1024:8,.0f}", flush=True
        )


def main(names: list[str]) -> None:
    """Print the table of these cases, or of all."""
    print(f"{'case':26} {'CPU s':>8} {'wall s':>8} {'peak MB':>8}", flush=True)
    for name in names or CASES:
        subprocess.run([sys.executable, __file__, "--one", name], check=True)


if __name__ == "__main__":
    measure(sys.argv[2]) if sys.argv[1:2] == ["--one"] else main(sys.argv[1:])
