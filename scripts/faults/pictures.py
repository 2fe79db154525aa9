"""Faults of pictures, tables and shared memory."""

from __future__ import annotations

import io
import random
import subprocess
import sys
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from counting import ROOT, Count

KINDS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")
SMALL_SHM = """
import sys; sys.path.insert(0, {root!r})
import numpy as np
from kit.config import Config
from kit.models.images.image_module import ImageModule
from kit.training.workers import WorkerBatches
said = []
images = np.zeros((64, 224, 224, 3), np.uint8)
feed = ImageModule.feed(images, Config(augment="photo", batch=32), 64, mirror=True)
batches = WorkerBatches(feed, np.zeros(64, int), np.arange(64), workers=4, say=said.append, seed=0, fold=0)
print(len(list(batches)), batches.workers, *said)
"""


def mutated_pictures(folder: Path) -> Count:
    """5,000 of six formats."""
    from PIL import Image

    from kit.inputs.decode import decode

    smooth = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((32, 32))
    rng, files = random.Random(0), []
    for kind in KINDS:
        buffer = io.BytesIO()
        smooth.save(buffer, format=kind)
        files.append(buffer.getvalue())

    def one(i: int) -> None:
        data = bytearray(files[i % len(KINDS)])
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            decode(bytes(data[: rng.randint(len(data) // 2, 2 * len(data))]), f"a.png (id {i})", 3, 16)

    return _mutated(5000, one, "(id {})")


def mutated_tables(folder: Path) -> Count:
    """10,000 of the table that the tests mutate."""
    from kit.storage import frames

    sys.path.insert(0, str(ROOT / "tests" / "storage"))
    from test_frames import mutated

    rng = random.Random(0)
    return _mutated(10_000, lambda i: frames.read_csv(mutated(rng), "t.csv"), "t.csv, line ")


def _mutated(number: int, one: Callable[[int], object], where: str) -> Count:
    """How many are read, or refused in words that say `where` (with their number in the place of {}); in 2 s each."""
    from kit.errors import BadData

    read = refused = 0
    for i in range(number):
        began = time.perf_counter()
        good = named = False
        try:
            one(i)
            good = True
        except BadData as fault:
            named = where.format(i) in str(fault)
        except Exception:  # what is counted here is the fault
            continue
        in_time = time.perf_counter() - began < 2
        read, refused = read + (good and in_time), refused + (named and in_time)
    return Count(read + refused, number, f"{read:,} read, {refused:,} refused by name")


def little_shared_memory(folder: Path) -> Count:
    """As root, in a mount namespace of its own."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        return Count(0, 0, "only root may mount a small /dev/shm")
    code = SMALL_SHM.format(root=str(ROOT))
    words = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=4M tmpfs /dev/shm && exec "$0" -c "$1"', sys.executable, code]
    answer = subprocess.run(words, capture_output=True, text=True, check=False)
    batches, workers, *said = answer.stdout.strip().split(maxsplit=2) or ("", "")
    return Count(int(answer.returncode == 0 and (batches, workers) == ("2", "0") and bool(said)), 1, *said)


def many_pictures(folder: Path) -> Count:
    """300,000 in a zip; the memory is the process's own, beside the mapped file."""
    from PIL import Image

    from kit.config import Config
    from kit.inputs import Images
    from kit.labels import OneOf
    from kit.models import prediction
    from kit.models.images.image_module import ImageModule

    rng = np.random.default_rng(0)
    buffers = []
    for _ in range(200):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(buffer, format="PNG")
        buffers.append(buffer.getvalue())
    with zipfile.ZipFile(folder / "test.zip", "w", zipfile.ZIP_STORED) as archive:
        for i in range(300_000):
            archive.writestr(f"test/{i}.png", buffers[i % 200])
    import pandas as pd

    before = _own_memory()
    ids = [str(i) for i in range(300_000)]
    rows = Images("train/{id}.png", test="test/{id}.png").load(folder, pd.DataFrame(index=ids), "test", 0).rows
    config = Config(width=4, devices="cpu", precision="fp32", layout="contiguous")
    module = ImageModule.of(config, OneOf("x", ("a", "b")), rows, steps=1, mirror=True).eval()
    predicted = prediction.predict(module, rows, None, config)
    same = bool((predicted[:200] == predicted[200:400]).all() and len(predicted) == 300_000)
    grown = (_own_memory() - before) >> 20
    return Count(int(same and grown < 1024), 1, f"memory grew by {grown} MB, {rows.nbytes >> 20} MB are mapped")


def _own_memory() -> int:
    """Bytes that this process holds and that no file backs."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) << 10
