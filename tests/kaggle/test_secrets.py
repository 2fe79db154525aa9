"""Secrets: a planted key or token is found nowhere, and only what needs the network starts Kaggle's client."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import command
from loopback import KEY, TOKEN, Loopback

import kit
from kit.cli.app import main
from kit.kaggle import api as clients, credentials, download as downloads


def test_the_token_is_in_no_output_and_the_client_prints_nothing(
    kaggle: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    kaggle.files = {"a.csv": b"a"}
    monkeypatch.setattr(clients, "PAUSE", 0.01)
    monkeypatch.setattr(downloads, "PAUSE", 0.01)
    monkeypatch.setenv("VERBOSE", "1")
    for number, faults in enumerate(({}, {"ListDataFiles": [500] * 9}, {"GET": [403] * 9})):
        kaggle.faults = faults
        assert main(["download", "mnist", "--out", str(tmp_path / f"d{number}"), "--debug"]) == (69 if faults else 0)
        said = capfd.readouterr()  # of the client's process too
        assert KEY not in said.out + said.err and "secret" not in said.out + said.err and "Request" not in said.out


def test_a_message_that_repeats_a_secret_is_shown_without_it(
    kaggle: Loopback, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(clients, "PAUSE", 0.01)
    kaggle.faults = {"ListDataFiles": [(403, f"'{KEY}' may not read this")] * 9}
    assert main(["download", "mnist"]) == 69
    said = capsys.readouterr().err
    assert KEY not in said and "may not read this" in said
    (tmp_path / "home" / ".kaggle" / "kaggle.json").write_text('{"username": "ada", "key": "another0planted0key"}')
    (tmp_path / "home" / ".kaggle" / "access_token").write_text(f"{TOKEN}\n")
    assert credentials.scrub(f"{KEY}, another0planted0key, {TOKEN} and more") == "…, …, … and more"


def test_only_the_commands_of_the_network_import_the_client(tmp_path: Path, digits: Path, small_run: kit.Run) -> None:
    (tmp_path / "trap" / "kaggle").mkdir(parents=True)
    (tmp_path / "trap" / "kaggle" / "__init__.py").write_text("open('imported', 'w').close()\nraise ImportError('trapped')\n")
    path = os.pathsep.join([str(tmp_path / "trap"), *filter(None, sys.path)])
    environment = {
        **os.environ, "PYTHONPATH": path, "HOME": "/nonexistent", "KAGGLE_USERNAME": "ada", "KAGGLE_KEY": KEY,
    }  # fmt: skip
    commands = (
        ["list"], ["doctor"], ["ledger"], ["validate", "digits", small_run.submission, "--data", digits],
        ["run", "digits", "--data", digits, "--limit", 200, "--epochs", 1, "--folds", 2, "--width", 4, "--quiet"],
        ["predict", small_run.path, "--data", digits, "--out", "out"], ["kernel", "build", "digits", "--run", small_run.path],
    )  # fmt: skip
    program = (
        "import os, sys; from kit.cli.app import main\n"
        f"for words in {[list(map(str, words)) for words in commands]!r}:\n"
        "    code = main(words); print('did', words[0], code, os.path.exists('imported'))"
    )
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=240)
    did = [line for line in done.stdout.splitlines() if line.startswith("did ")]
    assert did == [f"did {words[0]} 0 False" for words in commands], done.stderr
    assert KEY not in done.stdout + done.stderr
    assert not [path for path in Path("runs").rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    done = command("download", "mnist", env=environment)
    assert done.returncode == 69 and Path("imported").exists() and "trapped" in done.stderr
