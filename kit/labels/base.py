"""Labels, the base class: answers to numbers and back, the loss, the activation, and the metrics to follow.

torch and pandas are imported inside functions: `kit list` loads every adapter, and no adapter needs them.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable
from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from kit import metrics
from kit.config import Config
from kit.errors import Usage
from kit.labels import missing as missing_answers
from kit.labels.decision import Decision
from kit.labels.showing import Showing
from kit.metrics import Metric
from kit.storage import frames

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from kit.labels.evaluation import Followed


Loss = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]


class Labels(Showing):
    """Answers ↔ numbers. In all shapes, `n` is the number of rows and `c` the number of prediction columns.

    Predictions are probabilities or values in the targets' units, float32 [n, c]; never logits.
    An adapter may bring a loss in two ways: as the argument `loss` of any kind of labels, a function at the top of its file
    with `loss(logits, y) -> scalar tensor`; or as a method `loss(self, logits, y)` of a subclass. Logits are [n, c], y is what
    `encode` gives (scaled to zero mean and unit deviation for Numbers).

    `decision`: what was learned on a run's out-of-fold rows of how its predictions become answers; `harden` and `decode` follow
    it. A subclass with a `harden` of its own calls `decided` there, and names in `decisions` what it follows.
    """

    kind: ClassVar[str] = "labels of the adapter"
    exclusive: bool = False  # does exactly one of the columns apply to a row?
    bounded: ClassVar[bool] = True  # are predictions probabilities?
    reads: ClassVar[bool] = False  # is the answer a text that is read in a picture?
    named: ClassVar[bool] = False  # does a cell of the submission hold names of classes?
    continuous: ClassVar[bool] = False  # are answers amounts, which are scaled before they are learned?
    log: bool = False  # are answers learned and averaged as logarithms?
    loss: Loss | None = None
    decision: Decision | None = None

    @property
    def answers(self) -> str:
        """What `harden` gives, as `Metric.scores` calls it."""
        return self.kind

    @classmethod
    def constructors(cls) -> dict[str, str]:
        """How an adapter states labels of this kind, by what they answer with (`answers`)."""
        return {cls.kind: cls.__name__}

    @property
    def usual_metric(self) -> Metric:
        """The metric that most competitions with such answers use."""
        return metrics.accuracy

    def doubts(self) -> list[str]:
        """What may be wrong where these labels were detected in files, and what to state instead."""
        return []

    @property
    def asked(self) -> tuple[str, ...]:
        """The columns of a submission (after `bind`); a single one may have another name."""
        return self.train_columns

    def respelled(self, train: pd.DataFrame, sample: pd.DataFrame) -> dict[str, dict[str, str]]:
        """By training column: cells that are to be written otherwise, so that answers are spelled as in the sample."""
        return {}

    def bind(self, train: pd.DataFrame) -> Labels:
        """These labels with what only the training file tells (such as the names of the classes)."""
        return self

    @property
    def own(self) -> bool:
        """Are they of an adapter's own class, or with its loss? Such need not know that an answer may be missing."""
        return self.own_loss is not None or not type(self).__module__.startswith("kit.labels.")

    @property
    def partial(self) -> bool:
        """Is a row learned from that has some of its answers only? What is missing is NaN in `encode`, `certain`, `truth`."""
        return False

    def missing(self, train: pd.DataFrame) -> np.ndarray:
        """Which answers [n, train columns] are missing: empty, or not a number where one is due (`nan`)."""
        return missing_answers.blank(train[list(self.train_columns)])

    def blank(self, train: pd.DataFrame) -> np.ndarray:
        """Which rows [n] are left out: those that have no answer; where `partial` is not stated, those that lack any."""
        count = self.missing(train).sum(axis=1)
        return count == len(self.train_columns) if self.partial else count > 0

    @abstractmethod
    def encode(self, train: pd.DataFrame) -> np.ndarray:
        """Answers as numbers: int64 [n] or float32 [n, c], NaN where one is missing. Raises BadData naming the row."""

    def restored(self, table: np.ndarray) -> np.ndarray:
        """What `encode` gave, from the columns of a run's `truth.csv`, float32 [n, columns]."""
        return table

    def unequal(self, columns: list[str]) -> list[str]:
        """Lines on answers that are learned and not asked for by the sample's `columns`, or the other way round."""
        return []

    @abstractmethod
    def decode(self, predictions: np.ndarray, columns: list[str]) -> dict[str, Any]:
        """What the submission holds, by the sample's columns. Undoes `encode` on certain predictions."""

    def as_trained(self, answers: pd.DataFrame) -> pd.DataFrame:
        """Certain answers in the submission's columns as cells of the training table, for `encode`."""
        return answers.set_axis([self.train_columns[0]], axis=1) if answers.shape[1] == 1 else answers

    def truth(self, y: np.ndarray) -> np.ndarray:
        """`y` in the shape that `harden` gives."""
        return self.undecided.harden(self.certain(y))

    @property
    def decisions(self) -> tuple[str, ...]:
        """The kinds of decisions that these labels follow (`Decision.kind`)."""
        return ()

    @property
    def undecided(self) -> Self:
        """These labels without a decision."""
        return self if self.decision is None else self.changed(decision=None)

    def decided(self, predictions: np.ndarray) -> np.ndarray:
        """Predictions [n, c] as the decision changes them, so that `undecided` labels answer as these do."""
        return predictions if self.decision is None else self.decision.probabilities(predictions, self.exclusive)

    def calibrated(self, predictions: np.ndarray) -> np.ndarray:
        """Predictions [n, c] as probabilities that are meant to come true: decided, if that is what the decision is for."""
        return self.decided(predictions) if self.decision is not None and self.decision.calibrates else predictions

    def levels(self, predictions: np.ndarray) -> np.ndarray:
        """What cut points divide, float64 [n], for labels whose `decisions` hold cuts."""
        raise NotImplementedError(f"{type(self).__name__} has no levels to cut")

    @abstractmethod
    def fault(self, cell: str) -> str:
        """What is wrong with a cell of a submission, in words; empty where it is right."""

    def as_answers(self, predictions: np.ndarray) -> np.ndarray:
        """Predictions [n, c] as answers to learn from, in the form of `encode`: the likeliest ones. See `--pseudo`.

        Raises Usage for labels of an adapter that do not say how.
        """
        raise Usage(f"--pseudo: {type(self).__name__} does not say which answers predictions are. Give it `as_answers`.")

    def certainty(self, predictions: np.ndarray) -> np.ndarray | None:
        """How certain the answers of `as_answers` are, float [n], 0: not at all; None where predictions do not tell."""
        return None

    def strata(self, y: np.ndarray) -> np.ndarray:
        """A stratum (int) per row, for folds."""
        return y

    def dealt_by(self, y: np.ndarray) -> np.ndarray:
        """What each fold is to hold its share of: `strata`; of rows that may have several labels, these, [n, c]."""
        return self.strata(y)

    def chosen(self, config: Config) -> Self:
        """These labels with the knobs of a Config that their loss uses.

        Raises Usage for a knob of the kit's losses where the adapter brings a loss: it would change nothing.
        """
        if self.own_loss is not None and config.label_smoothing:
            raise self.unused("label-smoothing", config.label_smoothing)
        return self

    def unused(self, flag: str, value: float) -> Usage:
        """The error for a knob that the adapter's loss does not use."""
        name = getattr(self.own_loss, "__name__", "")
        return Usage(
            f"--{flag} {value:g}: the labels of this competition have a loss from the adapter ({name}), which does not use it. "
            f"Set --{flag} 0, and let {name} do what the knob would have done."
        )

    def changed(self, **values: Any) -> Self:
        """A copy with other values; of a subclass that has an `__init__` of its own, too."""
        copied = copy.copy(self)
        copied.__dict__.update(values)
        return copied

    @property
    def outputs(self) -> int:
        """How many raw outputs a net has for them (a time step, where it reads along the picture)."""
        return len(self.columns)

    def scaling(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Shift and scale [c] of the targets, learned from these (training) rows; 0 and 1 but for Numbers."""
        return np.zeros(len(self.columns), np.float32), np.ones(len(self.columns), np.float32)

    def prior(self, y: np.ndarray) -> np.ndarray:
        """The prediction [c] for a row of which nothing is known."""
        return self.certain(y).mean(axis=0)

    @property
    def own_loss(self) -> Loss | None:
        """The adapter's loss, if it brings one: the argument `loss`, or a method of that name in a subclass."""
        method = type(self).loss  # a dataclass sets `self.loss` to None, which hides a method of its subclass
        return self.loss or (MethodType(method, self) if method else None)

    def criterion(self, logits: torch.Tensor, y: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
        """The loss that training minimises, a scalar: the adapter's where it brings one, else `standard_loss`.

        Raises Usage where the adapter's loss gives no scalar.
        """
        loss = self.own_loss
        if loss is None:
            return self.standard_loss(logits, y, smoothing)
        value = loss(logits, y)
        if value.ndim:
            name = getattr(loss, "__name__", "loss")
            raise Usage(f"{name}: a loss is one number, but this one has the shape {list(value.shape)}. Return its mean.")
        return value

    def standard_loss(self, logits: torch.Tensor, y: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
        """The kit's mean loss of raw outputs [n, c] against encoded (and scaled) answers; `smoothing` of the labels."""
        raise Usage(f"{type(self).__name__} has no loss: give the class a method `loss(self, logits, y)`.")

    def right_logits(self, y: np.ndarray) -> np.ndarray:
        """Raw outputs of one who knows the (scaled) answers `y`."""
        return self.certain(y) * 8 - 4

    @abstractmethod
    def activation(self, logits: torch.Tensor) -> torch.Tensor:
        """Raw outputs to predictions, float32 [n, c]; for Numbers still to be scaled back."""

    def tracked(self) -> Followed:
        """What to follow during training, by name: functions of predictions [n, c] and `tracked_target` that return a number.

        A metric of torchmetrics is such a function.
        """
        return {}

    def tracked_target(self, y: torch.Tensor) -> torch.Tensor:
        """Encoded answers as the metrics of `tracked` take them."""
        return y

    def report(self, truth: np.ndarray, answer: np.ndarray) -> dict[str, float]:
        """What else `scores.json` tells of answers, both as `harden` gives them."""
        return {}

    def average(self, parts: list[pd.DataFrame], weights: list[float] | None = None) -> pd.DataFrame:
        """One frame of predictions from several of the same rows (folds, the refit): their weighted mean."""
        return frames.average(parts, weights)

    @abstractmethod
    def fabricate(self, n: int, rng: np.random.Generator) -> dict[str, list[str]]:
        """Invented answers for `n` rows, by training column, as text."""

    def describe(self) -> str:
        """A few words for `kit list`."""
        return self.kind
