"""Rehearsal: a good kernel is called good, and nothing that would fail on Kaggle is."""

import json
import shutil
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import kit
from kit import competition as competitions
from kit.cli.app import main
from kit.competition import synthetic
from kit.kaggle import hidden_test, kernel, rehearsal

GOOD = """
import os, pathlib, shutil
mount = pathlib.Path(os.environ["KIT_MOUNT"])
there = next(path for path in (mount / "competitions/digits", mount / "digits") if path.exists())
shutil.copyfile(there / "sample_submission.csv", "submission.csv")
"""


@pytest.fixture
def written(digits: Path) -> kernel.Built:
    """A kernel's folder whose code a test writes."""
    built = kernel.build("digits", preset="fast")
    built.code.write_text(GOOD)
    return built


def rehearsed(built: kernel.Built, digits: Path, code: str = "", **words: object) -> rehearsal.Showing:
    """The first of a kernel's rehearsals, of GOOD and some code after it."""
    built.code.write_text(GOOD + textwrap.dedent(code))
    return rehearsal.rehearse("digits", digits, folder=built.folder, **{"layouts": ("new",), **words})[0]


def test_a_run_predicts_in_its_kernel_as_it_did_here(digits: Path, small_run: kit.Run) -> None:
    """Both layouts and a hidden test set: a fresh process, no network, no home, and the kit out of the file."""
    kernel.build("digits", small_run)
    done = rehearsal.rehearse("digits", digits, rerun=True)
    assert [(one.about, one.rows, one.faults) for one in done] == [
        ("new layout", 360, []),
        ("old layout", 360, []),
        ("old layout, hidden test set", 540, []),
    ]
    assert [one.notes for one in done[:2]] == [["predictions and submission are the local run's, byte for byte"]] * 2
    assert done[2].notes[0].startswith("each hidden row is answered as its known twin")
    assert all(one.memory > 1e8 and one.seconds > 1 for one in done)


def test_a_run_of_a_gpu_is_compared_within_what_is_said(small_run: kit.Run, tmp_path: Path) -> None:
    shutil.copytree(small_run.path, tmp_path / "run")
    local, made = kit.load(tmp_path / "run"), tmp_path / "run/submission.csv"
    predicted, span = local.test.copy(), float(np.ptp(local.test.to_numpy()))
    for device, apart, faults in (("cpu, 2 threads, bf16", 0.03, 1), ("Tesla T4, fp16", 0.03, 0), ("Tesla T4, fp16", 0.3, 1)):
        predicted.iloc[3, 2] = local.test.iloc[3, 2] + apart * span
        predicted.to_csv(tmp_path / "test.csv")
        local.note(device=device)
        showing = rehearsal.Showing("here")
        rehearsal.compare_same_rows(showing, local, tmp_path / "test.csv", made)
        assert len(showing.faults) == faults
        assert faults or "it was predicted on a GPU, and 0.05 is allowed" in showing.notes[0]


def test_a_notebook_trains_to_the_bytes_of_the_run(
    digits: Path, small_run: kit.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["kernel", "build", "digits", "--run", str(small_run.path), "--train", "--notebook"]) == 0
    assert main(["kernel", "rehearse", "digits", "--data", str(digits)]) == 0
    said = capsys.readouterr().out
    assert "byte for byte" in said and "The kernel can be pushed: runs/digits/kernel" in said


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("raise SystemExit('out of ideas')", "the kernel ended with 1: out of ideas"),
        ("os.remove('submission.csv')", "no submission.csv"),
        ("pathlib.Path('submission.csv').write_text('ImageId,Label\\n1,2\\n')", "the id '2' is missing"),
        ("(there / 'new.csv').write_text('x')", "read-only file system"),
        ("os.remove(there / 'train.csv')", "read-only file system"),
        ("(pathlib.Path.home() / '.cache').mkdir()", "Not a directory"),
    ],
)
def test_a_kernel_that_would_fail_is_not_called_good(written: kernel.Built, digits: Path, code: str, fault: str) -> None:
    one = rehearsed(written, digits, code)
    assert any(fault in line for line in one.faults), one.faults
    assert (digits / "train.csv").exists()


@pytest.mark.parametrize(
    "call",
    [
        "socket.create_connection(('127.0.0.1', 80), 1)",
        "socket.getaddrinfo('example.org', 80)",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 53))",
        "subprocess.run([sys.executable, '-c', 'import socket; socket.create_connection((chr(49) * 2, 80))'])",
    ],
)
def test_a_kernel_that_tries_the_network_is_not_called_good(written: kernel.Built, digits: Path, call: str) -> None:
    one = rehearsed(
        written, digits, f"import contextlib, socket, subprocess, sys\nwith contextlib.suppress(OSError):\n    {call}"
    )
    assert any(line.startswith("network: socket.") for line in one.faults)


