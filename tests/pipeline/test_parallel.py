"""Folds side by side: the same bytes as one after another; nothing is lost, and nobody is left behind, however it ends."""

import json
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from conftest import SMALL, flags, warm

import kit
from kit.config import Config
from kit.pipeline import parallel

pytestmark = pytest.mark.usefixtures("one_thread")
RESULTS = ("oof.csv", "test.csv", "submission.csv", "folds.csv")
LONG = {**SMALL, "epochs": 400, "folds": 2, "snapshot": 0.5}


def training(digits: Path, out: Path) -> BaseProcess:
    """A run whose two folds are being trained side by side."""
    process = warm("run", "digits", "--data", digits, "--out", out, "--jobs", 2, *flags(LONG))
    until(lambda: all(list(out.glob(f"fold{k}/snapshot-*")) for k in (0, 1)) or not process.is_alive(), 120)
    assert len(helpers(out)) == 2
    return process


def helpers(out: Path) -> list[int]:
    """The processes that train folds of this run."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"kit.pipeline.parallel" in words and str(out).encode() in words:
            found.append(int(place.parent.name))
    return found


def until(what: Callable[[], bool], seconds: float) -> None:
    """Wait until it holds."""
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.05)
    assert what()


def test_two_at_a_time_give_the_bytes_of_one_after_another(
    digits: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    knobs = SMALL | {"final": "both"}
    alone = kit.run("digits", digits, out=tmp_path / "alone", quiet=True, **knobs)
    side = kit.run("digits", digits, out=tmp_path / "side", jobs=2, **knobs)
    said = capfd.readouterr().err
    assert "2 folds at a time, each in a process of its own" in said
    assert all(f"fold {k} of 3  epoch 2/2" in said for k in range(3))  # what each says is passed on
    for name in RESULTS:
        assert (alone.path / name).read_bytes() == (side.path / name).read_bytes()
    one, other = ({key: run.scores[key] for key in run.scores if key != "seconds"} for run in (alone, side))
    assert one == other
    assert kit.run("digits", digits, out=tmp_path / "side", quiet=True, **knobs).complete  # how many is no part of a run


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_who_is_stopped_takes_the_others_along_and_the_state_is_saved(
    sent: signal.Signals, digits: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    process = training(digits, out)
    assert process.pid
    began = time.monotonic()
    os.kill(process.pid, sent)
    process.join(30)
    assert process.exitcode == (143 if sent == signal.SIGTERM else -9)
    until(lambda: not helpers(out), 15)
    assert time.monotonic() - began < 15
    kept = {path.parent.name for path in out.glob("fold*/snapshot-*")}
    assert kept == {"fold0", "fold1"} and not (out / "submission.csv").exists()
    run = kit.run("digits", digits, out=out, quiet=True, **LONG, time_budget=4)
    history = (run.fold(0) / "history.csv").read_text().splitlines()
    assert run.complete and len(history) > 2


@pytest.mark.slow
def test_the_death_of_one_is_named_and_ends_the_other_with_its_state_saved(digits: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = training(digits, out)
    os.kill(helpers(out)[0], signal.SIGKILL)
    process.join(30)
    said = Path("said").read_text()
    assert process.exitcode == 1
    assert "the process was killed (signal 9). Was the memory too small? See --jobs 1.\nWhat is finished is kept" in said
    assert "Traceback" not in said and not helpers(out)
    assert json.loads((out / "run.json").read_text())["status"] == "failed"


def test_what_a_fold_dies_of_is_said_once(digits: Path, tmp_path: Path) -> None:
    with pytest.raises(kit.Diverged, match=r"^fold \d of 3, epoch 1, step \d: the loss is nan. Try a lower --lr") as found:
        kit.run("digits", digits, out=tmp_path / "run", quiet=True, jobs=2, **SMALL | {"lr": 1e38, "ema": 0.0})
    assert len(str(found.value).splitlines()) == 1


def test_there_is_one_place_for_a_fold_on_a_cpu_unless_more_are_asked_for() -> None:
    assert parallel.places(Config(devices="cpu")) == 1
    assert parallel.places(Config(devices="cpu", jobs=3)) == 3
