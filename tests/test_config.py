"""Config: every knob can be said as text, is checked, and comes from flag, environment, preset or default, in that order."""

import copy
import json
import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given, strategies as st

from kit import config as configs
from kit.config import IMMATERIAL, KNOBS, Config, difference, knob, resolve, shown
from kit.errors import Usage
from kit.knobs import chosen_from

NAMES = sorted(KNOBS)


def values_of(name: str) -> st.SearchStrategy[Any]:
    facts, kind = KNOBS[name].metadata, type(KNOBS[name].default)
    low, high = facts["low"], facts["high"]
    if facts["choices"]:
        return st.sampled_from(facts["choices"])
    if kind is str:
        return st.text(min_size=1)
    return st.integers(low, high or 1 << 40) if kind is int else st.floats(low, high or 1e300)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_every_knob_round_trips_as_flag_text(name: str, data: st.DataObject) -> None:
    value = data.draw(values_of(name))
    config, origins = resolve(Config(), "fast", {name: str(value)}, {})
    assert getattr(config, name) == value
    assert type(getattr(config, name)) is type(KNOBS[name].default)
    assert origins[name] == "flag"
    assert Config(**config.json()) == config
    assert config.changed(**{name: KNOBS[name].default}) == Config()


@pytest.mark.parametrize("name", NAMES)
def test_every_knob_has_help_and_a_default_within_its_bounds(name: str) -> None:
    assert KNOBS[name].metadata["help"]
    assert getattr(Config(), name) == KNOBS[name].default


@pytest.mark.parametrize(("wrong", "right"), [("epoch", "epochs"), ("leaning_rate", None), ("weight-decay", "weight_decay")])
def test_an_unknown_knob_is_refused_with_the_nearest_one(wrong: str, right: str | None) -> None:
    with pytest.raises(Usage, match=f"unknown knob '{wrong}'") as caught:
        Config().changed(**{wrong: 1})
    assert (f"Did you mean '{right}'" in str(caught.value)) == bool(right)


BOUNDED = [(name, bound) for name in NAMES for bound in ("low", "high") if KNOBS[name].metadata[bound] is not None]


@pytest.mark.parametrize(("name", "bound"), BOUNDED)
def test_bounds_are_inclusive_and_what_is_beyond_names_the_flag(name: str, bound: str) -> None:
    kind, limit = type(KNOBS[name].default), KNOBS[name].metadata[bound]
    assert getattr(Config().changed(**{name: kind(limit)}), name) == limit
    with pytest.raises(Usage, match="--" + name.replace("_", "-")):
        Config().changed(**{name: kind(limit + (-1 if bound == "low" else 1))})


@pytest.mark.parametrize("name", [name for name in NAMES if isinstance(KNOBS[name].default, float)])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1,5", "", "0x1"])
def test_what_is_no_finite_number_is_refused(name: str, value: str) -> None:
    with pytest.raises(Usage, match="--" + name.replace("_", "-")):
        Config().changed(**{name: value})


@pytest.mark.parametrize("name", [name for name in NAMES if isinstance(KNOBS[name].default, int)])
@pytest.mark.parametrize("value", ["2.5", "three", "", "1e3", 2.0, True, None])
def test_a_whole_number_is_wanted_where_the_default_is_one(name: str, value: object) -> None:
    with pytest.raises(Usage, match="--" + name.replace("_", "-")):
        Config().changed(**{name: value})


@pytest.mark.parametrize("name", [name for name in NAMES if KNOBS[name].metadata["choices"]])
def test_a_value_that_is_no_choice_is_refused_with_the_choices(name: str) -> None:
    choices = KNOBS[name].metadata["choices"]
    with pytest.raises(Usage, match="one of") as caught:
        Config().declaring({"augment": chosen_from(KNOBS["augment"], [])}).changed(**{name: choices[-1] + "x"})
    assert all(choice in str(caught.value) for choice in choices)
    assert f"Did you mean '{choices[-1]}'" in str(caught.value)


def test_an_adapter_adds_to_the_choices_that_are_extensible() -> None:
    declared = {"augment": chosen_from(KNOBS["augment"], ["mine"])}
    assert Config(augment="mine").declaring(declared).changed(augment="light").augment == "light"
    assert [name for name in NAMES if KNOBS[name].metadata["extensible"]] == ["augment"]


