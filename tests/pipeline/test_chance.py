"""Nothing leaks: of answers that are drawn at random, models learn their training rows by heart and no other.

Boosted trees stop early on noise, and so know nothing by heart.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import kit

ROWS, ERRORS = 240, 4.0  # rows; standard errors from chance that are still chance


def table(rng: np.random.Generator, n: int) -> pd.DataFrame:
    return pd.DataFrame(rng.normal(size=(n, 8)), columns=[f"x{j}" for j in range(8)])


def text(rng: np.random.Generator, n: int) -> pd.DataFrame:
    words = np.array([f"word{j}" for j in range(400)])
    return pd.DataFrame({"text": [" ".join(row) for row in words[rng.integers(0, 400, (n, 12))]]})


def pixels(rng: np.random.Generator, n: int) -> pd.DataFrame:
    return pd.DataFrame(rng.integers(0, 256, (n, 64)), columns=[f"pixel{j}" for j in range(64)])


LONG = {"epochs": 20, "batch": 32, "lr": 0.01, "ema": 0.0, "weight_decay": 0.0}
KINDS: dict[str, tuple[Callable[..., pd.DataFrame], dict[str, Any]]] = {
    "perceptron": (table, {"model": "mlp", "width": 128, **LONG, "epochs": 40}),
    "n-grams": (text, {"model": "ngrams", "text": "text", "ngrams": 1, "iterations": 30, "inverse_penalty": 1000.0}),
    "pictures": (pixels, {"model": "convnet", "width": 16, **LONG}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_random_answers_are_learned_by_heart_and_not_foretold(kind: str, tmp_path: Path) -> None:
    make, knobs = KINDS[kind]
    rng = np.random.default_rng(7)
    rows = make(rng, ROWS)
    answer = rng.permutation(np.arange(ROWS) % 2)
    split = ROWS - 40
    rows.insert(0, "id", [f"r{i}" for i in range(ROWS)])
    train = rows[:split].assign(label=np.where(answer[:split], "yes", "no"))
    # The test is made of training rows under other names: what the models know by heart.
    test = rows[:40].assign(id=rows["id"][split:].to_numpy())
    (tmp_path / "data").mkdir()
    train.to_csv(tmp_path / "data" / "train.csv", index=False)
    test.to_csv(tmp_path / "data" / "test.csv", index=False)
    test[["id"]].assign(label="no").to_csv(tmp_path / "data" / "sample_submission.csv", index=False)
    adapter = adapter_of(kind, tmp_path)
    run = kit.run(adapter, tmp_path / "data", out=tmp_path / "run", quiet=True, folds=4, **knobs)
    known = run.submission.read_text().splitlines()[1:]
    by_heart = np.mean([line.endswith(",yes") == bool(one) for line, one in zip(known, answer[:40], strict=True)])
    assert by_heart > 0.85  # each test row was trained on by three models of four
    assert abs(run.scores["oof"] - 0.5) < ERRORS * 0.5 / split**0.5


def adapter_of(kind: str, folder: Path) -> str:
    if kind != "pictures":
        return "csv"
    path = folder / "noise.py"
    path.write_text(
        "import kit\nfrom kit.metrics import accuracy\n"
        'competition = kit.Competition("noise", "id", kit.Pixels(side=8), kit.OneOf("label"), accuracy)\n'
        'presets = {"fast": kit.Config(model="convnet")}\n'
    )
    return str(path)
