"""Weighting: the loss of rows that do not all count alike, from any loss that is a mean over rows."""

from __future__ import annotations

from collections.abc import Callable

import torch

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # of logits [b, …] and answers [b, …], the mean over the rows


def weighted(loss: Loss, logits: torch.Tensor, y: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    """The mean of the rows' losses times their weights (float32 [b], in the host's memory); None: all count 1.

    A loss, an adapter's too, is a mean over rows, so it is asked once for the rows of each weight, of which there are few.
    """
    if weights is None:
        return loss(logits, y)
    total = logits.new_zeros(())
    for weight in weights.unique().tolist():
        rows = torch.nonzero(weights == weight).flatten()
        if weight:
            there = rows.to(logits.device)
            total = total + weight * len(rows) / len(weights) * loss(logits[there], y[there])
    return total


def shares(weights: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """The weights of all rows over the mean of these `rows` to train on, so that the size of a loss stays as it was."""
    return weights / weights[rows].mean()
