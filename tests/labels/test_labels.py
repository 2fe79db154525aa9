"""Labels: for every kind, decode undoes encode, and loss, activation, scaling and faults follow from the kind."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, strategies as st
from sklearn import metrics, preprocessing

from kit import labels as all_labels
from kit.config import Config
from kit.errors import BadData
from kit.labels import Columns, Grade, Labels, Numbers, OneOf, Tags
from kit.labels.evaluation import tracked

KINDS: dict[str, Labels] = {
    "one of, declared": OneOf("y", ("cat", "dog", "bird")),
    "one of, learned": OneOf("y"),
    "grade": Grade("y", 4),
    "one probability": Columns(("p",)),
    "several probabilities": Columns(("a", "b", "c")),
    "exclusive probabilities": Columns(("a", "b", "c"), exclusive=True),
    "a probability for each class of a column": Columns(("a", "b", "c"), column="breed"),
    "a probability for each class, called otherwise": Columns(("is a", "is b", "is c"), column="breed", prefix="is "),
    "a probability of one class of a column": Columns(("yes",), column="survived"),
    "tags": Tags("y", ("scab", "rust", "healthy")),
    "tags, learned": Tags("y"),
    "a number": Numbers(("v",)),
    "several numbers": Numbers(("v", "w")),
    "whole numbers": Numbers(("v", "w"), whole=True),
    "numbers in a range": Numbers(("v", "w"), whole=True, low=(1, -40), high=(9, -10)),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def table(columns: dict[str, list[str]]) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    return pd.DataFrame(columns, index=[f"id{i}" for i in range(n)], dtype=object)


def rows(kind: str, n: int = 12, seed: int = 0) -> tuple[Labels, pd.DataFrame, np.ndarray]:
    train = table(KINDS[kind].fabricate(n, np.random.default_rng(seed)))
    labels = KINDS[kind].bind(train)
    return labels, train, labels.encode(train)


def right_logits(labels: Labels, y: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(labels.right_logits(y))


@every_kind
@pytest.mark.parametrize("seed", range(5))
def test_decode_undoes_encode(kind: str, seed: int) -> None:
    labels, train, y = rows(kind, 20, seed)
    decoded = labels.decode(labels.certain(y), list(labels.asked))
    assert list(decoded) == list(labels.asked)
    again = table({name: [str(cell) for cell in cells] for name, cells in decoded.items()})
    assert np.array_equal(labels.encode(labels.as_trained(again)), y)
    if labels.kind in ("one class", "grade") or getattr(labels, "whole", False):
        assert again.equals(train)


@every_kind
def test_what_decode_gives_is_no_fault(kind: str) -> None:
    labels, _, y = rows(kind)
    for cells in labels.decode(labels.certain(y), list(labels.asked)).values():
        assert [labels.fault(str(cell)) for cell in cells] == [""] * len(cells)


@every_kind
def test_who_knows_the_answers_hands_in_the_truth(kind: str) -> None:
    labels, _, y = rows(kind)
    certain = labels.certain(y)
    assert certain.shape == (12, len(labels.columns))
    assert certain.dtype == np.float32
    assert np.array_equal(labels.harden(certain), labels.truth(y))
    assert len(labels.truth(y)) == 12


@every_kind
def test_labels_survive_json(kind: str) -> None:
    labels, _, _ = rows(kind)
    plain = json.loads(json.dumps(all_labels.to_json(labels)))
    assert all_labels.from_json(plain) == labels
    assert all_labels.to_json(all_labels.from_json(plain)) == plain


@every_kind
def test_activation_gives_float32_predictions_in_range(kind: str) -> None:
    labels, _, _ = rows(kind)
    raw = torch.randn(50, len(labels.columns), generator=torch.Generator().manual_seed(0), dtype=torch.bfloat16) * 100
    out = labels.activation(raw)
    assert out.dtype == torch.float32
    assert out.shape == raw.shape
    if labels.kind == "numbers":
        assert torch.equal(out, raw.float())
    else:
        assert ((out >= 0) & (out <= 1)).all()
    if kind.startswith("one of") or "exclusive" in kind:
        assert torch.allclose(out.sum(dim=1), torch.ones(50), atol=1e-6)


@every_kind
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_lower_for_right_answers_and_has_a_gradient(kind: str, smoothing: float) -> None:
    labels, _, y = rows(kind)
    right = right_logits(labels, y).requires_grad_()
    wrong = right.detach() + 3 if labels.kind == "numbers" else -right.detach()
    loss = labels.criterion(right, torch.from_numpy(y), smoothing)
    assert loss.ndim == 0
    assert loss < labels.criterion(wrong, torch.from_numpy(y), smoothing)
    (gradient,) = torch.autograd.grad(labels.criterion(right * 0.1, torch.from_numpy(y), smoothing), right)
    assert gradient.abs().sum() > 0


@every_kind
def test_a_confident_right_row_is_activated_to_the_certain_prediction(kind: str) -> None:
    labels, _, y = rows(kind)
    assert torch.allclose(labels.activation(right_logits(labels, y)), torch.from_numpy(labels.certain(y)), atol=0.02)


@every_kind
def test_strata_scaling_prior_and_tracked_have_their_shapes(kind: str) -> None:
    labels, _, y = rows(kind)
    c = len(labels.columns)
    assert labels.strata(y).shape == (12,)
    assert labels.strata(y).dtype.kind == "i"
    assert [part.shape for part in labels.scaling(y)] == [(c,), (c,)]
    assert labels.prior(y).shape == (c,)
    assert all(map(callable, labels.tracked().values()))
    assert labels.describe()


def test_scaling_is_learned_from_the_given_rows_only() -> None:
    labels = Numbers(("v", "w"))
    y = np.array([[1, 5], [3, 5], [100, 9]], np.float32)
    shift, scale = labels.scaling(y[:2])
    assert (list(shift), list(scale)) == ([2, 5], [1, 1])  # a constant is left at its scale
    assert np.allclose((y[:2] - shift) / scale * scale + shift, y[:2])
    for kind in ("grade", "one of, declared", "tags"):
        other, _, codes = rows(kind)
        assert [set(part) for part in other.scaling(codes)] == [{0.0}, {1.0}]


@given(st.lists(st.integers(-(1 << 24), 1 << 24), min_size=1))
def test_whole_numbers_of_24_bits_are_exact(values: list[int]) -> None:
    labels = Numbers(("v",), whole=True)
    y = labels.encode(table({"v": [str(value) for value in values]}))
    assert list(labels.decode(labels.certain(y), ["any"])["any"]) == values


@given(st.floats(-1e6, 1e6, width=32))
def test_whole_numbers_are_the_nearest(value: float) -> None:
    answer = Numbers(("v",), whole=True).decode(np.array([[value]], np.float32), ["v"])["v"][0]
    assert abs(float(answer) - value) <= 0.5


def test_classes_are_learned_in_natural_order_and_kept_as_text() -> None:
    learned = OneOf("y").bind(table({"y": ["10", "9", "b", "NA", "None", "null", "2", "²", "nan", "9"]}))
    assert learned.classes == ("2", "9", "10", "NA", "None", "b", "nan", "null", "²")
    assert OneOf("y", ("a", "b")).bind(table({"y": ["a"]})).classes == ("a", "b")
    assert not learned.blank(table({"y": ["NA", "None", "null"]})).any()
    with pytest.raises(BadData, match="two classes are needed"):
        OneOf("y").bind(table({"y": ["a", "a"]}))


def test_classes_that_look_alike_stay_apart() -> None:
    assert OneOf("y").bind(table({"y": ["Cat", "cat", "cat ", "сat"]})).classes == ("Cat", "cat", "cat ", "сat")


def test_the_answer_is_the_likeliest_class_the_summed_grade_and_the_tags_over_one_half() -> None:
    p = np.array([[0.4, 0.35, 0.25], [0.1, 0.2, 0.7]], np.float32)
    assert list(OneOf("y", ("a", "b", "c")).decode(p, ["Y"])["Y"]) == ["a", "c"]
    assert list(Grade("y", 3).decode(np.array([[0.9, 0.8, 0.4], [0.3, 0.1, 0]], np.float32), ["y"])["y"]) == [2, 0]
    tags = np.array([[0.6, 0.7, 0.1], [0.2, 0.3, 0.1]], np.float32)
    assert Tags("y", ("a", "b", "c")).decode(tags, ["y"])["y"] == ["a b", "b"]


def test_columns_are_answered_by_name_not_by_place() -> None:
    p = np.array([[0.1, 0.2, 0.7]], np.float32)
    decoded = Columns(("a", "b", "c")).decode(p, ["c", "a", "b"])
    assert {name: float(cells[0]) for name, cells in decoded.items()} == pytest.approx({"a": 0.1, "b": 0.2, "c": 0.7})
    assert list(Numbers(("v", "w")).decode(p[:, :2], ["w", "v"])) == ["w", "v"]


@every_kind
def test_a_sample_with_other_columns_is_refused(kind: str) -> None:
    labels, _, y = rows(kind)
    with pytest.raises(BadData, match="the sample submission asks for"):
        labels.decode(labels.certain(y), [*labels.asked, *(f"another{i}" for i in range(len(labels.asked)))])


def test_numbers_outside_their_range_are_refused_and_answers_kept_inside() -> None:
    labels = Numbers(("v", "w"), low=(0, 10), high=(1, 20))
    with pytest.raises(BadData, match=r"'id1', column 'w': '20\.5' is not a number from 10 to 20 \(2 such rows\)"):
        labels.encode(table({"v": ["0.5", "1", "-3"], "w": ["10", "20.5", "11"]}))
    assert labels.harden(np.array([[-0.5, 9], [0.25, 25]], np.float32)).tolist() == [[0, 10], [0.25, 20]]
    with pytest.raises(ValueError, match="a bound for each"):
        Numbers(("v", "w"), low=(0,), high=(1,))


def test_the_huber_loss_is_the_squared_one_near_and_linear_far() -> None:
    labels = Numbers(("v",)).chosen(Config(huber=0.5))
    near, far, further = (labels.criterion(torch.tensor([[gap]]), torch.zeros(1, 1)) for gap in (0.4, 10.0, 20.0))
    assert near == pytest.approx(0.16)
    assert further - far == pytest.approx(2 * 0.5 * 10)
    assert Numbers(("v",)).criterion(torch.tensor([[10.0]]), torch.zeros(1, 1)) == 100


def test_the_report_of_numbers_equals_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    labels = Numbers(("v", "w"), whole=True, low=(0, -50), high=(10, 50))
    truth, answer = rng.integers(0, 10, (40, 2)).astype(float), rng.integers(0, 10, (40, 2)).astype(float)
    answer[:7] = truth[:7]
    found = labels.report(truth, answer)
    assert found["mae v"] == pytest.approx(metrics.mean_absolute_error(truth[:, 0], answer[:, 0]))
    assert found["r2 w"] == pytest.approx(metrics.r2_score(truth[:, 1], answer[:, 1]))
    scale = preprocessing.MinMaxScaler().fit([[0, -50], [10, 50]])
    assert found["scaled_mse"] == pytest.approx(metrics.mean_squared_error(scale.transform(truth), scale.transform(answer)))
    assert found["exact"] == (truth == answer).all(axis=1).mean()


def test_classes_that_exclude_each_other_are_tracked_alike_however_they_are_stated() -> None:
    y = np.array([0, 1, 2, 2, 1])
    guess = torch.softmax(torch.from_numpy(np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)), dim=1)
    one, each = OneOf("y", ("a", "b", "c")), Columns(("a", "b", "c"), column="y")
    assert tracked(one, guess, torch.from_numpy(y)) == tracked(each, guess, torch.eye(3)[y])


@pytest.mark.parametrize("kind", ["one probability", "a probability of one class of a column", "a number", "grade"])
def test_a_single_answer_may_be_called_otherwise_in_the_sample(kind: str) -> None:
    labels, _, y = rows(kind)
    assert np.array_equal(labels.decode(labels.certain(y), ["another"])["another"], labels.truth(y).reshape(-1))


def test_a_class_that_no_row_has_is_refused() -> None:
    with pytest.raises(BadData, match="column 'y': no training row has 'Yes'; the column has"):
        Columns(("Yes",), column="y").bind(table({"y": ["yes", "no"]}))
