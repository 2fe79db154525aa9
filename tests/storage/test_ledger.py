"""Ledger: nothing is lost to kills or a second writer, and what it advises follows from what it holds."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import spearmanr

import kit
from kit.cli.app import main
from kit.storage import ledger
from kit.storage.ledger import Row

WRITER = """
import sys
from kit.storage import ledger
for i in range(int(sys.argv[2])):
    ledger.add("note", writer=sys.argv[1], number=i, long="x" * 3000)
"""


def writer(name: str, count: int) -> subprocess.Popen[bytes]:
    """A process that adds entries."""
    return subprocess.Popen([sys.executable, "-c", WRITER, name, str(count)])


def run_entry(name: str, cv: float, **facts: object) -> None:
    """Note a run that nobody trained."""
    known = {"metric": "accuracy", "higher_is_better": True, "std": 0.01, "folds": 5, "seconds": 61.0, "commit": "abc"}
    ledger.add(
        "run", **{"competition": "digits", "run": f"runs/digits/{name}", "cv": cv, "config": {"lr": 1}, **known, **facts}
    )


def sent(ref: int, run: str | None, public: object = None, private: object = None, status: str = "COMPLETE") -> None:
    """Note a submission and its score."""
    ledger.add("submission", competition="digits", ref=ref, run=run and f"runs/digits/{run}", message=f"m{ref}")
    ledger.add("score", ref=ref, status=status, public=public, private=private, reason="")


def test_two_writers_never_mix() -> None:
    writers = [writer("a", 150), writer("b", 150)]
    assert [one.wait(60) for one in writers] == [0, 0]
    found, broken = ledger.entries()
    assert broken == 0 and len(found) == 300
    for name in "ab":
        assert [one["number"] for one in found if one["writer"] == name] == list(range(150))


def test_a_killed_writer_costs_nobody_else_a_line() -> None:
    for i in range(4):
        process = writer(f"killed{i}", 100000)
        while not ledger.PLACE.exists() or f'"killed{i}"' not in ledger.PLACE.read_text():
            time.sleep(0.01)
        time.sleep(0.02 * i)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with ledger.PLACE.open("ab") as file:
        file.write(b'{"kind": "run", "time": "half a li')  # what a kill in the middle of a write leaves
    before, halves = ledger.entries()
    assert halves >= 1  # a kill may have cut a line of its own
    ledger.add("note", after=True)
    found, broken = ledger.entries()
    assert (len(found), broken, found[-1]["after"]) == (len(before) + 1, halves, True)


def test_what_is_there_is_never_changed() -> None:
    run_entry("a", 0.9)
    before = ledger.PLACE.read_bytes()
    sent(1, "a", "0.8")
    assert ledger.PLACE.read_bytes().startswith(before)


def test_every_complete_run_is_noted_and_a_full_disk_breaks_no_run(
    digits: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    knobs = {"epochs": 1, "folds": 2, "width": 4, "limit": 100}
    run = kit.run("digits", digits, run_name="noted", quiet=True, **knobs)
    (row,) = ledger.rows("digits")
    assert (row.run["run"], row.cv, row.run["config"]["width"]) == ("runs/digits/noted", run.scores["oof"], 4)
    assert row.run["seconds"] == run.scores["seconds"]["total"] and row.run["std"] == run.scores["std"]
    monkeypatch.setattr(ledger, "PLACE", Path("/dev/full"))
    assert kit.run("digits", digits, out=tmp_path / "other", quiet=True, **knobs).complete


def test_rows_hold_runs_with_their_submissions_and_what_changed() -> None:
    run_entry("a", 0.90)
    run_entry("b", 0.91, config={"lr": 2})
    sent(1, "a", "0.89", "0.88")
    sent(2, "a", "0.87")
    sent(3, None, "0.5")
    run_entry("other", 0.1, competition="mnist")
    rows = ledger.rows("digits")
    assert [(row.name, row.ref, row.cv, row.public, row.private, row.changed) for row in rows] == [
        ("a", 1, 0.90, 0.89, 0.88, ""),
        ("b", 0, 0.91, None, None, "lr: 1 → 2 (from a)"),
        ("a", 2, 0.90, 0.87, None, ""),
        ("m3", 3, None, 0.5, None, ""),
    ]
    assert len(ledger.rows()) == 5


def test_a_run_comes_from_the_nearest_earlier_one() -> None:
    for name, config in (
        ("a", {"lr": 1, "epochs": 3}),
        ("far", {"lr": 2, "epochs": 9, "width": 64}),
        ("b", {"lr": 1, "epochs": 4}),
        ("c", {"lr": 2, "epochs": 9, "width": 48}),
        ("d", {"lr": 1, "epochs": 3, "jobs": 2}),
        ("e", {"lr": 2, "epochs": 4}),
    ):
        run_entry(name, 0.9, config=config)
    assert [row.changed for row in ledger.rows()] == [
        "",
        "width: 32 → 64; epochs: 3 → 9; lr: 1 → 2 (from a)",
        "epochs: 3 → 4 (from a)",
        "width: 64 → 48 (from far)",
        "",
        "lr: 1 → 2 (from b)",
    ]


def test_a_run_done_again_replaces_the_one_that_was_not_sent() -> None:
    run_entry("a", 0.1)
    run_entry("a", 0.2)
    sent(1, "a", "0.3")
    run_entry("a", 0.4)
    assert [(row.cv, row.public) for row in ledger.rows()] == [(0.2, 0.3), (0.4, None)]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=12))
def test_the_correlation_is_spearmans(points: list[tuple[int, int]]) -> None:
    rows = [Row("x", "", {"run": "r", "cv": cv, "std": 0, "folds": 5}, 1, public=public) for cv, public in points]
    if len({x for x, _ in points}) == 1 or len({y for _, y in points}) == 1:
        assert ledger.correlation(rows) is None
    else:
        assert ledger.correlation(rows) == pytest.approx(spearmanr(*zip(*points, strict=True)).statistic)


def test_best_cv_and_best_public_score_are_selected_whichever_way_is_better() -> None:
    for sign in (1, -1):
        ledger.PLACE.unlink(missing_ok=True)
        for ref, cv, public in ((1, 5, 1), (2, 4, 3), (3, 3, 2)):
            run_entry(f"r{ref}", sign * cv, higher_is_better=sign > 0)
            sent(ref, f"r{ref}", str(sign * public))
        sent(4, "r1", status="ERROR")
        assert [row.ref for row, _ in ledger.select(ledger.rows())] == [1, 2]


def test_without_cv_the_two_best_public_scores_are_selected() -> None:
    for ref in (1, 2, 3):
        sent(ref, None, f"0.{ref}")
    assert [row.ref for row, _ in ledger.select(ledger.rows())] == [3, 2]


def test_the_table_the_advice_and_the_picture(capsys: pytest.CaptureFixture[str]) -> None:
    for ref, cv in enumerate((0.95, 0.93, 0.97, 0.96), start=1):
        run_entry(f"r{ref}", cv)
        sent(ref, f"r{ref}", f"{cv - 0.01}")
    assert main(["ledger", "digits"]) == 0
    said = capsys.readouterr().out
    assert "rank correlation of CV and public score  1.00  (4 submissions)" in said
    assert "select  r3 (3): best CV" in said and "select  r4 (4): best public score of the others" in said
    from PIL import Image

    with Image.open("runs/digits/ledger.png") as picture:
        red, _, blue = np.asarray(picture.convert("RGB"), int).reshape(-1, 3).T
        assert picture.size == (960, 720)
    assert (blue - red > 60).sum() > 4 * 100  # four filled points and their error bars
    assert main(["ledger", "--json"]) == 0
    (facts,) = json.loads(capsys.readouterr().out)["competitions"]
    assert facts["select"][0]["ref"] == 3 and len(facts["rows"]) == 4


def test_a_competition_without_entries_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger"]) == 0
    assert main(["ledger", "digits"]) == 2
    assert "does not contain a run or submission of digits" in capsys.readouterr().err


def test_a_ledger_that_cannot_be_written_is_a_disk_error(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("runs").write_text("in the way")
    with pytest.raises(kit.DiskError):
        ledger.add("note")
    assert [path.name for path in Path().iterdir()] == ["runs"]
