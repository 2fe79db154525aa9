"""--json: every command prints one object of the keys and types that are stated for it, and an error is an object too."""

import json
import shutil
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest
from conftest import SMALL, flags
from loopback import Loopback

import kit
from kit.cli import app, json_output
from kit.cli.app import main
from kit.inference.blend import blend
from kit.kaggle import api as clients, kernel, push

PAGE = Path(__file__).parent.parent.parent / "docs" / "json.md"
TINY = ["--quiet", *flags({**SMALL, "epochs": 1, "width": 4, "limit": 90, "folds": 2})]
REVIEWS = "id,text,label\n" + "".join(
    f"{i},a {('dull', 'fine')[i % 2]} film of {i},{('no', 'yes')[i % 2]}\n" for i in range(40)
)


def faults(value: Any, hint: Any, place: str = "") -> list[str]:
    """Where a value of JSON is not of a type."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return []
    if is_typeddict(hint):
        hints = get_type_hints(hint)
        if not isinstance(value, dict) or not hint.__required_keys__ <= value.keys() <= hints.keys():
            return [f"{place or 'all'}: {value!r} has not the keys {', '.join(hints)}"]
        return [fault for key, one in value.items() for fault in faults(one, hints[key], f"{place}.{key}")]
    if origin is Literal:
        return [] if value in inner else [f"{place}: {value!r} is none of {inner}"]
    if origin in (Union, types.UnionType):
        return [] if any(not faults(value, one) for one in inner) else [f"{place}: {value!r} is no {hint}"]
    if origin in (list, dict):
        if not isinstance(value, origin):
            return [f"{place}: {value!r} is no {hint}"]
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        return [fault for key, one in parts for fault in faults(one, inner[-1], f"{place}[{key!r}]")]
    known = (int, float) if hint is float else hint
    return [] if isinstance(value, known) and (hint is bool or value is not True) else [f"{place}: {value!r} is no {hint}"]


@pytest.fixture
def words(
    small_run: kit.Run, digits: Path, kaggle: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Callable[[], list[object]]]:
    """What to type for each object, once what it needs is there."""
    run, data = shutil.copytree(small_run.path, tmp_path / "run"), ["--data", digits]
    kaggle.slug = "digits"
    kaggle.files = {path.name: path.read_bytes() for path in digits.iterdir()}
    for name in ("KIT_DATA", "KIT_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(clients, "PAUSE", 0.01)
    monkeypatch.setattr(push, "PACE", clients.Pace(first=0.01, longest=0.02, limit=3600))

    def texts() -> list[object]:
        Path("reviews.csv").write_text(REVIEWS)
        one = kit.run("csv", "reviews.csv", out="texts", folds=2, quiet=True, text="text")
        return ["predict", one.path, "--text", "a fine film", "--text", "dull"]

    def rehearsal() -> list[object]:
        kernel.build("digits", preset="fast").code.write_text("import shutil, os\nraise SystemExit('of no use')\n")
        return ["kernel", "rehearse", "digits", *data, "--mount", "new"]

    def pushed(*more: object) -> list[object]:
        kernel.build("digits", preset="fast")
        return ["kernel", "push", "digits", "--quiet", *more]

    def status() -> list[object]:
        kaggle.kernel_states, kaggle.pending = ["COMPLETE"], 0
        kaggle.output = {"submission.csv": small_run.submission.read_bytes()}
        assert main([str(word) for word in pushed()]) == 0
        return ["kernel", "status", "digits", *data, "--wait", "--submit", "a", "--quiet"]

    def ledger() -> list[object]:
        assert main(["submit", "digits", str(run), "-m", "a", "--data", str(digits), "--quiet"]) == 0
        return ["ledger", "digits"]

    return {
        "list": lambda: ["list"],
        "new": lambda: ["new", "mine", "--from", digits],
        "check": lambda: ["check", "digits", "--limit", "90"],
        "doctor": lambda: ["doctor"],
        "run": lambda: ["run", "digits", *data, *TINY],
        "tune": lambda: ["tune", "digits", *data, "--trials", "2", *TINY],
        "report": lambda: ["report", run],
        "explain": lambda: ["explain", "lr", "digits"],
        "weights": lambda: ["weights"],
        "predict": lambda: ["predict", run, "--out", tmp_path / "predicted", *data],
        "predict --text": texts,
        "blend": lambda: ["blend", run, run, "--quiet", "--out", tmp_path / "blend"],
        "validate": lambda: ["validate", "digits", small_run.submission, *data],
        "export": lambda: ["export", run, "--format", "safetensors", "--out", tmp_path / "model", *data],
        "export --format csv": lambda: ["export", run, "--format", "csv", "--out", tmp_path / "csv"],
        "compare": lambda: ["compare", run, blend([small_run, small_run], out=tmp_path / "both", quiet=True).path],
        "recheck": lambda: ["recheck", run, "--limit", "60", "--quiet", "--out", tmp_path / "rechecked", *data],
        "shadow": lambda: ["shadow", "digits", *data, "--presets", "fast", *TINY],
        "download": lambda: ["download", "digits", "--quiet"],
        "submit": lambda: ["submit", "digits", run, "-m", "a", *data, "--quiet"],
        "ledger": ledger,
        "kernel build": lambda: ["kernel", "build", "digits", "--run", run],
        "kernel rehearse": rehearsal,
        "kernel push": pushed,
        "kernel status": status,
    }


@pytest.mark.parametrize("name", json_output.OBJECTS)
def test_a_command_prints_one_object_as_it_is_stated(
    name: str, words: dict[str, Callable[[], list[object]]], capsys: pytest.CaptureFixture[str]
) -> None:
    typed = [str(word) for word in words[name]()]
    capsys.readouterr()
    code = main([*typed, "--json"])
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 1 and told.out.isascii(), told.err
    found = json.loads(told.out)
    assert faults(found, json_output.OBJECTS[name]) == []
    assert code == (65 if name == "kernel rehearse" else 1 - found["ok"] if name == "doctor" else 0), told.err


def test_every_command_and_every_object_is_tried(words: dict[str, Callable[[], list[object]]]) -> None:
    assert {name.split()[0] for name in json_output.OBJECTS} == set(app.COMMANDS)
    assert list(words) == list(json_output.OBJECTS)


@pytest.mark.parametrize("command", app.COMMANDS)
def test_an_error_is_an_object_too(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main([command, "--no-such-flag", "--json"])
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert faults(found, json_output.Error) == [] and found["code"] == code == 2
    assert told.err == f"kit: {found['error']}\n"


def test_an_error_of_the_data_keeps_its_code(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.csv").write_text("id,label\n1,\u202e5\n")
    assert main(["validate", "digits", "bad.csv", "--data", str(digits), "--json"]) == 65
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert faults(found, json_output.Validated) == [] and not found["valid"] and found["faults"] and told.err == ""
    assert main(["run", "csv", "--data", "bad.csv", "--json", "--quiet"]) == json.loads(capsys.readouterr().out)["code"] == 65


def test_what_is_not_as_it_is_stated_is_noticed() -> None:
    good = {"run": "a", "status": "complete", "submission": None, "scores": {"oof": 1.0}}
    assert faults(good, json_output.Trained) == []
    for bad in ({**good, "run": None}, {**good, "more": 1}, {"run": "a"}, {**good, "scores": []}, [], {**good, "status": True}):
        assert faults(bad, json_output.Trained)
    assert faults({"ok": 1, "lines": []}, json_output.Doctor) and faults({"error": "a", "code": True}, json_output.Error)


def test_the_table_of_the_documentation_is_made_from_the_types() -> None:
    assert json_output.described() in PAGE.read_text(encoding="utf-8"), "replace it: see the end of the page"
