"""Devices: where to compute, in which arithmetic and memory format, chosen by what the machine does natively."""

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
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
    if family.one_step:  # on all rows: sparse products in float32, or boosted trees
        return config.changed(devices="cpu", precision="fp32", layout="contiguous", epochs=1)
    if family.probing:
        config = config.changed(**PROBED)
    device = config.devices
    if device == "gpu" and not torch.cuda.is_available():
        raise Usage("--devices gpu: torch sees no GPU here. Use --devices cpu, or install torch with CUDA.")
    if device == "auto":
        device = "gpu" if torch.cuda.is_available() else "cpu"
    if device == "gpu":
        _check_gpu()
    precision = config.precision
    if precision == "auto":
        precision = "fp32" if family.precise else _native(device)  # eight bits are too few for a table's numbers
    if precision == "fp16" and device == "cpu":
        raise Usage("--precision fp16: CPUs train in bf16 or fp32.")
    layout = config.layout if config.layout != "auto" else "contiguous" if family.plain else "channels_last"
    return config.changed(devices=device, precision=precision, layout=layout)


def _check_gpu() -> None:
    """Raise Usage where the first GPU is one that this torch has no kernels for (Kaggle's P100): training would die of it."""
    capability, built = torch.cuda.get_device_capability(0), torch.cuda.get_arch_list()
    if not has_kernels(capability, built):
        name = torch.cuda.get_device_name(0)
        raise Usage(
            f"{name} (compute capability {capability[0]}.{capability[1]}): this torch has no kernels for it, only for"
            f" {', '.join(built)}.\nChoose another GPU (on Kaggle: T4 ×2), or --devices cpu."
        )


def has_kernels(capability: tuple[int, int], built: Sequence[str]) -> bool:
    """Can a GPU run what torch was built for, such as `sm_80` (for 8.0 and later 8.x) or `compute_90` (9.0 and all later)?

    An empty list says nothing, and so forbids nothing.
    """
    for name in built:
        kind, _, number = name.partition("_")
        digits = re.match(r"\d+", number)
        if not digits:
            return True  # a name that is not known here
        major, minor = divmod(int(digits[0]), 10)
        later = (major, minor) <= capability
        if later and (kind == "compute" or major == capability[0]):
            return True
    return not built


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


NO_MEMORY = re.compile(  # how CUDA, its libraries and the CPU's allocator say it; torch has a class for the first alone
    r"out of memory|can't allocate memory|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED|CUSOLVER_STATUS_ALLOC_FAILED"
    r"|CUSPARSE_STATUS_INSUFFICIENT_RESOURCES|cudaErrorMemoryAllocation|[Uu]nable to find an? (valid cuDNN algorithm|engine)"
    r"|cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED|NVML_SUCCESS == r INTERNAL ASSERT"
)


def out_of_memory(fault: BaseException) -> bool:
    """Is it the device's memory that did not suffice, or the host's?"""
    return isinstance(fault, torch.OutOfMemoryError | MemoryError) or (
        isinstance(fault, RuntimeError) and NO_MEMORY.search(str(fault)) is not None
    )


@contextlib.contextmanager
def deterministic(config: Config) -> Iterator[None]:
    """Only kernels that give the same bytes each time (`--deterministic`); a CPU's do anyway.

    Raises Usage where a part of the network has no such kernel on a GPU.
    """
    if not config.deterministic or config.devices != "gpu":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it is first used
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.deterministic
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.deterministic = True
    try:
        yield
    except RuntimeError as fault:
        found = re.search(r"(\S+) does not have a deterministic implementation", str(fault))
        if found is None:
            raise
        raise Usage(f"--deterministic: {found[1]} has no such kernel on a GPU. Leave it out, or use --devices cpu.") from fault
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.deterministic = before[1]


def free_memory(device: torch.device) -> int:
    """Bytes that a tensor on the device could have: what the system has, and what torch keeps without using it."""
    if device.type != "cuda":
        return 1 << 62
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0]) + unused


def note(config: Config) -> dict[str, str]:
    """What `run.json` records of a Config that is resolved for this machine."""
    repeats = (
        "the same bytes" if config.devices == "cpu" or config.deterministic else "the same to the noise of a GPU's kernels"
    )
    return {"device": describe(config), "precision": config.precision, "layout": config.layout, "repeats": repeats}


def gpus() -> list[str]:
    """The names of the GPUs that torch sees."""
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def describe(config: Config) -> str:
    """Such as `cpu, 2 threads, bf16, channels_last`."""
    count = torch.get_num_threads()
    name = torch.cuda.get_device_name(0) if config.devices == "gpu" else f"cpu, {count} thread{'s' * (count > 1)}"
    return f"{name}, {config.precision}, {config.layout}"
