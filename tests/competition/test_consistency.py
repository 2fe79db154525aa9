"""What cannot be meant is said when an adapter is loaded: kinds of facts, texts for tuples, metrics of other answers."""

from typing import Any

import numpy as np
import pytest

from kit import metrics
from kit.competition import Competition
from kit.inputs import Images, Inputs, Table
from kit.labels import Columns, Grade, Labels, Numbers, OneOf, Tags
from kit.metrics import Metric

ALL = [one for one in vars(metrics).values() if isinstance(one, Metric)]
LABELS = {
    "OneOf": OneOf("y", ("a", "b", "c")),
    "Grade": Grade("y", 3),
    "Columns": Columns(("a", "b"), exclusive=True),
    "Tags": Tags("y", ("a", "b")),
    "Numbers": Numbers(("y",)),
    "whole Numbers": Numbers(("y",), whole=True),
}


def stated(**facts: Any) -> Competition:
    return Competition(
        **({"slug": "x", "id": "id", "inputs": Table(), "labels": OneOf("y"), "metric": metrics.accuracy} | facts)
    )


def known(labels: Labels) -> np.ndarray:
    """Answers that are not all the same."""
    y = np.arange(6) % 2
    return {"probabilities": np.eye(2, dtype=np.float32)[y], "tags": np.eye(2, dtype=np.float32)[y]}.get(
        labels.kind, y if labels.kind in ("one class", "grade") else y[:, None].astype(np.float32)
    )


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("metric", ALL, ids=lambda one: one.name)
def test_a_metric_that_is_accepted_gives_full_marks_to_one_who_knows(kind: str, metric: Metric) -> None:
    labels = LABELS[kind]
    if labels.answers not in metric.scores:
        with pytest.raises(ValueError, match=rf"metric={metric.name} scores .*: not {labels.answers} "):
            stated(labels=labels, metric=metric)
        return
    assert stated(labels=labels, metric=metric).metric == metric
    y = known(labels)
    score = metric(labels.truth(y), labels.harden(labels.certain(y)))
    assert score == pytest.approx(1.0 if metric.higher_is_better else 0.0, abs=1e-9)


def test_every_kind_of_answers_has_a_metric_and_every_metric_a_kind() -> None:
    assert {labels.answers for labels in LABELS.values()} == {kind for one in ALL for kind in one.scores}
    assert all(one.scores for one in ALL)
    assert len({one.name for one in ALL}) == len(ALL) == 14


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_a_metric_of_ones_own_scores_anything(labels: Labels) -> None:
    own = Metric("mine", lambda truth, answer: 0.5)
    assert stated(labels=labels, metric=own).metric == own


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"inputs": "Table"}, r"inputs='Table': .* Images\("),
        ({"inputs": Table}, r"inputs=Table: "),
        ({"labels": "y"}, r"labels='y': .* OneOf\("),
        ({"metric": "accuracy"}, r"metric='accuracy': .*one of kit\.metrics"),
        ({"metric": np.mean}, r"metric=mean: .*Metric\("),
        ({"inputs": Table(numbers="age")}, r"numbers='age': a tuple is expected, as \('age',\)"),  # type: ignore[arg-type]
        ({"labels": Numbers("price")}, r"names='price': a tuple is expected"),  # type: ignore[arg-type]
        ({"labels": Columns("ill")}, r"names='ill': a tuple is expected"),  # type: ignore[arg-type]
        ({"labels": OneOf("y", (0, 1))}, r"classes=\(0, 1\): texts are expected, .*: \('0', '1'\)"),  # type: ignore[arg-type]
    ],
)
def test_a_fact_of_the_wrong_kind_says_how_it_is_written(facts: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        stated(**facts)


class Own(OneOf):
    """Labels of an adapter's own, of a kind that the kit does not know."""

    kind = "my own"


class OwnInputs(Inputs):
    """Inputs that are no dataclass."""

    kind = "mine"
    channels, mirror = 0, False

    def load(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    fabricate = load


def test_labels_and_inputs_of_ones_own_are_taken() -> None:
    inputs = OwnInputs()
    assert stated(labels=Own("y"), inputs=inputs, metric=metrics.accuracy).inputs is inputs


@pytest.mark.parametrize("templates", [("pictures",), ("train/{id}.png", "test")])
def test_a_template_without_a_column_is_refused(templates: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"Images\('.*'\): which column .*/\{id\}\.png"):
        Images(*templates)
