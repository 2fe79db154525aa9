"""Mutations: one-line changes of the kit that the test suite must notice. `python scripts/mutations.py [WORD …]` tries them.

Each is made in a copy of the repository, where the tests that should notice it run; a table says which did. About half an hour
on two cores; words choose those whose name or file contains one. The suite itself checks that each place is still there.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 900  # seconds for the tests of a mutation


@dataclass(frozen=True)
class Mutation:
    """A fault: in `path`, `old` (there once) becomes `new`; `tests`: words for pytest."""

    fault: str
    path: str
    old: str
    new: str
    tests: str


MUTATIONS = [
    Mutation(
        "training sees the validation rows",
        "kit/data/folds.py",
        "else self.fold != number",
        "else self.fold >= 0",
        "tests/pipeline/test_chance.py",
    ),
    Mutation(
        "by time, newer rows train",
        "kit/data/folds.py",
        "return self.fold < number if self.by_time",
        "return self.fold != number if self.by_time",
        "tests/data",
    ),
    Mutation(
        "duplicates are parted",
        "kit/pipeline/rows.py",
        "if doubled and when is None:",
        "if False and when is None:",
        "tests/data/test_duplicates.py tests/pipeline/test_run.py tests/pipeline/test_gate.py",
    ),
    Mutation(
        "groups are parted",
        "kit/pipeline/rows.py",
        "groups = folds.codes(tables.train[facts.group]) if facts.group else None",
        "groups = None",
        "tests/data/test_groups_times.py",
    ),
    Mutation(
        "a split inside the training fold parts groups",
        "kit/training/fold.py",
        "module.groups = self.groups",
        "pass",
        "tests/pipeline/test_inner_groups.py",
    ),
    Mutation(
        "strata are ignored",
        "kit/data/folds.py",
        "fold[order] = _deal(strata[order], groups[order], k, rng)",
        "fold[order] = _deal(0 * strata[order], groups[order], k, rng)",
        "tests/data/test_folds.py",
    ),
    Mutation(
        "an extra row trains where its twin validates",
        "kit/pipeline/dealing/extra_rows.py",
        "trains[number] &= ~np.isin(other, own[rest])",
        "trains[number] &= True",
        "tests/pipeline/test_extra_rows.py",
    ),
    Mutation(
        "an extra row that repeats a test row trains",
        "kit/pipeline/dealing/extra_rows.py",
        "trained_by(one, links, first) & ~same.leaks",
        "trained_by(one, links, first)",
        "tests/pipeline/test_extra_rows.py",
    ),
    Mutation(
        "the gap before validation rows is ignored",
        "kit/data/folds.py",
        "        if not gap:",
        "        if True:",
        "tests/pipeline/test_dealing.py tests/data",
    ),
    Mutation(
        "the optimizer's state is not resumed",
        "kit/training/callbacks/snapshots.py",
        'trainer.optimizers[0].load_state_dict(found["optimizer"])',
        "pass",
        "tests/pipeline/test_resume.py",
    ),
    Mutation(
        "the schedule is not resumed",
        "kit/training/callbacks/snapshots.py",
        'trainer.lr_scheduler_configs[0].scheduler.load_state_dict(found["schedule"])',
        "pass",
        "tests/pipeline/test_resume.py",
    ),
    Mutation(
        "a resumed epoch forgets what it has seen",
        "kit/training/callbacks/snapshots.py",
        'self.state.outputs = Epoch.restored(found["seen"], pl_module.device)',
        "pass",
        "tests/pipeline/test_resume.py",
    ),
    Mutation(
        "another run's snapshot is gone on with",
        "kit/training/callbacks/snapshots.py",
        'return found if found is not None and found["identity"] == self.state.fold.identity else None',
        "return found",
        "tests/pipeline/test_resume.py tests/training",
    ),
    Mutation(
        "a broken snapshot is loaded",
        "kit/training/checkpoints.py",
        'if hashlib.sha256(data).hexdigest()[:16] == path.stem.rsplit("-", 1)[-1]:',
        "if data:",
        "tests/training/test_checkpoints.py",
    ),
    Mutation(
        "a broken model is loaded",
        "kit/training/checkpoints.py",
        "if checksum and hashlib.sha256(data).hexdigest() != checksum:",
        "if False:",
        "tests/training/test_checkpoints.py tests/pipeline/test_resume.py",
    ),
    Mutation(
        "all folds begin with the same weights",
        "kit/training/fit.py",
        "torch.manual_seed(seed_of(config.seed, fold.number))",
        "torch.manual_seed(seed_of(config.seed, 0))",
        "tests/pipeline/test_run.py tests/pipeline/test_resume.py tests/pipeline/test_seeds.py",
    ),
    Mutation(
        "every epoch has the same order",
        "kit/training/loaders.py",
        "rng = np.random.default_rng([self.seed, self.fold + 1, epoch])",
        "rng = np.random.default_rng([self.seed, self.fold + 1, 0])",
        "tests/training/test_loaders.py tests/training/test_workers.py",
    ),
    Mutation(
        "the average of the weights does not predict",
        "kit/models/net_module.py",
        "return self.net if self.averaged is None else self.averaged",
        "return self.net",
        "tests/models/test_modules.py tests/inference/test_ablation.py",
    ),
    Mutation(
        "the average of the weights never moves",
        "kit/models/net_module.py",
        "if self.averaged is not None and batch.last:",
        "if False:",
        "tests/models/test_modules.py tests/inference/test_ablation.py",
    ),
    Mutation(
        "the loss ignores weights of rows",
        "kit/training/loaders.py",
        "weights=None if self.weights is None else self.weights[index],",
        "weights=None,",
        "tests/pipeline/test_extra_rows.py",
    ),
    Mutation(
        "an infinite loss goes on",
        "kit/training/callbacks/history.py",
        "if not math.isfinite(loss):",
        "if False:",
        "tests/models/test_modules.py",
    ),
    Mutation(
        "predictions of NaN are written",
        "kit/pipeline/crossval.py",
        "    if wrong:\n        raise Diverged(",
        "    if False:\n        raise Diverged(",
        "tests/models/test_table.py",
    ),
    Mutation(
        "the test set is answered by one fold",
        "kit/inference/members.py",
        "    return each[0] if len(each) == 1 else",
        "    return frames[0] if len(each) == 1 else",
        "tests/pipeline/test_run.py tests/pipeline/test_seeds.py",
    ),
    Mutation(
        "seeds are all the same",
        "kit/storage/runs/parts.py",
        "return self.repeat + self.seed",
        "return self.repeat",
        "tests/pipeline/test_seeds.py",
    ),
    Mutation(
        "a gain of noise counts",
        "kit/inference/blend_weights.py",
        "NOISES = 2.0",
        "NOISES = 0.0",
        "tests/inference/test_blend.py tests/inference/test_ablation.py tests/inference/test_decisions.py",
    ),
    Mutation(
        "a blend's weights see the rows that they are scored on",
        "kit/inference/blend_weights.py",
        "weights = climb(parts, score, np.flatnonzero(fold != number))",
        "weights = climb(parts, score, np.arange(len(fold)))",
        "tests/inference/test_blend.py",
    ),
    Mutation(
        "a decision sees the rows that it is scored on",
        "kit/inference/decisions/learning.py",
        "form(Rows(labels, metric, y[fold != number], predictions[fold != number]))",
        "form(Rows(labels, metric, y, predictions))",
        "tests/inference/test_decisions.py",
    ),
    Mutation(
        "answers stand beside other ids",
        "kit/competition/submission.py",
        "values = predictions.loc[asked.index].to_numpy(np.float32)",
        "values = predictions.to_numpy(np.float32)[: len(asked.index)]",
        "tests/competition",
    ),
    Mutation(
        "an id twice in a submission passes",
        "kit/competition/submission.py",
        "elif len(seen) >= wanted[row_id]:",
        "elif False:",
        "tests/competition tests/kaggle/test_submit.py",
    ),
    Mutation(
        "QWK counts distances, not their squares",
        "kit/metrics.py",
        "np.subtract.outer(np.arange(size), np.arange(size)) ** 2",
        "abs(np.subtract.outer(np.arange(size), np.arange(size)))",
        "tests/test_metrics.py",
    ),
    Mutation(
        "AUC counts ties as wins",
        "kit/metrics.py",
        "(np.cumsum(counts) - (counts - 1) / 2)",
        "np.cumsum(counts)",
        "tests/test_metrics.py",
    ),
    Mutation(
        "log loss is not rescaled",
        "kit/metrics.py",
        "p /= p.sum(axis=1, keepdims=True)",
        "pass",
        "tests/test_metrics.py",
    ),
    Mutation(
        "a run of other data is gone on with",
        "kit/storage/run_lifecycle.py",
        '    "data",\n    "backbone",',
        '    "backbone",',
        "tests/pipeline/test_resume.py",
    ),
    Mutation(
        "a changed run is not noticed",
        "kit/storage/runs/manifest.py",
        "    if changed:",
        "    if False:",
        "tests/storage/test_manifest.py",
    ),
    Mutation(
        "files are not flushed to the disk",
        "kit/storage/files.py",
        "os.fsync(file.fileno())",
        "pass",
        "tests/storage/test_files.py",
    ),
    Mutation(
        "two processes work on one fold",
        "kit/storage/run_locks.py",
        "stack.enter_context(held(run, name))\n        with held(run, WHOLE)",
        "pass\n        with held(run, WHOLE)",
        "tests/pipeline/test_resume.py tests/pipeline/test_parallel.py tests/pipeline/test_run.py",
    ),
    Mutation(
        "a child outlives its parent",
        "kit/pipeline/processes/server.py",
        "    die_with_parent(signal.SIGKILL)  # as long",
        "    # as long",
        "tests/pipeline/test_parallel.py",
    ),
    Mutation(
        "a signal is forgotten",
        "kit/training/callbacks/snapshots.py",
        "            raise self.stop.error()",
        "            pass",
        "tests/pipeline/test_resume.py",
    ),
    Mutation(
        "a pickle may import anything",
        "kit/storage/safe_pickle.py",
        'raise pickle.UnpicklingError(f"it asks for {module}.{name}")',
        "return super().find_class(module, name)",
        "tests/storage/test_safe_pickle.py",
    ),
    Mutation(
        "an archive writes outside",
        "kit/storage/archives/__init__.py",
        'or ".." in parts or',
        "or",
        "tests/storage/test_archives.py",
    ),
    Mutation(
        "a bomb of a table is unpacked",
        "kit/storage/archives/unpacking.py",
        "if swells(entry.file_size, entry.compress_size):",
        "if False:",
        "tests/storage/test_unpacking.py",
    ),
    Mutation(
        "a name steers the terminal",
        "kit/console.py",
        'shown = STEERING.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)',
        "shown = text",
        "tests/test_console.py",
    ),
    Mutation(
        "a report shows data as markup",
        "kit/storage/templates.py",
        'autoescape=lambda name: ".html" in (name or ""),',
        "autoescape=False,",
        "tests/reporting",
    ),
    Mutation(
        "a token stays in a message",
        "kit/kaggle/credentials.py",
        '        text = text.replace(secret, "…")',
        "        pass",
        "tests/kaggle/test_secrets.py",
    ),
    Mutation(
        "a login page is taken for an answer",
        "kit/kaggle/client/process.py",
        "            look(response)",
        "            pass",
        "tests/kaggle/test_garbage.py",
    ),
]


def place(one: Mutation, root: Path = ROOT) -> str:
    """The mutated file's text. Raises ValueError where the place is not there once."""
    text = (root / one.path).read_text(encoding="utf-8")
    if text.count(one.old) != 1:
        raise ValueError(f"{one.path}: {one.old!r} is there {text.count(one.old)} times, not once ({one.fault})")
    return text.replace(one.old, one.new)


