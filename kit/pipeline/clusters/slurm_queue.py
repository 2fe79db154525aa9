"""Slurm queue: fits as arrays of jobs; preempted ones are queued again, and none is left behind when a run ends."""

from __future__ import annotations

import contextlib
import io
import logging
import math
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import submitit
import torch
from submitit.core.utils import FailedJobError, UncompletedJobError

from kit.config import Config
from kit.console import say
from kit.errors import KitError, Stopped, Unreachable
from kit.models.families import Family
from kit.pipeline import crossval, task as tasks
from kit.pipeline.clusters import machine
from kit.pipeline.clusters.machine import Kind
from kit.pipeline.clusters.slurm_job import FitJob, fault_of
from kit.pipeline.preparation import Work
from kit.pipeline.task import Task
from kit.storage.run_folder import read_json, write_json
from kit.training.signals import Stop

CLUSTER = "slurm"  # of submitit's; "local": processes of this machine
MINUTES = 60  # of a job; at its end it is queued again. SBATCH_TIMELIMIT says otherwise
AGAIN = 1000  # times that a job is queued again when its time is over
TRIES = 3  # times that a fit may be lost
AT_A_TIME = 4  # trials in the queue, where --jobs does not say otherwise: what is asked later has more to learn from
SAVED = 30.0  # seconds that jobs have to save their state (Slurm's KillWait)
LOOK = 10.0  # seconds between looks at the queue
POLL = 0.5  # seconds between looks at the jobs
JOBS = "jobs.json"  # which jobs were queued, to cancel those that a killed run has left


