"""The console: nothing that is printed can steer a terminal, and all that is printed passes one module."""

from __future__ import annotations

import ast
import sys
import types
from pathlib import Path

import pytest

from kit import console

ROOT = Path(__file__).parent.parent
HOSTILE = "a\x1b[2K\rsubmission accepted\x9b1m\u202egpj.exe\x07\udcff\x00"


def test_what_would_steer_a_terminal_is_written_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    console.output(HOSTILE)
    console.say(HOSTILE)
    console.fail(HOSTILE)
    console.Progress().say(HOSTILE)
    console.output(console.table([HOSTILE, "b"], [[HOSTILE, "1"]]))
    shown = "".join(capsys.readouterr())
    assert not console.STEERING.search(shown)
    assert shown.count(r"a\x1b[2K\rsubmission accepted\x9b1m\u202egpj.exe\x07\udcff\x00") == 6


def test_a_name_with_a_line_break_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("left out: 1\nsubmission accepted.jpg")
    assert console.table(["run"], [["fast\nbest"]]).count("\n") == 1
    assert capsys.readouterr().err == "left out: 1\\nsubmission accepted.jpg\n"


def test_letters_of_all_languages_stay_as_they_are() -> None:
    text = "Größe 画像 ✓ 😀 עברית\tx\ny"
    assert console.printable(text) == text


def test_only_the_console_prints() -> None:
    """But for the process of Kaggle's client, which talks to the kit by JSON on its stdout."""
    elsewhere = [
        path
        for path in (ROOT / "kit").rglob("*.py")
        if path.parts[-2:] not in (("kit", "console.py"), ("client", "process.py"))
    ]
    assert len(elsewhere) > 200
    assert [str(path) for path in elsewhere if prints(path)] == []
    assert prints(ROOT / "kit" / "console.py")


def prints(path: Path) -> list[int]:
    """The lines of a module that print."""
    calls = [one for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.Call)]
    return [one.lineno for one in calls if ast.unparse(one.func) in ("print", "sys.stdout.write", "sys.stderr.write")]


def test_a_notebook_gets_a_bar_and_a_pipe_gets_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = console.Progress(100)
    assert lines.bar is None
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    bar = console.Progress(100)
    bar.batch(50, 0, 1)
    bar.epoch(0, 1, {"loss": 0.5})
    assert bar.bar is not None and bar.bar.n == 50
    bar.close()
    assert console.Progress(100, quiet=True).bar is None


def test_each_fold_has_a_bar_that_stays_and_no_line_breaks_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    run = console.Progress(300)
    for number, score in enumerate((0.5, 0.7)):
        run.fold(f"fold {number}", skipped=40 * number, rows=150)
        run.batch(150 - 40 * number, 0, 1)
        console.say("a line from elsewhere")
        run.scored("accuracy", score)
    assert run.done == 300
    run.close()
    shown = [line.rpartition("\r")[2].rstrip() for line in capsys.readouterr().err.split("\n")]
    assert [line for line in shown if "line" in line] == ["a line from elsewhere"] * 2
    bars = [line for line in shown if "100%" in line]
    assert len(bars) == 2 and bars[0].endswith("accuracy 0.50000") and bars[1].endswith("accuracy 0.70000  mean 0.60000")
    console.say("after it")
    assert capsys.readouterr().err == "after it\n"


def test_a_bar_that_gives_way_to_that_of_a_fold_is_not_left_as_a_failed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "in_notebook", lambda: True)
    progress = console.Progress(100)
    first = progress.bar
    progress.fold("fold 0", rows=50)
    assert first.total == first.n == 0
    progress.batch(30, 0, 1)
    second = progress.bar
    progress.close()
    assert (second.total, second.n) == (50, 30)  # a fold that was interrupted shows how far it came
