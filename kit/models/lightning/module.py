"""FoldModule: a FoldModel that a Trainer of Lightning fits, the kit's own or any other."""

from __future__ import annotations

from typing import Any, ClassVar

import pytorch_lightning as pl
import torch

from kit.metrics import Metric
from kit.models.base import FoldModel, StepOutput
from kit.models.batch import Batch
from kit.models.optimizers import schedules


class FoldTrainer(pl.Trainer):
    """The Trainer of the kit's own fits. Its callbacks read what the steps return: `self.log` takes 0.5 ms of a step."""


class FoldModule(FoldModel, pl.LightningModule):
    """A model of one fold that a Trainer fits. A subclass states `logits`; whatever else differs it overrides.

    `config`, `labels`: their JSON (so that a checkpoint loads with `weights_only`); `facts`: plain values that say what the
    inputs are (`channels`, `side`, `mirror` for pictures) and `steps`, the optimizer steps of the whole schedule (0: as many
    as a Trainer says). All of them are the hyperparameters of its checkpoint, from which it is built again.

    Numbers are learned on a scale of zero mean and unit deviation, which the training rows give.
    """

    by_trainer = True
    takes_weights: ClassVar[bool] = True
    device = pl.LightningModule.device

    def __init__(self, config: dict[str, Any], labels: dict[str, Any], **facts: Any):
        super().__init__(config, labels, **facts)
        self.metric: Metric | None = None  # of the competition, for a Trainer's callbacks and loggers
        self.collected: list[tuple[torch.Tensor, torch.Tensor]] = []  # predictions and answers of a validation epoch

    def keep_facts(self, facts: dict[str, Any]) -> None:
        self.save_hyperparameters(facts)

    def training_step(self, batch: Batch, batch_idx: int) -> StepOutput:
        assert batch.y is not None
        logits = self.logits(batch.x).float()
        loss = self.mean_loss(logits, self.scaled(batch.y), batch.weights) * batch.share
        return self.stepped(batch, loss, self.answers(logits.detach()))

    def configure_optimizers(self) -> Any:
        c = self.config
        optimizer = torch.optim.AdamW(self.parameters(), lr=c.lr, weight_decay=c.weight_decay)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": self.schedule(optimizer), "interval": "step"}}

    # --- what each of them can rely on

    def schedule(self, optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
        """The course of the learning rate (`--schedule`), step by step."""
        return torch.optim.lr_scheduler.LambdaLR(optimizer, [self.rate] * len(optimizer.param_groups))

    def rate(self, step: int) -> float:
        """The share of the peak learning rate at an optimizer step; later in the schedule where time is short."""
        steps = self.steps
        return schedules.SHAPES[self.config.schedule](max(step, self.position * steps), steps, self.config.warmup)

    @property
    def steps(self) -> int:
        """The optimizer steps of the whole schedule."""
        return self.hparams.get("steps", 0) or int(self.trainer.estimated_stepping_batches)

    @property
    def learning_rate(self) -> float:
        return self.trainer.optimizers[0].param_groups[0]["lr"]

    def score_by(self, metric: Metric) -> None:
        """`log_scores` logs this metric."""
        self.metric = metric

    def stepped(self, batch: Batch, loss: torch.Tensor, predicted: torch.Tensor) -> StepOutput:
        """What `training_step` returns. A Trainer that is not the kit's own is told the loss by `self.log`."""
        if self.logs:
            self.log("train_loss", loss.detach(), on_step=True, on_epoch=True, prog_bar=True, batch_size=len(batch))
        return super().stepped(batch, loss, predicted)

    @property
    def logs(self) -> bool:
        """Is it trained by a Trainer that is not the kit's own?"""
        return self._trainer is not None and not isinstance(self._trainer, FoldTrainer)

    # --- in a Trainer that is not the kit's own

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """A DataLoader's `(x, y)`, or `x` alone, as a Batch; the kit's own batches as they are."""
        if isinstance(batch, Batch):
            return batch
        x, y = batch if isinstance(batch, tuple | list) and len(batch) == 2 else (batch, None)
        count = len(y if y is not None else x)
        trainer = self.trainer
        accumulate = max(1, trainer.accumulate_grad_batches)
        step = int(trainer.fit_loop.batch_idx) if trainer.training else 0
        rows = torch.arange(step * count, (step + 1) * count)
        last = (step + 1) % accumulate == 0 or trainer.is_last_batch
        return Batch(x, y, rows, epoch=self.current_epoch, step=step, share=1.0, last=last)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.collect(batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self.collect(batch)

    def collect(self, batch: Batch) -> None:
        """Keep predictions and answers for the metrics of the epoch."""
        if batch.y is not None:
            self.collected.append((self.predict_step(batch).float().cpu(), batch.y.cpu()))

    def on_validation_epoch_end(self) -> None:
        self.log_scores("val")

    def on_test_epoch_end(self) -> None:
        self.log_scores("test")

    def log_scores(self, split: str) -> None:
        """`self.log` of the competition's metric, such as `val_accuracy`, over all rows of the epoch.

        Callbacks such as ModelCheckpoint, EarlyStopping and LearningRateMonitor can watch them. Each fold is one device's:
        under several ranks a rank logs its own rows' scores, averaged.
        """
        if not self.collected:
            return
        predicted, y = (torch.cat(parts) for parts in zip(*self.collected, strict=True))
        self.collected.clear()
        values = {}
        if self.metric is not None:
            answer = self.labels.harden(predicted.numpy())
            values[f"{split}_{self.metric.name}"] = self.metric(self.labels.truth(y.numpy()), answer)
        for name, value in values.items():
            self.log(name, value, prog_bar=True, sync_dist=True)


class OneStep(FoldModule):
    """A model whose training step is its whole fit, in a Trainer: that has nothing to optimise."""

    def __init__(self, config: dict[str, Any], labels: dict[str, Any], **facts: Any):
        super().__init__(config, labels, **facts)
        self.automatic_optimization = False

    def configure_optimizers(self) -> Any:
        """One that is never asked for a step: callbacks look at its rate."""
        optimizer = torch.optim.SGD([next(self.parameters())], lr=self.learning_rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)}}


def fitted_by_trainer(kind: type[FoldModel]) -> type[FoldModule]:
    """The class itself, or one of the same models whose one step a Trainer takes."""
    if issubclass(kind, FoldModule):
        return kind
    return type(kind.__name__, (kind, OneStep), {"__module__": kind.__module__})
