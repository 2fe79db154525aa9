"""Validation: the fold's own rows scored in mid-training; the best weights are kept, and a fit may end early."""

from __future__ import annotations

import copy
import math

import torch

from kit.labels.evaluation import tracked
from kit.models import prediction
from kit.models.base import FoldModel
from kit.training.callbacks.base import Callback, Loop
from kit.training.ranks import exchange, group
from kit.training.signals import Stop
from kit.training.state import FitState


class Validation(Callback):
    """Validates where it is due (`--val-every`, `--checkpoint best`, `--early-stop`), and adds that to the epoch's history.

    Of several ranks the first does; the others wait.
    """

    def __init__(self, state: FitState, stop: Stop):
        self.state, self.stop = state, stop

    def on_train_epoch_end(self, trainer: Loop, pl_module: FoldModel) -> None:
        state, every = self.state, self.state.validates_every
        if every and (state.epoch + 1) % every == 0 and len(state.fold.valid) and group.number() == 0:
            state.history[-1] |= self.validate(pl_module)
        patience = state.fold.config.early_stop
        if patience:
            since = state.epoch + 1 if state.best is None else state.best["since"]
            over = exchange.agreed((state.epoch + 1 - since) // every >= patience)[0]
            trainer.should_stop = trainer.should_stop or bool(over)

    def validate(self, module: FoldModel) -> dict[str, float]:
        """Validation metrics now; keeps the weights where `--checkpoint best` asks for the best."""
        fold = self.state.fold
        self.stop.patient = False  # nothing is lost by stopping here: the last snapshot stands
        if self.stop.signum:
            raise self.stop.error()
        module.eval()
        predicted = prediction.predict(module, fold.x, fold.valid, fold.config)
        module.train()
        self.stop.patient = True
        score, epoch, best = fold.score(predicted), self.state.epoch + 1, self.state.best
        known = math.nan if best is None else best["score"]
        better = fold.metric.better(score, known)
        if fold.keeps_best and (better or score == known):  # of equal ones the later, which has learned longer
            since = epoch if better or best is None else best["since"]
            self.state.best = {"score": score, "epoch": epoch, "since": since, "module": copy.deepcopy(module.state_dict())}
        values = tracked(fold.labels, torch.from_numpy(predicted), torch.from_numpy(fold.y[fold.valid]))
        return {f"val_{name}": value for name, value in {**values, fold.metric.name: score}.items()}
