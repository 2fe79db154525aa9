"""Fine-tuning: mixing that ends, classes that are shown equally often; runs with them go on to the same bytes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from test_resume import same_results, stop_in

import kit
from kit import competition as competitions
from kit.competition import synthetic
from kit.config import Config
from kit.inference import export
from kit.labels import OneOf, to_json
from kit.models.batch import Batch
from kit.models.images.image_module import ImageModule

LABELS = OneOf("x", tuple("abc"))


def make(side: int = 32, **knobs: Any) -> ImageModule:
    config = Config(**{"width": 4, "layout": "contiguous", "precision": "fp32", **knobs})
    return ImageModule(config.json(), to_json(LABELS), channels=3, side=side, steps=10)


def batch_of(epoch: int, side: int = 32) -> Batch:
    x = torch.randint(0, 256, (6, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Batch(x, torch.arange(6) % 3, torch.arange(6), epoch=epoch)


def test_mixing_ends_with_its_share_of_the_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    mixed: list[int] = []
    monkeypatch.setattr(
        "kit.data.augmentation.mix", lambda name, images, seed, epoch, step: (mixed.append(epoch), (images, None, 1.0))[1]
    )
    for until, wanted in ((0.5, [0, 1]), (0.75, [0, 1, 2]), (1.0, [0, 1, 2, 3]), (0.0, [])):
        mixed.clear()
        module = make(augment="cutmix", mix_until=until, epochs=4)
        for epoch in range(4):
            module.training_step(batch_of(epoch), 0)
        assert mixed == wanted
    late = make(augment="cutmix", mix_until=0.5, epochs=4)
    late.move_to(0.6)  # a time budget has run further than the epochs
    mixed.clear()
    late.training_step(batch_of(0), 0)
    assert mixed == []


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    synthetic.fabricate(competitions.load("cifar10").competition, root, train=40, test=4)
    return root


RESUMED = {
    "even classes": {"balance": 1, "augment": "medium"},
    "mixing that ends": {"augment": "cutmix", "mix_until": 0.5},
}


@pytest.mark.parametrize("name", RESUMED)
def test_a_run_goes_on_to_the_same_bytes(name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    knobs = {
        "width": 4, "epochs": 3, "folds": 2, "batch": 8, "views": 2, "optimizer": "adamw", "lr": 0.01, "ema": 0.9,
        "model": "convnet", "quiet": True, **RESUMED[name],
    }  # fmt: skip
    whole = kit.run("cifar10", data, out=tmp_path / "whole", **knobs)
    stop_in(monkeypatch, 1, 1, RuntimeError("the power went"))
    with pytest.raises(RuntimeError, match="the power went"):
        kit.run("cifar10", data, out=tmp_path / "cut", snapshot=0.0, **knobs)
    run = kit.run("cifar10", data, out=tmp_path / "cut", **knobs)
    assert same_results(run.path, whole.path)
    together = kit.run("cifar10", data, out=tmp_path / "jobs", jobs=2, **knobs)
    assert same_results(together.path, whole.path)
    done = export.export(run, "torchscript", data, tmp_path / "export")
    assert done.difference < 1e-5
