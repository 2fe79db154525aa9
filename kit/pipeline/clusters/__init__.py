"""Clusters: what trains folds and trials on other machines (`--on`). Their packages are imported where one is asked for."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kit import resources
from kit.errors import Usage, did_you_mean, install
from kit.training.ranks import group

if TYPE_CHECKING:
    from kit.config import Config
    from kit.models.families import Family
    from kit.pipeline.preparation import Work
    from kit.pipeline.task import Task
    from kit.training.signals import Stop

PACKAGES = {"ray": "ray", "slurm": "submitit"}  # that a kind of cluster needs


class Cluster(Protocol):
    """Machines that make the fits of one run."""

    def choose(self, config: Config, family: Family) -> tuple[Config, dict[str, str]]:
        """The Config resolved for the machines of the cluster, and what `run.json` notes of them."""

    def train(self, work: Work) -> None:
        """Every fold that is asked for, then the refit: their files are in the run's folder afterwards."""

    def carry_out(self, work: Work, following: Iterable[Task]) -> None:
        """Fits of any kind, each asked for when there is a place for it. Raises what one raises; the others are saved."""


def refuse_missing(on: str) -> None:
    """Raise Usage where `--on` names no kind of cluster, or one whose package is not installed, and for several ranks."""
    kind, _, address = on.partition("://")
    if not on:
        return
    if group.count() > 1:
        raise Usage(f"--on {on}: torchrun's ranks train the folds already. Leave --on out, or run it without torchrun.")
    if kind not in PACKAGES or (address and kind != "ray") or on.endswith("://"):
        raise Usage(f"--on {on!r}: ray, ray://HOST:PORT or slurm is expected.{did_you_mean(kind, PACKAGES)}")
    if find_spec(PACKAGES[kind]) is None:
        raise Usage(f"--on {kind}: {PACKAGES[kind]} is not installed: {install('cluster')}")


@contextlib.contextmanager
def ranks_led() -> Iterator[None]:
    """Where torchrun started this process as one of several: of these only rank 0 enters the block. The others train with it,
    and end (SystemExit) with its exit code."""
    if not group.started():
        yield
        return
    with resources.importing():
        from kit.pipeline.clusters import ranks

    with ranks.led():
        yield


@contextlib.contextmanager
def joined(on: str, folder: Path, stop: Stop, quiet: bool) -> Iterator[Cluster | None]:
    """The cluster that `--on` names for the run in `folder`, until the block ends; the ranks where there are several; None
    for this process.

    Raises Unreachable where it is not there.
    """
    if group.count() > 1:
        from kit.pipeline.clusters.ranks import Ranks

        yield Ranks()
    elif not on:
        yield None
    elif on == "slurm":
        from kit.pipeline.clusters.slurm_queue import SlurmQueue

        queue = SlurmQueue(folder, stop, quiet)
        try:
            yield queue
        finally:
            queue.close()
    else:
        os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # else a call after the connection is lost begins another one
        from kit.pipeline.clusters import ray_cluster

        with ray_cluster.joined(on, stop, quiet) as cluster:
            yield cluster
