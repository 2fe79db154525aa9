"""FoldModel: what the kit asks of a model of one fold, and what it does for each of them. Without Lightning."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, NotRequired, Self, TypedDict

import numpy as np
import torch

from kit import labels as all_labels
from kit.config import Config
from kit.errors import Usage
from kit.labels import Labels
from kit.models import weighting
from kit.models.batch import Batch, Feed, taken
from kit.parts import NONE, Parts

if TYPE_CHECKING:
    from kit.models.graphs import Graph

ROWS_PER_PASS = 1024  # rows predicted at a time where a module does not say


class StepOutput(TypedDict):
    """What a training step returns: the loss, and for the metrics of the epoch predictions [b, c] and answers `y`."""

    loss: torch.Tensor
    predicted: NotRequired[torch.Tensor]
    y: NotRequired[torch.Tensor]


class FoldModel(torch.nn.Module):
    """A model of one fold, whose `training_step` is a whole fit. See `kit.FoldModule` for those that a Trainer fits.

    A subclass states `logits` and `training_step`; whatever else differs from the defaults it overrides.
    What it is built from is the same, and so are the scaled targets.
    """

    by_trainer: ClassVar[bool] = False  # does a Trainer of Lightning fit it, step by step?
    resumable: ClassVar[bool] = True  # can a fit be saved in the middle and go on to the same bits?
    one_step: ClassVar[bool] = False  # is a fit one step on all rows?
    one_pass: ClassVar[bool] = False  # do the rows go through the network once for all folds?
    takes_weights: ClassVar[bool] = True  # does a training step heed `batch.weights` (`--extra-weight`)?
    pseudo_share: ClassVar[float] = 0.5  # of the test rows, the most certain, that train where `--pseudo-share` is auto
    views: Sequence[Any] = ()  # what a prediction is averaged over (test-time augmentation)
    groups: np.ndarray | None = None  # of all rows, before `learn`: training rows that are split again keep groups together
    hparams: MutableMapping[str, Any]
    shift: torch.Tensor
    scale: torch.Tensor

    def __init_subclass__(cls, **options: Any) -> None:
        """A step of one's own heeds weights if the class states `takes_weights = True`."""
        super().__init_subclass__(**options)
        if "training_step" in vars(cls) and "takes_weights" not in vars(cls):
            cls.takes_weights = False

    def __init__(self, config: dict[str, Any], labels: dict[str, Any], **facts: Any):
        super().__init__()
        self.keep_facts({"config": config, "labels": labels, **facts})
        self.config = Config.of(config)
        self.labels = all_labels.from_json(labels).chosen(self.config)
        self.register_buffer("shift", torch.zeros(len(self.labels.columns)))
        self.register_buffer("scale", torch.ones(len(self.labels.columns)))
        self.until = math.inf  # `time.monotonic()` when a fit that is one step must be over
        self.part = 1.0  # of that step, as there was time for it
        self.position = 0.0  # of the schedule, 0 to 1, where a time budget is further than the steps
        self.noted: dict[str, float] = {}  # what the epoch's row of history is to hold besides

    def keep_facts(self, facts: dict[str, Any]) -> None:
        """Have `hparams` hold the hyperparameters of a checkpoint, from which the model is built again."""
        self.hparams = facts

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.shift.device

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

    def adopt(self, source: FoldModel) -> None:
        """Begin with another run's backbone (`--from`). Raises Usage where there is none to take."""
        raise Usage(f"--from: {type(self).__name__} has no backbone to begin with.")

    def finish(self) -> None:
        """Let go of what only the fit needs."""

    @property
    def saved(self) -> FoldModel:
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

    @abstractmethod
    def training_step(self, batch: Batch, batch_idx: int) -> StepOutput:
        """Learn from a batch of all training rows."""

    @property
    def learning_rate(self) -> float:
        """What the history shows as the rate of the last step."""
        return self.config.lr

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

    # --- what each of them can rely on

    def end_by(self, until: float) -> None:
        """A fit that is one step must be over at this `time.monotonic()`."""
        self.until = until

    def move_to(self, position: float) -> None:
        """The schedule is this far, from 0 to 1, whatever the steps say."""
        self.position = position

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
        """What `training_step` returns: the loss, the predictions [b, c] of the rows, and their answers."""
        assert batch.y is not None
        return {"loss": loss, "predicted": predicted, "y": batch.y}

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
