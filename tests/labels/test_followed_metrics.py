"""What is followed during training has the values of torchmetrics, which a guest's labels may name too."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torchmetrics import classification, regression

from kit import Columns, Labels, Numbers, OneOf
from kit.labels.evaluation import tracked

DRAWS = range(8)


def theirs(metrics: Mapping[str, Any], predicted: torch.Tensor, target: torch.Tensor) -> dict[str, float]:
    """The values of these metrics of torchmetrics, which warn of classes that no row has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return {name: float(metric(predicted, target)) for name, metric in metrics.items()}


def drawn(seed: int, columns: int) -> tuple[torch.Generator, torch.Tensor]:
    """Probabilities [n, columns], many of which are equal."""
    generator = torch.Generator().manual_seed(seed)
    return generator, (torch.rand(37, columns, generator=generator) * 20).round() / 20


@pytest.mark.parametrize("seed", DRAWS)
def test_metrics_of_classes_are_those_of_torchmetrics_where_a_class_is_missing_too(seed: int) -> None:
    generator, predicted = drawn(seed, 5)
    predicted[:, 4] = -1 if seed % 2 else 1 - predicted[:, 4]  # a class that is never the likeliest, in half of the draws
    truth = torch.randint(0, 4 if seed < 6 else 1, (37,), generator=generator)
    count: dict[str, Any] = {"num_classes": 5, "validate_args": False}
    metrics = {
        "accuracy": classification.MulticlassAccuracy(average="micro", **count),
        "f1": classification.MulticlassF1Score(average="macro", **count),
        "auroc": classification.MulticlassAUROC(**count),
    }
    predicted = predicted.softmax(dim=1)
    own = tracked(OneOf("x", tuple("abcde")), predicted, truth)
    assert own == pytest.approx(theirs(metrics, predicted, truth), abs=1e-6)


@pytest.mark.parametrize("seed", DRAWS)
def test_metrics_of_several_columns_are_those_of_torchmetrics_where_answers_are_missing_too(seed: int) -> None:
    generator, predicted = drawn(seed, 4)
    truth = (torch.rand(37, 4, generator=generator) < 0.3).float()
    truth[:, 3] = seed % 2
    truth[torch.rand(37, 4, generator=generator) < 0.2] = torch.nan
    count: dict[str, Any] = {"num_labels": 4, "validate_args": False, "ignore_index": -1}
    metrics = {
        "accuracy": classification.MultilabelAccuracy(**count),
        "f1": classification.MultilabelF1Score(**count),
        "auroc": classification.MultilabelAUROC(**count),
    }
    own = tracked(Columns(tuple("abcd")), predicted, truth)
    assert own == pytest.approx(theirs(metrics, predicted, truth.nan_to_num(-1).long()), abs=1e-6)


@pytest.mark.parametrize("seed", DRAWS)
def test_metrics_of_one_column_are_those_of_torchmetrics_where_all_are_alike_too(seed: int) -> None:
    generator, predicted = drawn(seed, 1)
    truth = (torch.rand(37, 1, generator=generator) < (0, 1, 0.5)[seed % 3]).float()
    metrics = {
        "accuracy": classification.BinaryAccuracy(),
        "f1": classification.BinaryF1Score(),
        "auroc": classification.BinaryAUROC(),
    }
    own = tracked(Columns(("a",)), predicted, truth)
    assert own == pytest.approx(theirs(metrics, predicted[:, 0], truth[:, 0].long()), abs=1e-6)


@pytest.mark.parametrize("seed", DRAWS)
def test_metrics_of_numbers_are_those_of_torchmetrics_to_the_bit(seed: int) -> None:
    generator, predicted = drawn(seed, 2)
    truth = torch.randn(37, 2, generator=generator)
    metrics = {"mae": regression.MeanAbsoluteError(), "rmse": regression.MeanSquaredError(squared=False)}
    assert tracked(Numbers(("a", "b")), predicted, truth) == theirs(metrics, predicted, truth)


def test_a_guests_labels_may_follow_metrics_of_torchmetrics() -> None:
    class Kinds(OneOf):
        def tracked(self) -> dict[str, Any]:
            return {"kappa": classification.MulticlassCohenKappa(len(self.classes))}

    labels: Labels = Kinds("x", ("a", "b"))
    predicted = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    assert tracked(labels, predicted, torch.tensor([0, 1, 1])) == {"kappa": 1.0}
