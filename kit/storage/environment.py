"""Environment: what `run.json` says of a process that works on a run: versions, commit, machine, arguments."""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

from kit import resources
from kit.storage.run_record import Session

PACKAGES = ("torch", "torchvision", "timm", "pytorch-lightning", "torchmetrics", "albumentations", "numpy", "pandas")


def session() -> Session:
    """This process, as `run.json` notes it."""
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": resources.core_count(),
        "versions": {name: version(name) for name in PACKAGES},
        "commit": commit(),
        "argv": sys.argv[1:],
    }


def version(name: str) -> str | None:
    """The version of an installed package; None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def commit() -> str | None:
    """The commit of the kit's source as `git describe` names it; None where it is no checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None
