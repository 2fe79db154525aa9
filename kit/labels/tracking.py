"""Metrics followed during training, over all rows of an epoch at once."""

from __future__ import annotations

import warnings

import torch

from kit.labels import Labels


def tracked(labels: Labels, predicted: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """The Labels' torchmetrics over all these rows at once (a mean of batch values would be something else)."""
    values = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class that these rows do not have
        for name, metric in labels.tracked().items():
            target = y if labels.kind in ("one class", "numbers") else y.round().long()
            target = y.argmax(dim=1) if labels.exclusive and y.ndim == 2 else target
            one = predicted.shape[1] == 1
            pair = (predicted[:, 0], target[:, 0]) if one else (predicted.contiguous(), target.contiguous())
            values[name] = float(metric.to(predicted.device)(*pair))
    return values
