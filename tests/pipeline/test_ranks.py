"""Ranks: two processes that train each fold together give the bytes of one with `--accumulate 2`; nobody hangs, one writes."""

import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import flags, warm

import kit
from kit.config import Config
from kit.errors import Usage
from kit.models import families
from kit.parts import NONE
from kit.pipeline.clusters.ranks import Ranks
from kit.storage.run_folder import read_json
from kit.training.ranks.group import own_gpu
from kit.training.state import in_turn

pytestmark = pytest.mark.usefixtures("one_thread")
ADAPTER = """
import kit
from competitions import digits
from torch import nn

competition = digits.competition


def build(channels, side, outputs, config):  # without batch normalisation, whose statistics are each rank's own on a CPU
    return nn.Sequential(nn.Conv2d(channels, config.width, 3), nn.ReLU(), nn.Dropout(0.1), nn.AdaptiveAvgPool2d(2),
                         nn.Flatten(), nn.Linear(4 * config.width, outputs))


networks = {"plain": build}
presets = {"fast": kit.Config(model="plain", width=8, epochs=3, batch=32, folds=2, limit=200, augment="medium")}
"""
RESULTS = ("oof.csv", "test.csv", "submission.csv", "folds.csv", "fold0/model.ckpt", "fold1/model.ckpt")
LONG = {"epochs": 3000, "snapshot": 1}
# What a rank decides by all rows' answers; and other folds in the middle of a run.
STOPPED = {"epochs": 20, "early_stop": 1, "schedule": "plateau", "final": "both", "repeats": 2}


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    path = tmp_path / "plain.py"
    path.write_text(ADAPTER)
    return path


@pytest.fixture
def ranks(digits: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[BaseProcess]]]:
    """What starts two ranks of a `kit run` as torchrun does, whose store this process holds; stderr is in `said0`, `said1`."""
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    common = {"WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": store.port, "TORCHELASTIC_USE_AGENT_STORE": True}
    started: list[BaseProcess] = []

    def start(*words: object, name: object = adapter, second: Callable[[], object] | None = None) -> list[BaseProcess]:
        for rank in range(2):
            for key, value in {**common, "RANK": rank, "LOCAL_RANK": rank}.items():
                monkeypatch.setenv(key, str(value))
            started.append(
                warm("run", name, "--data", digits, *words, before=partial(heard, f"said{rank}", second if rank else None))
            )
        for key in (*common, "RANK", "LOCAL_RANK"):
            monkeypatch.delenv(key)
        return started

    yield start
    for process in started:
        process.kill()


def heard(name: str, more: Callable[[], object] | None) -> None:
    """What this process says on stderr goes to a file of its own; `more` is called, too."""
    os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    if more is not None:
        more()


def another_python() -> None:
    """This process says that it is of another version."""
    platform.python_version = lambda: "3.99.1"


def codes(processes: list[BaseProcess], seconds: float = 60) -> list[int | None]:
    """The exit codes, once all have ended."""
    until = time.monotonic() + seconds
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
    return [process.exitcode for process in processes]


def training(out: Path) -> None:
    """Wait until fold 0 is being trained and has a snapshot."""
    until = time.monotonic() + 60
    while not list(out.glob("fold0/snapshot-*")) and time.monotonic() < until:
        time.sleep(0.05)
    assert list(out.glob("fold0/snapshot-*"))


def same(one: Path, other: Path) -> bool:
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in RESULTS)


def history(run: kit.Run, fold: int) -> pd.DataFrame:
    return pd.read_csv(run.path / f"fold{fold}" / "history.csv").drop(columns="rows_per_second")


@pytest.mark.slow
def test_two_ranks_give_the_bytes_of_a_batch_in_two_parts(digits: Path, adapter: Path, tmp_path: Path) -> None:
    alone = kit.run(str(adapter), digits, out=tmp_path / "alone", quiet=True, accumulate=2, **STOPPED)
    words = ["run", str(adapter), "--data", str(digits), "--out", str(tmp_path / "two"), *flags(STOPPED)]
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "kit", *words],
        capture_output=True, text=True, timeout=240, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    two = kit.load(tmp_path / "two")
    assert same(alone.path, two.path) and two.record.status == "complete"
    assert read_json(two.path / "fold0/fold.json")["epochs"] < STOPPED["epochs"]
    assert history(alone, 1).equals(history(two, 1))
    names = [{path.relative_to(run.path).as_posix() for path in run.path.rglob("*")} for run in (alone, two)]
    assert names[0] == names[1]
    assert done.stdout.count("out-of-fold accuracy") == 1
    assert done.stderr.count("2 ranks train each fold together") == done.stderr.count("preset fast:") == 1
    assert two.record.notes[-1] == "2 ranks train each fold together"


