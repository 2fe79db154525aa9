"""Stacks: fitted without the fold they score, kept where they beat the weights, obeyed by whatever predicts."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_table import QUICK, folder, sold

import kit
from kit import metrics
from kit.cli.app import main
from kit.inference import blend_weights
from kit.inference.blend import blend
from kit.inference.blending import stacking
from kit.inference.blending.regression import Design, path
from kit.inference.blending.stack import MULTINOMIAL, RIDGE, Stack
from kit.inference.blending.stacking import Columns
from kit.labels import Columns as Probabilities, Labels, Numbers, OneOf
from kit.metrics import Metric
from kit.storage import frames

Made = tuple[Labels, Metric, np.ndarray, np.ndarray]  # labels, metric, encoded answers, parts [r, n, c]


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True)


def numbers(rng: np.random.Generator, n: int) -> Made:
    """The second member predicts the error of the first: it has to be taken away."""
    y, error = rng.normal(10, 3, (n, 1)), rng.normal(0, 1, (n, 1))
    parts = np.stack([y + error + rng.normal(0, 0.3, (n, 1)), 10 + error + rng.normal(0, 0.3, (n, 1))])
    return Numbers(("x",)), metrics.rmse, y.astype(np.float32), parts


def two_numbers(rng: np.random.Generator, n: int) -> Made:
    """Two columns, a third of whose answers are missing."""
    made = [numbers(rng, n) for _ in range(2)]
    y = np.concatenate([one[2] for one in made], axis=1)
    y[rng.random(y.shape) < 0.3] = np.nan
    return Numbers(("x", "y")), metrics.mcrmse, y, np.concatenate([one[3] for one in made], axis=2)


def classes(rng: np.random.Generator, n: int) -> Made:
    """Two members that are unsure for reasons of their own: together they are surer than their mean."""
    y = rng.integers(0, 3, n)
    parts = np.stack([softmax(rng.normal(0, 1, (n, 3)) + 1.5 * np.eye(3)[y]) for _ in range(2)])
    return Probabilities(tuple("abc"), exclusive=True), metrics.log_loss, np.eye(3, dtype=np.float32)[y], parts


def indicators(rng: np.random.Generator, n: int) -> Made:
    y = (rng.random((n, 2)) < 0.4).astype(np.float32)
    y[rng.random(y.shape) < 0.2] = np.nan
    parts = np.stack([1 / (1 + np.exp(-(rng.normal(0, 1, y.shape) + 2 * np.nan_to_num(y)))) for _ in range(2)])
    return Probabilities(("a", "b")), metrics.mean_log_loss, y, parts


every_kind = pytest.mark.parametrize("made", [numbers, two_numbers, classes, indicators])


def chosen(labels: Labels, metric: Metric, y: np.ndarray, parts: np.ndarray, fold: np.ndarray) -> stacking.Stacked:
    sign, truth = 1 if metric.higher_is_better else -1, labels.truth(y)

    def score(rows: np.ndarray, values: np.ndarray) -> float:
        return sign * metric(truth[rows], labels.harden(values.astype(np.float32)))

    plain = blend_weights.choose(parts, score, fold)
    rivals, groups = (plain.nested, parts[plain.best]), [[i] for i in range(len(parts))]
    return stacking.choose(labels, y, parts, fold, score, rivals, groups, Columns.none(len(y)))


@every_kind
def test_a_stack_that_pays_is_as_good_on_new_rows(made: Callable[[np.random.Generator, int], Made]) -> None:
    labels, metric, y, parts = made(np.random.default_rng(0), 1600)
    found = chosen(labels, metric, y[:800], parts[:, :800], np.arange(800) % 4)
    assert found.kept and found.gain.gain > 0
    new = found.stack.predict(parts[:, 800:], np.zeros((800, 0))).astype(np.float32)
    truth = labels.truth(y)
    nested = metric(truth[:800], labels.harden(found.nested.astype(np.float32)))
    assert metric(truth[800:], labels.harden(new)) == pytest.approx(nested, rel=0.25)
    again = Stack.from_json(json.loads(json.dumps(found.stack.json())))
    assert np.array_equal(again.predict(parts[:, 800:], np.zeros((800, 0))).astype(np.float32), new)


@every_kind
@pytest.mark.parametrize("folds", [2, 4])
def test_a_fold_is_stacked_without_its_own_answers(made: Callable[[np.random.Generator, int], Made], folds: int) -> None:
    labels, metric, y, parts = made(np.random.default_rng(1), 240)
    fold = np.arange(240) % folds
    other = y.copy()
    other[fold == 1] = other[fold == 1][::-1]
    before, after = (chosen(labels, metric, answers, parts, fold).nested for answers in (y, other))
    assert np.array_equal(before[fold == 1], after[fold == 1])
    assert not np.array_equal(before[fold == 0], after[fold == 0])


def test_a_member_that_predicts_the_error_of_another_has_a_negative_coefficient() -> None:
    found = chosen(*numbers(np.random.default_rng(2), 500), np.arange(500) % 5)
    first, second = found.stack.of_members(2)
    assert first == pytest.approx(1, abs=0.1) and second == pytest.approx(-0.9, abs=0.15)


def test_runs_that_differ_by_seed_share_the_coefficient_of_their_mean() -> None:
    stack = Stack(RIDGE, 1.0, np.array([[0.6], [-0.2]]), np.zeros(1), np.zeros((0, 1)), groups=((0, 2), (1,)))
    assert stack.of_members(3).tolist() == [0.3, -0.2, 0.3]


@pytest.mark.parametrize("made", [numbers, classes])
def test_a_strong_penalty_leaves_the_mean_of_the_members(made: Callable[[np.random.Generator, int], Made]) -> None:
    labels, _, y, parts = made(np.random.default_rng(3), 300)
    form = RIDGE if isinstance(labels, Numbers) else MULTINOMIAL
    found = path(Design(form, np.log(parts) if form == MULTINOMIAL else parts, np.zeros((300, 0)), labels.certain(y)), [1e9])[0]
    assert np.allclose(found.members, 0.5, atol=1e-6)


def test_what_cannot_help_is_not_kept() -> None:
    kept = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        y = rng.integers(0, 3, 300)
        parts = np.stack([softmax(rng.normal(0, 1, (300, 3))) for _ in range(3)])
        kept += chosen(OneOf("x", tuple("abc")), metrics.accuracy, y, parts, np.arange(300) % 3).kept
    assert kept <= 1


# Runs


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = sold(300).drop(columns="dear")
    return folder(tmp_path_factory.mktemp("stack") / "data", table[:240], table[240:].drop(columns="price"))


@pytest.fixture(scope="module")
def pair(data: Path) -> list[kit.Run]:
    """Boosting that stops far too early, so that its amounts are too near to their mean; of two sizes."""
    knobs = {**QUICK, "folds": 3, "model": "lightgbm", "target": "price", "shrinkage": 0.05}
    return [kit.run("csv", data, out=data.parent / f"run{trees}", quiet=True, **{**knobs, "trees": trees}) for trees in (8, 14)]


def test_a_stack_is_a_run_that_predicts_other_rows(
    pair: list[kit.Run], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["blend", *(str(one.path) for one in pair), "--by", "stack", "--columns", "size", "--out", "stack", "--quiet"]
    assert main(words) == 0
    said = capsys.readouterr().out
    run = kit.load("stack")
    about = run.info["blend"]
    assert about["by"] == "stack" and about["kept"] and about["stack"]["columns"] == ["size"]
    assert "stacked by ridge regression" in said and "coefficient" in said and "size +" in said
    assert run.scores["oof"] < 0.8 * min(one.scores["oof"] for one in pair)
    answers, _ = kit.predict(run)
    assert np.allclose(answers, run.test, atol=1e-3)
    rows = frames.read_by(data, "test.csv", "Id")
    assert np.allclose(run.predict(rows.iloc[::-1]).loc[run.test.index], run.test, atol=1e-3)
    with pytest.raises(kit.BadData, match=r"no column 'size'|'size', which the table does not have"):
        run.predict(rows.drop(columns="size"))
    assert main(["report", "stack", "--quiet"]) == 0
    assert "Stacked by ridge regression" in (run.path / "report.html").read_text()
    assert main(words) == 0
    with pytest.raises(kit.Usage, match="model: stack with size → stack"):
        blend(pair, out="stack", way="stack")


def test_a_stack_over_a_blend_reads_numbers_as_they_are_written(pair: list[kit.Run], data: Path, tmp_path: Path) -> None:
    """A blend has no models: how its runs read `51,3` has to be handed on to whoever stacks it."""
    for name in ("train.csv", "test.csv"):
        table = frames.read_csv((data / name).read_bytes(), name)
        frames.write_csv(tmp_path / "comma" / name, table.assign(size=table["size"].str.replace(".", ",")), index=False)
    knobs = {**QUICK, "folds": 3, "model": "lightgbm", "target": "price", "shrinkage": 0.05}
    runs = [kit.run("csv", tmp_path / "comma", out=tmp_path / f"{n}", quiet=True, **{**knobs, "trees": n}) for n in (8, 14)]
    plain = blend(runs, out=tmp_path / "plain", quiet=True)
    run = blend([plain, runs[0]], out=tmp_path / "stack", quiet=True, way="stack", columns="size")
    assert run.info["blend"]["by"] == "stack"
    assert (kit.predict(run)[1]).read_bytes() == run.submission.read_bytes()


def test_where_a_stack_does_not_pay_the_weights_decide(pair: list[kit.Run], tmp_path: Path) -> None:
    exact = tmp_path / "oof.csv", tmp_path / "test.csv"
    rng = np.random.default_rng(5)
    truth = frames.read_by(pair[0].path, "truth.csv").astype(float)
    for file, index in zip(exact, (pair[0].oof.index, pair[0].test.index), strict=True):
        known = truth.reindex(index).fillna(150).to_numpy()
        frames.write_csv(file, pd.DataFrame({"price": (known + rng.normal(0, 0.01, known.shape))[:, 0]}, index=index))
    plain, run = (blend([pair[0]], [exact], out=tmp_path / way, quiet=True, way=way) for way in ("weights", "stack"))
    assert not run.info["blend"]["stack"]["kept"]
    assert [one["weight"] for one in run.info["members"]] == [one["weight"] for one in plain.info["members"]]
    assert (run.path / "submission.csv").read_bytes() == (plain.path / "submission.csv").read_bytes()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--columns", "size"], "--columns needs --by stack"),
        (["--by", "stack", "--columns", "sice"], "--columns sice: is no column of both"),
        (["--by", "stack", "--columns", "shape"], "--columns shape: its cells are no numbers"),
        (["--by", "stack", "--columns", "price"], "--columns price: holds the answer"),
        (["--by", "mean"], "--by mean: one of weights, stack is expected"),
    ],
)
def test_a_stack_of_what_cannot_be_is_refused_in_words(
    more: list[str], words: str, pair: list[kit.Run], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["blend", *(str(one.path) for one in pair), *more, "--out", "b"]) == 2
    said = capsys.readouterr().err
    assert words in said and len(said.strip().splitlines()) == 1
    assert not Path("b").exists() or not (Path("b") / "submission.csv").exists()


def test_runs_with_other_rows_are_not_stacked(pair: list[kit.Run], data: Path, tmp_path: Path) -> None:
    other = kit.run(
        "csv", data, out=tmp_path / "few", quiet=True, target="price", **{**QUICK, "model": "lightgbm", "limit": 100}
    )
    with pytest.raises(kit.Usage, match=r"cannot be blended .*limit: 0 → 100"):
        blend([pair[0], other], out=tmp_path / "b", way="stack")
