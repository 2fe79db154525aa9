"""Essays: six real-valued scores from text, on invented files: the adapter holds its laws and learns what was planted."""

from pathlib import Path

import numpy as np
import pandas as pd

import kit
from kit.competition import load, synthetic
from kit.metrics import mcrmse
from kit.pipeline import adapter_check

FACTS = load("essays").competition


def test_the_adapter_holds_its_laws() -> None:
    assert {name: fault for name, fault in adapter_check.adapter(load("essays")) if fault} == {}


def test_six_scores_are_learned_and_answered_in_their_range(tmp_path: Path) -> None:
    synthetic.fabricate(FACTS, tmp_path, train=120, test=10)
    table = pd.read_csv(tmp_path / "train.csv", dtype=str)
    rng = np.random.default_rng(0)
    scores = rng.integers(2, 11, (120, 6)) / 2
    table[list(FACTS.labels.names)] = scores.astype(str)
    table["full_text"] = [" ".join(f"{name}{value:g}" for name, value in zip("csvpgo", row, strict=True)) for row in scores]
    table.to_csv(tmp_path / "train.csv", index=False)
    run = kit.run("essays", tmp_path, out=tmp_path / "run", folds=3, inverse_penalty=1, quiet=True)
    guess = mcrmse(scores, np.repeat(scores.mean(axis=0)[None], 120, axis=0))
    assert run.scores["metric"] == "mcrmse" and run.scores["oof"] < 0.8 * guess
    assert len(run.scores["extra"]) >= 12
    answers = pd.read_csv(run.submission, index_col="text_id")
    assert list(answers.columns) == list(FACTS.labels.names) and answers.to_numpy().min() >= 1 and answers.to_numpy().max() <= 5
