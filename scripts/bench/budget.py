"""What folds and views are worth: held-out accuracy of one model or five, one view or five (`python …/budget.py`)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

import kit
from kit import competition, labels
from kit.config import Config
from kit.inference import members
from kit.models import devices, prediction

CHOICES = ((1, 1), (1, 5), (5, 1), (5, 5))  # models, views


def accuracies(folder: Path, seed: int) -> list[float]:
    """The accuracy on the digits' held-out rows of each choice; of a single model, the mean over the five."""
    facts = competition.load("digits").competition
    facts.embedded(folder / "data") if facts.embedded else None
    run = kit.run(
        "digits", folder / "data", out=folder / f"run{seed}", quiet=True, seed=seed, epochs=5, views=5, precision="fp32"
    )
    tables = facts.tables(folder / "data")
    bound = labels.from_json(run.info["labels"])
    x = facts.inputs.load(folder / "data", tables.test, "test", 0).rows
    config = devices.choose(Config(**run.info["config"]))
    assert tables.solution is not None
    truth = tables.solution.iloc[:, 0].to_numpy()
    found = []
    for models, views in CHOICES:
        each = np.stack([prediction.predict(model, x, None, config) for model in members.load(run, views)])
        every = [each.mean(axis=0)] if models > 1 else list(each)
        answers = [next(iter(bound.decode(one, ["Label"]).values())) for one in every]
        found.append(float(np.mean([np.mean(np.asarray(one, str) == truth) for one in answers])))
    return found


def main(seeds: int = 3) -> None:
    """Print the mean of each choice over the seeds."""
    with tempfile.TemporaryDirectory() as name:
        table = np.array([accuracies(Path(name), seed) for seed in range(seeds)])
    for (models, views), column in zip(CHOICES, table.T, strict=True):
        print(
            f"{models} model{'s' * (models > 1)} × {views} view{'s' * (views > 1)}: {column.mean():.4f}  {np.round(column, 4)}"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
