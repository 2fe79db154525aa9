"""What labels show: every kind spells its answers, measures its errors, and says which predictions are right."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from kit.labels import Columns, Grade, Labels, Numbers, OneOf, Reading, Tags, evaluation
from kit.labels.evaluation import Confidence

TABLE = pd.DataFrame(
    {
        "kind": ["cat", "dog", "owl", "dog"],
        "grade": ["0", "2", "1", "2"],
        "tags": ["cat", "cat dog", "owl", "dog owl"],
        "cat": ["1", "0", "0", "1"],
        "dog": ["0", "1", "1", "0"],
        "mass": ["1.5", "20", "300", "4000"],
        "text": ["1+2", "3", "4", "5+5"],
    },
    dtype=object,
)
READING = Reading(names=("mass",), column="text", alphabet="0123456789+", longest=4, compute=(lambda text: [0.0],))


@dataclass(frozen=True)
class Direct(Labels):
    """Labels of a guest, straight from the base: a number on a scale of its own, of which the base knows nothing."""

    column: str
    kind = "direct"

    @property
    def train_columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def encode(self, train: pd.DataFrame) -> np.ndarray:
        return train[[self.column]].to_numpy(np.float32)

    def decode(self, predictions: np.ndarray, columns: list[str]) -> dict[str, Any]:
        return {columns[0]: predictions[:, 0]}

    def certain(self, y: np.ndarray) -> np.ndarray:
        return y.astype(np.float32)

    def harden(self, predictions: np.ndarray) -> np.ndarray:
        return predictions

    def fault(self, cell: str) -> str:
        return ""

    def loss(self, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.l1_loss(logits, y)

    def activation(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.float()

    def tracked(self) -> dict[str, Any]:
        return {}

    def fabricate(self, n: int, rng: np.random.Generator) -> dict[str, list[str]]:
        return {self.column: [str(value) for value in rng.normal(size=n)]}


class Weighted(OneOf):
    """Labels of a guest that change the loss only."""


EVERY: dict[str, tuple[Labels, list[str]]] = {
    "one of": (OneOf("kind"), ["cat", "dog", "owl", "dog"]),
    "of a guest": (Weighted("kind"), ["cat", "dog", "owl", "dog"]),
    "grade": (Grade("grade", 2), ["0", "2", "1", "2"]),
    "exclusive": (Columns(("cat", "dog"), exclusive=True), ["cat", "dog", "dog", "cat"]),
    "independent": (Columns(("cat", "dog")), ["cat", "dog", "dog", "cat"]),
    "one column": (Columns(("cat",)), ["cat 1.000", "cat 0.000", "cat 0.000", "cat 1.000"]),
    "tags": (Tags("tags"), ["cat", "cat dog", "owl", "dog owl"]),
    "numbers": (Numbers(("mass",)), ["mass 1.5", "mass 20", "mass 300", "mass 4000"]),
    "logarithms": (Numbers(("mass",), log=True), ["mass 1.5", "mass 20", "mass 300", "mass 4000"]),
    "reading": (READING, ["1+2: mass 1.5", "3: mass 20", "4: mass 300", "5+5: mass 4000"]),
    "direct": (Direct("mass"), ["mass 1.5", "mass 20", "mass 300", "mass 4000"]),
}
every_kind = pytest.mark.parametrize("name", EVERY)


def known(name: str) -> tuple[Labels, np.ndarray, np.ndarray]:
    """Bound labels, their encoded answers, and the predictions of whoever knows these."""
    labels = EVERY[name][0].bind(TABLE)
    y = labels.encode(TABLE)
    return labels, y, labels.certain(y)


@every_kind
def test_answers_are_spelled(name: str) -> None:
    labels, _, certain = known(name)
    assert labels.spell(certain) == EVERY[name][1]


@every_kind
def test_only_a_wrong_prediction_has_an_error(name: str) -> None:
    labels, y, certain = known(name)
    assert labels.errors(y, certain) == pytest.approx(np.zeros(4), abs=1e-5)
    wrong = certain.copy()
    wrong[1] = certain[0]
    errors = labels.errors(y, wrong)
    assert errors.argmax() == 1 and errors[1] > 1e-3 and errors[[0, 2, 3]] == pytest.approx(np.zeros(3), abs=1e-5)


@every_kind
def test_certain_predictions_are_all_right(name: str) -> None:
    labels, y, certain = known(name)
    classes, numbers, confidence = (
        show(y, certain) for show in (labels.class_answers, labels.number_answers, labels.confidence)
    )
    assert classes is None or (classes.truth == classes.predicted).all()
    assert numbers is None or numbers.truth == pytest.approx(numbers.predicted)
    for detection in labels.detections(y, certain):
        assert (detection.truth == detection.predicted).all() and detection.truth.any()
    if isinstance(confidence, Confidence):
        assert set(np.unique(confidence.probability)) <= {0.0, 1.0}
        assert confidence.probability == pytest.approx(np.asarray(confidence.correct, float))


def test_each_kind_shows_what_it_has() -> None:
    shown = {
        name: [
            what
            for what in ("class_answers", "number_answers", "detections", "confidence")
            if getattr(known(name)[0], what)(*known(name)[1:])
        ]
        for name in EVERY
    }
    classes = ["class_answers", "detections", "confidence"]
    assert shown == {
        "one of": classes, "of a guest": classes, "grade": classes, "exclusive": classes, "one column": classes,
        "independent": ["detections", "confidence"], "tags": ["detections", "confidence"], "direct": [],
        "numbers": ["number_answers"], "logarithms": ["number_answers"], "reading": ["number_answers", "confidence"],
    }  # fmt: skip
    assert {name for name in EVERY if known(name)[0].transcripts(known(name)[2])} == {"reading"}


def test_a_grade_is_as_wrong_as_it_is_far() -> None:
    labels, y, certain = known("grade")
    assert labels.errors(y, certain[::-1]).tolist() == [2, 1, 1, 2]


def test_log_loss_is_that_of_the_true_class() -> None:
    p = np.array([[0.2, 0.8], [0.5, 0.5]])
    assert evaluation.log_loss(np.eye(2), p) == pytest.approx(-np.log([0.2, 0.5]))
    assert evaluation.binary_log_loss(np.eye(2)[:1], p[:1]) == pytest.approx([-np.log(0.2)])


def test_a_model_card_names_what_is_left_to_the_submission() -> None:
    bounded = Numbers(("mass",), whole=True, low=(0.0,), high=(9.0,), log=True)
    assert bounded.export_notes()[-1] == "Left to the submission: rounding and the declared bounds."
    assert bounded.exported == ("mass",) and bounded.columns == ("log1p(mass)",) and "logarithms" in bounded.deviation
    assert (OneOf("kind").export_notes(), OneOf("kind").deviation) == ([], "")
