"""TreesModule: gradient boosted trees, whichever library grows them.

They are grown in one step and kept as a Forest, so that a checkpoint holds tensors and plain values only, and so that who
predicts needs no library but torch.
"""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, ClassVar, Self

import numpy as np
import torch

from kit.config import Config
from kit.data.folds import inner_groups
from kit.errors import Usage, install
from kit.inputs.cells import Cells
from kit.inputs.column_encoding import Encoding
from kit.models import weighting
from kit.models.base import FoldModel, StepOutput
from kit.models.batch import Batch, Feed
from kit.models.graphs import tables
from kit.models.graphs.base import Graph
from kit.models.tables.boosters import STOPPED, Boosters, Clock, Grown, Task, kept_back
from kit.models.tables.forest import Forest, empty, joined
from kit.models.tables.target_means import TargetMeans
from kit.parts import NONE, Parts

FORWARD = 1 << 15  # rows predicted at a time
NEVER = -30.0  # the logit of a class that the training fold does not have
CATEGORIES = 5000  # of a column, the most frequent ones
MANY = 100  # of a column: trees that ask for so many learn them by heart (lab book)
AGAIN = 10_000  # up to so many training rows, all of them are learned from once it is known for how long


class TreesModule(FoldModel):
    """Trains on one batch, all rows; predicts probabilities or values. A subclass states `library` and `fitted`.

    Answers that exclude each other have trees that share a softmax; any others have trees of their own.
    """

    resumable = False
    one_step = True
    takes_weights = True
    library: ClassVar[str]  # its package, and the extra that brings it
    native: ClassVar[int] = 254  # categories of a column that its trees may ask for
    means_alone: ClassVar[bool] = True  # is a column of MANY categories, encoded by mean answers, asked for by these alone?

    def __init__(self, config: dict[str, Any], labels: dict[str, Any], steps: int = 1):
        super().__init__(config, labels, steps=steps)
        if self.labels.own_loss is not None:
            raise Usage(f"--model {self.library}: it grows its trees by a loss of its own, not by the adapter's. Try mlp.")
        self.forest = Forest(empty(len(self.labels.columns)))
        self.register_buffer("means", torch.zeros(0, 0, dtype=torch.float64))
        self.nothing = torch.nn.Parameter(torch.zeros(1))  # a Trainer's optimizer wants a parameter
        self.encoding: Encoding | None = None
        self._kept: tuple[Any, torch.Tensor] | None = None
        self.cells: Cells | None = None  # while it is fitted

    means: torch.Tensor

    @classmethod
    def remarks(cls, config: Config, channels: int) -> list[str]:
        """Nothing. Raises Usage where the library is not installed."""
        if find_spec(cls.library) is None:
            raise Usage(f"--model {cls.library}: needs the extra `{cls.library}` ({install(cls.library)}).")
        return []

    @classmethod
    def seeded(cls, config: Config, rows: int) -> bool:
        """Which rows and columns are drawn, which rows decide when to stop, and the parts of means; without these, nothing."""
        return min(config.rows_share, config.columns_share) < 1 or config.target_encoding > 0 or rows >= STOPPED

    def learn(self, cells: Cells, rows: np.ndarray, y: np.ndarray) -> None:
        """Kinds, categories, means of answers and target scaling from the training rows."""
        self.encoding = Encoding.learn(cells, rows, CATEGORIES)
        self.scale_targets(y[rows])
        self.cells = cells
        self.means = torch.from_numpy(self.target_means.learn(self.encoding.encode(cells)[1][rows], self.wanted(y[rows])))

    @property
    def target_means(self) -> TargetMeans:
        """How columns of many categories become numbers."""
        assert self.encoding is not None
        return TargetMeans.of(self.encoding.sizes, self.config.target_encoding)

    @property
    def asked(self) -> list[int]:
        """How many categories of each column the trees may ask for themselves."""
        assert self.encoding is not None
        by_mean = self.target_means.columns
        many = [j in by_mean and size > MANY for j, size in enumerate(self.encoding.sizes)]
        return [0 if one and self.means_alone else self.native for one in many]

    def wanted(self, y: np.ndarray) -> np.ndarray:
        """Answers as the trees learn them, [n, columns]: scaled numbers or probabilities; NaN where one is missing."""
        if self.labels.continuous:
            return (y - self.shift.numpy()) / self.scale.numpy()
        return self.labels.certain(y)

    @classmethod
    def feed(cls, x: Cells, config: Config, count: int, mirror: bool = False, parts: Parts = NONE) -> Feed:
        return Feed(lambda rows: None, count, whole=True)

    def adopt(self, source: FoldModel) -> None:
        """Raises Usage: there is no backbone to begin with."""
        raise Usage("--from: takes a backbone of pictures; a table's columns are its own.")

    def training_step(self, batch: Batch, batch_idx: int) -> StepOutput:
        assert batch.y is not None and self.cells is not None
        weights = None if batch.weights is None else batch.weights.numpy()
        self.grow(self.cells, batch.rows.numpy(), self.wanted(batch.y.numpy()), weights)
        x = self.encoded(self.cells)[batch.rows]
        logits = torch.cat([self.logits(some) for some in x.split(FORWARD)]).float()
        loss = weighting.weighted(self.labels.criterion, logits, self.scaled(batch.y), batch.weights)
        return self.stepped(batch, loss, self.answers(logits))

    def grow(self, cells: Cells, rows: np.ndarray, wanted: np.ndarray, weights: np.ndarray | None = None) -> None:
        """Fit the forest to some rows and what is `wanted` of them, [n, columns]; `weights` [n] of the rows."""
        x, groups = self.encoded(cells).numpy()[rows], inner_groups(self.groups, rows)
        if self.means.numel():
            assert self.encoding is not None
            wide = x.shape[1] - self.target_means.width(wanted.shape[1])
            x[:, wide:] = self.target_means.without_own(self.encoding.encode(cells)[1][rows], wanted, self.config.seed, groups)
        if self.labels.exclusive:
            boosters, baseline = self._classes(x, wanted.argmax(axis=1), wanted.shape[1], weights, groups)
        else:
            boosters, baseline = self._columns(x, wanted, weights, groups)
        for outputs, one in boosters:
            baseline[outputs] = one.baseline
        self.keep(boosters, baseline)

    def keep(self, boosters: Boosters, baseline: np.ndarray) -> None:
        """Hold what was grown, and the logits [outputs] that it begins from."""
        trees = [replace(tree, output=outputs[tree.output]) for outputs, one in boosters for tree in one.trees]
        self.forest = Forest(joined(trees, baseline))

    def _columns(
        self, x: np.ndarray, wanted: np.ndarray, weights: np.ndarray | None, groups: np.ndarray | None
    ) -> tuple[Boosters, np.ndarray]:
        """A booster for each column, with the output that it answers, and the logits of those that need none."""
        columns = wanted.shape[1]
        baseline, boosters, kind = np.zeros(columns), Boosters(), "numbers" if self.labels.continuous else "chances"
        for column, answers in enumerate(wanted.T):
            known = ~np.isnan(answers)
            if not known.any():
                continue  # the mean of the scaled numbers, or a half
            answers = answers[known]
            if kind == "chances" and answers.min() == answers.max() and answers[0] in (0, 1):
                baseline[column] = NEVER if answers[0] == 0 else -NEVER
                continue
            own, groups_of = (None if some is None else some[known] for some in (weights, groups))
            task = Task(kind, x[known], answers, 1, own, groups=groups_of)
            boosters.append(([column], self._in_time(task, columns - column)))
        return boosters, baseline

    def _classes(
        self, x: np.ndarray, y: np.ndarray, outputs: int, weights: np.ndarray | None, groups: np.ndarray | None
    ) -> tuple[Boosters, np.ndarray]:
        """One booster, of the classes that there are; of two classes it answers the second only."""
        baseline = np.full(outputs, NEVER)
        present, y = np.unique(y, return_inverse=True)
        baseline[present] = 0.0
        if len(present) == 1:
            return [], baseline
        two = len(present) == 2
        kind, count, own = ("chances", 1, present[1:]) if two else ("classes", len(present), present)
        return [(own.tolist(), self._in_time(Task(kind, x, y, count, weights, groups=groups), 1))], baseline

    def _in_time(self, task: Task, share: int) -> Grown:
        """All rounds of a booster, or as many as help; where time is short, as many as one share of so many allows.

        A tenth of the training rows is kept back and decides when to stop. Of few rows none can be spared: once it is known
        when, all are learned from.
        """
        trees, now = self.config.trees, time.monotonic()
        end = now + (self.until - now) / share
        judges = kept_back(task, self.config.seed)
        again = judges.any() and len(task.y) <= AGAIN
        first = self._part(task, ~judges, judges, rounds=trees, until=now + (end - now) / (1 + again))
        best, cut = self._timed(first)
        if again and not cut:
            best, cut = self._timed(replace(task, rounds=best.rounds, until=end))
        if cut:
            self.part = min(self.part, best.rounds / trees)
        return best

    def _part(self, task: Task, rows: np.ndarray, judges: np.ndarray, **more: Any) -> Task:
        weights = None if task.weights is None else task.weights[rows]
        judged = (task.x[judges], task.y[judges]) if judges.any() else None
        return replace(task, x=task.x[rows], y=task.y[rows], weights=weights, judged=judged, **more)

    def _timed(self, task: Task) -> tuple[Grown, bool]:
        """A booster, and was it cut short by the time?"""
        clock = Clock(task.until, len(task.x))
        grown = self.fitted(task, clock)
        self.until -= clock.answering * grown.rounds if self.until < math.inf else 0.0
        return grown, clock.over

    @abstractmethod
    def fitted(self, task: Task, clock: Clock) -> Grown:
        """Grow it; end where `clock.stops` says so after a round."""

    def encoded(self, cells: Cells) -> torch.Tensor:
        """A whole table as float64 (or float32, which holds it as well) [n, categories + numbers + means], NaN where nothing
        is known; the last one is kept.

        Categories come first, from 0 on; a rare or unseen one is as good as missing.
        """
        if self._kept is None or self._kept[0] is not cells:
            assert self.encoding is not None
            known, numbers = len(self.encoding.sizes), self.encoding.width
            outputs = self.means.shape[1] if self.means.numel() else 0
            wide = known + numbers + self.target_means.width(outputs)
            short = self.encoding.is_short(cells) and not outputs
            table = np.zeros((len(cells), wide), np.float32 if short else np.float64)
            self.encoding.fill(table[:, known : known + numbers], cells)
            codes = list(self.encoding.codes_of(cells))
            for j, one in enumerate(codes):
                table[:, j] = np.where((one > 0) & (one <= self.asked[j]), one - 1.0, np.nan)
            if outputs:
                table[:, known + numbers :] = self.target_means.of_codes(np.stack(codes, axis=1), self.means.numpy())
            self._kept = (cells, torch.from_numpy(table))
        return self._kept[1]

    def get_extra_state(self) -> dict[str, Any]:
        return {"encoding": self.encoding.json() if self.encoding else None}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.encoding = Encoding.from_json(state["encoding"]) if state["encoding"] else None

    def load_state_dict(self, state_dict: Any, *args: Any, **kwargs: Any) -> Any:
        """As torch's, for a forest of any size."""
        self.forest = Forest({name: state_dict[f"forest.{name}"].clone() for name in Forest.BUFFERS})
        self.means = state_dict["means"].clone()
        return super().load_state_dict(state_dict, *args, **kwargs)

    @property
    def learning_rate(self) -> float:
        return self.config.shrinkage

    def finish(self) -> None:
        """The table need not be kept once the fit is over."""
        self._kept = None
        self.cells = None

    def gather(self, x: Cells, rows: np.ndarray) -> Batch:
        index = torch.from_numpy(rows)
        return Batch(self.encoded(x)[index], None, index)

    @classmethod
    def graph(cls, models: Sequence[Self], weights: list[float]) -> Graph:
        every = tables.union([model.encoding for model in models if model.encoding])
        rows = [tables.Asked(model, every) for model in models]
        return tables.Grove(rows, weights, [model.forest for model in models]).eval()

    def doubts(self, x: Cells, where: str) -> list[str]:
        """Cells that cannot be read, or that no training row has."""
        return [*self.encoding.odd(x, where), *self.encoding.new(x, where)] if self.encoding else []

    def rows_per_pass(self, device: str) -> int:
        return FORWARD

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Rows float64 [b, features] to logits [b, outputs]."""
        return self.forest(x)
