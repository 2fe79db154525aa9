"""The gate every adapter passes: its facts hold, and a fabricated folder of its shape runs through to a submission."""

from pathlib import Path

import numpy as np
import pytest
from conftest import command

import kit
from kit import competition as competitions
from kit.competition import submission, synthetic
from kit.pipeline import adapter_check

IMPORTS = """
from kit.competition import Competition
from kit.inputs import Images, Pixels, Table
from kit.labels import Columns, Grade, Numbers, OneOf, Tags
from kit.metrics import *
"""
SHAPES = {
    "probabilities that exclude each other": """
        inputs=Images("images/{id}.jpg"), labels=Columns(("healthy", "rust", "scab"), exclusive=True), metric=auc""",
    "independent probabilities by group": """
        inputs=Images("train/{id}.png", test="test/{id}.png", channels=1), labels=Columns(("ett", "ngt")), metric=auc,
        group="PatientID", test="", """,
    "one probability": """inputs=Images("{id}.png"), labels=Columns(("target",)), metric=log_loss""",
    "grades": """inputs=Images("images/{id}.png"), labels=Grade("diagnosis", top=4), metric=qwk""",
    "tags": """inputs=Images("images/{id}.png"), labels=Tags("labels", ("complex", "rust", "scab")), metric=f1_samples""",
    "tags learned from the file": """inputs=Images("images/{id}.png"), labels=Tags("labels"), metric=f1_micro""",
    "a probability for each class of a column": """
        inputs=Images("images/{id}.png"), labels=Columns(column="breed"), metric=log_loss""",
    "class names learned from the file": """inputs=Images("images/{id}.png"), labels=OneOf("breed"), metric=accuracy""",
    "a number by time": """inputs=Images("images/{id}.png"), labels=Numbers(("price",)), metric=rmsle, time="sold" """,
    "a table by group": """inputs=Table(), labels=Columns(("churn",)), metric=auc, group="customer" """,
    "a table by time, of stated kinds": """
        inputs=Table(numbers=("size",), categories=("postcode", "kind"), dates=("built",)),
        labels=Numbers(("price",), log=True), metric=rmsle, time="sold" """,
    "several whole numbers": """inputs=Pixels(side=12), labels=Numbers(("a", "b", "c"), whole=True), metric=mcrmse""",
}
KNOBS = {"model": "convnet", "width": 4, "epochs": 2, "batch": 8, "folds": 2, "precision": "fp32"}


def written(path: Path, facts: str) -> competitions.Adapter:
    """An adapter in a file, as a stranger would write it."""
    path.write_text(f'{IMPORTS}\ncompetition = Competition(slug="{path.stem}", id="image_id", {facts})\n')
    return competitions.load(str(path))


@pytest.fixture(params=SHAPES)
def adapter(request: pytest.FixtureRequest, tmp_path: Path) -> competitions.Adapter:
    """An adapter of each shape."""
    return written(tmp_path / "stranger.py", " ".join(SHAPES[request.param].split()))


def test_every_shape_passes_every_check(adapter: competitions.Adapter) -> None:
    results = dict(adapter_check.adapter(adapter))
    assert {name: fault for name, fault in results.items() if fault} == {}
    assert len(results) == (25 if adapter.competition.inputs.kind == "table" else 28)


def test_every_shape_runs_to_a_submission(adapter: competitions.Adapter, tmp_path: Path) -> None:
    facts = adapter.competition
    synthetic.fabricate(facts, tmp_path / "data", train=24, test=10)
    model = "mlp" if facts.inputs.kind == "table" else "convnet"
    run = kit.run(str(tmp_path / "stranger.py"), tmp_path / "data", quiet=True, **{**KNOBS, "model": model})
    labels = facts.tables(tmp_path / "data").labels
    assert submission.faults(run.submission.read_bytes(), facts.sample_table(tmp_path / "data"), labels) == []
    assert np.isfinite(run.scores["oof"])
    assert list(run.oof.columns) == list(run.test.columns) == list(labels.columns)
    answers, _ = kit.predict(run)
    assert answers.equals(run.test)


