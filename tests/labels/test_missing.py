"""Missing answers: what a row has is learned from and scored, what it lacks counts nowhere."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss, smooth_l1_loss

from kit import metrics
from kit.data.folds import make
from kit.errors import BadData
from kit.labels import Columns, Labels, Numbers, missing
from kit.labels.evaluation import tracked
from kit.metrics import Metric

NAMES = ("u", "v", "w")
KINDS: dict[str, Labels] = {"numbers": Numbers(NAMES), "huber": Numbers(NAMES, huber=0.5), "columns": Columns(NAMES)}
every_kind = pytest.mark.parametrize("kind", KINDS)


def answers(kind: str, n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Answers float32 [n, 3], and the same with a third of `v` and most of `w` missing; each row has one at least."""
    rng = np.random.default_rng(seed)
    y = rng.normal([5, 50, -3], [1, 9, 2], (n, 3)) if kind != "columns" else rng.random((n, 3)) < 0.4
    gone = rng.random((n, 3)) < [0, 0.35, 0.8]
    return y.astype(np.float32), np.where(gone, np.nan, y).astype(np.float32)


def frame(y: np.ndarray, blank: str = "") -> pd.DataFrame:
    cells = [[blank if value != value else repr(float(value)) for value in row] for row in y]
    return pd.DataFrame(cells, columns=list(NAMES), index=[f"r{i}" for i in range(len(y))], dtype=object)


def plain(kind: str) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    if kind == "columns":
        return binary_cross_entropy_with_logits
    return mse_loss if kind == "numbers" else lambda logits, y: smooth_l1_loss(logits, y, beta=0.5)


