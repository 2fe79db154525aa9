"""`kit explain` and the map of `kit --help`: all knobs and commands, as they are."""

from __future__ import annotations

import json

import pytest

from kit.cli import app, catalogue
from kit.cli.app import main
from kit.config import KNOBS


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
        "competition": "digits", "value": 0.01, "from": "preset fast", "model": "convnet", "heeded": True,
    }  # fmt: skip
    assert main(["explain", "ngrams", "digits"]) == 0
    assert "it changes nothing for --model convnet" in capsys.readouterr().out
    assert main(["explain", "epoch"]) == 2
    assert "Did you mean 'epochs'?" in capsys.readouterr().err
