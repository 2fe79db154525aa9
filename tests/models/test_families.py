"""Families: every knob is heeded by some model, every class is there, and what a choice undoes is said."""

import subprocess
import sys

import pytest

from kit.config import KNOBS, Config
from kit.errors import Usage
from kit.knobs import GROUPS
from kit.models import families
from kit.models.base import FoldModel
from kit.models.families import IMAGE, LIGHTGBM, MLP, NGRAMS, READER, TABM, TRANSFORMER, Family
from kit.parts import Parts

ALL = [IMAGE, READER, NGRAMS, TRANSFORMER, MLP, TABM, LIGHTGBM]
every_family = pytest.mark.parametrize("family", ALL, ids=lambda family: family.name)


@every_family
def test_a_family_is_a_module_that_heeds_knobs_and_tunes_some_of_them(family: Family) -> None:
    assert issubclass(family.load(), FoldModel)
    assert family.load().one_step == family.one_step
    assert family.heeds <= set(KNOBS)
    assert set(family.tuned) <= family.heeds


def test_every_knob_is_heeded_by_some_family_and_no_family_heeds_all() -> None:
    assert set().union(*(family.heeds for family in ALL)) == set(KNOBS)
    assert all(family.heeds != set(KNOBS) for family in ALL)


@pytest.mark.parametrize(
    ("model", "kind", "reading", "wanted"),
    [
        ("convnet", "images", False, IMAGE),
        ("resnet18", "pixels", False, IMAGE),
        ("reader", "images", True, READER),
        ("ngrams", "text", False, NGRAMS),
        ("distilbert-base-uncased", "text", False, TRANSFORMER),
        ("mlp", "table", False, MLP),
        ("tabm", "table", False, TABM),
        ("lightgbm", "table", False, LIGHTGBM),
    ],
)
def test_the_model_and_the_inputs_say_which_family(model: str, kind: str, reading: bool, wanted: Family) -> None:
    assert families.of(model, kind, reading) is wanted
    assert families.of(model, kind, reading, Parts(modules={model: FoldModel})).heeds == set(KNOBS)


def test_a_model_of_other_inputs_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(
        Usage, match=r"--model mpl: for a table there are mlp, tabm, lightgbm, xgboost and catboost. Did you mean 'mlp'"
    ):
        families.of("mpl", "table")
    with pytest.raises(Usage, match="--model convnet: does not read"):
        families.of("convnet", "images", reading=True)


@every_family
def test_help_shows_the_heeded_knobs_once_each_in_groups(family: Family) -> None:
    shown = families.grouped(family.heeds, {"alpha": None})
    names = [name for group in shown.values() for name in group]
    assert sorted(names) == sorted([*family.heeds, "alpha"])
    assert next(iter(shown)) == "This adapter's own."
    assert len(shown) <= len(GROUPS) + 1


def test_choices_that_undo_each_other_are_said() -> None:
    base = Config(strategy="gradual", from_run="r")
    assert families.vain(Config(), IMAGE) == families.vain(base, IMAGE) == families.vain(base, NGRAMS) == []
    assert families.vain(base.changed(unfreeze=3, epochs=3), IMAGE) == [
        "--unfreeze 3 is beyond the last of 3 epochs, so only the head is trained"
    ]
    assert families.vain(base.changed(weights="w"), IMAGE) == ["--weights is ignored, as --from is given"]
    assert "nothing without --vectors" in families.vain(Config(landmarks=9), NGRAMS)[0]
    assert families.vain(Config(landmarks=9, vectors=8), NGRAMS) == []
    assert "freezes random weights" in families.vain(Config(strategy="freeze"), IMAGE)[0]


def test_families_and_the_commands_load_no_library() -> None:
    code = "import sys, kit.cli.app; print({'numpy', 'pandas', 'torch'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "set()\n"
