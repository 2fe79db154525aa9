"""Muon: orthogonalised momentum for convolutions, Nesterov SGD for the rest (Jordan 2024, KellerJordan/Muon)."""

from __future__ import annotations

from collections.abc import Callable
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
            for p in group["params"]:
                if p.grad is not None:
                    self._move(p, group)
        return loss

    def _move(self, p: torch.Tensor, group: dict[str, Any]) -> None:
        assert p.grad is not None
        momentum = MOMENTUM if group["orthogonal"] else REST
        grad = p.grad if group["orthogonal"] else p.grad.add(p, alpha=group["weight_decay"])
        buffer = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
        buffer.mul_(momentum).add_(grad)
        ahead = grad.add(buffer, alpha=momentum)
        if group["orthogonal"]:
            p.mul_(len(p) ** 0.5 / p.norm())
            ahead = orthogonal(ahead, self.dtype)
        p.add_(ahead.to(p.dtype), alpha=-group["lr"])


def orthogonal(matrix: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """About the nearest matrix with orthogonal rows, a filter a row; the shape is kept."""
    a, b, c = NEWTON_SCHULZ
    x = matrix.flatten(1).to(dtype)
    x = x / (x.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).reshape(matrix.shape)
