"""Recipes: another model than the preset's gets its own; what belongs to the data stays; flags win; rows decide the epochs."""

from pathlib import Path

import pytest
import timm
import torch
from hypothesis import given, strategies as st

import kit
from kit import competition as competitions, recipes
from kit.config import Config
from kit.pipeline.plan import planned
from kit.pipeline.presets.resolution import resolved
from kit.storage.run_folder import read_json

CASES = [
    ("cifar10", {"model": "resnet18"}, recipes.SCRATCH),
    ("cifar10", {"model": "resnet18", "weights": "hub"}, recipes.PRETRAINED),
    ("cifar10", {"model": "vit_tiny_patch16_224", "weights": "hub"}, recipes.ATTENTIVE),
    ("cifar10", {"model": "convnet"}, recipes.CONVNET),
    ("digits", {"model": "whitened"}, recipes.WHITENED),
    ("quadratic", {"model": "convnet"}, recipes.CONVNET),
]


@pytest.mark.parametrize(("name", "flags", "recipe"), CASES)
def test_another_family_gets_its_recipe(name: str, flags: dict[str, str], recipe: recipes.Recipe) -> None:
    adapter = competitions.load(name)
    config, origins, _ = resolved(adapter, "fast", flags)
    assert config.epochs == 0
    default, preset = Config(), adapter.preset("fast")
    for knob in recipes.DECIDED - {"epochs"}:
        assert getattr(config, knob) == recipe.knobs.get(knob, getattr(default, knob)), knob
    for knob in ("augment", "crop", "huber", "folds"):
        assert getattr(config, knob) == getattr(preset, knob)
    assert origins["lr"] in (f"recipe of a {recipe.name}", "default")


def test_flags_win() -> None:
    config, origins, _ = resolved(competitions.load("cifar10"), "fast", {"model": "resnet18", "lr": 0.5, "epochs": 3})
    assert (config.lr, config.epochs, origins["lr"]) == (0.5, 3, "flag")
    assert config.optimizer == "adamw"


def test_the_same_family_keeps_the_presets_choices() -> None:
    adapter = competitions.load("aptos2019")
    config, origins, _ = resolved(adapter, "fast", {"model": "resnet34"})
    assert config == adapter.preset("fast").changed(model="resnet34")
    assert not any(one.startswith("recipe") for one in origins.values())


def test_what_was_replaced_is_one_line(digits: Path) -> None:
    (line,) = planned("digits", digits, "fast", {"model": "whitened", "width": 8}).notes
    assert line.startswith("the recipe of a whitened replaces what preset fast has for convnet: ")
    assert "--lr" in line.split() and "--width" not in line and "--augment" not in line
    assert planned("digits", digits, "fast", {"width": 8}).notes == ()


@given(st.integers(1, 10**7))
def test_more_rows_take_fewer_epochs_and_more_steps(rows: int) -> None:
    for recipe in (*recipes.OWN.values(), recipes.SCRATCH, recipes.PRETRAINED, recipes.ATTENTIVE, recipes.TRANSFORMER):
        assert recipe.most >= recipe.epochs(rows) >= recipe.epochs(2 * rows) >= recipe.least >= 1
        assert 2 * rows * recipe.epochs(2 * rows) >= rows * recipe.epochs(rows)


def test_small_pictures_are_enlarged_and_photos_get_the_networks_own_size() -> None:
    assert recipes.side(224, [(32, 32)]) == recipes.side(224, [(28, 28), (20, 25)]) == 128
    assert recipes.side(224, [(64, 64)]) == 224
    assert recipes.side(224, [(300, 400), (32, 32)]) == 224
    assert recipes.side(96, [(32, 32)]) == 96


def test_size_and_epochs_are_found_once_and_predictions_know_them(digits: Path, tmp_path: Path) -> None:
    state = timm.create_model("test_resnet").state_dict()
    torch.save(state, tmp_path / "weights.pth")
    knobs = {"model": "test_resnet", "weights": str(tmp_path / "weights.pth"), "folds": 2, "limit": 60, "quiet": True}
    run = kit.run("digits", digits, out=tmp_path / "run", only_fold=[0], **knobs)
    chosen = read_json(run.path / "run.json")["chosen"]
    assert chosen == {"size": 32, "epochs": recipes.PRETRAINED.most}  # 4 × 8 pixels
    run = kit.run("digits", digits, out=tmp_path / "run", **knobs)
    assert run.complete and run.info["chosen"] == chosen and run.info["config"]["epochs"] == 0
    assert read_json(run.fold(1) / "fold.json")["epochs"] == chosen["epochs"]
    answers, _ = kit.predict(run.path, digits, out=tmp_path / "predicted")
    assert (answers - run.test).abs().max().max() < 1e-6
