"""Machine: what one computes with; two of one kind compute the same bytes."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

import torch

from kit.config import Config
from kit.models import devices
from kit.models.families import Family
from kit.storage import environment


@dataclass(frozen=True)
class Kind:
    """What a machine computes with: device, arithmetic and versions. `config`: resolved for it; `note`: for `run.json`."""

    name: str
    config: Config
    note: dict[str, str]


def kind_here(config: Config, family: Family, cores: int) -> Kind:
    """What this machine computes with, in so many threads, which torch is told here."""
    torch.set_num_threads(cores)
    here = devices.choose(config, family)
    versions = [f"{name} {environment.version(name)}" for name in environment.PACKAGES]
    model = torch.cuda.get_device_name(0) if here.devices == "gpu" else _processor()
    name = ", ".join([model, here.precision, here.layout, f"Python {platform.python_version()}", *versions])
    return Kind(name, here, devices.note(here))


def _processor() -> str:
    """The CPU's name; oneDNN's sums depend on its instructions and its caches."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
