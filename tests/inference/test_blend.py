"""Blending: weights are honest, what does not pay is left out, and a blend is a run like any other."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from test_table import QUICK, RESULTS, folder, sold

import kit
from kit import metrics
from kit.cli.app import main
from kit.inference import blend_weights
from kit.inference.blend import blend
from kit.storage import frames

FILES = ("run.json", "folds.csv", "oof.csv", "test.csv", "scores.json", "submission.csv")


def judged(seed: int, n: int = 600) -> tuple[np.ndarray, blend_weights.Score, np.ndarray, np.random.Generator]:
    """Answers, their AUC as a score, folds, and a generator."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, (n, 1)).astype(float)
    return y, lambda rows, predictions: metrics.auc(y[rows], predictions), rng.integers(0, 5, n), rng


@pytest.mark.parametrize("seed", range(5))
def test_two_good_members_are_blended_and_a_useless_one_has_no_weight(seed: int) -> None:
    y, score, fold, rng = judged(seed)
    good = [y + rng.normal(0, 1.5, y.shape) for _ in range(2)]
    chosen = blend_weights.choose(np.stack([rng.random(y.shape), *good]), score, fold)
    assert chosen.kept and chosen.weights[0] == 0 and (chosen.weights[1:] > 0.3).all()
    assert chosen.weights.sum() == pytest.approx(1)
    every = np.arange(len(y))
    assert score(every, chosen.nested) - max(score(every, one) for one in good) == pytest.approx(chosen.gain)
    assert chosen.gain > blend_weights.NOISES * chosen.noise > 0


def test_the_gain_of_noise_is_not_kept() -> None:
    kept = 0
    for seed in range(20):
        y, score, fold, rng = judged(seed, 200)
        model = y + rng.normal(0, 1, y.shape)
        noisy = [model + rng.normal(0, 0.3, y.shape) for _ in range(3)]
        kept += blend_weights.choose(np.stack([model, *noisy, rng.random(y.shape)]), score, fold).kept
    assert kept <= 1


def test_climbing_on_all_rows_would_have_kept_it() -> None:
    """The fault that the nested gain is there for: in the rows that chose them, weights for noise look like a gain."""
    gains = []
    for seed in range(10):
        y, score, fold, rng = judged(seed, 100)
        parts = np.stack([y + rng.normal(0, 1, y.shape), *(rng.normal(0, 1, y.shape) for _ in range(5))])
        every = np.arange(len(y))
        seen = np.tensordot(blend_weights.climb(parts, score, every), parts, axes=1)
        gains.append((score(every, seen) - score(every, parts[0]), blend_weights.choose(parts, score, fold).kept))
    assert np.mean([gain for gain, _ in gains]) > 0.005
    assert not any(kept for _, kept in gains)


@pytest.mark.parametrize("copies", [2, 4])
def test_copies_of_one_model_are_that_model(copies: int) -> None:
    y, score, fold, rng = judged(0)
    model = y + rng.normal(0, 1, y.shape)
    chosen = blend_weights.choose(np.stack([model] * copies), score, fold)
    assert chosen.weights.tolist() == [1.0] + [0.0] * (copies - 1)
    assert np.array_equal(chosen.nested, model) and not chosen.kept and chosen.gain == 0


def test_the_weights_of_a_fold_do_not_depend_on_its_answers() -> None:
    y, score, fold, rng = judged(1)
    parts = np.stack([y + rng.normal(0, 1, y.shape) for _ in range(2)])
    other = y.copy()
    other[fold == 3] = 1 - other[fold == 3]
    again = blend_weights.nested(parts, lambda rows, some: metrics.auc(other[rows], some), fold)
    assert np.array_equal(blend_weights.nested(parts, score, fold)[fold == 3], again[fold == 3])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_ranks_keep_the_order_and_lie_between_0_and_1(among: list[float], values: list[float]) -> None:
    shares = blend_weights.ranked(np.array(among)[:, None], np.array(values)[:, None])[:, 0]
    assert ((shares >= 0) & (shares <= 1)).all()
    order = np.argsort(values, kind="stable")
    assert (np.diff(shares[order]) >= 0).all()