def test_a_kernel_sees_batch_mode_no_credentials_and_no_kit_of_ours(
    written: kernel.Built, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_KEY", "planted")
    code = """
    assert os.environ["KAGGLE_KERNEL_RUN_TYPE"] == "Batch" and "KAGGLE_KEY" not in os.environ
    assert not pathlib.Path.home().is_dir() and os.listdir() == ["submission.csv"]
    assert "KAGGLE_IS_COMPETITION_RERUN" not in os.environ
    """
    assert rehearsed(written, digits, code).faults == []
    rerun = rehearsal.rehearse("digits", digits, ("old",), rerun=True, folder=written.folder)
    assert "KAGGLE_IS_COMPETITION_RERUN" not in rerun[0].about and any("AssertionError" in line for line in rerun[1].faults)


def test_what_differs_from_the_local_run_is_a_fault(digits: Path, small_run: kit.Run) -> None:
    built = kernel.build("digits", small_run)
    moved = small_run.test + np.float32(0.01)
    code = f"""
    os.mkdir("predict")
    pathlib.Path("predict/test.csv").write_text({moved.to_csv()!r})
    """
    assert any("differ from the local run's by up to" in line for line in rehearsed(built, digits, code).faults)


def test_time_and_rows_are_extrapolated() -> None:
    shown = [rehearsal.Showing("new layout", 1000, 20.0, 1e9), rehearsal.Showing("hidden", 3000, 30.0, 1e9)]
    text = "\n".join(rehearsal.verdict(shown, code=True, asked=101_000))
    assert "5.00 ms a row more: 9 h are enough for about 6,480,000 rows" in text
    assert "101,000 rows would take about 8:40" in text


SHAPES = {
    "pictures by a table": 'inputs=Images("images/{id}.png"), labels=OneOf("x", ("a", "b")), metric=accuracy',
    "pictures without a table": 'inputs=Images("train/{id}.jpg", test="test/{id}.jpg"), labels=OneOf("x", ("a", "b")), '
    'metric=accuracy, test=""',
    "pixels": 'inputs=Pixels(side=8, top=16), labels=OneOf("x", ("a", "b")), metric=accuracy',
    "texts": 'inputs=Text("review", delimiter="\\t", escape="\\\\"), labels=Columns(("x",)), metric=auc',
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_hidden_test_set_asks_for_the_same_rows_under_other_ids(shape: str, tmp_path: Path) -> None:
    names = "Images, Pixels, Text"
    (tmp_path / "one.py").write_text(
        f"from kit.competition import Competition\nfrom kit.inputs import {names}\nfrom kit.labels import Columns, OneOf\n"
        f"from kit.metrics import *\ncompetition = Competition(slug='one', id='id', {SHAPES[shape]})\n"
    )
    facts = competitions.load(str(tmp_path / "one.py")).competition
    synthetic.fabricate(facts, tmp_path / "data", train=12, test=9)
    known = hidden_test.lay_out(facts, tmp_path / "data", tmp_path / "hidden")
    old, new = facts.tables(tmp_path / "data"), facts.tables(tmp_path / "hidden")
    assert len(new.sample) == 14 and list(new.sample.index) == list(known.index)
    assert set(known) == set(old.sample.index)
    if shape != "pixels":  # its ids are positions
        assert set(new.sample.index).isdisjoint(old.sample.index)
    pd.testing.assert_frame_equal(new.train, old.train)
    rows = [facts.inputs.load(tmp_path / "data", old.test.loc[list(known)], "test", 0).rows]
    rows += [facts.inputs.load(tmp_path / "hidden", new.test.loc[list(known.index)], "test", 0).rows]
    assert [np.asarray(one).tolist() for one in rows[0]] == [np.asarray(one).tolist() for one in rows[1]]


def test_a_hidden_test_set_of_an_odd_competition_is_refused(tmp_path: Path) -> None:
    with pytest.raises(kit.Usage, match="reads its test set in its own way"):
        hidden_test.lay_out(competitions.load("folders").competition, tmp_path, tmp_path / "out")


def test_the_json_says_the_same(written: kernel.Built, digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernel", "rehearse", "digits", "--data", str(digits), "--json", "--mount", "old"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["rehearsals"]
    assert (one["rows"], one["faults"]) == (360, [])
