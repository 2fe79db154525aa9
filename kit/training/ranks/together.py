"""Together: how the ranks begin a fit alike. See `kit.training.engines.gradients` for what they do in each step."""

from __future__ import annotations

from dataclasses import replace

from kit.models.base import FoldModel
from kit.training.fold import Fold
from kit.training.ranks import exchange, group


def shared_out(fold: Fold) -> Fold:
    """The fold with each batch in as many parts as there are ranks, or a multiple of that. Alone: as it is."""
    parts = -(-fold.config.accumulate // group.count()) * group.count()
    return replace(fold, config=fold.config.changed(accumulate=parts))


def begin_alike(module: FoldModel) -> None:
    """Give the module the weights and statistics of rank 0's. Alone: nothing."""
    if group.count() > 1:
        module.load_state_dict(exchange.from_leader(module.state_dict()))
