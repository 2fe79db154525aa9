"""Devices: where to compute, in which arithmetic and memory format, chosen by what the machine does natively."""

import contextlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch

from kit.config import Config
from kit.errors import Usage
from kit.models.families import IMAGE, PROBED, Family

NATIVE_BF16 = 8  # CUDA compute capability; below it (T4: 7.5) torch.cuda.is_bf16_supported() still says True
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
LIGHTNING = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def choose(config: Config, family: Family = IMAGE) -> Config:
    """The Config with `devices`, `precision` and `layout` resolved for this machine and this family of models.

    Raises Usage where the machine has none.
    """
    if family.one_step:  # on all rows: sparse products in float32, or scikit-learn's boosting
        return config.changed(devices="cpu", precision="fp32", layout="contiguous", epochs=1)
    if family.probing:
        config = config.changed(**PROBED)
    device = config.devices
    if device == "gpu" and not torch.cuda.is_available():
        raise Usage("--devices gpu: torch sees no GPU here. Use --devices cpu, or install torch with CUDA.")
    if device == "auto":
        device = "gpu" if torch.cuda.is_available() else "cpu"
    precision = config.precision
    if precision == "auto":
        precision = "fp32" if family.precise else _native(device)  # eight bits are too few for a table's numbers
    if precision == "fp16" and device == "cpu":
        raise Usage("--precision fp16: CPUs train in bf16 or fp32.")
    layout = config.layout if config.layout != "auto" else "contiguous" if family.plain else "channels_last"
    return config.changed(devices=device, precision=precision, layout=layout)


def _native(device: str) -> str:
    if device == "gpu":
        return "bf16" if torch.cuda.get_device_capability()[0] >= NATIVE_BF16 else "fp16"
    return "bf16" if cpu_has_bf16() else "fp32"


def cpu_has_bf16() -> bool:
    """Does this CPU multiply bf16 natively (AVX512-BF16 or AMX)? Emulated, it is slower than fp32."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def torch_device(config: Config) -> torch.device:
    """The device of a resolved Config."""
    return torch.device("cuda", 0) if config.devices == "gpu" else torch.device("cpu")


def autocast(config: Config) -> AbstractContextManager[Any]:
    """The arithmetic of a resolved Config for a forward pass outside a Trainer."""
    if config.precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(torch_device(config).type, DTYPES[config.precision])


def note(config: Config) -> dict[str, str]:
    """What `run.json` records of a Config that is resolved for this machine."""
    return {"device": describe(config), "precision": config.precision, "layout": config.layout}


def gpus() -> list[str]:
    """The names of the GPUs that torch sees."""
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def describe(config: Config) -> str:
    """Such as `cpu, 2 threads, bf16, channels_last`."""
    count = torch.get_num_threads()
    name = torch.cuda.get_device_name(0) if config.devices == "gpu" else f"cpu, {count} thread{'s' * (count > 1)}"
    return f"{name}, {config.precision}, {config.layout}"
