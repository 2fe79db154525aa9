"""Digits: the 1,797 real handwritten 8×8 digits inside scikit-learn, laid out as digit-recognizer; needs no download."""

from pathlib import Path

from kit.competition import Competition
from kit.config import Config
from kit.inputs import Pixels
from kit.labels import OneOf
from kit.metrics import accuracy
from kit.storage.frames import write_csv


def lay_out(folder: Path) -> None:
    """Write train.csv, test.csv, sample_submission.csv and, as every fifth row is kept back, its solution.csv."""
    import numpy as np
    import pandas as pd
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    pixels = pd.DataFrame(digits.data[order].astype(int)).add_prefix("pixel")
    answers = pd.Series(digits.target[order], name="label")
    kept_back = np.arange(len(order)) % 5 == 0
    ids = np.arange(1, kept_back.sum() + 1)
    solution = pd.DataFrame({"ImageId": ids, "Label": answers[kept_back].to_numpy()})
    write_csv(folder / "test.csv", pixels[kept_back], index=False)
    write_csv(folder / "solution.csv", solution, index=False)
    write_csv(folder / "sample_submission.csv", solution.assign(Label=0), index=False)
    write_csv(folder / "train.csv", pd.concat([answers, pixels], axis=1)[~kept_back], index=False)


competition = Competition(
    slug="digits",
    id="ImageId",
    inputs=Pixels(side=8, top=16),
    labels=OneOf("label", tuple("0123456789")),
    metric=accuracy,
    embedded=lay_out,
)
presets = {
    "fast": Config(width=32, epochs=20, batch=64, lr=1e-2, augment="medium", views=1),
    "best": Config(width=64, epochs=60, batch=64, lr=1e-2, augment="medium", views=5),
}
