"""Advice: each rule fires on a run that shows what it looks for, with the numbers, and is silent where nothing is sure."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_docs import anchors

import kit
from kit.config import KNOBS, flag
from kit.inference.blend import blend
from kit.reporting.advice import fit, gains, mistakes, rules
from kit.reporting.advice.rule import Advice
from kit.reporting.report import findings, meaning, page
from kit.reporting.report.findings import Findings

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def found(small_run: kit.Run, tmp_path: Path) -> Findings:
    """What a copy of the small run shows; tests change it."""
    run = kit.load(shutil.copytree(small_run.path, tmp_path / "run"))
    scores = run.scores | {"paid": {}, "decision": None, "extra": {"accuracy": 0.9}}
    (run.path / "scores.json").write_text(json.dumps(scores))
    return answering(
        findings.gather(run), lambda y: np.where(np.arange(len(y)) % 10 == 0, (y + 1 + np.arange(len(y)) % 7) % 10, y)
    )


def answering(found: Findings, answer: Callable[[np.ndarray], np.ndarray]) -> Findings:
    """The findings with other predicted classes, a function of the true ones int [n]."""
    assert found.y is not None
    values = np.eye(10, dtype=np.float32)[answer(found.y)] * 0.9 + 0.01
    return replace(found, oof=pd.DataFrame(values, found.oof.index, found.oof.columns), decided=values)


def learning(found: Findings, **columns: list[float]) -> Findings:
    """The findings with these columns in every fold's history, an epoch a line."""
    epochs = len(next(iter(columns.values())))
    history = pd.DataFrame({"epoch": range(1, epochs + 1), **columns})
    return replace(found, histories={str(fold): history for fold in range(3)})


def scored(found: Findings, **changes: Any) -> Findings:
    """The findings with other values in the run's `scores.json`."""
    (found.run.path / "scores.json").write_text(json.dumps(found.scores | changes))
    return found


def told(one: Advice | None, *words: str) -> None:
    """There is advice, with these words as evidence, about knobs that there are, and with a page that there is."""
    assert one is not None
    for word in words:
        assert word in one.shows, one.shows
    assert set(one.knobs) <= set(KNOBS) and one.shows.endswith(".") and one.do.endswith(".")
    assert not one.do.startswith("Try") or any(flag(name) in one.do for name in one.knobs)
    file, _, heading = one.docs.partition("#")
    assert not heading or heading in anchors(ROOT / "docs" / file)
    assert (ROOT / "docs" / file).exists()


def test_a_model_that_knows_its_rows_by_heart_is_told_to_learn_less(found: Findings) -> None:
    told(fit.overfit(learning(found, train_accuracy=[0.5, 0.999])), "Training accuracy is 0.999", "out-of-fold 0.9:")
    assert fit.overfit(learning(found, train_accuracy=[0.5, 0.93])) is None
    assert fit.overfit(learning(found, lr=[0.1, 0.1])) is None  # nothing was followed
    few = scored(found, extra={"accuracy": 0.9967})  # one wrong row of 300 is no evidence
    assert fit.overfit(learning(few, train_accuracy=[0.5, 1.0])) is None
    numbers = scored(found, extra={"rmse": 10.0})
    told(fit.overfit(learning(numbers, train_rmse=[20.0, 2.0])), "Training rmse is 2 ", "out-of-fold 10:")
    assert fit.overfit(learning(numbers, train_rmse=[20.0, 9.0])) is None


def test_a_validation_that_was_best_early_is_told(found: Findings) -> None:
    curve = [0.5, 0.95, 0.94, 0.92, 0.9, 0.89]
    early = learning(found, train_accuracy=[0.9] * 6, val_accuracy=curve)
    told(fit.overfit(early), "best after epoch 2 of 6, by 0.06")
    assert fit.overfit(learning(found, train_accuracy=[0.9] * 6, val_accuracy=sorted(curve))) is None
    assert fit.overfit(learning(found, train_accuracy=[0.9] * 3, val_accuracy=[0.89, 0.91, 0.9])) is None


def test_a_fit_that_was_still_learning_is_told_to_go_on(found: Findings) -> None:
    told(fit.underfit(learning(found, train_accuracy=[0.5, 0.8], train_loss=[1.0, 0.7])), "took 30% off the training loss")
    told(
        fit.underfit(learning(found, train_accuracy=[0.5, 0.8], train_loss=[1.0, 0.7], val_accuracy=[0.6, 0.9])), "was the best"
    )
    for silent in (
        {"train_accuracy": [0.5, 0.95], "train_loss": [1.0, 0.7]},  # better on its own rows already
        {"train_accuracy": [0.5, 0.8], "train_loss": [1.0, 0.95]},  # it had ended learning
        {"train_accuracy": [0.5, 0.8], "train_loss": [1.0, 0.7], "val_accuracy": [0.92, 0.9]},  # an earlier epoch was better
        {"train_accuracy": [0.8], "train_loss": [1.0]},
    ):
        assert fit.underfit(learning(found, **silent)) is None
    short, long = (
        pd.DataFrame({"epoch": [1, 2], "train_loss": [1.0, 0.98]}),
        pd.DataFrame({"epoch": [1, 2, 3], "train_loss": 0.5}),
    )
    for one in (short, long):
        one["train_accuracy"] = 0.8
    assert fit.underfit(replace(found, histories={"0": short, "1": long})) is None  # folds that stopped at other epochs


