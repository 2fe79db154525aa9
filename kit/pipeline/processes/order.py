"""Order: what a child of the fork server is to do, and the time that it has to save its state."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.storage import files

SAVING, SLOW, LONGEST = 12.0, 20e6, 300.0  # seconds; bytes a second of a slow disk; seconds


@dataclass(frozen=True)
class Order:
    """What a child is to do: call a function of a module's, `call` ("kit.module:name"), with its Work and these arguments.

    `folder`: where it saves its state; `seconds`: that it has from `began` on (`time.monotonic()`, the same in all processes),
    0: any; `threads`, `workers`: as many as it may use; `gpu`: the only one that it is to see, empty: all there are.
    """

    call: str
    arguments: Sequence[Any]
    folder: str
    seconds: float
    began: float
    threads: int
    workers: int
    gpu: str


def grace(folder: Path) -> float:
    """Seconds that a process has to save its state in a folder: SAVING, and what so many bytes take on a SLOW disk.

    How many there will be is told by its newest snapshot, or by the one that it is writing. Never more than LONGEST.
    """
    sizes = [0]
    for path in [*folder.glob("snapshot-*.pt"), *folder.glob(f"{files.TEMPORARY}*")]:
        with contextlib.suppress(OSError):
            sizes.append(path.stat().st_size)
    return min(SAVING + max(sizes) / SLOW, LONGEST)
