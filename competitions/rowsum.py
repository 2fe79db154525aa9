"""Row sum: 21,000 rows of 42 random whole numbers; is their sum above zero? Made up on the spot; needs no download."""

from pathlib import Path

from kit.competition import Competition
from kit.config import Config
from kit.inputs import Table
from kit.labels import OneOf
from kit.metrics import accuracy
from kit.storage.frames import write_csv

NUMBERS = tuple(f"n{i:02d}" for i in range(42))


def lay_out(folder: Path) -> None:
    """Write train.csv, test.csv, sample_submission.csv and, as every fifth row is kept back, its solution.csv."""
    import numpy as np
    import pandas as pd

    numbers = np.random.default_rng(0).integers(-100, 101, (21_000, len(NUMBERS)))
    rows = pd.DataFrame(numbers, columns=list(NUMBERS))
    rows.insert(0, "id", np.arange(1, len(rows) + 1))
    answers = pd.DataFrame({"id": rows["id"], "positive": (numbers.sum(axis=1) > 0).astype(int)})
    back = np.arange(len(rows)) % 5 == 0
    write_csv(folder / "test.csv", rows[back], index=False)
    write_csv(folder / "solution.csv", answers[back], index=False)
    write_csv(folder / "sample_submission.csv", answers[back].assign(positive=0), index=False)
    write_csv(folder / "train.csv", rows.assign(positive=answers["positive"])[~back], index=False)


competition = Competition(
    slug="rowsum",
    id="id",
    inputs=Table(numbers=NUMBERS),
    labels=OneOf("positive", ("0", "1")),
    metric=accuracy,
    embedded=lay_out,
)
presets = {
    "fast": Config(model="mlp", width=64, epochs=8, batch=256, lr=1e-2, weight_decay=0.3),
    "best": Config(model="mlp", width=128, epochs=20, batch=256, lr=1e-2, weight_decay=0.3),
}
