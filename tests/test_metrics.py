"""Metrics: each equals scikit-learn's on random answers, and says what it does where scikit-learn does not."""

import numpy as np
import pytest
from sklearn import metrics as theirs

from kit import metrics
from kit.metrics import Metric

SEEDS = range(20)
ALL = [value for value in vars(metrics).values() if isinstance(value, Metric)]


def grades(rng: np.random.Generator, classes: int = 5, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    truth = rng.integers(0, classes, n)
    return truth, np.where(rng.random(n) < 0.5, truth, rng.integers(0, classes, n))


def indicators(rng: np.random.Generator, columns: int = 4, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    truth = rng.random((n, columns)) < rng.random(columns)
    return truth.astype(np.float32), (truth ^ (rng.random((n, columns)) < 0.3)).astype(np.int64)


def numbers(rng: np.random.Generator, columns: int = 3, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    truth = rng.gamma(2, 10, (n, columns)).astype(np.float32)
    return truth, (truth * rng.uniform(0.5, 2, truth.shape)).astype(np.float32)


def same(ours: float, wanted: float) -> None:
    assert ours == pytest.approx(wanted, rel=1e-6, abs=1e-9)
    assert type(ours) is float


@pytest.mark.parametrize("seed", SEEDS)
def test_classes_equal_scikit_learn(seed: int) -> None:
    truth, answer = grades(np.random.default_rng(seed), classes=2 + seed % 6)
    same(metrics.accuracy(truth, answer), theirs.accuracy_score(truth, answer))
    same(metrics.f1_macro(truth, answer), theirs.f1_score(truth, answer, average="macro", zero_division=0))
    same(metrics.f1_micro(truth, answer), theirs.f1_score(truth, answer, average="micro", zero_division=0))
    same(metrics.qwk(truth, answer), theirs.cohen_kappa_score(truth, answer, weights="quadratic"))
    same(metrics.qwk(truth + 3, answer + 3), metrics.qwk(truth, answer))


@pytest.mark.parametrize("seed", SEEDS)
def test_indicators_equal_scikit_learn(seed: int) -> None:
    truth, answer = indicators(np.random.default_rng(seed))
    same(metrics.accuracy(truth, answer), theirs.accuracy_score(truth, answer))
    for average, ours in (("macro", metrics.f1_macro), ("micro", metrics.f1_micro), ("samples", metrics.f1_samples)):
        same(ours(truth, answer), theirs.f1_score(truth, answer, average=average, zero_division=0))
    same(metrics.f1(truth[:, :1], answer[:, :1]), theirs.f1_score(truth[:, 0], answer[:, 0]))
    same(metrics.f1(truth[:, 0], answer[:, 0]), theirs.f1_score(truth[:, 0], answer[:, 0]))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("digits", [1, 7])
def test_auc_equals_scikit_learn_also_with_ties(seed: int, digits: int) -> None:
    rng = np.random.default_rng(seed)
    truth, _ = indicators(rng)
    truth[:2] = [[0], [1]]
    score = (truth * 0.3 + rng.random(truth.shape)).round(digits).astype(np.float32)
    assert digits > 1 or len(np.unique(score)) < 20
    by_column = [theirs.roc_auc_score(t, s) for t, s in zip(truth.T, score.T, strict=True)]
    same(metrics.auc(truth, score), np.mean(by_column))
    same(metrics.auc(truth[:, 0], score[:, 0]), by_column[0])
    same(metrics.auc(truth[:, :1], score[:, :1]), by_column[0])
    same(metrics.auc(1 - truth, score), 1 - np.mean(by_column))


@pytest.mark.parametrize("seed", SEEDS)
def test_log_loss_equals_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, _ = grades(rng, classes=4)
    truth[:4] = range(4)
    p = rng.dirichlet(np.ones(4), len(truth)) * 0.998 + 0.0005
    same(metrics.log_loss(np.eye(4)[truth], p), theirs.log_loss(truth, p))
    same(metrics.log_loss(np.eye(4)[truth], p / 3), theirs.log_loss(truth, p))
    one = (truth == 0).astype(np.float32)
    same(metrics.log_loss(one[:, None], p[:, :1]), theirs.log_loss(one, p[:, 0]))
    several = [theirs.log_loss(truth == j, p[:, j]) for j in range(4)]
    same(metrics.mean_log_loss(np.eye(4)[truth], p), np.mean(several))


@pytest.mark.parametrize("seed", SEEDS)
def test_numbers_equal_scikit_learn(seed: int) -> None:
    truth, answer = numbers(np.random.default_rng(seed))
    one, other = truth[:, 0], answer[:, 0]
    same(metrics.rmse(one, other), theirs.root_mean_squared_error(one, other))
    same(metrics.rmse(truth, answer), np.sqrt(theirs.mean_squared_error(truth.ravel(), answer.ravel())))
    same(metrics.mcrmse(truth, answer), theirs.root_mean_squared_error(truth, answer))
    same(metrics.mcrmse(one, other), theirs.root_mean_squared_error(one, other))
    same(metrics.rmsle(one, other), theirs.root_mean_squared_log_error(one, other))
    same(metrics.mae(truth, answer), theirs.mean_absolute_error(truth, answer))


def test_auc_of_one_class_is_not_defined_and_its_column_is_left_out_of_the_mean() -> None:
    score = np.array([0.1, 0.4, 0.35, 0.8])
    truth = np.array([0, 0, 1, 1])
    assert np.isnan(metrics.auc(np.ones(4), score))
    assert np.isnan(metrics.auc(np.zeros((4, 2)), np.stack([score, score], axis=1)))
    assert metrics.auc(truth, score) == 0.75
    assert metrics.auc(np.stack([truth, np.ones(4)], axis=1), np.stack([score, score], axis=1)) == 0.75


def test_auc_of_a_constant_is_one_half() -> None:
    assert metrics.auc(np.array([0, 1, 1]), np.full(3, 0.2)) == 0.5


def test_certain_wrong_answers_cost_much_but_not_infinity() -> None:
    assert metrics.log_loss(np.array([1, 0]), np.array([1.0, 0.0])) == pytest.approx(0, abs=1e-12)
    assert metrics.log_loss(np.array([0.0]), np.array([1.0])) == pytest.approx(-np.log(1e-15), rel=0.01)
    assert metrics.log_loss(np.eye(3)[[0]], np.eye(3)[[1]]) == pytest.approx(-np.log(1e-15), rel=0.01)


def test_negative_answers_count_as_zero_in_rmsle() -> None:
    assert metrics.rmsle(np.array([0.0, np.e - 1]), np.array([-5.0, -1.0])) == pytest.approx(np.sqrt(0.5))


def test_f1_without_any_positive_is_zero() -> None:
    nothing = np.zeros((3, 2))
    assert [metrics.f1(nothing, nothing), metrics.f1_macro(nothing, nothing), metrics.f1_samples(nothing, nothing)] == [0, 0, 0]


def test_f1_gives_a_label_where_a_probability_is_over_one_half() -> None:
    truth, answer = np.array([[1, 0], [0, 1], [1, 1]]), np.array([[0.9, 0.3], [0.5, 0.6], [0.51, 0.2]])
    for ours in (metrics.f1, metrics.f1_macro, metrics.f1_micro, metrics.f1_samples):
        assert ours(truth, answer) == ours(truth, (answer > 0.5).astype(int))


def test_a_class_that_is_only_answered_counts_in_macro_f1() -> None:
    assert metrics.f1_macro(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2])) == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_accuracy_of_several_columns_wants_the_whole_row() -> None:
    assert metrics.accuracy(np.array([[1, 2], [3, 4]]), np.array([[1, 2], [3, 5]])) == 0.5


def test_kappa_of_perfect_chance_and_inverse_answers() -> None:
    grade = np.array([0, 1, 2, 3])
    assert metrics.qwk(grade, grade) == 1
    assert metrics.qwk(grade, grade[::-1]) == -1
    assert metrics.qwk(grade, np.full(4, 2)) == 0
    assert metrics.qwk(np.full(4, 2), np.full(4, 2)) == 1


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_every_metric_prefers_the_truth_and_knows_which_way_is_up(metric: Metric) -> None:
    truth = np.array([[1, 0], [0, 1], [1, 0], [0, 1]])
    right, wrong = metric(truth, truth), metric(truth, 1 - truth)
    assert metric.better(right, wrong)
    assert not metric.better(wrong, right)
    assert not metric.better(right, right)
    assert not metric.better(float("nan"), wrong)


def test_metrics_are_named_as_adapters_name_them() -> None:
    assert {metric.name for metric in ALL} == {name for name, value in vars(metrics).items() if isinstance(value, Metric)}
    assert len(ALL) == 14


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (1172300.4, "1,172,300"),
        (-253600, "-253,600"),
        (99999.7, "100,000"),
        (55549.479, "55549"),
        (0.123456, "0.12346"),
        (3, "3"),
    ],
)
def test_an_answer_is_told_without_an_exponent(value: float, told: str) -> None:
    assert metrics.figure(value) == told
