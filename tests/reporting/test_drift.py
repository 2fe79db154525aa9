"""Drift: rows dealt at random look alike, a planted difference is named, and the order of rows is immaterial."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kit.cli.app import main
from kit.inputs.cells import Cells
from kit.inputs.images import Images
from kit.inputs.texts import Texts
from kit.reporting.drift import audit as drift
from kit.reporting.drift.auc import Split

WORDS = np.array([f"word{i}" for i in range(300)])


def table(n: int, rng: np.random.Generator, **more: Any) -> Cells:
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D")
    columns = {
        "size": rng.normal(size=n).astype(str),
        "kind": rng.choice(list("abcd"), n),
        "gap": np.where(rng.random(n) < 0.3, "", rng.integers(0, 50, n).astype(str)),
        "when": [str(day)[:10] for day in days],
    }
    return Cells(pd.DataFrame(columns | more, dtype=object))


def texts(n: int, rng: np.random.Generator) -> list[str]:
    return [" ".join(rng.choice(WORDS, k)) for k in rng.integers(5, 40, n)]


def pictures(n: int, rng: np.random.Generator) -> np.ndarray:
    base = rng.integers(0, 100, (n, 1, 1, 3)) + rng.integers(0, 100, (n, 16, 16, 3))
    return base.astype(np.uint8)


def audit(look: Any, asked: np.ndarray, group: np.ndarray | None = None, order: np.ndarray | None = None) -> list[str]:
    """The lines on these rows, those that warn with a mark; `order`: in which they come."""
    group = np.arange(len(asked)) if group is None else group
    order = np.arange(len(asked)) if order is None else order
    sides = [order[asked[order] == kind] for kind in (False, True)]
    train, test = (drift.Side(look, rows, np.array([f"id{i}" for i in rows], object)) for rows in sides)
    return [("! " if warns else "") + line for line, warns in drift.audit(train, test, group[np.concatenate(sides)])]


def test_rows_dealt_at_random_look_alike() -> None:
    alarms = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        look = table(200, rng)
        alarms.append(audit(look, rng.random(200) < 0.4))
    assert sum(line.startswith("!") for lines in alarms for line in lines) <= 1
    assert "training and test rows look alike: a classifier tells them apart with AUC 0." in alarms[0][0]
    rng = np.random.default_rng(1)
    for other in (Texts(texts(300, rng)), pictures(300, rng)):
        assert "look alike" in audit(other, rng.random(300) < 0.4)[0]


def test_surprise_is_that_of_chance_for_rows_dealt_at_random() -> None:
    rng = np.random.default_rng(0)
    for bins in (rng.integers(0, 2, 200), rng.integers(0, 15, 200), rng.integers(0, 70, 200)):
        splits = (Split.deal(np.arange(200).astype(object), rng.random(200) < 0.4, np.arange(200)) for _ in range(200))
        surprise = np.array([split.by_bins(bins).surprise for split in splits])
        assert abs(surprise.mean()) < 0.25 and 0.7 < surprise.std() < 1.15
        assert (surprise > 2.33).mean() <= 0.03  # 1 in 100 of a normal distribution


def test_planted_columns_are_named_with_what_they_hint_at() -> None:
    rng = np.random.default_rng(0)
    asked = np.arange(600) % 3 == 0
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.where(asked, 200, 0) + rng.integers(0, 150, 600), unit="D")
    patients = np.where(asked, "p", "q") + pd.Series(rng.integers(0, 60, 600)).astype(str)
    look = table(
        600,
        rng,
        when=[str(day)[:10] for day in days],
        patient=patients,
        shifted=(rng.normal(size=600) + asked).astype(str),
    )
    verdict, *hints = audit(look, asked)
    assert verdict.startswith("! training and test rows differ: AUC 1.000 ± 0.0") and ", by the columns " in verdict
    assert "'when' (" in verdict and "'patient' (1.00)" in verdict and "'shifted' (0." in verdict
    assert "'size'" not in verdict and "'kind'" not in verdict
    assert [hint.split(":")[0] for hint in hints] == ["! 'when'", "! 'patient'"]
    assert "see `time=`" in hints[0] and "see `group=`" in hints[1]


def test_what_no_column_tells_alone_is_found() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 1500))
    verdict = audit(Cells(pd.DataFrame({"a": a, "b": b})), (a > 0) == (b > 0))
    assert verdict[0].startswith("! training and test rows differ: AUC 0.9") and verdict[0].endswith("by no column alone")


def test_planted_words_and_lengths_are_named() -> None:
    rng = np.random.default_rng(0)
    asked = np.arange(600) % 3 == 0
    some = texts(600, rng)
    marked = [text + " subscribe" * int(test and i % 2) for i, (text, test) in enumerate(zip(some, asked, strict=True))]
    verdict = audit(Texts(marked), asked)[0]
    assert verdict.startswith("! training and test rows differ") and "the word 'subscribe' (0.75)" in verdict
    halved = [text[: len(text) // (1 + int(test))] for text, test in zip(some, asked, strict=True)]
    assert "by number of words (0." in (verdict := audit(Texts(halved), asked)[0]) or "by length (0." in verdict


def test_planted_brightness_is_named() -> None:
    rng = np.random.default_rng(0)
    asked = np.arange(300) % 3 == 0
    some = pictures(300, rng)
    some[asked] += 40
    verdict = audit(some, asked)[0]
    assert verdict.startswith("! training and test rows differ: AUC 0.") and "brightness (0." in verdict


def test_sizes_and_bytes_of_files_are_compared(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ids = [f"p{i}" for i in range(80)]
    for i, one in enumerate(ids):
        pixels = rng.integers(0, 255, (8, 8 + 4 * (i % 2) + i % 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{one}.png")
    facts = partial(Images("{id}.png", channels=1).file_facts, tmp_path, split="train")
    rows = np.array(ids, object)
    look = np.full((80, 8, 8, 1), 99, np.uint8)
    train, test = (
        drift.Side(look, np.arange(k, 80, 2), rows[k::2], lambda some: facts(pd.DataFrame(index=some))) for k in (0, 1)
    )
    (verdict, warns), *_ = drift.audit(train, test, np.arange(80))
    assert warns and "aspect (1.00)" in verdict and "width (1.00)" in verdict and "height" not in verdict


def test_the_order_of_rows_and_the_names_of_groups_are_immaterial() -> None:
    rng = np.random.default_rng(2)
    asked, group = rng.random(300) < 0.4, rng.integers(0, 200, 300)
    for look in (table(300, rng), Texts(texts(300, rng)), pictures(300, rng)):
        assert audit(look, asked, group) == audit(look, asked, 1000 - group, rng.permutation(300))


def test_rows_that_repeat_each_other_prove_nothing() -> None:
    """Each row three times, on one side: a classifier that validates on what it learned would tell them apart."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(100), 3)
    asked = (rng.random(100) < 0.5)[group]
    look = Cells(pd.DataFrame({"a": rng.normal(size=100)[group], "b": rng.normal(size=100)[group]}))
    assert "look alike" in audit(look, asked, group)[0]
    assert "differ" in audit(look, asked)[0]


def test_few_rows_are_not_compared() -> None:
    look = table(100, np.random.default_rng(0))
    assert audit(look, np.arange(100) < 29) == ["71 training and 29 test rows are too few to compare (30 of each are needed)"]


def test_check_writes_it_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"id": range(300), "x": rng.normal(size=300), "counter": range(300), "price": rng.normal(size=300)})
    (tmp_path / "data").mkdir()
    frame[:200].to_csv("data/train.csv", index=False)
    frame[200:].drop(columns="price").to_csv("data/test.csv", index=False)
    frame[200:][["id", "price"]].assign(price=0).to_csv("data/sample_submission.csv", index=False)
    command = ["check", "csv", "--data", "data", "--target", "price"]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert all(set(one) == {"check", "fault"} and one["fault"] is None for one in told["checks"])
    assert all(set(one) == {"line", "warns"} for one in told["data"])
    verdict, hint = [one["line"] for one in told["data"] if one["warns"]][-2:]
    assert verdict.startswith("training and test rows differ: AUC 1.000 ± ") and verdict.endswith(
        "by the column 'counter' (1.00)"
    )
    assert hint == "'counter': 100% of the test values lie beyond the training values: by time? see `time=`"
