"""Doctor: what this machine offers, what is missing, and where data is searched for."""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from kit import resources
from kit.cli import json_output
from kit.config import Config
from kit.console import output
from kit.storage import environment

LITTLE = 2 << 30  # bytes of free disk


def main(arguments: argparse.Namespace) -> int:
    found = list(examine())
    bad = any(state == "bad" for state, _ in found)
    if arguments.json:
        json_output.show({"ok": not bad, "lines": [{"state": state, "line": line} for state, line in found]})
    else:
        marks = {"ok": "✓", "note": "·", "bad": "✗"}
        output("\n".join(f"{marks[state]} {line}" for state, line in found))
    return 1 if bad else 0


def examine() -> Iterator[tuple[str, str]]:
    """Pairs of a state (`ok`, `note`, `bad`) and a line of text."""
    began = resources.CoreTime.now()
    time.sleep(resources.SAMPLE)  # before it computes itself
    crowded = began.shared(resources.core_count()) if began else ""
    yield "ok", f"Python {platform.python_version()} on {platform.platform()}, {resources.core_count()} cores"
    yield from (("note", line) for line in (resources.narrowed(), crowded) if line)
    for name in environment.PACKAGES:
        version = environment.version(name)
        yield ("ok", f"{name} {version}") if version else ("bad", f"{name} is missing: pip install -e .")
    yield from _compute()
    free = shutil.disk_usage(Path.cwd()).free
    yield ("ok" if free > LITTLE else "bad"), f"{free / (1 << 30):.1f} GB free in {Path.cwd()}"
    yield (
        ("ok", "runs/ is writable")
        if os.access(Path.cwd(), os.W_OK)
        else ("bad", f"{Path.cwd()} is read-only. Use --out to write elsewhere")
    )
    where = os.environ.get("KIT_DATA")
    yield (
        "ok",
        f"data is searched for in $KIT_DATA ({where}) first"
        if where
        else "$KIT_DATA is not set; data is searched for in /kaggle/input and data/",
    )


def _compute() -> Iterator[tuple[str, str]]:
    if importlib.util.find_spec("torch") is None:
        return
    try:
        import torchvision  # noqa: F401  (a build that does not match torch fails here)

        from kit.models import devices

        yield "ok", f"computes on {devices.describe(devices.choose(Config()))}"
        for index, name in enumerate(devices.gpus()):
            yield "ok", f"GPU {index}: {name}"
    except (ImportError, RuntimeError) as fault:
        yield (
            "bad",
            f"torch and torchvision do not match ({fault}). Reinstall them: pip install --upgrade torch torchvision timm",
        )
