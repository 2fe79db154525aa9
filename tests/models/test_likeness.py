"""Likeness: kernel regression by landmarks equals its closed form, bends, and is of the training rows alone."""

import math

import numpy as np
import pytest
import torch
from test_text import sentences, trained
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss, normalize

from kit.data import text_embeddings
from kit.labels import Columns
from kit.models.probe.head_fit import Problem
from kit.models.texts import likeness
from kit.models.texts.likeness import near
from kit.models.texts.ngram_design import SPREAD
from kit.models.texts.ngram_module import NgramModule


def points(count: int, size: int = 3, seed: int = 0) -> torch.Tensor:
    return normalize(torch.randn(count, size, generator=torch.Generator().manual_seed(seed)))


def fitted(problem: Problem, count: int) -> likeness.Likeness:
    model = likeness.blank(problem.x.flatten(0, 1), count, problem.outputs)
    assert likeness.fitted(model, problem)
    return model


def problem(x: torch.Tensor, y: torch.Tensor, weights: torch.Tensor | None = None, until: float = math.inf) -> Problem:
    loss = mse_loss if y.unique().numel() > 2 else binary_cross_entropy_with_logits
    return Problem(x[:, None], y, loss, 1, True, until, weights)


def test_with_every_row_a_landmark_it_is_kernel_ridge_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeness, "INVERSE_PENALTY", 1.0)  # so strong a penalty that the solver comes to its end
    x = points(60)
    y = (x[:, :1] * x[:, 1:2] * 3 + 2).contiguous()
    found = fitted(problem(x, y), count=60)(points(20, seed=1))
    # K a + b minimises mean (y - K a - b)² + a' K a / (2 C n): the rows' own equations, with the bias beside them.
    ones, kernel = torch.ones(60, 1).double(), near(x, x).double()
    ridge = kernel + torch.eye(60) / 2
    system = torch.cat([torch.cat([ridge, ones], 1), torch.cat([ones.T, torch.zeros(1, 1)], 1)])
    solution = torch.linalg.solve(system, torch.cat([y.double(), torch.zeros(1, 1).double()]))
    expected = near(points(20, seed=1), x).double() @ solution[:60] + solution[60]
    assert torch.allclose(found.double(), expected, atol=1e-3)


def test_a_part_of_the_rows_as_landmarks_learns_what_no_plane_parts() -> None:
    x = points(1200)
    y = (x[:, :1] * x[:, 1:2] > 0).float()
    model = fitted(problem(x[:900], y[:900]), count=150)
    assert model.landmarks.shape == (150, 3) and ((model(x[900:]) > 0) == (y[900:] > 0.5)).float().mean() > 0.93


def test_rows_of_no_weight_change_nothing_but_the_landmarks() -> None:
    x = points(80)
    y = (x[:, :1] > 0).float()
    weights = torch.ones(80)
    weights[::2] = 0
    flipped = torch.where(weights[:, None] > 0, y, 1 - y)
    one, two = (fitted(problem(x, answers, weights), count=20) for answers in (y, flipped))
    assert torch.equal(one.weight, two.weight) and one.weight.abs().max() > 0


def test_equal_texts_and_blank_texts_are_no_obstacle_and_no_time_is_no_regression() -> None:
    x = torch.cat([points(1).expand(30, 3), torch.zeros(5, 3)])
    y = torch.arange(35.0)[:, None] % 2
    assert not likeness.fitted(likeness.blank(x, 35, 1), problem(x, y, until=0.0))
    model = fitted(problem(x, y), count=35)
    assert model(x).isfinite().all()


def test_the_matrix_of_likenesses_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeness, "MOST", 1000)
    assert len(fitted(problem(points(100), torch.ones(100, 1)), count=4000).landmarks) == 10


def test_where_time_is_over_the_n_grams_speak_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    texts, y = sentences(60)
    texts.vectors = text_embeddings.learn(texts.bags(1), 1, 8, 0, lambda line: None)
    answers, rows = y[:, None].astype(np.float32), np.arange(60)
    assert trained(texts, rows, answers, Columns(("good",)), landmarks=9).likeness is not None
    monkeypatch.setattr(
        NgramModule, "finish", lambda self, plain=NgramModule.finish: (setattr(self, "until", 0.0), plain(self))
    )
    assert trained(texts, rows, answers, Columns(("good",)), landmarks=9).likeness is None


def test_both_regressions_speak_and_blocks_of_texts_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    texts, y = sentences(120)
    texts.vectors = text_embeddings.learn(texts.bags(1), 1, 8, 0, lambda line: None)
    answers, rows = y[:, None].astype(np.float32), np.arange(80)
    plain, model = (trained(texts, rows, answers, Columns(("good",)), landmarks=count) for count in (0, 30))
    batch = model.gather(texts, np.arange(80, 120))
    grams, both = plain.logits(batch.x), model.logits(batch.x)
    alone = model.likeness(batch.x[2] / SPREAD)
    assert torch.allclose(both, torch.lerp(grams, alone, likeness.SHARE), atol=1e-5) and not torch.equal(both, grams)
    monkeypatch.setattr(likeness, "BLOCK", 7)
    assert torch.allclose(model.logits(batch.x), both, atol=1e-6)
