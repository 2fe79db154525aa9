"""Guests: losses, labels and inputs of an adapter pass every check, run, predict in another process and are reported."""

from pathlib import Path

import numpy as np
import pytest
from conftest import warm

import kit
from kit import competition as competitions
from kit.cli import app
from kit.competition import synthetic
from kit.pipeline import adapter_check

KNOBS = {"epochs": 1, "folds": 2, "width": 4, "batch": 8, "precision": "fp32", "quiet": True}
HEAD = '''"""A guest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from kit.competition import Competition
from kit.inputs import Images, Inputs, Table, Text
from kit.inputs.base import Loaded
from kit.labels import Columns, Grade, Labels, Numbers, OneOf, Tags
from kit.metrics import Metric, accuracy, auc, f1_samples, mae, qwk


def focal(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    each = functional.cross_entropy(logits, y, reduction="none")
    return ((1 - (-each).exp()) ** 2 * each).mean()


def weighted(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    weight = torch.tensor(3.0)
    return functional.binary_cross_entropy_with_logits(logits, y, pos_weight=weight)


def ordinal(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return ((logits.sigmoid().sum(dim=1) - y) ** 2).mean()


def absolute(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (logits - y).abs().mean()

'''
FACTS = '\ncompetition = Competition(slug="guest", id="key", inputs={inputs}, labels={labels}, metric={metric})\n'
LOSSES = {
    "a class": ('OneOf("breed", loss=focal)', "focal", "accuracy"),
    "a grade": ('Grade("grade", top=3, loss=ordinal)', "ordinal", "qwk"),
    "probabilities": ('Columns(("a", "b"), loss=weighted)', "weighted", "auc"),
    "probabilities that exclude each other": ('Columns(("a", "b", "c"), exclusive=True, loss=focal)', "focal", "auc"),
    "tags": ('Tags("labels", loss=weighted)', "weighted", "f1_samples"),
    "numbers": ('Numbers(("x", "y"), loss=absolute)', "absolute", "mae"),
}
LABELS = {
    "a dataclass with a loss and a constant": """
@dataclass(frozen=True)
class Mine(OneOf):
    gamma: float = 2.0

    def loss(self, logits, y):
        each = functional.cross_entropy(logits, y, reduction="none")
        return ((1 - (-each).exp()) ** self.gamma * each).mean()

    def activation(self, logits):
        return (logits.float() / 2).softmax(dim=1)

LABELS = Mine("breed", gamma=3.0)
""",
    "a plain class with an `__init__` of its own": """
class Mine(OneOf):
    kind = "my own classes"

    def __init__(self, column, temperature):
        super().__init__(column)
        self.temperature = temperature

    def loss(self, logits, y, smoothing=0.0):
        return functional.cross_entropy(logits / self.temperature, y)

    def activation(self, logits):
        return (logits.float() / self.temperature).softmax(dim=1)

LABELS = Mine("breed", 2.0)
""",
    "numbers of another unit": """
class Mine(Numbers):
    kind = "logits"

    def loss(self, logits, y):
        return (logits - y).abs().mean()

LABELS = Mine(("price",))
""",
    "of the base class": """
class Mine(Labels):
    columns = train_columns = ("share",)

    def encode(self, train):
        return train[["share"]].to_numpy(np.float32)

    def certain(self, y):
        return y

    def harden(self, predictions):
        return predictions

    def decode(self, predictions, columns):
        return {columns[0]: predictions[:, 0]}

    def fault(self, cell):
        return "" if cell.replace(".", "").replace("e-", "").isdigit() else f"{cell!r} is no share"

    def strata(self, y):
        return (y[:, 0] > 0.5).astype(int)

    def loss(self, logits, y):
        return functional.binary_cross_entropy_with_logits(logits, y)

    def activation(self, logits):
        return logits.float().sigmoid()

    def fabricate(self, n, rng):
        return {"share": [f"{i % 4 / 4:g}" for i in rng.permutation(n)]}

LABELS = Mine()
""",
}
INPUTS = {
    "pictures computed from columns": (
        "convnet",
        """
class Mine(Inputs):
    channels = 1

    def load(self, root, frame, split, size, keep=None):
        values = frame[["a", "b"]].to_numpy(float)
        waves = np.sin(values[:, :1, None] * np.arange(64).reshape(1, 8, 8) + values[:, 1:, None])
        return Loaded(((waves + 1) * 127).astype(np.uint8))

    def fabricate(self, root, ids, split, classes, rng):
        return {"a": [f"{one + rng.normal() / 9:.3f}" for one in classes], "b": [f"{rng.normal():.3f}" for _ in classes]}

INPUTS = Mine()
""",
    ),
    "a table with an engineered column": (
        "mlp",
        """
class Mine(Table):
    def load(self, root, frame, split, size, keep=None):
        width, height = (frame[name].astype(float) for name in ("width", "height"))
        return super().load(root, frame.assign(area=width * height), split, size)

    def fabricate(self, root, ids, split, classes, rng):
        return {name: [f"{one + rng.random():.3f}" for one in classes] for name in ("width", "height")}

INPUTS = Mine()
""",
    ),
    "a pandas frame of numbers and names": (
        "mlp",
        """
class Mine(Inputs):
    kind = "table"

    def __init__(self, factor):
        self.factor = factor

    def load(self, root, frame, split, size, keep=None):
        return Loaded(frame[["colour"]].assign(twice=frame["width"].astype(float) * self.factor))

    def fabricate(self, root, ids, split, classes, rng):
        return {"width": [f"{one + rng.random():.3f}" for one in classes], "colour": ["rg"[one % 2] for one in classes]}

INPUTS = Mine(2)
""",
    ),
    "texts made of two columns": (
        "ngrams",
        """
class Mine(Inputs):
    kind = "text"

    def load(self, root, frame, split, size, keep=None):
        return Loaded((frame["title"] + " " + frame["body"]).tolist())

    def fabricate(self, root, ids, split, classes, rng):
        words = ("fine", "dull", "odd", "grey")
        return {name: [f"{words[one % 4]} {rng.integers(99)}" for one in classes] for name in ("title", "body")}

INPUTS = Mine()
""",
    ),
    "pictures that are turned": (
        "convnet",
        """
@dataclass(frozen=True)
class Mine(Images):
    turns: int = 1

    def load(self, root, frame, split, size, *rest):
        loaded = super().load(root, frame, split, size, *rest)
        return Loaded(np.ascontiguousarray(np.rot90(loaded.rows, self.turns, axes=(1, 2))), loaded.broken)

INPUTS = Mine("train/{id}.png", test="test/{id}.png", turns=2)
""",
    ),
}


