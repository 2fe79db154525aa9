"""Exchange: what the ranks tell each other in a fit, all at the same moment. Alone, everybody's answer is one's own.

It goes from rank to rank: through gloo, gradients on GPUs through NCCL.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import distributed

from kit.training.ranks import group

T = TypeVar("T")


def agreed(*values: float) -> list[float]:
    """The largest of each value over the ranks: has any of them been told to stop, say."""
    if group.count() == 1:
        return [*values]
    shared = torch.tensor(values, dtype=torch.float64)
    with _reached():
        distributed.all_reduce(shared, distributed.ReduceOp.MAX)
    return shared.tolist()


def from_leader(value: T) -> T:
    """What rank 0 has for this value."""
    if group.count() == 1:
        return value
    box = [value if group.number() == 0 else None]
    with _reached():
        distributed.broadcast_object_list(box, src=0)
    return box[0]  # type: ignore[return-value]


def moment(until: float) -> float:
    """A moment of rank 0's `time.monotonic()` as this process's, whose clock may have begun at another time."""
    return until if group.count() == 1 else time.monotonic() + from_leader(until - time.monotonic())


def gathered(value: T) -> list[T] | None:
    """On rank 0 the values of all ranks in their order; None on the others."""
    if group.count() == 1:
        return [value]
    found: list[Any] | None = [None] * group.count() if group.number() == 0 else None
    with _reached():
        distributed.gather_object(value, found, dst=0)
    return found


def average(tensors: Sequence[torch.Tensor]) -> None:
    """Replace each tensor, of one device, by its mean over the ranks. Divided first, as the parts of a batch in one process
    are: two ranks then have the bits of two parts."""
    for kind in {tensor.dtype for tensor in tensors}:
        some = [tensor for tensor in tensors if tensor.dtype == kind]
        flat = torch.cat([tensor.reshape(-1) for tensor in some]).div_(group.count())
        with _reached():
            distributed.all_reduce(flat)
        for tensor, mean in zip(some, flat.split([tensor.numel() for tensor in some]), strict=True):
            tensor.copy_(mean.view(tensor.shape))


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except RuntimeError as fault:
        raise group.Lost(
            "another rank has ended, and this one cannot go on alone. What is finished is kept; the same command goes on."
        ) from fault
