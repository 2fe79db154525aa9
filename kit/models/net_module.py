"""NetModule: what the kit's own networks share: averaged weights, frozen layers, optimizers, schedules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

import torch
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm
from torch.optim.swa_utils import AveragedModel

from kit.errors import Usage
from kit.models import networks, transfer
from kit.models.base import FoldModel
from kit.models.batch import Batch
from kit.models.devices import DTYPES
from kit.models.lightning.module import FoldModule
from kit.models.optimizers import schedules
from kit.models.optimizers.muon import Muon


class NetModule(FoldModule):
    """Trains `net`, predicts with its average over the trajectory. Loss and activation belong to the Labels.

    A subclass calls `self.take(net)` at the end of its `__init__`.
    """

    net: torch.nn.Module

    def __init__(self, config: dict[str, Any], labels: dict[str, Any], **facts: Any):
        super().__init__(config, labels, **facts)
        self.averaged: AveragedModel | None = None
        self.plateau: schedules.Plateau | None = None
        self.thaw: transfer.Thaw | None = None
        self.epoch = 0

    def take(self, net: torch.nn.Module) -> None:
        """Make `net` the one to train."""
        c = self.config
        self.net = net
        self.averaged = Average(net, c.ema) if c.ema else None
        self.thaw = transfer.Thaw(net, c)
        self.plateau = schedules.Plateau() if c.schedule == "plateau" else None

    def adopt(self, source: FoldModel) -> None:
        """Begin with another run's backbone, as it predicts; with a probe's head too, where it is one of the same answers.

        A head that fits the features from the first step on leaves them less distorted (Kumar et al. 2022, LP-FT).
        """
        if not isinstance(source, NetModule):
            raise Usage("--from: that run has no network whose backbone this one could begin with.")
        known = source.config.strategy == "probe" and source.hparams["labels"] == self.hparams["labels"]
        transfer.adopt(self.net, source.net if source.averaged is None else source.averaged.module, head=known)
        self.average_anew()

    def average_anew(self) -> None:
        """The average of the weights begins with what they are now."""
        if self.averaged is not None:
            self.averaged.module.load_state_dict(self.net.state_dict())

    @property
    def predictor(self) -> torch.nn.Module:
        """The network that predicts: the average over the trajectory (EMA), or the last."""
        return self.net if self.averaged is None else self.averaged

    def logits(self, x: Any) -> torch.Tensor:
        return self.net(x)

    def forward(self, x: Any) -> torch.Tensor:
        """Predictions [b, c], by the averaged weights where there are any."""
        return self.answers(self.predictor(x).float())

    @property
    def averages(self) -> bool:
        return self.averaged is not None

    @contextmanager
    def last_weights(self) -> Iterator[None]:
        averaged, self.averaged = self.averaged, None
        try:
            yield
        finally:
            self.averaged = averaged

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        if batch.step == 0 or batch_idx == 0:
            self.epoch = batch.epoch
            self.train()

    def train(self, mode: bool = True) -> Self:
        """As torch's, but that frozen layers stay in eval mode, and batch normalisation where its statistics do."""
        super().train(mode)
        if self.config.freeze_norm:
            for layer in self.modules():
                if isinstance(layer, BatchNorm):
                    layer.eval()
        if self.thaw is not None:  # a table's net is made when its columns are known
            self.thaw.set(self.epoch)
        return self

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        if self.averaged is not None and batch.last:
            self.averaged.update_parameters(self.net)

    def configure_optimizers(self) -> Any:
        if "net" not in self._modules:
            raise Usage(f"{type(self).__name__}: it has no network. Call self.take(net) in its __init__, or in learn().")
        c = self.config
        found: dict[tuple[float, float, bool], list[torch.nn.Parameter]] = {}
        head = networks.head_names(self.net)
        thaw = self.thaw or transfer.Thaw(self.net, c)
        for name, parameter in self.net.named_parameters():
            if name in thaw.never:
                continue
            bias = name.rpartition(".")[2] == "bias"
            lr = c.lr * thaw.rate(name) * (c.bias_lr if bias else 1) * (c.head_lr if name in head else 1)
            orthogonal = c.optimizer == "muon" and parameter.ndim == 4 and name not in head
            found.setdefault((lr, c.weight_decay if parameter.ndim > 1 else 0.0, orthogonal), []).append(parameter)
        groups = [{"params": some, "lr": lr, "weight_decay": decay} for (lr, decay, _), some in found.items()]
        optimizer: torch.optim.Optimizer
        fused = not (c.clip and c.precision != "fp32")  # whose gradients Lightning refuses to clip in bf16 as in fp16
        if c.optimizer == "sgd":
            optimizer = torch.optim.SGD(groups, lr=c.lr, momentum=0.9, nesterov=True, fused=fused)
        elif c.optimizer == "muon":
            kinds = [{**group, "orthogonal": one} for group, (_, _, one) in zip(groups, found, strict=True)]
            optimizer = Muon(kinds, c.lr, DTYPES.get(c.precision, torch.float32))
        else:
            optimizer = torch.optim.AdamW(groups, lr=c.lr, fused=fused)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": self.schedule(optimizer), "interval": "step"}}

    def rate(self, step: int) -> float:
        share = super().rate(step)
        return share * schedules.DROP ** int(self.plateau.drops) if self.plateau is not None else share

    def on_train_epoch_loss(self, loss: float) -> None:
        if self.plateau is not None:
            self.plateau.epoch(loss)


class Average(AveragedModel):
    """An exponential average of the weights, whose decay starts low, so that a short run does not average its random start.

    torch's reads its count of updates from the device four times a step; this one counts in Python.
    """

    def __init__(self, net: torch.nn.Module, decay: float):
        super().__init__(net, use_buffers=True)
        self.decay, self.seen = decay, 0
        self.register_load_state_dict_post_hook(_recount)

    def update_parameters(self, model: torch.nn.Module) -> None:
        """Move the average towards what the weights are now; the first time it becomes them."""
        pairs = list(zip(_values(self.module), _values(model), strict=True))
        weights = [(mine, own.detach()) for mine, own in pairs if mine.is_floating_point()]
        counts = [(mine, own) for mine, own in pairs if not mine.is_floating_point()]  # of batches, by their normalisation
        now = min(self.decay, (1 + self.seen) / (10 + self.seen))
        with torch.no_grad():
            for some, move in ((weights, partial(torch._foreach_lerp_, weight=1 - now)), (counts, torch._foreach_copy_)):
                if some:
                    mine, own = map(list, zip(*some, strict=True))
                    (move if self.seen else torch._foreach_copy_)(mine, own)
            self.n_averaged += 1
        self.seen += 1


def _values(net: torch.nn.Module) -> list[torch.Tensor]:
    return [*net.parameters(), *net.buffers()]


def _recount(average: Average, keys: Any) -> None:
    average.seen = int(average.n_averaged)