class SlurmQueue:
    """The queue that trains the folds of the run in `folder`."""

    def __init__(self, folder: Path, stop: Stop, quiet: bool):
        self.folder, self.stop, self.quiet = folder / "slurm", stop, quiet
        self.cores, self.gpus = 1, 0
        self.kind: Kind
        self.jobs: dict[str, Any] = {}  # all that were queued, by id
        self.losses = Counter[str]()  # how often a job of a task ended with nothing said
        self.looked, self.missed = time.monotonic(), dict[str, int]()  # how often a job was not in the queue

    def choose(self, config: Config, family: Family) -> tuple[Config, dict[str, str]]:
        """The Config resolved by a short first job: a login node has no GPU, and often another CPU."""
        self.cancel_old()
        self.cores, self.gpus = torch.get_num_threads(), int(config.devices == "gpu" and not family.one_step)
        if not self.quiet:
            say("Slurm: a short first job finds out what the machines compute with")
        with self.patient():
            job = self.submit([(machine.kind_here, config.changed(on=""), family, self.cores)], 1)[0]
            while not self.ended(job):
                self.pause()
        self.kind = self.result(job)
        return self.kind.config, self.kind.note

    def train(self, work: Work) -> None:
        """Every fold that is asked for, then the refit. Raises what a fold raises; the others are saved."""
        left = [part for part in work.asked if not crossval.finished(work.run.fold(part))]
        for refits in (False, True):  # they need what the folds found
            parts = [part for part in left if (part.fold is None) is refits]
            later = any(part.fold is None for part in left) and not refits
            self._carry_out(work, tasks.of_parts(work, parts), None, work.budget.left / (1 + later))

    def carry_out(self, work: Work, following: Iterable[Task]) -> None:
        """Fits, each asked for when it may be queued: `--jobs` at a time, or AT_A_TIME."""
        self._carry_out(work, following, work.config.jobs or AT_A_TIME, math.inf)

    def _carry_out(self, work: Work, following: Iterable[Task], most: int | None, seconds: float) -> None:
        """Carry out tasks by a job each; `most`: in the queue at a time, None: any number. Raises what one of them raises."""
        waiting, jobs, again = iter(following), dict[str, tuple[Task, Any]](), list[Task]()
        with self.patient():
            while True:
                new = [*again, *islice(waiting, None if most is None else most - len(jobs) - len(again))]
                if new:
                    jobs |= self.queue(work, new, seconds)
                if not jobs:
                    return
                self.pause()
                ended = [name for name, (_, job) in jobs.items() if self.ended(job)]
                again = [task for task, job in map(jobs.pop, ended) if not self.settled(work, task, job)]

    def queue(self, work: Work, new: Sequence[Task], seconds: float) -> dict[str, tuple[Task, Any]]:
        """These tasks, each with its job, by name."""
        path, quiet = work.run.path, work.progress.quiet
        orders = [
            FitJob(
                str(path.resolve()), self.kind, self.cores, seconds, quiet, call=task.address, arguments=task.arguments,
                name=task.name, within=task.folder.relative_to(path).as_posix(),
            )
            for task in new
        ]  # fmt: skip
        queued = self.submit([(one,) for one in orders], work.config.jobs or len(orders))
        work.progress.say(f"Slurm: jobs {', '.join(job.job_id for job in queued)}")
        return {task.name: (task, job) for task, job in zip(new, queued, strict=True)}

    def settled(self, work: Work, task: Task, job: Any) -> bool:
        """Is a task finished, or given up, whose job has ended? Else it is to be queued again. Raises what went wrong in it."""
        if task.finished:
            work.progress.fold(task.name, skipped=task.rows)
            return True
        job.cancel(check=False)  # Slurm may have queued it again by itself
        if job.paths.result_pickle.exists():
            fault = fault_of(*self.result(job))
            if not isinstance(fault, Stopped):
                raise fault
        else:
            self.losses[task.name] += 1
        if self.losses[task.name] < TRIES:
            work.progress.say(f"{task.name}: job {job.job_id} ended before it, which is queued again")
            return False
        why = f"job {job.job_id} ended {TRIES} times with nothing said ({job.state}); see {job.paths.stderr}"
        if task.forgo is None:
            raise KitError(
                f"{task.name}: {why}.\n"
                "Too little memory? SBATCH_MEM_PER_NODE. What is finished is kept; the same command goes on."
            )
        task.forgo(why)
        return True

    def submit(self, calls: Sequence[tuple[Any, ...]], most: int) -> list[Any]:
        """Queue these calls as one array, so many of it at a time. Raises Unreachable where Slurm refuses, or is not there."""
        if CLUSTER == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
            raise Unreachable("--on slurm: this machine has no sbatch and srun. Run the command where jobs are queued from.")
        logging.getLogger("submitit").setLevel(logging.ERROR)  # it warns where Slurm keeps no accounts
        try:
            executor = submitit.AutoExecutor(folder=self.folder, cluster=CLUSTER, slurm_max_num_timeout=AGAIN)
            executor.update_parameters(name="kit", timeout_min=MINUTES, cpus_per_task=self.cores, gpus_per_node=self.gpus)
            if CLUSTER == "slurm":
                executor.update_parameters(slurm_array_parallelism=most)
            with contextlib.redirect_stderr(io.StringIO()), executor.batch():  # sbatch says it a second time
                jobs = [executor.submit(*call) for call in calls]
        except (submitit.core.utils.FailedJobError, subprocess.CalledProcessError, RuntimeError, OSError) as fault:
            said = " ".join(str(fault).split())[-300:]
            raise Unreachable(f"--on slurm: the queue refuses ({said}).") from fault
        self.jobs |= {job.job_id: job for job in jobs}
        self.note()
        return jobs

    def result(self, job: Any) -> Any:
        """What a job has returned. Raises KitError, with the file that says more, where it has failed."""
        try:
            return job.result()
        except (FailedJobError, UncompletedJobError) as fault:
            line = str(fault).strip().splitlines()[-1][:300]
            raise KitError(f"--on slurm: job {job.job_id} failed ({line}); see {job.paths.stderr}.") from fault

    def ended(self, job: Any) -> bool:
        """Has a job returned something, or is it no more in the queue?

        submitit would ask Slurm's accounts, which many a Slurm does not keep: `sacct` then says so at every look.
        """
        if CLUSTER != "slurm":
            return bool(job.done())
        self.folder.chmod(self.folder.stat().st_mode)  # makes a shared disk list its files anew
        if job.paths.result_pickle.exists():
            return True
        now = time.monotonic()
        if now - self.looked > LOOK:
            self.looked = now
            listed = subprocess.run(["squeue", "-h", "-r", "-o", "%i"], capture_output=True, text=True, check=False)
            if not listed.returncode:
                present = set(listed.stdout.split())
                self.missed = {one: self.missed.get(one, 0) + 1 for one in self.jobs if one not in present}
        return self.missed.get(job.job_id, 0) >= 2  # what it returned may reach a shared disk a little later

    def pause(self) -> None:
        """Wait a little. Raises Stopped when a signal came."""
        time.sleep(POLL)
        if self.stop.signum:
            raise self.stop.error()

    @contextlib.contextmanager
    def patient(self) -> Iterator[None]:
        """Signals wait for a pause inside the block."""
        self.stop.patient = True
        try:
            yield
        finally:
            self.stop.patient = False

    def note(self) -> None:
        """Write down which jobs were queued."""
        write_json(self.folder / JOBS, {"jobs": list(self.jobs)})

    def cancel_old(self) -> None:
        """Cancel the jobs that a run which was killed has left in the queue."""
        path = self.folder / JOBS
        if path.exists() and CLUSTER == "slurm":
            for job in read_json(path)["jobs"]:
                subprocess.run(["scancel", job], capture_output=True, check=False)

    def close(self) -> None:
        """Cancel what is queued or running still, and wait until it has saved its state."""
        left = [job for job in self.jobs.values() if not self.ended(job)]
        for job in self.jobs.values() if CLUSTER == "slurm" else left:
            job.cancel(check=False)  # one that has ended may be queued again
        until = time.monotonic() + SAVED
        while left and time.monotonic() < until:
            time.sleep(POLL)
            left = [job for job in left if not self.ended(job)]
        (self.folder / JOBS).unlink(missing_ok=True)