# Runs


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = sold(400).drop(columns="price")
    path = folder(tmp_path_factory.mktemp("blend") / "data", table[:320], table[320:].drop(columns="dear"))
    sample = pd.DataFrame({"Id": [f"te{i}" for i in range(80)], "dear": "0.5"})
    frames.write_csv(path / "sample_submission.csv", sample, index=False)
    return path


@pytest.fixture(scope="module")
def pair(data: Path) -> list[kit.Run]:
    """A perceptron and boosting, on the same folds."""
    knobs = {**QUICK, "epochs": 10, "trees": 40}
    return [
        kit.run("csv", data, out=data.parent / model, quiet=True, target="dear", model=model, **knobs)
        for model in ("mlp", "lightgbm")
    ]


def unlike(run: kit.Run, folder: Path, seed: int, spread: float, truth: pd.Series) -> tuple[Path, Path]:
    """Predictions from elsewhere: the answers in noise, on another scale."""
    rng = np.random.default_rng(seed)
    paths = folder / f"oof{seed}.csv", folder / f"test{seed}.csv"
    for path, index in zip(paths, (run.oof.index, run.test.index), strict=True):
        known = truth.reindex(index).fillna("0").astype(float)
        frames.write_csv(path, pd.DataFrame({"score": 50 + 7 * (known + rng.normal(0, spread, len(index)))}, index=index))
    return paths


def answers_of(data: Path) -> pd.Series:
    return frames.index_by(frames.read_csv((data / "train.csv").read_bytes(), "train"), "Id", "train")["dear"]


def test_a_blend_is_a_run_like_any_other(pair: list[kit.Run], data: Path, tmp_path: Path) -> None:
    run = blend(pair, out=tmp_path / "both", quiet=True)
    assert all((run.path / name).exists() for name in FILES) and run.complete
    assert list(run.oof.index) == list(pair[0].oof.index) and list(run.oof.columns) == list(pair[0].oof.columns)
    best = max(one.scores["oof"] for one in pair)
    assert run.scores["oof"] >= best - 1e-9
    assert run.scores.keys() >= pair[0].scores.keys() - {"paid"}
    before = {path: path.stat().st_mtime_ns for path in run.path.iterdir() if path.is_file() and ".locks" not in path.parts}
    assert blend(pair, out=run.path, quiet=True).path == run.path
    assert before == {path: path.stat().st_mtime_ns for path in before}
    answers, _ = kit.predict(run)
    assert np.allclose(answers, run.test, atol=1e-6)
    assert np.allclose(kit.predict(run, time_budget=60)[0], run.test, atol=1e-6)
    rows = frames.read_by(data, "test.csv", "Id")
    assert np.allclose(kit.load(run.path).predict(rows.iloc[::-1]).loc[run.test.index], run.test, atol=1e-6)


def test_a_run_blended_with_its_copy_is_that_run(pair: list[kit.Run], tmp_path: Path) -> None:
    shutil.copytree(pair[0].path, tmp_path / "copy")
    run = blend([pair[0], kit.load(tmp_path / "copy")], out=tmp_path / "both", quiet=True)
    assert all((run.path / name).read_bytes() == (pair[0].path / name).read_bytes() for name in RESULTS)
    assert not run.info["blend"]["kept"] and [one["weight"] for one in run.info["members"]] == [1.0, 0.0]


