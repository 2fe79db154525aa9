"""Decisions: learned without the fold that they decide, kept where they pay, and obeyed by whatever makes answers."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import kit
from kit import labels as all_labels, metrics
from kit.cli.app import main
from kit.competition import submission
from kit.inference.blend import blend
from kit.inference.decisions import learning, search
from kit.inference.decisions.search import Rows
from kit.labels import Columns, Grade, Labels, Numbers, OneOf, Tags
from kit.labels.decision import Decision
from kit.metrics import Metric
from kit.reporting.report import page as report
from kit.storage import frames

PRIOR = np.array([0.6, 0.25, 0.1, 0.05])
Set = tuple[Labels, Metric, np.ndarray, np.ndarray]  # labels, metric, encoded answers, predictions


def probable(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Skewed classes int [n] and what a fair model says of them, float32 [n, 4]."""
    y = rng.choice(4, n, p=PRIOR)
    logits = rng.normal(0, 1, (n, 4)) + np.log(PRIOR)
    logits[np.arange(n), y] += 1
    powers = np.exp(logits)
    return y, (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def grades(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Skewed grades int [n] and amounts float [n] that are drawn to their middle, as regression has them."""
    y = rng.choice(4, n, p=PRIOR[::-1])
    return y, (0.5 * (y + rng.normal(0, 1, n)) + 1.2).clip(0, 3)


def tagged(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Tags 0 or 1, and their probabilities, float32 [n, 4]."""
    y = rng.random((n, 4)) < PRIOR
    p = 1 / (1 + np.exp(-(np.log(PRIOR / (1 - PRIOR)) + rng.normal(0, 1, y.shape) + 1.5 * y)))
    return y.astype(np.float32), p.astype(np.float32)


def one_of(rng: np.random.Generator, n: int) -> Set:
    return OneOf("x", tuple("abcd")), metrics.f1_macro, *probable(rng, n)


def grade(rng: np.random.Generator, n: int) -> Set:
    y, amount = grades(rng, n)
    return Grade("g", 3), metrics.qwk, y, (amount[:, None] - np.arange(3)).clip(0, 1).astype(np.float32)


def whole(rng: np.random.Generator, n: int) -> Set:
    y, amount = grades(rng, n)
    return Numbers(("g",), whole=True), metrics.qwk, y[:, None].astype(np.float32), amount[:, None].astype(np.float32)


def logged(rng: np.random.Generator, n: int) -> Set:
    _, metric, y, amount = whole(rng, n)
    return Numbers(("g",), whole=True, log=True), metric, np.log1p(y), np.log1p(amount)


def tags(rng: np.random.Generator, n: int) -> Set:
    return Tags("t", tuple("abcd")), metrics.f1_macro, *tagged(rng, n)


def likely_tags(rng: np.random.Generator, n: int) -> Set:
    y, p = tagged(rng, n)
    return Tags("t", tuple("abcd")), metrics.f1_samples, y, p / 3


def binary(rng: np.random.Generator, n: int) -> Set:
    y, p = tagged(rng, n)
    return Columns(("b",)), metrics.f1, y[:, 2:3], p[:, 2:3]


def exclusive(rng: np.random.Generator, n: int) -> Set:
    y, p = probable(rng, n)
    sure = p**3 / (p**3).sum(axis=1, keepdims=True)
    return Columns(tuple("abcd"), exclusive=True), metrics.log_loss, np.eye(4, dtype=np.float32)[y], sure


def partial(rng: np.random.Generator, n: int) -> Set:
    y, p = tagged(rng, n)
    y[rng.random(y.shape) < 0.3] = np.nan
    return Columns(tuple("abcd")), metrics.f1_macro, y, p


KINDS: list[Callable[[np.random.Generator, int], Set]] = [
    one_of, grade, whole, logged, tags, likely_tags, binary, exclusive, partial,
]  # fmt: skip
every_kind = pytest.mark.parametrize("made", KINDS)


@every_kind
def test_a_decision_that_pays_is_as_good_on_new_rows(made: Callable[[np.random.Generator, int], Set]) -> None:
    labels, metric, y, p = made(np.random.default_rng(0), 6000)
    old, new = slice(0, 3000), slice(3000, None)
    learned = learning.learn(labels, metric, y[old], p[old], np.arange(3000) % 5)
    assert learned is not None and learned.decision is not None and learned.gain.pays
    decided = labels.changed(decision=learned.decision)
    truth = labels.truth(y[new])
    sign = 1 if metric.higher_is_better else -1
    gain = sign * (metric(truth, decided.harden(p[new])) - metric(truth, labels.harden(p[new])))
    assert gain == pytest.approx(learned.gain.gain, abs=5 * learned.gain.noise)
    assert gain > 0 and learned.gain.gain == pytest.approx(sign * (learned.nested - learned.plain))


@every_kind
def test_a_fold_is_decided_without_its_own_answers(made: Callable[[np.random.Generator, int], Set]) -> None:
    labels, metric, y, p = made(np.random.default_rng(1), 800)
    fold = np.random.default_rng(2).integers(0, 4, 800)
    other = y.copy()
    other[fold == 3] = y[np.nan_to_num(y.reshape(len(y), -1)[:, -1]).argmax()]  # all are of the last class
    for kind in learning.suited(labels, metric):
        for form in search.FORMS[kind]:
            one, decided = learning.nested(form, labels, metric, y, p, fold)
            two, again = learning.nested(form, labels, metric, other, p, fold)
            assert one[3] == two[3] and np.array_equal(decided[fold == 3], again[fold == 3])
            assert any(one[k] != two[k] for k in (0, 1, 2)) or form is search.top


@every_kind
def test_labels_decide_as_their_undecided_selves_do_afterwards(made: Callable[[np.random.Generator, int], Set]) -> None:
    labels, metric, y, p = made(np.random.default_rng(3), 600)
    form = search.FORMS[learning.suited(labels, metric)[0]][0]
    decided = labels.changed(decision=form(Rows(labels, metric, y, p)))
    again = all_labels.from_json(json.loads(json.dumps(all_labels.to_json(decided))))
    assert again.decision == decided.decision and again.undecided.decision is None
    assert np.array_equal(decided.harden(p), labels.harden(decided.decided(p)))
    assert np.array_equal(decided.harden(p), again.harden(p))
    assert np.array_equal(decided.truth(y), labels.truth(y), equal_nan=True)
    assert decided.decided(p).shape == p.shape


@every_kind
def test_what_does_not_pay_leaves_predictions_as_they_are(made: Callable[[np.random.Generator, int], Set]) -> None:
    labels, metric, y, _ = made(np.random.default_rng(4), 300)
    p = labels.certain(y) * 0.98 + 0.01 if labels.bounded else labels.certain(y)
    p = np.nan_to_num(p, nan=0.5)
    learned = learning.learn(labels, metric, y, p, np.arange(300) % 3)
    assert learned is not None
    if metric.higher_is_better:  # nothing is better than right
        assert learned.decision is None and np.array_equal(learned.predictions, p)
        assert learned.plain == metric(labels.truth(y), labels.harden(p)) and not learned.json()["kept"]


def test_a_grade_lies_between_its_cut_points() -> None:
    decision = Decision("cuts", (1.2, 1.7, 1.7), low=1)
    amounts = np.array([-9, 1.1999, 1.2, 1.6999, 1.7, 50])
    labels = Numbers(("g",), whole=True).changed(decision=decision)
    assert labels.harden(amounts[:, None])[:, 0].tolist() == [1, 1, 2, 2, 4, 4]
    assert (np.diff(decision.levels(np.linspace(0, 3, 50))) >= 0).all()


def test_weights_thresholds_and_top_do_what_they_say() -> None:
    p = np.array([[0.6, 0.4], [0.8, 0.2], [0.1, 0.3]], np.float32)
    assert OneOf("x", ("a", "b")).changed(decision=Decision("weights", (1, 2))).harden(p).tolist() == [1, 0, 1]
    tags = Tags("t", ("a", "b"))
    assert tags.changed(decision=Decision("thresholds", (0.7, 0.1))).harden(p).tolist() == [[0, 1], [1, 1], [0, 1]]
    assert tags.changed(decision=Decision("top", (1.0,))).harden(p).tolist() == [[1, 0], [1, 0], [0, 1]]
    assert np.allclose(Decision("temperature", (1.0,)).probabilities(p, False), p)
    assert np.allclose(Decision("temperature", (0.5,)).probabilities(p[:2], True)[0, 0], 0.36 / 0.52)


@pytest.mark.parametrize("metric", [one for one in vars(metrics).values() if isinstance(one, Metric) and one.counts])
def test_a_score_of_counts_is_that_of_the_rows(metric: Metric) -> None:
    rng = np.random.default_rng(0)
    for classes in (2, 4):
        truth, answer = rng.integers(0, classes, (2, 60))
        counts = np.zeros((2, 5, 5), int)  # of five classes, some of which nobody has
        np.add.at(counts[1], (truth, answer), 1)
        counts[0] = np.eye(5)
        assert metric.counts is not None and metric.counts(counts)[1] == pytest.approx(metric(truth, answer))


def test_a_guest_metric_that_scores_no_counts_finds_nearly_the_same() -> None:
    labels, metric, y, p = one_of(np.random.default_rng(0), 1500)
    guest = replace(metric, name="mine", counts=None)
    fold = np.arange(1500) % 3
    own, other = (learning.learn(labels, one, y, p, fold) for one in (metric, guest))
    assert own is not None and other is not None and other.decision is not None
    assert other.nested == pytest.approx(own.nested, abs=0.02)


def test_a_metric_names_decisions_that_there_are() -> None:
    with pytest.raises(ValueError, match="mine: decides 'weight', which is none of priors, weights"):
        Metric("mine", metrics.accuracy.function, decides=("weight",))
    assert set(metrics.DECISIONS) == set(search.FORMS)


def test_nothing_is_learned_where_no_decision_is_known_or_one_fold_has_all() -> None:
    labels, metric, y, p = whole(np.random.default_rng(0), 60)
    assert learning.learn(labels, metrics.rmse, y, p, np.arange(60) % 3) is None
    assert learning.learn(labels, metric, y, p, np.zeros(60, int)) is None


# Runs

ADAPTER = """
from kit import Competition, Config, Numbers, Table
from kit.metrics import {metric}

competition = Competition(slug="{name}", inputs=Table(), labels={labels}, metric={metric}, id="Id")
presets = {{"fast": Config(model="lightgbm", trees=30, folds=3)}}
"""


def table(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Skewed grades that two of four columns tell a little of."""
    y = rng.choice(4, n, p=PRIOR[::-1])
    columns = {f"x{i}": (y * (i < 2) + rng.normal(0, 2, n)).round(3) for i in range(4)}
    return pd.DataFrame({**columns, "grade": y}, index=pd.Index([f"r{i}" for i in range(n)], name="Id")).astype(str)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an adapter, and data with the answers to the test."""
    folder = tmp_path_factory.mktemp("decided")
    train = table(np.random.default_rng(0), 1500)
    (folder / "data").mkdir()
    frames.write_csv(folder / "data" / "train.csv", train[:1200])
    frames.write_csv(folder / "data" / "test.csv", train[1200:].drop(columns="grade"))
    frames.write_csv(folder / "data" / "sample_submission.csv", train.loc[train.index[1200:], ["grade"]].assign(grade="0"))
    text = ADAPTER.format(metric="qwk", labels='Numbers(("grade",), whole=True)', name="grades")
    (folder / "grades.py").write_text(text)
    return folder


@pytest.fixture(scope="module")
def decided(place: Path) -> kit.Run:
    """A run whose grades are cut. Look, don't touch."""
    return kit.run(str(place / "grades.py"), place / "data", out=place / "run", quiet=True)


def test_a_run_decides_and_says_so(decided: kit.Run, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said, record = decided.scores["decision"], decided.info["decision"]
    assert said["kind"] == "cuts" and said["kept"] and said["gain"] > 2 * said["noise"] > 0
    assert said == {name: value for name, value in record.items() if name != "folds"} and set(record["folds"]) == {
        "0",
        "1",
        "2",
    }
    assert decided.scores["oof"] == said["nested"] > said["plain"]
    labels = all_labels.from_json(decided.info["labels"])
    truth = frames.read_by(decided.path, "truth.csv").loc[decided.oof.index].to_numpy(np.float32)
    values = decided.oof.to_numpy(np.float32)
    assert metrics.qwk(truth, labels.undecided.harden(values)) == pytest.approx(said["plain"])
    assert main(["run", str(place / "grades.py"), "--data", str(place / "data"), "--out", str(decided.path)]) == 0
    out = capsys.readouterr().out
    assert f"{said['plain']:.5f} → {said['nested']:.5f}" in out and "cut points" in out and "kept" in out
    page = report.write(decided).read_text()
    assert "cut points" in page and f"{said['nested']:.5f}" in page


def test_a_fold_of_a_run_is_decided_by_the_others(decided: kit.Run) -> None:
    labels, fold = (
        all_labels.from_json(decided.info["labels"]).undecided,
        frames.read_folds(decided.path).loc[decided.oof.index],
    )
    y = frames.read_by(decided.path, "truth.csv").loc[decided.oof.index].to_numpy(np.float32)
    rows = (fold != 1).to_numpy()
    own = search.cut_points(Rows(labels, metrics.qwk, y[rows], decided.oof.to_numpy(np.float32)[rows]))
    assert decided.info["decision"]["folds"]["1"] == own.json()


def test_whatever_answers_decides_as_the_submission_did(decided: kit.Run, place: Path, tmp_path: Path) -> None:
    submitted = frames.read_by(decided.path, "submission.csv", "Id")
    predictions, path = kit.predict(decided, place / "data", out=tmp_path / "again")
    assert np.allclose(predictions, decided.test, atol=1e-6)  # what is stored is not decided
    assert path.read_bytes() == decided.submission.read_bytes()
    rows = frames.read_by(place / "data", "test.csv", "Id")
    answers = kit.load(decided.path).answers(rows)
    assert (answers["grade"].astype(str) == submitted.loc[answers.index, "grade"]).all()
    plain = all_labels.from_json(decided.info["labels"]).undecided
    undecided = submission.build(frames.read_by(place / "data", "sample_submission.csv", "Id"), decided.test, plain)
    assert (undecided["grade"].astype(str) != submitted["grade"]).any()


def test_a_run_without_a_decision_opens_and_predicts_as_before(decided: kit.Run, place: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(decided.path, old)
    info = json.loads((old / "run.json").read_text())
    del info["decision"], info["labels"]["decision"], info["config"]["decide"]
    scores = json.loads((old / "scores.json").read_text())
    del scores["decision"]
    (old / "manifest.json").unlink()  # such runs have none
    (old / "run.json").write_text(json.dumps(info))
    (old / "scores.json").write_text(json.dumps(scores))
    _, path = kit.predict(kit.load(old), place / "data", out=tmp_path / "again")
    assert path.read_bytes() != decided.submission.read_bytes()
    assert "cut points" not in report.write(kit.load(old)).read_text()
    assert blend([kit.load(old), decided], out=tmp_path / "both", quiet=True).complete


def test_decide_none_answers_as_predicted(decided: kit.Run, place: Path, tmp_path: Path) -> None:
    run = kit.run(str(place / "grades.py"), place / "data", out=tmp_path / "plain", quiet=True, decide="none")
    assert "decision" not in run.scores and "decision" not in run.info and "decision" not in run.info["labels"]
    assert run.scores["oof"] == decided.scores["decision"]["plain"]
    assert run.oof.equals(decided.oof) and run.test.equals(decided.test)


def test_a_blend_learns_its_own_decision(decided: kit.Run, place: Path, tmp_path: Path) -> None:
    other = kit.run(str(place / "grades.py"), place / "data", out=tmp_path / "other", quiet=True, trees=80, leaves=5)
    run = blend([decided, other], out=tmp_path / "both", quiet=True)
    said = run.scores["decision"]
    assert said["kept"] and run.scores["oof"] == said["nested"], said
    _, path = kit.predict(run, place / "data", out=tmp_path / "again")
    assert path.read_bytes() == run.submission.read_bytes()
    labels = all_labels.from_json(run.info["labels"])
    assert labels.decision is not None and "cut points" in report.write(run).read_text()


def test_a_metric_without_a_decision_is_refused_in_one_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = ADAPTER.format(metric="rmse", labels='Numbers(("grade",))', name="amounts")
    (place / "amounts.py").write_text(text)
    assert main(["run", str(place / "amounts.py"), "--data", str(place / "data"), "--decide", "auto"]) == 2
    said = capsys.readouterr().err.strip()
    assert "no decision is known for rmse" in said and len(said.splitlines()) == 1
