"""Folds side by side: the same bytes as one after another; nothing is lost, and nobody is left behind, however it ends."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from conftest import SMALL, command, flags, warm

import kit
from kit import resources
from kit.config import Config
from kit.pipeline import parallel
from kit.pipeline.plan import planned
from kit.pipeline.preparation import Work
from kit.pipeline.processes.children import Children
from kit.pipeline.processes.order import LONGEST, SAVING, grace
from kit.pipeline.run import working
from kit.pipeline.task import Task
from kit.storage import run_lifecycle
from kit.training.deadline import Budget

pytestmark = pytest.mark.usefixtures("one_thread")
RESULTS = ("oof.csv", "test.csv", "submission.csv", "folds.csv")
LONG = {**SMALL, "epochs": 4000, "folds": 2, "snapshot": 0.5}


def training(digits: Path, out: Path) -> tuple[BaseProcess, list[int]]:
    """A run whose two folds are being trained side by side, and the two processes that do it."""
    process = warm("run", "digits", "--data", digits, "--out", out, "--jobs", 2, *flags(LONG))
    until(lambda: all(list(out.glob(f"fold{k}/snapshot-*")) for k in (0, 1)) or not process.is_alive(), 120)
    (server,) = children(process.pid or 0)
    assert len(children(server)) == 2
    return process, children(server)


def children(parent: int) -> list[int]:
    """The processes that a process has started."""
    return [int(pid) for task in Path(f"/proc/{parent}/task").iterdir() for pid in (task / "children").read_text().split()]


def alive(pids: list[int]) -> list[int]:
    """Those of these processes that have not ended."""
    found = []
    for pid in pids:
        with contextlib.suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            found += [pid] if state != "Z" else []
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
    knobs = SMALL | {"final": "both", "folds": 2, "seeds": 2}
    alone = kit.run("digits", digits, out=tmp_path / "alone", quiet=True, **knobs)
    side = kit.run("digits", digits, out=tmp_path / "side", jobs=2, **knobs)
    said = capfd.readouterr().err
    assert all(f"2 {what} at a time, each in a process of its own" in said for what in ("folds", "refits"))
    assert all(
        f"fold {k} of 2{of}  epoch 2/2" in said for k in range(2) for of in ("", ", seed 1")
    )  # what each says is passed on
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
    process, helpers = training(digits, out)
    assert process.pid
    began = time.monotonic()
    os.kill(process.pid, sent)
    process.join(30)
    assert process.exitcode == (143 if sent == signal.SIGTERM else -9)
    until(lambda: not alive(helpers), 15)
    assert time.monotonic() - began < 15
    kept = {path.parent.name for path in out.glob("fold*/snapshot-*")}
    assert kept == {"fold0", "fold1"} and not (out / "submission.csv").exists()
    run = kit.run("digits", digits, out=out, quiet=True, **LONG, time_budget=4)
    history = (run.fold(0) / "history.csv").read_text().splitlines()
    assert run.complete and len(history) > 2


@pytest.mark.slow
def test_the_death_of_one_is_named_and_ends_the_other_with_its_state_saved(digits: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process, helpers = training(digits, out)
    os.kill(helpers[0], signal.SIGKILL)
    process.join(30)
    said = Path("said").read_text()
    assert process.exitcode == 1
    assert "the process was killed (signal 9). Was the memory too small? See --jobs 1.\nWhat is finished is kept" in said
    assert "Traceback" not in said and not alive(helpers)
    assert json.loads((out / "run.json").read_text())["status"] == "failed"


@pytest.mark.slow
def test_without_the_process_that_starts_them_all_end_with_their_state_saved(digits: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process, helpers = training(digits, out)
    os.kill(children(process.pid or 0)[0], signal.SIGKILL)
    process.join(30)
    assert process.exitcode == 1 and "the process that starts the others: the process was killed" in Path("said").read_text()
    until(lambda: not alive(helpers), 15)
    assert {path.parent.name for path in out.glob("fold*/snapshot-*")} == {"fold0", "fold1"}


@pytest.mark.slow
def test_who_is_killed_before_the_first_child_is_there_leaves_nobody_behind(digits: Path, tmp_path: Path) -> None:
    process = warm("run", "digits", "--data", digits, "--out", tmp_path / "run", "--jobs", 2, *flags(LONG))
    until(lambda: bool(servers(process.pid or 0)), 120)
    (server,) = servers(process.pid or 0)
    until(lambda: "libtorch" in Path(f"/proc/{server}/maps").read_text(), 120)  # it imports, and sees no pipe for seconds
    process.kill()
    process.join()
    until(lambda: not alive([server]), 1)


def servers(parent: int) -> list[int]:
    """The fork servers among the processes that a process has started."""
    return [pid for pid in children(parent) if b"kit.pipeline.processes.server" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_no_standard_input_is_needed(digits: Path, tmp_path: Path, small_run: kit.Run) -> None:
    words = ["run", "digits", "--data", digits, "--out", tmp_path / "run", "--jobs", 2, *flags(SMALL)]
    done = command(*words, stdin=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "oof.csv").read_bytes() == (small_run.path / "oof.csv").read_bytes()


def look(work: Work, place: str) -> None:
    """A task: write down how a process finds itself."""
    import torch

    rollup = Path("/proc/self/smaps_rollup").read_text().splitlines()
    private = sum(int(line.split()[1]) for line in rollup if line.startswith("Private"))
    seen = {"threads": torch.get_num_threads(), "workers": work.config.workers, "cuda": torch.cuda.is_initialized()}
    seen |= {"began": time.monotonic(), "private": private / 1024, "gpu": os.environ.get("CUDA_VISIBLE_DEVICES")}
    Path(place).write_text(json.dumps(seen))


def test_a_child_is_ready_at_once_with_its_share_of_the_machine(digits: Path, tmp_path: Path) -> None:
    torch.set_num_threads(4)
    plan = planned("digits", digits, "fast", SMALL | {"jobs": 2})
    target = kit.Run(tmp_path / "run")
    run_lifecycle.start(target, plan.known, plan.origins, plan.preset, plan.root)
    found: list[dict[str, float]] = []
    with working(target, plan, [], True, Budget(0.0, 0.0)) as work, Children(work, 2) as processes:
        for number in range(2):
            ordered = time.monotonic()
            processes.start(Task("a look", look, (str(tmp_path / "seen"),), tmp_path, "seen"), 0.0)
            processes.wait()
            found.append(json.loads((tmp_path / "seen").read_text()) | {"after": 0.0})
            found[number]["after"] = found[number]["began"] - ordered
    ready = found[1]  # the first waits for the server's imports
    assert ready["after"] < 1.0 and ready["private"] < 60
    assert (ready["threads"], ready["cuda"], ready["gpu"]) == (2, False, None)
    assert ready["workers"] == max(1, resources.core_count() // 2)


def test_more_time_is_given_to_who_writes_more(tmp_path: Path) -> None:
    assert grace(tmp_path) == SAVING
    (tmp_path / "snapshot-1-0.pt").touch()
    os.truncate(tmp_path / "snapshot-1-0.pt", 1 << 30)  # a hole: no disk is filled
    assert SAVING + 50 < grace(tmp_path) < SAVING + 60
    (tmp_path / ".tmp-1-snapshot").touch()
    os.truncate(tmp_path / ".tmp-1-snapshot", 1 << 40)
    assert grace(tmp_path) == LONGEST


def test_what_a_fold_dies_of_is_said_once(digits: Path, tmp_path: Path) -> None:
    with pytest.raises(kit.Diverged, match=r"^fold \d of 3, epoch 1, step \d: the loss is nan. Try a lower --lr") as found:
        kit.run("digits", digits, out=tmp_path / "run", quiet=True, jobs=2, **SMALL | {"lr": 1e38, "ema": 0.0})
    assert len(str(found.value).splitlines()) == 1


@pytest.mark.slow
def test_a_time_budget_begins_before_the_processes_do(digits: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    run = kit.run("digits", digits, out=tmp_path / "run", quiet=True, jobs=2, time_budget=25, **LONG)
    assert run.complete and time.monotonic() - began < 27


def test_there_is_one_place_for_a_fold_on_a_cpu_unless_more_are_asked_for() -> None:
    assert parallel.places(Config(devices="cpu")) == 1
    assert parallel.places(Config(devices="cpu", jobs=3)) == 3