def loss_and_gradient(labels: Labels, logits: torch.Tensor, y: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    logits = logits.clone().requires_grad_()
    loss = labels.criterion(logits, torch.from_numpy(y))
    loss.backward()
    assert logits.grad is not None
    return loss.detach(), logits.grad


@every_kind
def test_the_loss_is_that_of_the_answers_that_are_there(kind: str) -> None:
    _, y = answers(kind)
    logits = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    loss, gradient = loss_and_gradient(KINDS[kind], logits, y)
    known = torch.from_numpy(~np.isnan(y))
    assert torch.allclose(loss, plain(kind)(logits[known], torch.from_numpy(y)[known]))
    assert (gradient[~known] == 0).all() and (gradient[known] != 0).all()


@every_kind
def test_the_loss_of_whole_rows_is_the_plain_one_to_the_bit(kind: str) -> None:
    y, _ = answers(kind)
    logits = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    loss, gradient = loss_and_gradient(KINDS[kind], logits, y)
    direct = logits.clone().requires_grad_()
    value = plain(kind)(direct, torch.from_numpy(y))
    value.backward()
    assert torch.equal(loss, value) and torch.equal(gradient, direct.grad)


@every_kind
def test_a_column_teaches_what_its_own_rows_say(kind: str) -> None:
    labels = KINDS[kind]
    _, y = answers(kind)
    alone = [y[~np.isnan(y[:, j]), j] for j in range(3)]
    middle = np.mean if kind == "columns" else np.median
    assert labels.prior(y) == pytest.approx([middle(column) for column in alone])
    if labels.continuous:
        shift, scale = labels.scaling(y)
        assert shift == pytest.approx([column.mean() for column in alone], rel=1e-5)
        assert scale == pytest.approx([column.std() for column in alone], rel=1e-5)


def test_rows_that_know_nothing_of_a_column_leave_its_scale_alone() -> None:
    y = np.array([[1, np.nan], [3, np.nan]], np.float32)
    shift, scale = Numbers(("a", "b")).scaling(y)
    assert shift.tolist() == [2, 0] and scale.tolist() == [1, 1]


@every_kind
def test_each_fold_has_its_share_of_a_rare_answer(kind: str) -> None:
    _, y = answers(kind, n=200)
    y[:, 2] = np.nan
    y[:10, 2] = 1
    ids = [f"r{i}" for i in range(200)]
    dealt = make(ids, 5, strata=KINDS[kind].strata(y)).fold
    assert np.bincount(dealt[:10], minlength=5).tolist() == [2] * 5


@every_kind
@pytest.mark.parametrize("blank", ["", "  "])
def test_answers_come_back_with_their_gaps(kind: str, blank: str) -> None:
    labels = KINDS[kind]
    _, y = answers(kind)
    y[3] = np.nan
    train = frame(y, blank)
    left_out = labels.blank(train)
    assert np.flatnonzero(left_out).tolist() == [3]
    again = labels.bind(train[~left_out]).encode(train[~left_out])
    assert again.dtype == np.float32 and np.array_equal(again, y[~left_out], equal_nan=True)
    assert np.array_equal(labels.truth(again), again, equal_nan=True)


def mean_gap(truth: np.ndarray, answer: np.ndarray) -> float:
    return float(np.abs(truth - answer).mean())


@pytest.mark.parametrize("name", ["rmse", "mae", "rmsle", "f1", "f1_micro", "mean_log_loss"])
def test_a_score_of_cells_is_that_of_the_cells_that_are_there(name: str) -> None:
    metric: Metric = getattr(metrics, name)
    _, y = answers("columns")
    p = np.random.default_rng(2).random(y.shape).astype(np.float32)
    known = ~np.isnan(y)
    assert metric(y, p) == pytest.approx(metric(y[known][:, None], p[known][:, None]))


@pytest.mark.parametrize("name", ["auc", "mcrmse", "f1_macro"])
def test_a_score_of_columns_is_the_mean_of_theirs(name: str) -> None:
    metric: Metric = getattr(metrics, name)
    _, y = answers("columns")
    p = np.random.default_rng(2).random(y.shape).astype(np.float32)
    each = [metric(y[~np.isnan(y[:, j]), j : j + 1], p[~np.isnan(y[:, j]), j : j + 1]) for j in range(3)]
    assert metric(y, p) == pytest.approx(np.mean(each))


@pytest.mark.parametrize("metric", [metrics.f1_samples, Metric("own", mean_gap, False)], ids=lambda metric: metric.name)
def test_a_score_of_rows_and_an_adapters_own_see_whole_rows_only(metric: Metric) -> None:
    _, y = answers("columns")
    p = np.random.default_rng(2).random(y.shape).astype(np.float32)
    whole = ~np.isnan(y).any(axis=1)
    assert 0 < whole.sum() < len(y) and metric(y, p) == metric(y[whole], p[whole])
    assert np.isnan(metric(y[~whole], p[~whole]))  # there is none: the score is not defined, and nothing is raised


@every_kind
def test_what_is_followed_and_reported_leaves_gaps_out(kind: str) -> None:
    labels = KINDS[kind]
    y, gaps = answers(kind)
    p = np.where(np.isnan(gaps), 0.9, y).astype(np.float32)  # right wherever there is an answer
    if kind == "columns":
        p = np.clip(p, 0.1, 0.9)
        assert tracked(labels, torch.from_numpy(p), torch.from_numpy(gaps)) == {"accuracy": 1, "f1": 1, "auroc": 1}
        found = labels.detections(gaps, p)
        assert [len(one.truth) for one in found] == (~np.isnan(gaps)).sum(axis=0).tolist()
        assert all((one.truth == one.predicted).all() for one in found)
        confidence = labels.confidence(gaps, p)
        assert confidence is not None and np.isfinite(np.asarray(confidence.correct, float)).all()
    else:
        values = tracked(labels, torch.from_numpy(p), torch.from_numpy(gaps))
        assert values == {"mae": 0, "rmse": 0}
        report = labels.report(labels.truth(gaps), labels.harden(p))
        assert report == {**{f"mae {name}": 0 for name in NAMES}, **{f"r2 {name}": 1 for name in NAMES}}
        numbers = labels.number_answers(gaps, p)
        assert numbers is not None
        assert [(name, len(truth)) for name, truth, _ in numbers.columns()] == list(
            zip(NAMES, (~np.isnan(gaps)).sum(axis=0), strict=True)
        )
    p[7] += 1000 if kind != "columns" else 0
    gaps[7] = [gaps[7, 0], np.nan, np.nan]
    errors = labels.errors(gaps, p)
    assert np.isfinite(errors).all()
    assert kind == "columns" or errors.argmax() == 7
    assert "unknown" in labels.spell(labels.certain(gaps))[7]


def own_loss(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return ((logits - y) ** 2).mean()


class Own(Numbers):
    """Labels of an adapter: nothing is known of what they do with NaN."""


@pytest.mark.parametrize(
    "labels", [Numbers(NAMES, loss=own_loss), Own(NAMES), Columns(NAMES, exclusive=True), Columns(NAMES, loss=own_loss)]
)
def test_whole_rows_are_kept_where_a_loss_needs_them_and_it_is_said(labels: Labels) -> None:
    train = frame(np.array([[1, 0, 0], [np.nan, 1, 0], [np.nan] * 3, [0, 0, 1]]))
    left_out = labels.blank(train)
    assert left_out.tolist() == [False, True, True, False]
    none, some = missing.notes(labels, train, left_out, "train.csv")
    assert none == "train.csv: 1 rows have no answer and are left out (ids 'r2')"
    assert "1 rows have some of their answers only and are left out" in some and "'r1'" in some


def test_gaps_are_counted_by_column() -> None:
    _, y = answers("numbers")
    y[:, 2] = np.nan
    y[4, 2] = 1.0
    train = frame(y, "n/a")
    lines = list(missing.notes(Numbers(NAMES), train, Numbers(NAMES).blank(train), "train.csv"))
    count, some = np.isnan(y[:, 1]).sum(), np.isnan(y).any(axis=1).sum()
    words = f"{some} of 60 rows have some of their answers only, and are learned from"
    assert lines[0] == f"train.csv: {words}; missing: 'v' in {count} rows, 'w' in 59 rows"
    assert lines[1].startswith("train.csv: column 'w' has one answer only (row 'r4')") and len(lines) == 2
    assert not list(missing.notes(Numbers(NAMES), frame(answers("numbers")[0]), np.zeros(60, bool), "train.csv"))


@every_kind
def test_a_column_that_no_row_answers_is_refused(kind: str) -> None:
    _, y = answers(kind)
    y[:, 1] = np.nan
    with pytest.raises(BadData, match="column 'v': no training row has an answer"):
        KINDS[kind].bind(frame(y))


def species(*columns: str) -> tuple[Columns, list[str]]:
    train = pd.DataFrame({"species": list("abcdabcd")}, dtype=object)
    return Columns(column="species").bind(train), list(columns)


@pytest.mark.parametrize(
    ("columns", "lines"),
    [
        ("abcd", []),
        ("dba", ["'c': learned, but the sample does not ask for it"]),
        ("abcde", ["'e': the sample asks for it, but no training row has it"]),
        ("acdx", ["'b': learned", "'x': the sample asks for it"]),
    ],
)
def test_classes_of_one_side_only_are_left_out_or_nothing(columns: str, lines: list[str]) -> None:
    labels, asked = species(*columns)
    p = np.array([[0.1, 0.2, 0.3, 0.4]], np.float32)
    decoded = labels.decode(p, asked)
    assert list(decoded) == asked
    assert {name: float(cells[0]) for name, cells in decoded.items()} == pytest.approx(
        {name: dict(zip("abcd", p[0], strict=True)).get(name, 0.0) for name in asked}
    )
    said = labels.unequal(asked)
    assert len(said) == len(lines) and all(one.startswith(line) for one, line in zip(said, lines, strict=True))


@pytest.mark.parametrize("columns", [("w", "x", "y", "z"), ("a", "x", "y", "z"), ("A", "b", "c", "d"), ("a ", "b", "c")])
def test_a_sample_of_other_names_is_refused(columns: tuple[str, ...]) -> None:
    labels, asked = species(*columns)
    with pytest.raises(BadData, match=rf"the sample submission asks for .*{columns[0]!r}"):
        labels.decode(np.zeros((0, 4), np.float32), asked)


def test_columns_that_the_sample_lacks_are_left_out_and_others_refused() -> None:
    labels = Columns(NAMES)
    assert list(labels.decode(np.zeros((1, 3), np.float32), ["w", "u"])) == ["w", "u"]
    with pytest.raises(BadData, match="'x': no label"):
        labels.decode(np.zeros((1, 3), np.float32), ["u", "v", "w", "x"])


def test_known_answers_of_fewer_classes_are_understood() -> None:
    labels, _ = species()
    known: Any = pd.DataFrame({"a": ["1", "0", "0"], "b": ["0", "0", "0"], "d": ["0", "0", "1"]}, dtype=object)
    assert labels.as_trained(known)["species"].tolist() == ["a", "c", "d"]