def adapter(text: str, path: Path, **facts: str) -> str:
    """Write an adapter of these facts; its name."""
    path.write_text(
        HEAD + text + FACTS.format(**{"inputs": "Table()", "labels": 'OneOf("breed")', "metric": "accuracy"} | facts)
    )
    return str(path)


def lived_through(name: str, root: Path, model: str = "mlp") -> kit.Run:
    """Check an adapter, run it, predict by another process, report; all must go well."""
    facts = competitions.load(name)
    assert {check: fault for check, fault in adapter_check.adapter(facts) if fault} == {}
    synthetic.fabricate(facts.competition, root / "data", train=24, test=10)
    run = kit.run(name, root / "data", out=root / "run", **{**KNOBS, "model": model})
    assert np.isfinite(run.scores["oof"])
    process = warm("predict", run.path, "--data", root / "data", "--out", root / "again")
    process.join(120)
    assert process.exitcode == 0, Path("said").read_text()
    assert (root / "again" / "submission.csv").read_bytes() == run.submission.read_bytes()
    assert app.main(["report", str(run.path)]) == 0
    return run


@pytest.mark.parametrize("kind", LOSSES)
def test_a_loss_of_the_adapter_is_learned_by(kind: str, tmp_path: Path) -> None:
    labels, loss, metric = LOSSES[kind]
    run = lived_through(adapter("", tmp_path / "guest.py", labels=labels, metric=metric), tmp_path)
    assert run.info["labels"]["loss"] == {"named": f"competitions.guest:{loss}"}
    plain = adapter("", tmp_path / "plain.py", labels=labels.replace(f"loss={loss}", ""), metric=metric)
    without = kit.run(plain, tmp_path / "data", out=tmp_path / "plain", **{**KNOBS, "model": "mlp"})
    assert "loss" not in without.info["labels"]
    assert not without.oof.equals(run.oof)


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_the_adapter_go_all_the_way(kind: str, tmp_path: Path) -> None:
    metric = "Metric('gap', lambda truth, answer: abs(truth - answer).mean(), False)"
    run = lived_through(adapter(LABELS[kind], tmp_path / "guest.py", labels="LABELS", metric=metric), tmp_path)
    assert run.info["labels"]["type"] == "competitions.guest:Mine"


@pytest.mark.parametrize("kind", INPUTS)
def test_inputs_of_the_adapter_go_all_the_way(kind: str, tmp_path: Path) -> None:
    model, text = INPUTS[kind]
    lived_through(adapter(text, tmp_path / "guest.py", inputs="INPUTS"), tmp_path, model)
