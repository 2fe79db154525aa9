"""Faults of clusters: a real Slurm, and a Ray cluster without room for the data."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from counting import ROOT, Count
from PIL import Image


def slurm(folder: Path) -> Count:
    if shutil.which("slurmctld") is None:
        return Count(0, 0, "Slurm is not installed here")
    answer = subprocess.run(["bash", str(ROOT / "scripts" / "slurm.sh")], capture_output=True, text=True)
    return Count(int("the same bytes; jobs left: 0" in answer.stdout), 1)


def object_store(folder: Path) -> Count:
    """Pictures of 225 MB, for a store of 80 MB in memory which may take 120 MB of a disk."""
    if find_spec("ray") is None:
        return Count(0, 0, "Ray is not installed here")
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        return Count(0, 0, "only root may mount a small disk")
    for i in range(1500):
        path = folder / "data" / ("train" if i < 1250 else "test") / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((224, 224, 3), (i % 251, i % 241, i % 239), np.uint8)).save(path)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    node = "--head --block --num-cpus 1 --include-dashboard=false --disable-usage-stats --object-store-memory 80000000"
    run = "run folders --data data --size 224 --folds 2 --epochs 1 --on ray"
    steps = [
        'mkdir "$0/ray" && mount -t tmpfs -o size=120m tmpfs "$0/ray" || exit',
        f'"{sys.executable}" -m ray.scripts.scripts start {node} --port {port} --temp-dir "$0/ray" > "$0/node.txt" 2>&1 &',
        'for i in $(seq 100); do [ -S "$0/ray/session_latest/sockets/plasma_store" ] && break; sleep 0.3; done; sleep 3',
        f'RAY_ADDRESS=127.0.0.1:{port} "{sys.executable}" -m kit {run}',
        'echo "code $?"',
    ]
    words = ["unshare", "-m", "sh", "-c", "\n".join(steps), str(folder)]
    process = subprocess.Popen(
        words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout
    code = process.stdout.readline().strip()
    os.killpg(process.pid, signal.SIGKILL)  # the node goes on otherwise
    said = process.communicate()[1]
    whole = code == "code 74" and "do not fit the object store of the cluster" in said and "Traceback" not in said
    return Count(int(whole), 1)
