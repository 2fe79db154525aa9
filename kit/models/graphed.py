"""Graphed: a network's forward and backward pass replayed as CUDA graphs, so that a small net does not wait for the host."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from kit.console import say
from kit.models import devices

STEPS = 100  # of a fit, from which capturing pays: it takes as long as about five steps
SHAPES = 2  # batches of a fit differ by one row at most


class Graphed:
    """`forward`, from a batch's tensor to logits through `net`, captured when a shape is first seen; others run as they are.

    The same kernels run in the same order, so the numbers are the same. Gradients lie where the next pass writes its own: they
    must not be added to those of another batch.
    """

    def __init__(self, net: nn.Module, forward: Callable[[torch.Tensor], torch.Tensor]):
        self.net, self.forward = net, forward
        self.known: dict[torch.Size, Callable[[torch.Tensor], torch.Tensor]] = {}
        self.pool = torch.cuda.graph_pool_handle()

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape not in self.known and len(self.known) < SHAPES:
            self.known[x.shape] = self._captured(x)
        return self.known.get(x.shape, self.forward)(x)

    def _captured(self, x: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
        """`forward` as graphs; the passes that warm it up leave no trace in statistics and random numbers."""
        buffers = [buffer.clone() for buffer in self.net.buffers()]
        drawn = torch.cuda.get_rng_state(x.device)
        try:
            step = _Step(self.net, self.forward)
            torch.cuda.make_graphed_callables(step, (x.detach().clone(),), allow_unused_input=True, pool=self.pool)
            return step
        except RuntimeError as fault:
            if devices.out_of_memory(fault):
                raise
            say(f"the network cannot be captured as CUDA graphs ({str(fault).splitlines()[0][:100]}); its steps run without")
            return self.forward
        finally:
            with torch.no_grad():
                for buffer, before in zip(self.net.buffers(), buffers, strict=True):
                    buffer.copy_(before)
            torch.cuda.set_rng_state(drawn, x.device)


class _Step(nn.Module):
    """What is captured: it names the parameters, and its own `forward` is what torch replaces."""

    def __init__(self, net: nn.Module, forward: Callable[[torch.Tensor], torch.Tensor]):
        super().__init__()
        self.net, self.run = net, forward

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.run(x)
