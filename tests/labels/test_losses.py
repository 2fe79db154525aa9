"""A loss of the adapter: every kind of labels trains by it; what it cannot be, or would leave unused, is refused by name."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from kit import competition as competitions
from kit.config import Config
from kit.errors import BadData, Usage
from kit.inputs import Table
from kit.labels import Columns, Grade, Labels, Numbers, OneOf, Reading, Tags, from_json, to_json
from kit.metrics import Metric
from kit.models.tables.lightgbm_module import LightGBMModule


def first(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """No loss that anything could learn by, but different from all of the kit's."""
    return logits.mean() * 0 + y.shape[0]


def each(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """A loss whose mean was forgotten."""
    return functional.cross_entropy(logits, y, reduction="none")


KINDS: dict[str, Labels] = {
    "OneOf": OneOf("y", ("a", "b"), loss=first),
    "Grade": Grade("y", 2, loss=first),
    "Columns": Columns(("a", "b"), loss=first),
    "Tags": Tags("y", ("a", "b"), loss=first),
    "Numbers": Numbers(("a", "b"), loss=first),
    "Reading": Reading(("a",), loss=first, column="y", alphabet="12", longest=2),
}
ANY = Metric("mine", lambda truth, answer: 0.5)


class Method(OneOf):
    """Labels of an adapter with a loss as a method, and no dataclass of their own."""

    def __init__(self, column: str, factor: float):
        super().__init__(column)
        object.__setattr__(self, "factor", factor)

    def loss(self, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return functional.cross_entropy(logits, y) * self.factor


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_learns_by_it_and_keeps_it_by_name(kind: str) -> None:
    labels = KINDS[kind]
    logits, y = torch.randn(7, 2), torch.zeros(7, dtype=torch.int64)
    assert labels.criterion(logits, y) == 7
    saved = to_json(labels)
    assert saved["loss"] == {"named": f"{__name__}:first"}
    assert from_json(saved, labels) == labels
    assert labels.chosen(Config()).own_loss is first


def test_a_method_of_a_subclass_is_learned_by_and_kept_with_what_it_needs() -> None:
    labels = Method("y", 3.0).changed(classes=("a", "b"))
    again = from_json(to_json(labels))
    logits, y = torch.randn(7, 2), torch.ones(7, dtype=torch.int64)
    expected = functional.cross_entropy(logits, y) * 3
    assert labels.criterion(logits, y) == expected == again.criterion(logits, y)
    assert type(again) is Method and again.columns == ("a", "b")


def test_a_loss_without_a_mean_is_refused() -> None:
    with pytest.raises(Usage, match=r"each: a loss is one number, but this one has the shape \[7\]\. Return its mean"):
        OneOf("y", ("a", "b"), loss=each).criterion(torch.randn(7, 2), torch.zeros(7, dtype=torch.int64))


def test_labels_without_any_loss_are_refused() -> None:
    class Bare(Tags):
        standard_loss = Labels.standard_loss

    with pytest.raises(Usage, match=r"Bare has no loss: give the class a method `loss\(self, logits, y\)`"):
        Bare("y", ("a", "b")).criterion(torch.randn(7, 2), torch.zeros(7, 2))


@pytest.mark.parametrize("kind", [name for name in KINDS if name != "Reading"])
def test_a_knob_that_the_loss_does_not_use_is_refused(kind: str) -> None:
    with pytest.raises(Usage, match=r"--label-smoothing 0\.1: .*\(first\), which does not use it"):
        KINDS[kind].chosen(Config(label_smoothing=0.1))
    if kind == "Numbers":
        with pytest.raises(Usage, match=r"--huber 0\.3: .*\(first\), which does not use it"):
            KINDS[kind].chosen(Config(huber=0.3))


def test_boosting_refuses_it() -> None:
    with pytest.raises(Usage, match="--model lightgbm: it grows its trees by a loss of its own"):
        LightGBMModule(Config(model="lightgbm").json(), to_json(KINDS["OneOf"]))


def nested() -> object:
    def inner(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return logits.mean()

    return inner


@pytest.mark.parametrize("loss", [lambda logits, y: logits.mean(), nested()], ids=["a lambda", "a nested function"])
def test_a_loss_that_no_checkpoint_can_name_is_refused_when_it_is_stated(loss: object) -> None:
    with pytest.raises(
        Usage, match=r"<(lambda|locals)>.*a checkpoint cannot name it\.\nDefine it with `def` or `class` at the top"
    ):
        competitions.Competition("x", "id", Table(), OneOf("y", loss=loss), ANY)  # type: ignore[arg-type]


def test_a_loss_that_is_no_function_is_refused() -> None:
    with pytest.raises(TypeError, match=r"loss='focal': a function `loss\(logits, y\)` is expected"):
        competitions.Competition("x", "id", Table(), OneOf("y", loss="focal"), ANY)  # type: ignore[arg-type]


def test_the_command_says_so_in_two_lines(tmp_path: Path) -> None:
    text = """
from kit.competition import Competition
from kit.inputs import Table
from kit.labels import OneOf
from kit.metrics import accuracy
competition = Competition("x", "id", Table(), OneOf("y", loss=lambda logits, y: logits.mean()), accuracy)
"""
    (tmp_path / "x.py").write_text(text)
    with pytest.raises(Usage, match=r"x\.py: the adapter cannot be loaded \(Usage: <lambda>: a checkpoint cannot name it"):
        competitions.load(str(tmp_path / "x.py"))


def test_answers_that_no_model_could_take_are_refused(tmp_path: Path) -> None:
    class Wide(OneOf):
        def encode(self, train: object) -> np.ndarray:
            return np.zeros((3, 2))

    frame = pd.DataFrame({"y": list("abc")})
    tables = competitions.Tables(tmp_path, frame, frame[[]], frame, Wide("y"))
    with pytest.raises(BadData, match=r"`encode` gave float64 \[3, 2\] for 3 rows"):
        tables.encoded()
