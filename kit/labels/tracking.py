"""Metrics followed during training, over all rows of an epoch at once."""

from __future__ import annotations

import warnings

import torch

from kit.labels import Labels


def tracked(labels: Labels, predicted: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """The Labels' torchmetrics over all these rows at once (a mean of batch values would be something else).

    Answers that are missing are left out.
    """
    values = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class that these rows do not have
        target = labels.tracked_target(y)
        if predicted.shape[1] == 1 and target.ndim == 2:
            predicted, target = predicted[:, 0], target[:, 0]
        if labels.continuous and labels.partial:
            known = ~target.isnan()
            predicted, target = predicted[known], target[known]
        for name, metric in labels.tracked().items():
            values[name] = float(metric.to(predicted.device)(predicted.contiguous(), target.contiguous()))
    return values