def copied(folder: Path) -> Path:
    """A copy of the repository's files as they are now."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def noticed(one: Mutation, copy: Path) -> bool:
    """Does a test fail under this mutation?"""
    before = (copy / one.path).read_text(encoding="utf-8")
    (copy / one.path).write_text(place(one, copy), encoding="utf-8")
    try:
        words = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "2", "--dist", "loadfile", *shlex.split(one.tests)]
        done = subprocess.run(
            words,
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        return "FAILED tests" in done.stdout  # a mutation that cannot be imported is none
    except subprocess.TimeoutExpired:  # hung: that is noticed too
        return True
    finally:
        (copy / one.path).write_text(before, encoding="utf-8")


def main() -> int:
    """Try them, print a line each; 1 where one passed unnoticed."""
    chosen = [one for one in MUTATIONS if not sys.argv[1:] or any(word in one.fault + one.path for word in sys.argv[1:])]
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        copy = copied(Path(folder))
        for one in chosen:
            began = time.monotonic()
            found = noticed(one, copy)
            missed += [] if found else [one]
            print(
                f"{'noticed' if found else 'MISSED '}  {time.monotonic() - began:4.0f} s  {one.fault}  ({one.path})", flush=True
            )
    print(f"{len(chosen) - len(missed)} of {len(chosen)} noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
