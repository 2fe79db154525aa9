"""The first epoch: a fit that learns nothing says so, with the knob to turn; one that learns says nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL
from torch.nn import functional

import kit
from kit.labels import Columns, Grade, Numbers, OneOf
from kit.training.callbacks.first_epoch import constant_loss

PLAIN = {**SMALL, "dropout": 0.0, "epochs": 1, "folds": 2, "schedule": "constant"}


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(("lr", "advice"), [(3e-9, "too low"), (3.0, "too high")])
def test_a_fit_that_learns_nothing_says_which_knob(
    lr: float, advice: str, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kit.run("digits", digits, out=tmp_path / "run", only_fold=[0], lr=lr, ema=0, **PLAIN)
    text = said(capsys)
    assert text.count("so far it learns nothing") == 1
    assert f"Is --lr {lr:g} {advice}" in text


def test_a_fit_that_learns_says_nothing(digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kit.run("digits", digits, out=tmp_path / "run", only_fold=[0], lr=1e-2, **{**PLAIN, "limit": 1000, "batch": 32})
    assert "learns nothing" not in said(capsys)


def test_rare_classes_shown_more_often_are_no_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the prior of all rows, which is 19 to 1, a fit to as many of each class would seem to learn nothing."""
    x = np.random.default_rng(0).normal(size=(800, 2))
    label = np.where(x[:, 0] + 0.5 * x[:, 1] > 1.8, "rare", "usual")
    lines = [f"{a:.4f},{b:.4f},{name}" for (a, b), name in zip(x, label, strict=True)]
    (tmp_path / "train.csv").write_text("\n".join(["a,b,label", *lines]) + "\n")
    knobs = {"folds": 2, "epochs": 1, "lr": 5e-3, "batch": 32, "schedule": "constant", "balance": 1}
    kit.run("csv", tmp_path / "train.csv", out=tmp_path / "run", only_fold=[0], **knobs)
    assert "learns nothing" not in said(capsys)


def test_the_constants_loss_is_that_of_the_prior() -> None:
    y = torch.tensor([0, 0, 0, 1, 2, 2])
    share = torch.tensor([3, 1, 2]) / 6
    wanted = float(functional.cross_entropy(share.log().expand(6, -1), y))
    assert constant_loss(OneOf("label", ("a", "b", "c")), y, 0.0) == pytest.approx(wanted, abs=1e-5)
    numbers = torch.from_numpy(np.random.default_rng(0).normal(3, 2, (50, 1)).astype(np.float32))
    assert constant_loss(Numbers(("x",)), numbers, 0.0) == pytest.approx(float(numbers.var(correction=0)), rel=1e-4)
    tags = (torch.rand(40, 2, generator=torch.Generator().manual_seed(0)) < 0.3).float()
    wanted = float(functional.binary_cross_entropy(tags.mean(0).expand(40, -1), tags))
    assert constant_loss(Columns(("a", "b")), tags, 0.0) == pytest.approx(wanted, abs=1e-5)
    assert 0 < constant_loss(Grade("g", 4), torch.tensor([0, 1, 2, 3, 4, 4]), 0.0) < 1
