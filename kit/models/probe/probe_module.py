"""Probe: fits the last layer of a module's network to features of its frozen backbone, and predicts from them.

The convex fit takes seconds; what takes time is the backbone's one pass over the rows, whose features all folds share.
What is saved is the module itself, an ordinary one whose last layer is the fitted head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import torch

from kit.config import Config
from kit.data import folds
from kit.errors import Usage
from kit.labels import Labels
from kit.models.base import FoldModel, StepOutput
from kit.models.batch import Batch, Feed
from kit.models.lightning.module import FoldModule
from kit.models.net_module import NetModule
from kit.models.probe import features, head_fit
from kit.models.probe.head_fit import Problem
from kit.parts import NONE, Parts

PARTS = 5  # of the training rows, one of which chooses the penalty
FEW = 1000  # rows up to which each of them chooses in turn
FEATURES = "features"  # what the `x` of a Batch calls them


class Probe(FoldModule):
    """Trains the head of `inner`, a module of the class `kind`, in one step on all rows."""

    resumable = False
    one_step = True
    one_pass = True
    takes_weights = True
    kind: ClassVar[type[FoldModel]]

    def __init__(self, inner: NetModule):
        super().__init__(inner.hparams["config"], inner.hparams["labels"])
        self.labels, self.inner = inner.labels, inner
        self.backbone = features.Backbone(inner)
        self.known: list[tuple[Any, np.ndarray]] = []  # rows as they are loaded, and their features
        self.order = [_name(view) for view in inner.views]

    @classmethod
    def of(cls, config: Config, labels: Labels, x: Any, *, steps: int, mirror: bool = False, parts: Parts = NONE) -> Self:
        if cls.kind.by_view is FoldModel.by_view:
            raise Usage(f"--strategy probe: {config.model} has no backbone whose features a linear head could be fitted to.")
        inner = cls.kind.of(config.changed(ema=0.0), labels, x, steps=steps, mirror=mirror, parts=parts)
        assert isinstance(inner, NetModule)
        return cls(inner)

    @classmethod
    def feed(cls, x: Any, config: Config, count: int, mirror: bool = False, parts: Parts = NONE) -> Feed:
        return Feed(lambda rows: None, count, whole=True)

    def learn(self, x: Any, rows: np.ndarray, y: np.ndarray) -> None:
        """What the module learns before its first step, and which rows there are."""
        self.x = x
        self.scale_targets(y[rows])
        self.inner.learn(x, rows, y)

    def adopt(self, source: FoldModel) -> None:
        self.inner.adopt(source)

    def finish(self) -> None:
        self.inner.zero_grad()
        self.inner.finish()

    @property
    def saved(self) -> FoldModel:
        return self.inner

    # --- the fit

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Fit the head to the rows of the one batch."""
        assert batch.y is not None
        self.fit_head(batch.rows.numpy(), batch.y, batch.weights)

    def fit_head(self, rows: np.ndarray, y: torch.Tensor, weights: torch.Tensor | None = None) -> None:
        """The head of the least loss on rows of the training data with their answers; its penalty is chosen inside them."""
        config, head = self.config, self.backbone.head
        self.inner.eval()
        two = self.inner.gather(self.x, rows[:2]).to(self.device)
        with torch.no_grad():
            self.inner.by_view(two, self.measured)

        def criterion(logits: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
            return self.labels.criterion(logits, answers, config.label_smoothing)

        problem = Problem(
            x=self.training_features(rows), y=self.scaled(y), criterion=criterion, outputs=head.out_features,
            intercept=head.bias is not None, until=self.until, weights=weights,
        )  # fmt: skip
        found, choice = head_fit.fitted(problem, self.inner_parts(rows, y.cpu().numpy()))
        with torch.no_grad():
            head.weight.copy_(found.weight.T / self.backbone.factor)
            if head.bias is not None:
                head.bias.copy_(found.bias / self.backbone.factor)
        self.noted = {"penalty": choice.penalty, "penalty_loss": choice.loss}

    def measured(self, x: Any) -> torch.Tensor:
        """Features of a few rows, by which what follows the head is found out."""
        self.backbone.measure(x)
        return self.backbone(x)

    def training_features(self, rows: np.ndarray) -> torch.Tensor:
        """Features [n, views, d] of these training rows, on the device."""
        return torch.from_numpy(self.features_of(self.x)[rows]).to(self.device)

    def inner_parts(self, rows: np.ndarray, y: np.ndarray) -> list[torch.Tensor]:
        """Positions of the training rows that choose the penalty, dealt as folds are: a fifth, or of FEW each fifth in turn."""
        count = max(2, min(PARTS, len(y) // 2))
        groups = folds.inner_groups(self.groups, rows)
        dealt = folds.make(pd.RangeIndex(len(y)), count, self.config.seed, self.labels.strata(y), groups)
        return [torch.from_numpy(np.flatnonzero(dealt.fold == k)) for k in dealt.numbers[: count if len(y) <= FEW else 1]]

    def training_step(self, batch: Batch, batch_idx: int) -> StepOutput:
        """Loss and predictions of the fitted head."""
        assert batch.y is not None
        with torch.autocast(self.device.type, enabled=False):
            y, views = self.scaled(batch.y), [self.logits(x) for x in self.training_features(batch.rows.numpy()).unbind(1)]
            losses = [self.mean_loss(logits, y, batch.weights) for logits in views]
            predicted = torch.stack([self.answers(logits.detach()) for logits in views]).mean(dim=0)
        return self.stepped(batch, torch.stack(losses).mean(), predicted)

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        """No step: the head is fitted already. The closure tells how well."""
        optimizer_closure()

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.backbone.head.parameters(), lr=1.0)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)}}

    # --- predictions, by features where they are known

    @property
    def views(self) -> Sequence[Any]:  # type: ignore[override]
        return self.inner.views

    @views.setter
    def views(self, views: Sequence[Any]) -> None:
        self.inner.views = views

    def ready(self, x: Any) -> None:
        self.features_of(x)

    def features_of(self, x: Any) -> np.ndarray:
        """Features float32 [n, views, d] of all rows of `x`."""
        found = self._known(x)
        if found is None:
            found = features.of(self.backbone, x, self.config)
            self.known.append((x, found))
        return found

    def _known(self, x: Any) -> np.ndarray | None:
        return next((found for rows, found in self.known if rows is x), None)

    def rows_per_pass(self, device: str) -> int:
        return self.inner.rows_per_pass(device)

    def gather(self, x: Any, rows: np.ndarray) -> Batch:
        found = self._known(x)
        if found is None:
            return self.inner.gather(x, rows)
        return Batch({FEATURES: torch.from_numpy(found[rows])}, None, torch.from_numpy(rows))

    def predict_step(self, batch: Batch, batch_idx: int = 0) -> torch.Tensor:
        """The mean prediction over the views [b, c]: from features, or by the whole network."""
        if not (isinstance(batch.x, dict) and FEATURES in batch.x):
            return self.inner.predict_step(batch)
        parts = []
        for view in self.views:
            answers = self.answers(self.logits(batch.x[FEATURES][:, self.order.index(_name(view))]).float())
            undo = getattr(view, "undo", None)
            parts.append(undo(answers) if undo else answers)
        return torch.stack(parts).mean(dim=0)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Raw outputs of features [b, d]."""
        return self.backbone.head(x) * self.backbone.factor


def around(kind: type[FoldModel]) -> type[Probe]:
    """The probe of a class of modules."""
    return type("Probe", (Probe,), {"kind": kind})


def _name(view: Any) -> str:
    return getattr(view, "name", view)
