"""FoldModule: what the kit asks of a LightningModule that learns one fold, and what it does for each of them."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, NotRequired, Self, TypedDict

import numpy as np
import pytorch_lightning as pl
import torch

from kit import labels as all_labels
from kit.config import Config
from kit.errors import Usage
from kit.labels import Labels
from kit.metrics import Metric
from kit.models import weighting
from kit.models.batch import Batch, Feed, taken
from kit.models.optimizers import schedules
from kit.parts import NONE, Parts

if TYPE_CHECKING:
    from kit.models.graphs import Graph

ROWS_PER_PASS = 1024  # rows predicted at a time where a module does not say


class StepOutput(TypedDict):
    """What a training step returns: the loss, and for the metrics of the epoch predictions [b, c] and answers `y`."""

    loss: torch.Tensor
    predicted: NotRequired[torch.Tensor]
    y: NotRequired[torch.Tensor]


class FoldTrainer(pl.Trainer):
    """The Trainer of the kit's own fits. Its callbacks read what the steps return: `self.log` takes 0.5 ms of a step."""


class FoldModule(pl.LightningModule):
    """A model of one fold. A subclass states `logits`; whatever else differs from the defaults it overrides.

    `config`, `labels`: their JSON (so that a checkpoint loads with `weights_only`); `facts`: plain values that say what the
    inputs are (`channels`, `side`, `mirror` for pictures) and `steps`, the optimizer steps of the whole schedule (0: as many
    as a Trainer says). All of them are the hyperparameters of its checkpoint, from which it is built again.

    Numbers are learned on a scale of zero mean and unit deviation, which the training rows give.
    """

    resumable: ClassVar[bool] = True  # can a fit be saved in the middle and go on to the same bits?
    one_step: ClassVar[bool] = False  # is a fit one step on all rows?
    one_pass: ClassVar[bool] = False  # do the rows go through the network once for all folds?
    takes_weights: ClassVar[bool] = True  # does a training step heed `batch.weights` (`--extra-weight`)?
    pseudo_share: ClassVar[float] = 0.5  # of the test rows, the most certain, that train where `--pseudo-share` is auto
    views: Sequence[Any] = ()  # what a prediction is averaged over (test-time augmentation)
    groups: np.ndarray | None = None  # of all rows, before `learn`: training rows that are split again keep groups together
    shift: torch.Tensor
    scale: torch.Tensor

    def __init_subclass__(cls, **options: Any) -> None:
        """A step of one's own heeds weights if the class states `takes_weights = True`."""
        super().__init_subclass__(**options)
        if "training_step" in vars(cls) and "takes_weights" not in vars(cls):
            cls.takes_weights = False

    def __init__(self, config: dict[str, Any], labels: dict[str, Any], **facts: Any):
        super().__init__()
        self.save_hyperparameters({"config": config, "labels": labels, **facts})
        self.config = Config.of(config)
        self.labels = all_labels.from_json(labels).chosen(self.config)
        self.register_buffer("shift", torch.zeros(len(self.labels.columns)))
        self.register_buffer("scale", torch.ones(len(self.labels.columns)))
        self.until = math.inf  # `time.monotonic()` when a fit that is one step must be over
        self.part = 1.0  # of that step, as there was time for it
        self.position = 0.0  # of the schedule, 0 to 1, where a time budget is further than the steps
        self.noted: dict[str, float] = {}  # what the epoch's row of history is to hold besides
        self.metric: Metric | None = None  # of the competition, for a Trainer's callbacks and loggers
        self.collected: list[tuple[torch.Tensor, torch.Tensor]] = []  # predictions and answers of a validation epoch

    # --- how it comes about

    @classmethod
    def of(cls, config: Config, labels: Labels, x: Any, *, steps: int, mirror: bool = False, parts: Parts = NONE) -> Self:
        """A new module for inputs `x` as they are loaded, with weights drawn from the global generator.

        `mirror`: may pictures be mirrored? `parts`: of the adapter. Raises Usage where these inputs are none for it.
        """
        module = cls(config.json(), all_labels.to_json(labels), **cls.facts(x, config, mirror, parts), steps=steps)
        module.labels = labels.chosen(config)  # with functions that a checkpoint cannot hold
        return module

    @classmethod
    def facts(cls, x: Any, config: Config, mirror: bool, parts: Parts) -> dict[str, Any]:
        """The hyperparameters that follow from the inputs."""
        if len(getattr(x, "shape", ())) != 4:
            return {}
        return {"channels": x.shape[3], "side": x.shape[1], "mirror": mirror}

    @classmethod
    def remarks(cls, config: Config, channels: int) -> list[str]:
        """What there is to say of the weights that a fit begins with, a line each; asked before any row is read.

        `channels`: of the pictures. Raises Usage, BadData and Unreachable for weights that cannot be used.
        """
        return []

    @classmethod
    def seeded(cls, config: Config, rows: int) -> bool:
        """Does the seed change what a fit on so many rows learns? Where not, one of several seeds is trained."""
        return True

    @classmethod
    def feed(cls, x: Any, config: Config, count: int, mirror: bool = False, parts: Parts = NONE) -> Feed:
        """How the training rows of `x`, `count` of them, are to be handed to `training_step`."""
        return Feed(lambda rows: taken(x, rows), config.batch)

    def learn(self, x: Any, rows: np.ndarray, y: np.ndarray) -> None:
        """What is learned before the first step, from the training fold's `rows` of `x` and of all answers `y`.

        Here it is the scale of targets. A subclass adds statistics of the inputs, a vocabulary, pretrained weights.
        """
        self.scale_targets(y[rows])

    def adopt(self, source: FoldModule) -> None:
        """Begin with another run's backbone (`--from`). Raises Usage where there is none to take."""
        raise Usage(f"--from: {type(self).__name__} has no backbone to begin with.")

    def finish(self) -> None:
        """Let go of what only the fit needs."""

    @property
    def saved(self) -> FoldModule:
        """The module that a checkpoint of this one holds."""
        return self

    @classmethod
    def graph(cls, models: Sequence[Self], weights: list[float]) -> Graph:
        """These models of one run as one graph, each with its weight, for `kit export`. Raises Usage where they have none."""
        raise Usage(f"kit export: {cls.__name__} has no graph.")

    def doubts(self, x: Any, where: str) -> list[str]:
        """What of these rows cannot be read as the training rows were, a line each; `where`: whose rows they are."""
        return []

    # --- how it learns and predicts

    @abstractmethod
    def logits(self, x: Any) -> torch.Tensor:
        """Raw outputs [b, outputs] of the `x` of a Batch, as the loss of the labels takes them."""

    def forward(self, x: Any) -> torch.Tensor:
        """Predictions [b, c] of the `x` of a Batch: probabilities, or values in the targets' own units."""
        return self.answers(self.logits(x).float())

    def training_step(self, batch: Batch, batch_idx: int) -> StepOutput:
        assert batch.y is not None
        logits = self.logits(batch.x).float()
        loss = self.mean_loss(logits, self.scaled(batch.y), batch.weights) * batch.share
        return self.stepped(batch, loss, self.answers(logits.detach()))

    def mean_loss(self, logits: torch.Tensor, y: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
        """The loss of the labels, as `--label-smoothing` has it, of logits and (scaled) answers; `weights`: of a Batch."""

        def loss(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return self.labels.criterion(logits, y, self.config.label_smoothing)

        return weighting.weighted(loss, logits, y, weights)

    def gather(self, x: Any, rows: np.ndarray) -> Batch:
        """Some rows of `x` (as the inputs load them) as the batch that `predict_step` takes."""
        return Batch(taken(x, rows), None, torch.from_numpy(rows))

    def rows_per_pass(self, device: str) -> int:
        """How many rows are predicted at a time on `cpu` or `gpu`."""
        return ROWS_PER_PASS

    def ready(self, x: Any) -> None:
        """All rows of `x` (as the inputs load them) are to be predicted next."""

    def by_view(self, batch: Batch, run: Callable[[Any], torch.Tensor]) -> torch.Tensor:
        """What `run` gives for the rows that `gather` gave, in every view [views, b, …]; it takes what `logits` takes."""
        raise NotImplementedError

    def predict_step(self, batch: Batch, batch_idx: int = 0) -> torch.Tensor:
        """Predictions [b, c]."""
        return self(batch.x)

    def set_views(self, count: int) -> None:
        """Average each prediction over so many views. Raises Usage for more than there are."""
        if count > 1:
            raise Usage(f"--views {count}: {type(self).__name__} predicts by one view only.")

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

    def end_by(self, until: float) -> None:
        """A fit that is one step must be over at this `time.monotonic()`."""
        self.until = until

    def move_to(self, position: float) -> None:
        """The schedule is this far, from 0 to 1, whatever the steps say."""
        self.position = position

    def score_by(self, metric: Metric) -> None:
        """`log_scores` logs this metric."""
        self.metric = metric

    def on_train_epoch_loss(self, loss: float) -> None:
        """An epoch of the kit's own fit ended with this mean loss."""

    def scale_targets(self, y: np.ndarray) -> None:
        """Learn the shift and scale of targets from the training rows' answers."""
        shift, scale = self.labels.scaling(y)
        self.shift.copy_(torch.from_numpy(shift))
        self.scale.copy_(torch.from_numpy(scale))

    def scaled(self, y: torch.Tensor) -> torch.Tensor:
        """Answers as the loss takes them; anything but numbers stays as it is."""
        return (y - self.shift) / self.scale if self.labels.continuous else y

    def answers(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits as predictions, in the targets' own units."""
        return self.labels.activation(logits) * self.scale + self.shift

    def stepped(self, batch: Batch, loss: torch.Tensor, predicted: torch.Tensor) -> StepOutput:
        """What `training_step` returns. A Trainer that is not the kit's own is told the loss by `self.log`."""
        assert batch.y is not None
        if self.logs:
            self.log("train_loss", loss.detach(), on_step=True, on_epoch=True, prog_bar=True, batch_size=len(batch))
        return {"loss": loss, "predicted": predicted, "y": batch.y}

    @property
    def logs(self) -> bool:
        """Is it trained by a Trainer that is not the kit's own?"""
        return self._trainer is not None and not isinstance(self._trainer, FoldTrainer)

    # --- ablation: what a simpler prediction would have been

    @property
    def averages(self) -> bool:
        """Does it predict by an average of its weights?"""
        return False

    @contextmanager
    def one_view(self, number: int = 0) -> Iterator[None]:
        """Predictions inside are by this view alone, from 0."""
        views, self.views = self.views, self.views[number : number + 1]
        try:
            yield
        finally:
            self.views = views

    def last_weights(self) -> Any:
        """A context in which predictions are by the last weights instead of their average."""
        return nullcontext()

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
