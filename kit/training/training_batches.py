"""Training batches: the rows of one fold as a model wants them, in their order. Without Lightning."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np

from kit.config import Config
from kit.console import say
from kit.errors import Usage
from kit.models.base import FoldModel
from kit.models.batch import Feed
from kit.training.fold import Fold
from kit.training.loaders import Batches
from kit.training.workers import WorkerBatches

ROWS = "overfit_batches"  # of Lightning's Trainer; fewer rows are trained on: the kit deals the batches


def for_kind(fold: Fold, kind: type[FoldModel], config: Config, tell: Callable[[str], None] = say) -> Batches:
    """The fold's training rows as models of this class are fed by."""
    feed = kind.feed(fold.x, config, len(fold.train), mirror=fold.mirror, parts=fold.parts)
    return batches(fold, feed, config, tell)


def batches(fold: Fold, feed: Feed, config: Config, tell: Callable[[str], None] = say) -> Batches:
    """The fold's training rows by this feed. `tell`: what is to be said of workers."""
    rows = fold.train[: overfitted(config, len(fold.train), feed.batch)]
    options: dict[str, Any] = {"seed": config.seed, "fold": fold.number, "accumulate": config.accumulate}
    options["weights"] = fold.weights
    options["strata"] = strata(fold, rows) if config.balance else None
    if feed.pictures is None:
        return Batches(feed, fold.y, rows, **options)
    return WorkerBatches(feed, fold.y, rows, workers=config.workers, say=tell, **options)


def strata(fold: Fold, rows: np.ndarray) -> np.ndarray:
    """The stratum of each of these training rows, for `--balance`: its class, its grade, or the rarest of its tags."""
    if fold.labels.continuous:
        raise Usage("--balance: the answers are numbers, of which none is rare or frequent. Leave it out.")
    return fold.labels.strata(fold.y[rows])


def assigned(config: Config) -> dict[str, str]:
    """The options of `--trainer` by name, as texts; "" where no value is given."""
    pairs = [part.strip().partition("=") for part in config.trainer.split(",") if part.strip()]
    return {name: text for name, _, text in pairs}


def overfitted(config: Config, rows: int, batch: int) -> int:
    """How many of so many training rows are trained on: all, or those of `overfit_batches` (a number, or a share)."""
    wanted = value(assigned(config).get(ROWS, "0"))
    if not wanted:
        return rows
    if not isinstance(wanted, int | float) or wanted < 0 or (isinstance(wanted, float) and wanted > 1):
        raise Usage(f"--trainer {ROWS}={wanted}: a number of batches is wanted, or a share from 0 to 1.")
    return max(2, min(rows, wanted * batch if isinstance(wanted, int) else round(wanted * rows)))


def value(text: str) -> Any:
    """What a text stands for in Python: a number, say, or the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