def test_knobs_of_an_adapters_own_are_set_read_checked_and_saved() -> None:
    own = {"alpha": knob(0.25, "share", low=0, high=1), "parts": knob(2, "how many")}
    config = Config(alpha=1, epochs=3).declaring(own)
    assert (config.alpha, config.parts, config.changed(parts="5").parts) == (1.0, 2, 5)
    assert Config.of(json.loads(json.dumps(config.json()))) == config
    assert pickle.loads(pickle.dumps(config)) == config == copy.deepcopy(config)
    assert Config(alpha=0.5).declaring(own) != config
    with pytest.raises(Usage, match=r"--alpha 2.0: the value must be 0 to 1"):
        config.changed(alpha=2)
    with pytest.raises(Usage, match=r"unknown knob 'alpa'. Did you mean 'alpha'"):
        config.changed(alpa=2)
    with pytest.raises(Usage, match=r"unknown knob 'epohcs'. Did you mean 'epochs'"):
        Config(epohcs=3).declaring({})
    with pytest.raises(AttributeError, match=r"no knob 'alhpa'. Did you mean 'alpha'"):
        config.alhpa  # noqa: B018
    resolved, origins = configs.resolve(config, "fast", {"parts": 4}, {"KIT_ALPHA": "0.75"})
    assert (resolved.alpha, resolved.parts, origins["alpha"], origins["parts"]) == (0.75, 4, "KIT_ALPHA", "flag")


def test_whole_numbers_serve_where_the_default_is_real() -> None:
    config = Config().changed(lr=1, snapshot=3)
    assert (config.lr, config.snapshot) == (1.0, 3.0)
    assert type(config.lr) is float


@pytest.mark.parametrize("flag", [False, True])
@pytest.mark.parametrize("environment", [False, True])
@pytest.mark.parametrize("preset", [False, True])
def test_flag_goes_before_environment_before_preset_before_default(flag: bool, environment: bool, preset: bool) -> None:
    config, origins = resolve(
        Config(epochs=7) if preset else Config(),
        "best",
        {"epochs": "9"} if flag else {},
        {"KIT_EPOCHS": "8"} if environment else {},
    )
    order = [(flag, 9, "flag"), (environment, 8, "KIT_EPOCHS"), (preset, 7, "preset best"), (True, 10, "default")]
    _, value, origin = next(case for case in order if case[0])
    assert (config.epochs, origins["epochs"]) == (value, origin)
    assert set(origins) == set(KNOBS)
    assert {origins[name] for name in NAMES if name != "epochs"} == {"default"}


@given(flag=st.booleans(), environment=st.booleans())
def test_what_was_set_by_hand_is_known_from_the_origins_as_from_the_flags(flag: bool, environment: bool) -> None:
    flags, environ = {"lr": 0.5} if flag else {}, {"KIT_EPOCHS": "3"} if environment else {}
    origins = resolve(Config(batch=7), "fast", flags, environ)[1]
    assert set(configs.by_hand(origins)) == set(configs.given(flags, environ)) == {*["lr"] * flag, *["epochs"] * environment}


def test_the_environment_is_read_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIT_SEED", "5")
    monkeypatch.setenv("KIT_LR", "")
    config, origins = resolve(Config(), "fast", {})
    assert (config.seed, origins["seed"], origins["lr"]) == (5, "KIT_SEED", "default")


def test_a_misspelt_setting_in_the_environment_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(Usage, match=r"unknown setting KIT_EPOCH .*Did you mean 'KIT_EPOCHS'"):
        resolve(Config(), "fast", {}, {"KIT_EPOCH": "3"})
    places = dict.fromkeys(configs.PLACES, "somewhere") | {"KITCHEN": "1", "HOME": "/root"}
    assert resolve(Config(), "fast", {}, places)[0] == Config()


def test_a_wrong_value_in_the_environment_is_refused() -> None:
    with pytest.raises(Usage, match="epochs 'many'"):
        resolve(Config(), "fast", {}, {"KIT_EPOCHS": "many"})


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_the_difference_names_material_knobs_and_no_others(name: str, data: st.DataObject) -> None:
    value = data.draw(values_of(name))
    old, new = Config(), Config().changed(**{name: value})
    seen = difference(old.json(), new.json())
    if old == new or name in IMMATERIAL:
        assert seen == []
    else:
        assert seen == [f"{name}: {shown(name, getattr(old, name))} → {shown(name, getattr(new, name))}"]
        assert new == old.changed(**{name: shown(name, getattr(new, name))})  # as it is typed
    assert difference(new.json(), new.json()) == []


def test_a_knob_that_only_one_of_two_versions_knows_is_a_difference() -> None:
    assert difference({"epochs": 1}, {"epochs": 1, "newer": 2}) == ["newer: None → 2"]
    assert difference({"epochs": 1, "older": 2}, {"epochs": 1}) == ["older: 2 → None"]
    assert difference({"epochs": 1}, {"epochs": 1, "trainer": ""}) == []  # saved before there was such a knob
    assert difference({"epochs": 1}, {"epochs": 1, "trainer": "a=1"}) == ["trainer:  → a=1"]


def test_how_a_result_is_computed_is_all_that_is_immaterial() -> None:
    assert {
        "jobs",
        "on",
        "workers",
        "snapshot",
        "cache_gb",
        "accumulate",
        "time_budget",
        "profile",
        "logger",
    } == configs.IMMATERIAL


def test_a_config_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        Config().epochs = 3  # type: ignore[misc]