def test_numbers_are_answered_in_their_own_units(tmp_path: Path) -> None:
    """Targets far from zero: a model that forgot to scale back would be off by orders of magnitude."""
    far = written(tmp_path / "far.py", 'inputs=Pixels(side=8), labels=Numbers(("v",)), metric=rmse')
    synthetic.fabricate(far.competition, tmp_path / "data", train=60, test=10)
    table = (tmp_path / "data" / "train.csv").read_text().splitlines()
    rows = [",".join([str(1e6 + 10 * i), *line.split(",")[1:]]) for i, line in enumerate(table[1:])]
    (tmp_path / "data" / "train.csv").write_text("\n".join([table[0], *rows]) + "\n")
    run = kit.run(str(tmp_path / "far.py"), tmp_path / "data", quiet=True, **{**KNOBS, "epochs": 1})
    assert run.test.to_numpy().min() > 9e5 and run.test.to_numpy().max() < 1.1e6


@pytest.mark.slow
def test_photo_augmentation_is_the_same_for_any_number_of_workers(tmp_path: Path) -> None:
    photos = written(tmp_path / "photos.py", 'inputs=Images("{id}.png"), labels=OneOf("x"), metric=accuracy')
    synthetic.fabricate(photos.competition, tmp_path / "data", train=24, test=4)
    runs = [
        kit.run(
            str(tmp_path / "photos.py"),
            tmp_path / "data",
            out=tmp_path / str(n),
            quiet=True,
            augment="photo",
            workers=n,
            **KNOBS,
        )
        for n in (0, 2)
    ]
    plain = kit.run(str(tmp_path / "photos.py"), tmp_path / "data", out=tmp_path / "plain", quiet=True, **KNOBS)
    assert runs[0].oof.equals(runs[1].oof)
    assert not runs[0].oof.equals(plain.oof)


OWN = """
from __future__ import annotations

from dataclasses import dataclass

import timm
from kit.competition import Competition
from kit.inputs import Images
from kit.labels import OneOf
from kit.metrics import accuracy
from timm.models import register_model


@register_model
def stranger_net(pretrained: bool = False, **facts: object) -> object:
    return timm.create_model("test_resnet", **facts)


@dataclass(frozen=True)
class Focal(OneOf):
    gamma: float = 2.0

    def loss(self, logits, y, smoothing=0.0):
        from torch.nn.functional import cross_entropy

        each = cross_entropy(logits, y, reduction="none")
        return ((1 - (-each).exp()) ** self.gamma * each).mean()


competition = Competition(
    slug="stranger", id="image_id", inputs=Images("images/{id}.png"), labels=Focal("breed", gamma=3.0), metric=accuracy
)
"""


def test_labels_of_an_adapters_own_are_learned_by_and_come_back_with_the_checkpoint(tmp_path: Path) -> None:
    """In the same process and in another; with `@dataclass` under postponed annotations, and a net registered with timm."""
    (tmp_path / "stranger.py").write_text(OWN)
    name = str(tmp_path / "stranger.py")
    own = competitions.load(name)
    assert competitions.load(name).competition is own.competition  # executed once: timm warns of a second registration
    synthetic.fabricate(own.competition, tmp_path / "data", train=24, test=10)
    knobs = {**KNOBS, "epochs": 1, "model": "stranger_net"}
    run = kit.run(name, tmp_path / "data", out=tmp_path / "run", quiet=True, **knobs)
    assert run.info["labels"] == {
        "type": "competitions.stranger:Focal",
        "column": "breed",
        "classes": ["cat", "dog"],
        "gamma": 3,
    }
    (tmp_path / "plain.py").write_text(
        OWN.replace('Focal("breed", gamma=3.0)', 'OneOf("breed")').replace("@register_model", "")
    )
    assert not run.oof.equals(kit.run("plain.py", tmp_path / "data", quiet=True, **knobs).oof)
    assert kit.predict(run)[0].equals(run.test)
    done = command("predict", run.path, "--data", tmp_path / "data", "--out", tmp_path / "again")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again" / "submission.csv").read_bytes() == run.submission.read_bytes()


def test_an_adapter_that_was_changed_is_loaded_anew(tmp_path: Path) -> None:
    first = written(tmp_path / "x.py", 'inputs=Images("{id}.png"), labels=OneOf("x"), metric=accuracy')
    again = written(tmp_path / "x.py", 'inputs=Images("{id}.png"), labels=OneOf("other"), metric=accuracy')
    assert [one.competition.labels.train_columns for one in (first, again)] == [("x",), ("other",)]
