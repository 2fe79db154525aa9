"""Parcels: a fold crosses to a process that has neither the data nor the adapter's file, and comes back the same."""

import os
import tempfile
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from conftest import WARM
from plugs import KNOBS, PLUGS, preset_model, write

import kit
from kit.competition import load
from kit.competition.synthetic import fabricate
from kit.pipeline import crossval
from kit.pipeline.clusters import machine, parcel, ray_task
from kit.pipeline.clusters.parcel import Parcel
from kit.pipeline.clusters.ray_task import Order, Outcome
from kit.pipeline.plan import Plan, planned
from kit.pipeline.presets.resolution import family_of
from kit.pipeline.run import working
from kit.pipeline.task import of_parts
from kit.storage import run_lifecycle
from kit.storage.runs.parts import RunPart
from kit.training.deadline import Budget

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.usefixtures("one_thread")
SENT = ("oof.npz", "test.npz")


def node(packed: Parcel, order: Order, answer: Connection) -> None:
    """What a node does, in an empty folder."""
    os.chdir(tempfile.mkdtemp())
    answer.send(ray_task.train(packed, order, lambda title, content: None))


def there_and_here(plan: Plan, out: Path) -> tuple[Outcome, dict[str, bytes]]:
    """How a fold of the second repeat ends in another process, and what of its files are here when it is trained here."""
    part = RunPart(0, repeat=1)
    run_lifecycle.start(kit.Run(out), plan.known, plan.origins, plan.preset, plan.root)
    with working(kit.Run(out), plan, None, True, Budget(0.0, 0.0)) as work:
        kind, task = machine.kind_here(work.config, family_of(work.adapter, work.config), 1), of_parts(work, [part])[0]
        order = Order(
            call=task.address, arguments=task.arguments, name=task.name, folder=str(part), cores=1, quiet=True,
            files={"run.json": (out / "run.json").read_bytes()}, kind=kind.name,
        )  # fmt: skip
        mine, theirs = Pipe(duplex=False)
        process = WARM.Process(target=node, args=(parcel.pack(work, ray.cloudpickle.dumps), order, theirs))
        process.start()
        theirs.close()
        outcome: Outcome = mine.recv()
        process.join()
        crossval.train_fold(work, part, (part,))
        return outcome, {name: (out / str(part) / name).read_bytes() for name in SENT}


@pytest.mark.slow
@pytest.mark.parametrize("plug", PLUGS)
def test_what_a_guest_brings_trains_where_only_the_parcel_is(plug: str, tmp_path: Path) -> None:
    write(plug)
    plan = planned("guest.py", "data", "fast", {**KNOBS, "epochs": 1, "repeats": 2, "model": preset_model()})
    outcome, here = there_and_here(plan, tmp_path / "run")
    assert outcome.fault is None and {name: outcome.files[name] for name in SENT} == here


@pytest.mark.parametrize("name, knobs", [("imdb", {}), ("house-prices", {}), ("titanic", {"model": "lightgbm"}), ("mnist", {})])
def test_every_kind_of_rows_crosses(name: str, knobs: dict[str, object], tmp_path: Path) -> None:
    fabricate(load(name).competition, tmp_path / "data", train=60, test=20)
    outcome, here = there_and_here(
        planned(name, tmp_path / "data", "fast", {"epochs": 1, "folds": 2, "repeats": 2, **knobs}), tmp_path / "run"
    )
    assert outcome.fault is None and {name: outcome.files[name] for name in SENT} == here


def test_pictures_that_stay_files_cannot_cross(tmp_path: Path) -> None:
    write("network")
    plan = planned("guest.py", "data", "fast", {**KNOBS, "repeats": 2, "model": preset_model(), "cache_gb": 0.0})
    with pytest.raises(kit.Usage, match=r"^--on ray: the pictures do not fit --cache-gb, and the nodes have no files"):
        there_and_here(plan, tmp_path / "run")


def test_groups_cross(tmp_path: Path) -> None:
    fabricate(load("ranzcr").competition, tmp_path / "data", train=30, test=5)
    plan = planned("ranzcr", tmp_path / "data", "fast", {"folds": 2, "size": 32})
    run_lifecycle.start(kit.Run(tmp_path / "run"), plan.known, plan.origins, plan.preset, plan.root)
    with working(kit.Run(tmp_path / "run"), plan, None, True, Budget(0.0, 0.0)) as work:
        there = replace(work, **parcel.unpack(parcel.pack(work, ray.cloudpickle.dumps)))
        assert work.groups is not None and np.array_equal(there.groups, work.groups)
