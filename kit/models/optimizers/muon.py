"""Muon: orthogonalised momentum for convolutions, Nesterov SGD for the rest (Jordan 2024, KellerJordan/Muon)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch

MOMENTUM = 0.6  # of the convolutions, as in cifar10-airbench
REST = 0.85  # of biases and the head
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # a quintic that sends singular values from 0…1 near 1
ITERATIONS = 3


class Muon(torch.optim.Optimizer):
    """Groups with `"orthogonal": True` hold convolutions that a normalisation follows; their norm is kept fixed.

    `dtype`: of the orthogonalisation; it needs no precision.
    """

    def __init__(self, groups: Any, lr: float, dtype: torch.dtype = torch.float32):
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0, "orthogonal": False})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            some = [p for p in group["params"] if p.grad is not None]
            if some:
                self._move(some, group)
        return loss

    def _move(self, some: list[torch.Tensor], group: dict[str, Any]) -> None:
        """All tensors of a group together: one by one, each of a few hundred small kernels waits for the host on a GPU."""
        grads = [p.grad for p in some if p.grad is not None]
        momentum = MOMENTUM if group["orthogonal"] else REST
        if group["weight_decay"] and not group["orthogonal"]:
            grads = list(torch._foreach_add(grads, some, alpha=group["weight_decay"]))
        for p in some:
            if "momentum_buffer" not in self.state[p]:
                self.state[p]["momentum_buffer"] = torch.zeros_like(p)
        buffers = [self.state[p]["momentum_buffer"] for p in some]
        torch._foreach_mul_(buffers, momentum)
        torch._foreach_add_(buffers, grads)
        ahead = list(torch._foreach_add(grads, buffers, alpha=momentum))
        if group["orthogonal"]:
            keep_norms(some)
            ahead = orthogonal(ahead, self.dtype)
        torch._foreach_add_(some, ahead, alpha=-group["lr"])


def keep_norms(some: list[torch.Tensor]) -> None:
    """Bring each tensor's norm to the root of its length, in place."""
    norms = torch.stack(torch._foreach_norm(some))
    torch._foreach_mul_(some, list(norms.reciprocal().unbind()))
    torch._foreach_mul_(some, [len(p) ** 0.5 for p in some])


def orthogonal(matrices: Sequence[torch.Tensor], dtype: torch.dtype) -> list[torch.Tensor]:
    """About the nearest matrices with orthogonal rows, a filter a row, by Newton-Schulz; shape and dtype are kept.

    On a GPU those of one shape are computed together; a CPU multiplies bf16 faster one by one.
    """
    if matrices[0].device.type == "cpu":
        return [newton_schulz(one.flatten(1).to(dtype)).to(one.dtype).reshape(one.shape) for one in matrices]
    alike: dict[torch.Size, list[int]] = defaultdict(list)
    for index, matrix in enumerate(matrices):
        alike[matrix.shape].append(index)
    found = list(matrices)
    for shape, indices in alike.items():
        together = newton_schulz(torch.stack([matrices[i].flatten(1) for i in indices]).to(dtype))
        for i, one in zip(indices, together.to(matrices[indices[0]].dtype).unbind(), strict=True):
            found[i] = one.reshape(shape)
    return found


def newton_schulz(x: torch.Tensor) -> torch.Tensor:
    """About the nearest matrix [rows, columns], or [k, rows, columns], with orthogonal rows, or columns if these are fewer."""
    a, b, c = NEWTON_SCHULZ
    product = torch.addmm if x.ndim == 2 else torch.baddbmm
    x = x / (torch.linalg.vector_norm(x, dim=(-2, -1), keepdim=True) + 1e-7)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = product(x, product(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
