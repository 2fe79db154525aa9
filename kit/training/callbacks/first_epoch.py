"""FirstEpoch: does the training loss fall below that of always answering the same? Else the fit learns nothing, and says so."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from kit.console import Progress
from kit.labels import Labels
from kit.training.callbacks.base import Callback
from kit.training.state import Epoch, FitState

if TYPE_CHECKING:
    from kit.models.lightning.module import FoldModule

PARTS = 4  # of an epoch, whose mean losses are compared: a step's alone says little
ROWS = 2048  # from which on so many tell what always answering the same would cost
RISEN = 0.4  # of the peak: below such a rate, while it warms up, a loss need not have moved
RISES = 1.02  # times the first part's loss: more is not noise but a rate that is too high


class FirstEpoch(Callback):
    """Looks once, at the end of the first epoch whose learning rate has risen, and says what to turn.

    It comes before History, which begins the next epoch's collection. A module of an adapter's own may have any loss, so only
    the kit's own are looked at.
    """

    def __init__(self, state: FitState, progress: Progress):
        self.state, self.progress, self.looked = state, progress, bool(state.history)

    def on_train_epoch_end(self, trainer: Any, pl_module: FoldModule) -> None:
        labels, state = pl_module.labels, self.state
        middle = (state.epoch + 0.5) * state.batches.steps / state.batches.accumulate
        foreign = not type(pl_module).__module__.startswith("kit.") or labels.reads
        if self.looked or foreign or pl_module.one_step or not state.outputs.y or pl_module.rate(int(middle)) < RISEN:
            return
        self.looked = True
        config, shown = state.fold.config, torch.cat(state.outputs.y)  # with --balance not all rows, and some of them twice
        some = pl_module.scaled(shown)[:: max(1, len(shown) // ROWS)].cpu()  # read once: each step of L-BFGS looks at its loss
        constant = constant_loss(labels, some, config.label_smoothing)
        means = losses(state.outputs)
        if min(means) < constant:
            return
        rises = means[-1] > RISES * means[0]
        advice = f"Is --lr {config.lr:g} too high" if rises else f"Is --lr {config.lr:g} too low, or are the steps too few"
        self.progress.say(
            f"{state.fold.name}: so far it learns nothing: the training loss is {means[-1]:.4g} after epoch"
            f" {state.epoch + 1}; always answering the same would have {constant:.4g}.\n"
            f"{advice}? --lr auto finds a rate; a smaller --batch and more --epochs give more steps.",
            lines=True,
        )


def losses(epoch: Epoch) -> list[float]:
    """The mean losses of the parts of an epoch."""
    loss, count = torch.cat(epoch.loss).cpu(), torch.cat(epoch.count)
    return [float(a.sum() / b.sum()) for a, b in zip(loss.chunk(PARTS), count.chunk(PARTS), strict=True)]


def constant_loss(labels: Labels, y: torch.Tensor, smoothing: float) -> float:
    """The least loss of one output for all rows, by L-BFGS; `y`: encoded (and scaled) answers [n] or [n, c]."""
    output = torch.zeros(1, labels.outputs, device=y.device, requires_grad=True)
    optimizer = torch.optim.LBFGS([output], max_iter=50, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = labels.criterion(output.expand(len(y), -1), y, smoothing)
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(loss)  # type: ignore[arg-type]
        value = float(loss().detach())
    return value if math.isfinite(value) else math.inf
