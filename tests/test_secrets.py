"""Secrets: a planted key or token is found nowhere, and only what needs the network starts Kaggle's client."""

import os
import sys
from pathlib import Path

from conftest import command
from loopback import KEY, Loopback

import kit


def test_the_token_is_in_no_output_and_the_client_prints_nothing(kaggle: Loopback, tmp_path: Path) -> None:
    kaggle.files = {"a.csv": b"a"}
    for faults in ({}, {"ListDataFiles": [500] * 9}, {"GET": [403] * 9}):
        kaggle.faults = faults
        done = command(
            "download", "mnist", "--out", tmp_path / f"d{len(faults)}", "--debug", env={**os.environ, "VERBOSE": "1"}
        )
        said = done.stdout + done.stderr
        assert KEY not in said and "secret" not in said and "Request" not in done.stdout


def test_only_the_commands_of_the_network_import_the_client(tmp_path: Path, digits: Path, small_run: kit.Run) -> None:
    (tmp_path / "trap" / "kaggle").mkdir(parents=True)
    (tmp_path / "trap" / "kaggle" / "__init__.py").write_text("open('imported', 'w').close()\nraise ImportError('trapped')\n")
    path = os.pathsep.join([str(tmp_path / "trap"), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": path, "KAGGLE_USERNAME": "ada", "KAGGLE_KEY": KEY}
    for words in (
        ["list"], ["doctor"], ["ledger"], ["validate", "digits", small_run.submission, "--data", digits],
        ["run", "digits", "--data", digits, "--limit", 200, "--epochs", 1, "--folds", 2, "--width", 4, "--quiet"],
        ["predict", small_run.path, "--data", digits, "--out", "out"], ["kernel", "build", "digits", "--run", small_run.path],
    ):  # fmt: skip
        done = command(*words, env=environment)
        assert done.returncode == 0 and KEY not in done.stdout + done.stderr
        assert not Path("imported").exists(), words
    assert not [path for path in Path("runs").rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    done = command("download", "mnist", env=environment)
    assert done.returncode == 69 and Path("imported").exists() and "trapped" in done.stderr
