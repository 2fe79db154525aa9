"""SharedGradients: what the ranks do at the same moments of a fit, so that each has the same weights after every step."""

from __future__ import annotations

import pytorch_lightning as pl
import torch

from kit.models.batch import Batch
from kit.training.ranks import exchange, group
from kit.training.state import Epoch, FitState


class SharedGradients(pl.Callback):
    """Replaces gradients by their mean over the ranks before the optimizer steps; brings home what an epoch's steps returned.

    It comes before what looks at these. On GPUs batch normalisation is over the rows of all ranks.
    """

    def __init__(self, state: FitState):
        self.state = state
        self.last = False

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if trainer.strategy.root_device.type == "cuda":
            from timm.layers import convert_sync_batchnorm  # torch's own would drop the activation of timm's layers

            convert_sync_batchnorm(pl_module)

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int) -> None:
        self.last = batch.last

    def on_after_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not self.last:
            return
        parameters = [one for some in trainer.optimizers[0].param_groups for one in some["params"]]
        learned = exchange.agreed(*(one.grad is not None for one in parameters))
        some = [one for one, anywhere in zip(parameters, learned, strict=True) if anywhere]
        for parameter in some:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        exchange.average([parameter.grad for parameter in some])

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.state.bring_home()
        loss, count = exchange.from_leader(([one.cpu() for one in self.state.outputs.loss], self.state.outputs.count))
        if group.number():  # `--schedule plateau` goes by the loss of all rows
            self.state.outputs = Epoch(loss=[one.to(pl_module.device) for one in loss], count=count)
