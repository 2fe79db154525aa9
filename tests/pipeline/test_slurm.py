"""Folds and trials as jobs of a queue, here submitit's own of processes on this machine: the bytes of a run alone."""

import shutil
from pathlib import Path

import pytest
from conftest import SMALL

import kit
from kit.cli.app import main
from kit.pipeline.plan import planned
from kit.pipeline.search.trials import Tuned
from kit.pipeline.search.tuning import tune

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


def test_a_job_of_a_trial_finds_what_this_machine_finds(digits: Path, tmp_path: Path) -> None:
    def tuned(where: str, **knobs: str) -> Tuned:
        plan = planned("digits", digits, "fast", SMALL | {"folds": 2} | knobs)
        return tune(plan, 2, "lr=0.001:0.1", kit.Run(tmp_path / where), fresh=False, quiet=True)

    alone = tuned("alone")
    shutil.copytree(alone.run.path, tmp_path / "queued")
    (tmp_path / "queued" / "trial001" / "trial.json").unlink()
    queued = tuned("queued", on="slurm")
    found = [[(one.number, one.knobs, one.score, one.epochs) for one in some.trials] for some in (alone, queued)]
    assert found[0] == found[1]
    assert not (queued.run.path / "slurm" / "jobs.json").exists()


@pytest.mark.parametrize("refuses", [True, False])
def test_a_queue_that_refuses_or_is_not_there_is_said_in_one_line(
    refuses: bool, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(slurm_queue, "CLUSTER", "slurm")
    monkeypatch.setenv("PATH", str(tmp_path))
    if refuses:  # as Slurm's own commands do
        for name, line in (("srun", "exit 0"), ("sbatch", "echo 'sbatch: error: Invalid account' >&2; exit 1")):
            (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
            (tmp_path / name).chmod(0o755)
    words = "the queue refuses (sbatch: error: Invalid account)." if refuses else "this machine has no sbatch and srun."
    assert main(["run", "digits", "--data", str(digits), "--out", str(tmp_path / "run"), "--on", "slurm", "--quiet"]) == 69
    said = capfd.readouterr().err
    assert said.startswith(f"kit: --on slurm: {words}") and said.count("\n") == 1
    assert not (tmp_path / "run" / "folds.csv").exists()
