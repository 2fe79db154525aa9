"""Faults of pictures and archives, at full length; `scripts/faults.sh` runs them after the others."""

from __future__ import annotations

import io
import random
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np

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


def mutated(folder: Path, seconds: float) -> str:
    """5,000 mutated pictures of six formats: read or refused by name, nothing else."""
    from PIL import Image

    from kit.errors import BadData
    from kit.inputs.decode import decode

    smooth = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((32, 32))
    read = refused = other = 0
    rng = random.Random(0)
    for i in range(5000):
        buffer = io.BytesIO()
        smooth.save(buffer, format=KINDS[i % len(KINDS)])
        data = bytearray(buffer.getvalue())
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                decode(bytes(data[: rng.randint(len(data) // 2, 2 * len(data))]), f"a.png (id {i})", 3, 16)
            read += 1
        except BadData as fault:
            refused += f"(id {i})" in str(fault)
        except Exception:  # what is counted here is the fault
            other += 1
    return f"{read} read, {refused} refused by name, {other} crashed"


def little_shared_memory(folder: Path, seconds: float) -> str:
    """/dev/shm of 4 MB (as root, in a mount namespace of its own): goes on with 0 workers and says so."""
    code = SMALL_SHM.format(root=str(Path(__file__).resolve().parent.parent))
    words = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=4M tmpfs /dev/shm && exec "$0" -c "$1"', sys.executable, code]
    answer = subprocess.run(words, capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else f"not tried: {answer.stderr.strip()[-100:]}"


def many(folder: Path, seconds: float) -> str:
    """300,000 test pictures in a zip: predicted in bounded memory (its own, beside the mapped file)."""
    from PIL import Image

    from kit.config import Config
    from kit.inputs import Images
    from kit.labels import OneOf
    from kit.models import prediction
    from kit.models.images.image_module import ImageModule
    from kit.storage import array_cache

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
    kept = f"{rows.nbytes >> 20} MB kept in {array_cache.folder()}"
    return f"{len(rows):,} rows, {kept}, equal pictures alike: {same}; memory grew by {grown} MB"


def _own_memory() -> int:
    """Bytes that this process holds and that no file backs."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) << 10