def test_a_pair_of_classes_that_is_confused_is_named(found: Findings) -> None:
    assert found.y is not None
    told(mistakes.confused(answering(found, lambda y: np.where(y == 4, 9, y))), "'4' and '9'", f"{(found.y == 4).sum()} of")
    assert mistakes.confused(found) is None  # wrong rows are spread over all pairs
    few = np.flatnonzero(found.y == 4)[: mistakes.LEAST - 1]
    assert mistakes.confused(answering(found, lambda y: np.where(np.isin(np.arange(len(y)), few), 9, y))) is None
    size = mistakes.confused(answering(found, lambda y: np.where(y == 4, 9, y)), {"model"})
    assert size is not None and "--size" not in size.do


def test_folds_that_differ_by_more_than_chance_are_told(found: Findings) -> None:
    bad = (found.fold == 1) & (np.arange(len(found.fold)) % 3 == 0)
    told(
        mistakes.uneven(answering(found, lambda y: np.where(bad, (y + 1) % 10, y))),
        "Of fold 1 38.0% of the rows are wrong, of fold 0 0.0%",
    )
    for seed in range(20):  # one in two hundred may be wrong
        wrong = np.random.default_rng(seed).random(len(found.fold)) < 0.15
        assert mistakes.uneven(answering(found, lambda y, wrong=wrong: np.where(wrong, (y + 1) % 10, y))) is None  # type: ignore[misc]
    assert mistakes.uneven(answering(found, lambda y: y)) is None
    assert mistakes.uneven(replace(found, fold=np.full(len(found.fold), -1))) is None


def test_folds_by_time_get_other_advice(found: Findings) -> None:
    bad = answering(found, lambda y: np.where(found.fold == 1, (y + 1) % 10, y))
    found.run.note(dealt={"key": "", "by_time": True, "notes": []})
    one = mistakes.uneven(bad)
    told(one)
    assert one is not None and "time" in one.do and "repeats" not in one.knobs


@pytest.mark.parametrize(
    ("rule", "place", "fires", "silent", "words"),
    [
        (gains.views, "paid", {"views": {"gain": 0.001, "noise": 0.002, "paid": False}},
         {"views": {"gain": 0.01, "noise": 0.002, "paid": True}}, "4 views change the score by +0.00100 ± 0.00200"),
        (gains.averages, "paid", {"averages": {"gain": -0.01, "noise": 0.002, "paid": False}},
         {"averages": {"gain": -0.003, "noise": 0.002, "paid": False}}, "-0.01000 ± 0.00200: they do harm"),
        (gains.decision, "decision", {"kind": "weights", "kept": True, "gain": 0.03, "noise": 0.01},
         {"kind": "weights", "kept": False, "gain": 0.01, "noise": 0.01}, "class weights improve the score by +0.03000"),
        (gains.decision, "decision", {"kind": "cuts", "kept": True, "gain": 0.03, "noise": 0.01},
         {"kind": "cuts", "kept": False, "gain": None, "noise": None}, "cut points improve"),
    ],
)  # fmt: skip
def test_what_did_or_did_not_pay_is_told(
    found: Findings, rule: Callable[[Findings], Advice | None], place: str, fires: Any, silent: Any, words: str
) -> None:
    found.run.note(config=found.run.info["config"] | {"views": 4})
    assert rule(found) is None
    told(rule(scored(found, **{place: fires})), words)
    assert rule(scored(found, **{place: silent})) is None


def test_members_that_err_alike_are_named(small_run: kit.Run, tmp_path: Path) -> None:
    """A member and itself; and beside one whose errors are of its own."""
    rng, (first, second) = np.random.default_rng(0), [tmp_path / name for name in ("first", "second")]
    for path in (first, second):
        shutil.copytree(small_run.path, path)
    run = blend([kit.load(first), kit.load(second)], out=tmp_path / "both", quiet=True)
    members = [{**one, "weight": 0.5} for one in run.info["members"]]
    run.note(members=members)
    found = findings.gather(run)
    told(gains.alike(found), "first and second correlate by 1.000")
    run.note(members=[members[0], {**members[1], "weight": 0.0}])
    assert gains.alike(found) is None
    run.note(members=members)
    other = small_run.oof + rng.normal(0, 0.3, small_run.oof.shape)
    other.reset_index().to_csv(second / "oof.csv", index=False)
    assert gains.alike(found) is None
    assert gains.alike(findings.gather(small_run)) is None  # no blend


def test_the_page_shows_all_advice_and_its_pages(found: Findings) -> None:
    confusing = answering(learning(found, train_accuracy=[0.5, 0.999]), lambda y: np.where(y == 4, 9, y))
    every = rules.advice(confusing)
    assert [one.rule for one in every] == ["overfit", "confused classes"]
    text = page.page(confusing)
    for one in every:
        assert one.shows.replace("'", "&#39;") in text and f"docs/{one.docs}" in text
    assert "--size" not in every[1].do  # pixels of a table have the size that they have


def test_the_score_is_explained_in_words(found: Findings) -> None:
    words = meaning.meaning(scored(found, oof=0.875), [0.8, 0.9, 0.85])
    assert "0.87500 is the score (accuracy: the share of rows that are predicted right) of 300 training rows" in words
    assert "the most frequent class would score 0.1" in words and "± 0.02887" in words and "Higher is better" in words
    assert "±" not in meaning.meaning(found, [0.8]) and meaning.meaning(scored(found, oof=None), []) == ""
    assert set(meaning.WORDS) == {one.name for one in vars(kit.metrics).values() if isinstance(one, kit.metrics.Metric)}