@pytest.mark.slow
def test_a_signal_to_one_rank_ends_both_with_one_state_from_which_one_process_goes_on(
    ranks: Callable[..., list[BaseProcess]], digits: Path, adapter: Path, tmp_path: Path
) -> None:
    knobs = {"epochs": 60, "ema": 0.0, "only_fold": 0}
    started = ranks("--out", tmp_path / "two", "--snapshot", 0.1, *flags(knobs))
    training(tmp_path / "two")
    os.kill(started[1].pid or 0, signal.SIGTERM)
    assert codes(started) == [143, 143]
    assert Path("said0").read_text().splitlines()[-1].startswith("kit: stopped by SIGTERM; the state is saved")
    assert Path("said1").read_text() == ""
    assert read_json(tmp_path / "two" / "run.json")["status"] == "stopped"
    knobs["only_fold"] = [0]  # type: ignore[assignment]
    runs = [kit.run(str(adapter), digits, out=tmp_path / out, quiet=True, accumulate=2, **knobs) for out in ("two", "alone")]  # type: ignore[arg-type]
    assert len(runs[0].record.sessions) == 2
    models = [(run.path / "fold0/model.ckpt").read_bytes() for run in runs]
    assert models[0] == models[1]
    assert history(runs[0], 0).equals(history(runs[1], 0))  # what both ranks had done of an epoch was saved


def test_the_death_of_a_rank_ends_the_other_in_one_line(ranks: Callable[..., list[BaseProcess]], tmp_path: Path) -> None:
    started = ranks("--out", tmp_path / "two", "--quiet", *flags(LONG))
    training(tmp_path / "two")
    os.kill(started[1].pid or 0, signal.SIGKILL)
    assert codes(started) == [1, -9]
    said = Path("said0").read_text().splitlines()
    assert [line for line in said if line.startswith("kit: ")] == [said[-1]]
    assert said[-1].startswith("kit: another rank has ended") and "Traceback" not in said


@pytest.mark.slow
def test_a_time_budget_ends_the_fits_of_both(ranks: Callable[..., list[BaseProcess]], tmp_path: Path) -> None:
    started = ranks("--out", tmp_path / "two", "--quiet", "--time-budget", "8s", *flags(LONG))
    assert codes(started, 100) == [0, 0]
    epochs = [read_json(tmp_path / "two" / f"fold{k}" / "fold.json")["epochs"] for k in (0, 1)]
    assert all(0 < count < 3000 for count in epochs)
    ids = pd.read_csv(tmp_path / "two" / "submission.csv")["ImageId"]
    assert ids.tolist() == list(range(1, 361))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--jobs", 2], "--jobs 2: the ranks train each fold together"),
        (["--on", "ray"], "--on ray: torchrun's ranks train the folds already"),
        (["--batch", 3], "2 ranks: the batches are too small"),
    ],
)
def test_what_ranks_cannot_share_is_refused_by_the_first(
    words: list[object], said: str, ranks: Callable[..., list[BaseProcess]], tmp_path: Path
) -> None:
    started = ranks("--out", tmp_path / "two", "--quiet", *words)
    assert codes(started) == [2, 2]
    lines = Path("said0").read_text().splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"kit: {said}")
    assert Path("said1").read_text() == ""


def test_ranks_that_compute_otherwise_are_refused_in_one_line(ranks: Callable[..., list[BaseProcess]], tmp_path: Path) -> None:
    started = ranks("--out", tmp_path / "two", "--quiet", second=another_python)
    assert 2 in codes(started) and all(process.exitcode for process in started)
    said = [line for rank in range(2) for line in Path(f"said{rank}").read_text().splitlines()]
    assert sum(line.startswith("kit: rank 1: it computes with") and "Python 3.99.1" in line for line in said) == 1
    assert all(line.startswith("kit: ") for line in said) and len(said) <= 2


def test_the_loss_of_an_epoch_is_the_mean_over_rows_however_many_parts_a_batch_has(
    digits: Path, adapter: Path, tmp_path: Path
) -> None:
    losses = []
    for parts in (1, 2):
        run = kit.run(str(adapter), digits, out=tmp_path / f"{parts}", only_fold=[0], quiet=True, accumulate=parts)
        losses.append(pd.read_csv(run.path / "fold0/history.csv")["train_loss"].to_numpy())
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.05)  # dropout draws by the part


@pytest.mark.parametrize(("config", "kind"), [(Config(model="lightgbm"), "table"), (Config(strategy="probe"), "images")])
def test_a_fit_that_is_one_step_is_refused(config: Config, kind: str) -> None:
    family = families.of(config.model, kind, False, NONE)
    with pytest.raises(Usage, match="which ranks cannot share"):
        Ranks().choose(config, replace(family, probing=config.strategy == "probe"))


@pytest.mark.parametrize(("visible", "own"), [(None, "1"), ("4,GPU-7a", "GPU-7a"), ("4", ""), ("", "")])
def test_each_rank_has_a_gpu_of_its_own(visible: str | None, own: str) -> None:
    assert own_gpu({"LOCAL_RANK": "1"} | ({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible})) == own


def test_what_each_rank_returned_stands_in_the_order_of_the_parts() -> None:
    parts = [torch.tensor([step]) for step in range(6)]
    assert torch.cat(in_turn([parts[::2], parts[1::2]])).tolist() == [*range(6)]
    before = torch.tensor([-2, -1])  # from a snapshot, which the first rank alone has
    assert torch.cat(in_turn([[before, *parts[::2]], parts[1::2]])).tolist() == [-2, -1, *range(6)]
    assert np.concatenate(in_turn([[before], []])).tolist() == [-2, -1]
