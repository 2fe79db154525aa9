"""`kit explain` and the map of `kit --help`: all knobs and commands, as they are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import kit
from kit.cli import app, catalogue
from kit.cli.app import main
from kit.config import KNOBS
from kit.inference.blend import blend


def test_help_shows_every_command_once_in_its_group(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    named = [line.split()[0] for line in text.partition("\nExamples")[0].splitlines() if line.startswith("  ")]
    assert sorted(named) == sorted(app.COMMANDS) and len(set(named)) == len(named)
    assert all(group in text for group in catalogue.GROUPS)
    parser = app._parser(app.knob_flags.ALL)
    for words, _ in catalogue.EXAMPLES:
        for one in words.split(" && "):
            parser.parse_args(one.split()[1:])


def test_the_usual_knobs_come_first(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    text = capsys.readouterr().out
    places = [text.index(f"\n  --{name.replace('_', '-')} ") for name in (*catalogue.USUAL, "dropout")]
    assert places == sorted(places)
    assert len(text.partition("\n\n")[0].splitlines()) == 1  # the usage is a line


@pytest.mark.parametrize("name", KNOBS)
def test_every_knob_is_explained(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", name, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["knob"] == name and told["help"] and told["heeded_by"] and told["flag"].startswith("--")
    assert main(["explain", told["flag"].lstrip("-")]) == 0
    assert f"{name}: {told['help']}" in capsys.readouterr().out


def test_a_knob_in_a_competition_has_its_value_and_its_origin(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "lr", "digits", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["here"] == {
        "competition": "digits", "run": None, "value": 0.01, "from": "preset fast", "taken": None, "model": "convnet",
        "heeded": True, "why": "The adapter's preset fast states it.",
    }  # fmt: skip
    assert main(["explain", "ngrams", "digits"]) == 0
    assert "it changes nothing for --model convnet" in capsys.readouterr().out
    assert main(["explain", "epoch"]) == 2
    assert "Did you mean 'epochs'?" in capsys.readouterr().err


def here(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    """What `kit explain` says of a knob's value."""
    assert main(["explain", *map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)["here"]


def test_what_a_recipe_chose_is_told_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    told = here(capsys, "lr", "cifar10", "--model", "resnet18")
    assert (told["value"], told["from"]) == (0.001, "recipe of a network from scratch")
    assert "The preset was written for whitened; resnet18 learns otherwise" in told["why"]
    assert "1500 / √rows of a fold, from 6 to 60" in here(capsys, "epochs", "cifar10", "--model", "resnet18")["why"]
    assert (
        here(capsys, "batch", "cifar10", "--model", "resnet18", "--weights", "hub")["from"] == "recipe of a pretrained network"
    )
    assert here(capsys, "model", "cifar10", "--model", "resnet18")["why"] == "It was given by hand (--model)."


def test_a_knob_of_a_run_has_what_it_took_and_why(
    small_run: kit.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert here(capsys, "epochs", "--run", small_run.path)["why"] == "It was given by hand (--epochs)."
    assert here(capsys, "augment", "--run", small_run.path)["why"] == "The adapter's preset fast states it."
    assert here(capsys, "epochs", small_run.path) == here(capsys, "epochs", "--run", small_run.path)
    assert "the kit's default" in here(capsys, "optimizer", "--run", small_run.path)["why"]
    run = kit.load(shutil.copytree(small_run.path, tmp_path / "run"))
    config = run.info["config"] | {"lr": 0.0, "epochs": 0, "views": 4}
    run.note(config=config, chosen={"lr": 0.0125, "batch": 32, "epochs": 40}, in_time={"views": 2, "weigh": True})
    told = here(capsys, "lr", "--run", run.path)
    assert told["taken"] == 0.0125 and told["why"].endswith("It took 0.0125, by a range test on the first fold.")
    assert "It took 40, by the recipe of a convnet: 2500 / √rows" in here(capsys, "epochs", "--run", run.path)["why"]
    assert "It took 2: --time-budget left no time for more." in here(capsys, "views", "--run", run.path)["why"]
    assert main(["explain", "lr", "--run", str(run.path)]) == 0
    assert f"in {run.path}:  auto: 0.0125 (from preset fast)" in capsys.readouterr().out


def test_what_has_no_knobs_is_said(small_run: kit.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = blend([small_run, small_run], out=tmp_path / "both", quiet=True)
    for words, said in (
        (["lr", "--run", both.path], "a blend has no knobs"),
        (["lr", "digits", "--run", small_run.path], "not both"),
        (["lr", "--run", "nowhere"], "there is no run.json"),
    ):
        assert main(["explain", *map(str, words)]) == 2
        assert said in capsys.readouterr().err
