"""Folds on a Ray cluster: the bytes of a run alone, also where a node dies in mid-fold; and clusters that are not there."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import SMALL, flags, warm
from plugs import KNOBS, write

import kit
from kit.config import difference
from kit.pipeline.plan import planned
from kit.pipeline.search.trials import Tuned
from kit.pipeline.search.tuning import tune
from kit.training import checkpoints

pytest.importorskip("ray")
from ray_nodes import Nodes, free_port, nodes

from kit.pipeline.clusters import ray_dispatch

pytestmark = pytest.mark.usefixtures("one_thread")
LONG = {**SMALL, "epochs": 50, "folds": 2, "snapshot": 0.3, "final": "both"}
RESULTS = ("oof.csv", "test.csv", "submission.csv", "folds.csv")
OF_A_FOLD = ("oof.npz", "test.npz", "oof-raw-weights.npz")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    """A head, and a node that trains one fold at a time."""
    with nodes() as here:
        yield here


@pytest.fixture(scope="module")
def alone(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> kit.Run:
    """The run that nothing disturbed, on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    run = kit.run("digits", digits, out=tmp_path_factory.mktemp("alone") / "run", quiet=True, **LONG)
    torch.set_num_threads(before)
    return run


def until(what: Callable[[], bool], seconds: float) -> None:
    """Wait until it holds."""
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.05)
    assert what()


def snapshots(out: Path) -> list[str]:
    """The snapshots of the first fold that are at home, newest first."""
    return [path.name for path in checkpoints.snapshots(out / "fold0")]


def same(run: Path, other: Path) -> bool:
    """Are results, and all that the folds have left, the same?"""
    folds = [path.name for path in other.glob("fold[0-9]")] + ["refit"]
    names = [*RESULTS, *(f"{fold}/{name}" for fold in folds for name in OF_A_FOLD if (other / fold / name).exists())]
    models = [[torch.load(path / fold / "model.ckpt", weights_only=True) for fold in folds] for path in (run, other)]
    for mine, theirs in zip(*models, strict=True):
        assert mine["hyper_parameters"] == theirs["hyper_parameters"]
        assert all(torch.equal(value, theirs["state_dict"][name]) for name, value in mine["state_dict"].items())
    assert len(names) > 8
    return all((run / name).read_bytes() == (other / name).read_bytes() for name in names)


def in_mid_fold(cluster: Nodes, digits: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> BaseProcess:
    """A run on the cluster, of whose first fold a snapshot has come home."""
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    process = warm("run", "digits", "--data", digits, "--out", out, "--on", "ray", *flags(LONG))
    until(lambda: bool(snapshots(out)) or not process.is_alive(), 100)
    return process


@pytest.mark.slow
def test_a_node_dies_in_mid_fold_and_the_bytes_are_those_of_a_run_alone(
    cluster: Nodes, digits: Path, alone: kit.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    process = in_mid_fold(cluster, digits, out, monkeypatch)
    cluster.kill(cluster.processes[-1])
    assert snapshots(out)  # it was in mid-fold
    cluster.join()
    process.join(100)
    said = Path("said").read_text()
    assert process.exitcode == 0, said
    assert "RAY_AUTH_MODE=token" in said and "1 core a fold, cpu, 1 thread" in said
    assert "its node or process was lost" in said and "goes on at epoch" in said
    assert same(out, alone.path)
    assert not list(out.glob("fold*/snapshot-*"))


@pytest.mark.slow
def test_a_signal_brings_the_state_home_and_the_same_run_goes_on_without_the_cluster(
    cluster: Nodes, digits: Path, alone: kit.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    process = in_mid_fold(cluster, digits, out, monkeypatch)
    known = snapshots(out)
    os.kill(process.pid or 0, signal.SIGTERM)
    process.join(60)
    said = Path("said").read_text()
    assert process.exitcode == 143 and "Traceback" not in said, said
    assert kit.load(out).info["status"] == "stopped"
    assert snapshots(out)[0] > known[0]  # written when it was stopped
    kit.run("digits", digits, out=out, quiet=True, **LONG)
    assert same(out, alone.path)


@pytest.mark.slow
def test_a_trial_that_no_node_survives_has_failed_and_the_search_goes_on(
    cluster: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    write("network")
    adapter, first = Path("guest.py"), "def build(channels, side, outputs, config):\n"
    deadly = "    if config.width > 8:\n        __import__('os')._exit(1)\n"  # as where the memory of a node is full
    adapter.write_text(adapter.read_text().replace(first, first + deadly))
    monkeypatch.setattr(ray_dispatch, "TRIES", 2)
    plan = planned("guest.py", "data", "fast", KNOBS | {"model": "mine", "width": 8, "on": "ray"})
    found = tune(plan, 2, "width=9:10", kit.Run(tmp_path / "t"), fresh=False, quiet=False)
    assert [(one.number, one.state) for one in found.trials] == [(0, "complete"), (1, "failed")]
    said = capsys.readouterr().err
    assert said.count("goes on elsewhere from its beginning") == 1
    assert "trial 1 failed: its node or process was lost (WorkerCrashedError), 2 times" in said


def test_a_cluster_that_is_not_there_is_said_in_one_line(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = f"127.0.0.1:{free_port()}"
    for address, on in ((place, "ray"), ("", f"ray://{place}")):
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(kit.KitError, match=rf"--on {on}: nobody answers at .*{place} \(Connection refused\)") as found:
            kit.run("digits", digits, out=tmp_path / "run", quiet=True, on=on, **SMALL)
        assert found.value.code == 69
    assert not (tmp_path / "run" / "folds.csv").exists()


@pytest.mark.parametrize("on", ["rai", "ray://", "slurm://host:1", "http://host:1"])
def test_what_is_no_cluster_is_refused_before_anything_is_read(on: str, digits: Path) -> None:
    with pytest.raises(kit.Usage, match="ray, ray://HOST:PORT or slurm is expected"):
        kit.run("digits", digits, on=on, **SMALL)


def test_trials_on_a_cluster_are_those_of_this_machine_and_go_on_here(
    cluster: Nodes, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tuned(where: str, **knobs: Any) -> Tuned:
        plan = planned("digits", digits, "fast", SMALL | {"folds": 2, "seed": 2, "lr": 0.0001} | knobs)
        return tune(plan, 3, "lr=0.001:0.1,model=convnet|none", kit.Run(tmp_path / where), fresh=False, quiet=True)

    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    alone, there = tuned("alone"), tuned("there", on="ray")
    found = [[(one.number, one.knobs, one.score, one.epochs) for one in some.trials] for some in (alone, there)]
    assert found[0] == found[1] and {one.state for one in there.trials} == {"complete", "failed"}
    assert there.gain == alone.gain is not None
    for path in [*there.run.path.glob("trial002/trial.json"), *there.run.path.glob("trial-weighed/gain.json")]:
        path.unlink()  # what a kill leaves
    assert [(one.number, one.knobs, one.score, one.epochs) for one in tuned("there").trials] == found[0]


def test_where_a_run_is_trained_is_no_part_of_it(digits: Path) -> None:
    here, there = (planned("digits", digits, "fast", SMALL | on) for on in ({}, {"on": "ray"}))
    assert here.name == there.name and not difference(here.known["config"], there.known["config"])
