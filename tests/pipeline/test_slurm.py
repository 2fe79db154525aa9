"""Folds as jobs of a queue, here submitit's own of processes on this machine: the bytes of a run alone."""

import shutil
from pathlib import Path

import pytest
from conftest import SMALL

import kit

pytest.importorskip("submitit")
from kit.pipeline.clusters import slurm_queue

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.slow]
RESULTS = ("oof.csv", "test.csv", "submission.csv", "folds.csv")


@pytest.fixture(autouse=True)
def local(monkeypatch: pytest.MonkeyPatch) -> None:
    """submitit's queue of processes on this machine; they find the kit where this process does."""
    monkeypatch.setattr(slurm_queue, "CLUSTER", "local")
    monkeypatch.setenv("PYTHONPATH", str(Path(kit.__file__).parents[1]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def test_jobs_of_folds_give_the_bytes_of_a_run_alone(digits: Path, tmp_path: Path) -> None:
    knobs = SMALL | {"folds": 2, "seeds": 2}
    alone = kit.run("digits", digits, out=tmp_path / "alone", quiet=True, **knobs)
    shutil.copytree(alone.path, tmp_path / "queued")
    for name in ("fold1", "fold0-seed1"):
        shutil.rmtree(tmp_path / "queued" / name)
    (tmp_path / "queued" / "submission.csv").unlink()
    queued = kit.run("digits", digits, out=tmp_path / "queued", quiet=True, on="slurm", **knobs)
    for name in (*RESULTS, "fold1/oof.npz", "fold0-seed1/oof.npz"):
        assert (alone.path / name).read_bytes() == (queued.path / name).read_bytes()
    assert not (queued.path / "slurm" / "jobs.json").exists()  # none is left