def test_predictions_from_elsewhere_on_any_scale_are_blended_by_rank(
    pair: list[kit.Run], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    oof, test = unlike(pair[0], tmp_path, 1, 0.7, answers_of(data))
    words = ["blend", str(pair[0].path), "--oof", str(oof), "--test", str(test), "--out", "mixed", "--quiet"]
    assert main(words) == 0
    said = capsys.readouterr().out
    run = kit.load("mixed")
    assert run.info["blend"]["kept"] and run.info["blend"]["by"] == "rank" and "blended (better by +0." in said
    assert run.scores["oof"] > max(one["score"] for one in run.info["members"])
    sample = pd.read_csv(data / "sample_submission.csv")
    assert pd.read_csv(run.submission)["Id"].tolist() == sample["Id"].tolist()
    assert run.test.to_numpy().min() >= 0 and run.test.to_numpy().max() <= 1
    assert main(["predict", "mixed"]) == 2
    assert "oof1.csv', which is no run here" in capsys.readouterr().err
    useless = unlike(pair[0], tmp_path, 2, 500.0, answers_of(data))
    both = blend([pair[0]], [(oof, test), useless], out=tmp_path / "three", quiet=True)
    assert both.info["members"][2]["weight"] == 0
    with pytest.raises(kit.Usage, match="blends other predictions"):
        blend([pair[0]], [(oof, test)], out=tmp_path / "three", quiet=True)


def test_other_seeds_are_blended_and_what_may_leak_is_refused_with_the_difference(
    pair: list[kit.Run], data: Path, tmp_path: Path
) -> None:
    def other(name: str, **knobs: object) -> kit.Run:
        return kit.run("csv", data, out=tmp_path / name, quiet=True, target="dear", **{**QUICK, **knobs})

    seed = other("seed", seed=1)
    assert any("other folds (seed: 0 → 1)" in note for note in blend([pair[0], seed], out=tmp_path / "a").info["notes"])
    for knob, value, words in (("split", "plain", "split: auto → plain"), ("limit", 200, "limit: 0 → 200")):
        with pytest.raises(kit.Usage, match=words):
            blend([pair[0], other(knob, **{knob: value})], out=tmp_path / "b")
    shutil.copytree(pair[0].path, tmp_path / "moved")
    (tmp_path / "moved" / "manifest.json").unlink()
    first, *rows = (tmp_path / "moved" / "folds.csv").read_text().splitlines()
    (tmp_path / "moved" / "folds.csv").write_text("\n".join([first, *rows[::-1]]) + "\n")
    assert not blend([pair[0], kit.load(tmp_path / "moved")], out=tmp_path / "turned").info["notes"]
    (tmp_path / "moved" / "folds.csv").write_text("\n".join([first, *(row[:-1] + "0" for row in rows)]) + "\n")
    with pytest.raises(kit.Usage, match="the folds differ, with the same seed"):
        blend([pair[0], kit.load(tmp_path / "moved")], out=tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_runs_of_other_competitions_and_data_are_refused(
    pair: list[kit.Run], small_run: kit.Run, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(kit.Usage, match="competition: csv → digits"):
        blend([pair[0], small_run], out=tmp_path / "b")
    shutil.copytree(data, tmp_path / "data")
    (tmp_path / "data" / "test.csv").write_bytes((data / "test.csv").read_bytes().replace(b"hut", b"tent"))
    other = kit.run("csv", tmp_path / "data", out=tmp_path / "run", quiet=True, target="dear", **QUICK)
    with pytest.raises(kit.Usage, match=r"data: [0-9a-f]{16} → [0-9a-f]{16}"):
        blend([pair[0], other], out=tmp_path / "b")
    with pytest.raises(kit.Usage, match="not the data of"):
        blend(pair, data=tmp_path / "data", out=tmp_path / "b")


def test_runs_with_other_answers_are_refused_in_words(pair: list[kit.Run], tmp_path: Path) -> None:
    other = kit.load(shutil.copytree(pair[1].path, tmp_path / "other"))
    other.note(labels={"type": "OneOf", "column": "dear", "classes": ["0", "1"]})
    (other.path / "manifest.json").unlink()
    spoil(other.path / "oof.csv", "Id,dear", "Id,0")
    with pytest.raises(kit.Usage, match=r"cannot be blended \(answers: 'dear' → '0'\)"):
        blend([pair[0], other], out=tmp_path / "b")


def test_logits_are_not_averaged_with_probabilities(tmp_path: Path) -> None:
    table = sold().drop(columns="price")
    data = folder(tmp_path / "data", table[:90], table[90:].drop(columns="dear"))
    run = kit.run("csv", data, out=tmp_path / "run", quiet=True, target="dear", **QUICK)
    for name, frame in (("oof", run.oof), ("test", run.test)):
        frames.write_csv(tmp_path / f"{name}.csv", np.log(frame / (1 - frame)))
    with pytest.raises(kit.BadData, match=r"oof\.csv, id 'tr.*', column '[01]': -.* is no probability"):
        blend([run], [(tmp_path / "oof.csv", tmp_path / "test.csv")], out=tmp_path / "b")


def spoil(path: Path, old: str, new: str) -> Path:
    path.write_text(path.read_text().replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("te0,", "te00,", r"2 ids differ from those of the run, such as 'te0', 'te00'"),
        ("te0,", "te0,inf", r"id 'te0': 'inf.*' is not a finite number"),
        ("te0,", "te0,9e99", r"id 'te0': '9e99.*' is not a finite number up to 1e"),
        ("te0,", "te1,", r"the id 'te1' stands in line"),
        ("Id,score", "Id", "fields where the header has 1"),
    ],
)
def test_predictions_from_elsewhere_that_do_not_fit_are_refused(
    old: str, new: str, words: str, pair: list[kit.Run], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    oof, test = unlike(pair[0], tmp_path, 1, 0.7, answers_of(data))
    spoil(test, old, new)
    assert main(["blend", str(pair[0].path), "--oof", str(oof), "--test", str(test), "--out", "b", "--quiet"]) == 65
    assert pd.Series([capsys.readouterr().err]).str.contains(words).all()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([], "two runs at least"),
        (["--oof", "x.csv"], "1 --oof and 0 --test"),
        (["nowhere"], "nowhere: no run"),
        (["--name", "pair"], "two runs at least"),
    ],
)
def test_a_blend_of_nothing_is_refused(
    more: list[str], words: str, pair: list[kit.Run], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["blend", str(pair[0].path), *more]) == 2
    assert words in capsys.readouterr().err


def test_a_blend_says_what_to_export_instead_and_how_that_is_combined(
    pair: list[kit.Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = blend(pair, out=tmp_path / "both", quiet=True)
    first, second = run.info["members"]
    weights = f"{first['name']!r} {first['weight']:.3f}, {second['name']!r} {second['weight']:.3f}"
    for about, said in (
        ({"by": "rank"}, f"Export its runs and average the ranks of what they predict by these weights: {weights} (docs"),
        ({"by": "mean"}, f"Export its runs and average what they predict by these weights: {weights} (docs/export.md)"),
        ({"by": "stack"}, f"Export its runs and combine what they predict by `blend`, `stack` of both/run.json: {weights}"),
        ({"kept": False}, f"Export {first['name']!r}: this blend is that run alone."),
    ):
        run.note(blend={**run.info["blend"], "kept": True, **about})
        assert main(["export", "both"]) == 2
        told = capsys.readouterr().err.strip()
        assert said in told and len(told.splitlines()) == 1


def test_data_that_is_gone_is_missed_where_it_was(
    pair: list[kit.Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(pair[0].path, tmp_path / "run")
    kit.load("run").note(root="old/place")
    assert main(["predict", "run"]) == 65
    assert "the data of run is no longer in old/place. Name its folder with --data." in capsys.readouterr().err


def test_an_unfinished_run_is_not_blended(pair: list[kit.Run], tmp_path: Path) -> None:
    shutil.copytree(pair[0].path, tmp_path / "copy")
    (tmp_path / "copy" / "submission.csv").unlink()
    with pytest.raises(kit.Usage, match="not complete"):
        blend([pair[1], kit.load(tmp_path / "copy")], out=tmp_path / "b")


def test_prices_from_elsewhere_join_logarithms(tmp_path: Path) -> None:
    from kit import competition
    from kit.competition import synthetic

    facts = competition.load("house-prices").competition
    synthetic.fabricate(facts, tmp_path / "data", train=60, test=20)
    run = kit.run("house-prices", tmp_path / "data", out=tmp_path / "run", quiet=True, **QUICK)
    for name, frame in (("oof", run.oof), ("test", run.test)):
        plain = np.expm1(frame.astype(np.float64)).set_axis(["SalePrice"], axis=1)
        frames.write_csv(tmp_path / f"{name}.csv", plain)
    both = blend([run], [(tmp_path / "oof.csv", tmp_path / "test.csv")], out=tmp_path / "both", quiet=True)
    first, second = both.info["members"]
    assert first["score"] == pytest.approx(second["score"], rel=1e-5)
    assert json.loads((both.path / "scores.json").read_text())["blend"]["kept"] is False
