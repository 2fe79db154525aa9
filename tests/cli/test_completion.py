"""Completion: a real bash completes commands, competitions, runs and values, soon, and without what is heavy."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_cli import children_seconds

from kit.cli import app, completion

pytest.importorskip("argcomplete")
BASH = shutil.which("bash")


def completed(line: str) -> list[str]:
    """What is offered at the end of a line, as argcomplete's function in the shell asks for it."""
    asked = {
        "_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_SHELL": "bash", "_ARGCOMPLETE_STDOUT_FILENAME": "offered",
    }  # fmt: skip
    code = "import sys; from kit.__main__ import enter; enter()"
    subprocess.run([sys.executable, "-W", "error", "-c", code], env={**os.environ, **asked}, timeout=60, check=True)
    return [word.strip() for word in Path("offered").read_text().splitlines()]


def test_what_is_offered_fits_its_place() -> None:
    Path("runs/digits/fast").mkdir(parents=True)
    Path("runs/digits/fast/run.json").write_text("{}")
    Path("competitions").mkdir()
    Path("competitions/mine.py").write_text("raise SystemExit('is not executed')")
    assert completed("kit ru") == ["run"]
    assert completed("kit run mi") == ["mine"]
    assert {"digits", "mnist", "mine"} <= set(completed("kit run "))
    assert completed("kit run digits --augment m") == ["medium", "mixup"]
    assert completed("kit run digits --ngr") == []  # it changes nothing for a convnet
    assert completed("kit report ") == ["runs/digits/fast"]
    assert completed("kit explain layer") == ["layer-decay"]
    assert completed("kit kernel re") == ["rehearse"]


def test_completion_is_instant_and_loads_nothing_heavy() -> None:
    began = children_seconds()
    completed("kit ru")
    assert children_seconds() - began < 1  # 0.1 s: with torch it would take several
    heavy = "{'torch', 'numpy', 'pandas'}"
    code = f"import sys, kit.cli.completion as c; c.competitions(), c.knobs(); print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.skipif(BASH is None, reason="there is no bash")
def test_a_real_bash_completes_at_the_key() -> None:
    """`kit ru<TAB>dig<TAB>` is `kit run digits`, on a terminal, by what the documentation tells to put into ~/.bashrc."""
    Path("bin").mkdir()
    Path("bin/kit").write_text(f'#!/bin/sh\nexec {sys.executable} -m kit "$@"\n')
    Path("bin/kit").chmod(0o755)
    path = f"{Path('bin').resolve()}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    rc = 'PS1="> "; bind "set enable-bracketed-paste off"; eval "$(register-python-argcomplete kit)"\n'
    Path("rc").write_text(rc)
    child, terminal = pty.fork()
    if child == 0:
        os.execve(str(BASH), ["bash", "--noprofile", "--rcfile", "rc", "-i"], {**os.environ, "PATH": path, "TERM": "dumb"})
    try:
        read(terminal, "> ")
        os.write(terminal, b"kit ru\t")
        assert "kit run " in read(terminal, "kit run ")
        os.write(terminal, b"dig\t")
        assert "digits " in read(terminal, "digits ")
    finally:
        os.close(terminal)
        os.waitpid(child, 0)


def read(terminal: int, wanted: str) -> str:
    """What a terminal shows until it shows these words, for a minute at most."""
    shown, until = "", time.monotonic() + 60
    while wanted not in shown and time.monotonic() < until:
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 4096).decode(errors="replace")
    return shown


def test_without_the_library_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "argcomplete", None)
    monkeypatch.setenv(completion.ASKED, "1")
    assert app.main(["list"]) == 2
    assert "pip install argcomplete" in capsys.readouterr().err
