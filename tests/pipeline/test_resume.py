"""Nothing is lost: a run that is killed, stopped or damaged at any moment ends with the bytes of an undisturbed one."""

import os
import random
import shutil
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from conftest import SMALL, flags, warm

import kit
from kit.cli import app
from kit.inference.blend import blend
from kit.models.batch import Batch
from kit.pipeline import crossval, rows
from kit.reporting.report import page
from kit.storage import files, predictions
from kit.storage.run_folder import read_json, write_json
from kit.training import checkpoints
from kit.training.callbacks import History, Seeds, Snapshots
from kit.training.signals import stoppable

RESULTS = ("oof.csv", "test.csv", "submission.csv")


LONG = {**SMALL, "epochs": 30, "folds": 2}  # long enough to be stopped in the middle on any machine


@pytest.fixture(scope="module")
def long_run(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> kit.Run:
    return kit.run("digits", digits, out=tmp_path_factory.mktemp("long") / "run", quiet=True, **LONG)


def started(digits: Path, out: Path, knobs: dict[str, object], snapshot: float) -> BaseProcess:
    return warm("run", "digits", "--data", digits, "--out", out, "--quiet", "--snapshot", snapshot, *flags(knobs))


def wait_for(out: Path, pattern: str, process: BaseProcess) -> None:
    """Until the run has written such a file."""
    while process.is_alive() and not list(out.glob(pattern)):
        time.sleep(0.005)


def same_results(one: Path, other: Path) -> bool:
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in RESULTS)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_kill_9_then_the_same_command_gives_the_same_bytes(seed: int, digits: Path, small_run: kit.Run, tmp_path: Path) -> None:
    out, rng = tmp_path / "run", random.Random(seed)
    for moment in ("fold0/snapshot-*", "fold1/snapshot-*", "fold2/*"):
        process = started(digits, out, SMALL, snapshot=0)
        wait_for(out, moment, process)
        time.sleep(rng.random() * 0.3)
        process.kill()
        process.join()
        assert not (out / "submission.csv").exists() or kit.load(out).complete
    kit.run("digits", digits, out=out, quiet=True, **SMALL)
    assert same_results(out, small_run.path)
    assert not list(out.rglob(".tmp-*"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_saves_and_exits_with_its_number(name: str, digits: Path, long_run: kit.Run, tmp_path: Path) -> None:
    out, signum = tmp_path / "run", getattr(signal, name)
    process = started(digits, out, LONG, snapshot=0.2)
    wait_for(out, "fold1/snapshot-*", process)  # in the middle of fold 1, however busy the machine is
    began, then = time.monotonic(), time.time()
    os.kill(process.pid or 0, signum)
    process.join(30)
    assert process.exitcode == 128 + signum
    assert time.monotonic() - began < 10
    assert not (out / "fold1" / "model.ckpt").exists()  # it did not go on to the fold's end
    errors = Path("said").read_text()
    assert name in errors and "Traceback" not in errors
    assert kit.load(out).info["status"] == "stopped"
    assert checkpoints.snapshots(out / "fold1")[0].stat().st_mtime >= then - 0.05  # what the signal has saved
    kit.run("digits", digits, out=out, quiet=True, **LONG)
    assert same_results(out, long_run.path)


def stop_in(monkeypatch: pytest.MonkeyPatch, fold: int, step: int, fault: Exception) -> None:
    """Make training fail at this fold's step of the last epoch, once."""
    healthy = Seeds.on_train_batch_start  # the last at a batch's start: a snapshot that is due has been written

    def faulty(self: Seeds, trainer: object, module: object, batch: Batch, index: int) -> None:
        healthy(self, trainer, module, batch, index)
        if (self.fold.number, batch.epoch, batch.step) == (fold, 1, step):
            monkeypatch.setattr(Seeds, "on_train_batch_start", healthy)
            raise fault

    monkeypatch.setattr(Seeds, "on_train_batch_start", faulty)


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_fold_goes_on_in_mid_epoch_to_the_same_bytes(
    step: int, digits: Path, small_run: kit.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_in(monkeypatch, 1, step, RuntimeError("the power went"))
    monkeypatch.setattr(Snapshots, "pause", 0.0)  # before each step, whatever a snapshot costs
    with pytest.raises(RuntimeError):
        kit.run("digits", digits, out=tmp_path / "run", quiet=True, **SMALL)
    state, _ = checkpoints.newest_sound(tmp_path / "run" / "fold1")
    assert state is not None and (state["epoch"], state["step"]) == (1, step)
    run = kit.run("digits", digits, out=tmp_path / "run", quiet=True, **SMALL)
    assert same_results(run.path, small_run.path)
    ours, theirs = ((one.fold(1) / "history.csv").read_text().splitlines() for one in (run, small_run))
    drop_speed = [[line.rsplit(",", 1)[0] for line in lines] for lines in (ours, theirs)]
    assert drop_speed[0] == drop_speed[1]


def test_a_fold_that_fails_leaves_the_others_alone(
    digits: Path, small_run: kit.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_in(monkeypatch, 2, 0, RuntimeError("fold 2 is broken"))
    with pytest.raises(RuntimeError):
        kit.run("digits", digits, out=tmp_path / "run", quiet=True, **SMALL)
    run = kit.load(tmp_path / "run")
    assert run.info["status"] == "failed"
    before = {path: path.stat().st_mtime_ns for fold in (0, 1) for path in run.fold(fold).iterdir()}
    kit.run("digits", digits, out=run.path, quiet=True, **SMALL)
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert same_results(run.path, small_run.path)


@pytest.mark.parametrize("damage", ["truncate", "flip"])
def test_a_broken_snapshot_is_noticed_and_the_one_before_is_used(
    damage: str,
    digits: Path,
    small_run: kit.Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stop_in(monkeypatch, 0, 2, RuntimeError("the power went"))
    with pytest.raises(RuntimeError):
        kit.run("digits", digits, out=tmp_path / "run", quiet=True, snapshot=0.0, **SMALL)
    newest = checkpoints.snapshots(tmp_path / "run" / "fold0")[0]
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data if damage == "flip" else data[:-1000])
    run = kit.run("digits", digits, out=tmp_path / "run", **SMALL)
    assert "broken (its checksum differs)" in capsys.readouterr().err
    assert same_results(run.path, small_run.path)


def test_a_damaged_result_of_a_fold_is_made_anew(digits: Path, small_run: kit.Run, tmp_path: Path) -> None:
    run = kit.run("digits", digits, out=tmp_path / "run", quiet=True, **SMALL)
    run.submission.unlink()
    (run.fold(1) / "oof.npz").write_text("ImageId\n")
    kit.run("digits", digits, out=run.path, quiet=True, **SMALL)
    assert same_results(run.path, small_run.path)


def test_a_changed_file_of_the_same_size_is_noticed_and_a_copy_is_sound(small_run: kit.Run, tmp_path: Path) -> None:
    copy = tmp_path / "fold"
    shutil.copytree(small_run.fold(0), copy, copy_function=shutil.copyfile)  # other times, the same content
    assert crossval.finished(copy) == crossval.finished(small_run.fold(0)) is not None
    model = copy / "model.ckpt"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    assert crossval.finished(copy) is None
    model.unlink()
    assert crossval.finished(copy) is None


def test_what_nobody_touched_is_not_read(small_run: kit.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gigabytes of checkpoints would be, at every start of a run."""
    with monkeypatch.context() as patch:
        patch.setattr(files, "checksum", lambda path: pytest.fail(f"{path} was read"))
        assert crossval.finished(small_run.fold(0))


def as_older_versions_had_it(run: kit.Run) -> None:
    """Each fold's predictions as CSV, and checksums of these alone."""
    (run.path / "manifest.json").unlink()
    for path in [*run.path.glob("fold*/*.npz")]:
        predictions.write_csv(path.with_suffix(".csv"), predictions.load(path.parent, path.stem))
        path.unlink()
    for path in run.path.glob("fold*/fold.json"):
        stats = read_json(path)
        del stats["files"]
        names = [one.replace(".npz", ".csv") for one in stats["checksums"]]
        write_json(path, stats | {"checksums": {name: files.checksum(path.parent / name) for name in names}})


def test_a_run_of_an_older_version_is_scored_shown_predicted_blended_and_gone_on_with(
    digits: Path, small_run: kit.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(small_run.path, tmp_path / "old")
    old = kit.load(tmp_path / "old")
    as_older_versions_had_it(old)
    assert all(crossval.finished(old.fold(k)) for k in range(3)) and old.oof.equals(small_run.oof)
    assert kit.predict(old, digits, out=tmp_path / "predicted")[0].equals(small_run.test)
    assert blend([old, small_run], out=tmp_path / "blend", data=digits, quiet=True).complete
    assert app.main(["export", str(old.path), "--format", "csv"]) == 0
    written = [Path(line) for line in capsys.readouterr().out.split()]
    assert [path.name for path in written[:3]] == ["fold0-oof.csv", "fold0-oof-raw-weights.csv", "fold0-test.csv"]
    assert written[0].read_bytes() == (old.fold(0) / "oof.csv").read_bytes()
    for name in RESULTS:
        (old.path / name).unlink()
    assert page.write(old).exists()
    (old.fold(2) / "fold.json").unlink()  # killed in its last fold: that one is written as this version does
    assert same_results(kit.run("digits", digits, out=old.path, quiet=True, **SMALL).path, small_run.path)
    assert (old.fold(1) / "oof.csv").exists() and (old.fold(2) / "oof.npz").exists()


def test_another_configuration_is_refused_with_the_difference(digits: Path, small_run: kit.Run) -> None:
    with pytest.raises(kit.Usage, match="epochs: 2 → 3"):
        kit.run("digits", digits, out=small_run.path, quiet=True, **{**SMALL, "epochs": 3})
    assert small_run.complete


def test_other_data_is_refused(digits: Path, small_run: kit.Run, tmp_path: Path) -> None:
    for path in digits.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "test.csv").write_bytes((digits / "test.csv").read_bytes().replace(b"16", b"15"))
    with pytest.raises(kit.Usage, match="data: other files than those it was trained on, in "):
        kit.run("digits", tmp_path, out=small_run.path, quiet=True, **SMALL)


def test_another_fold_plan_is_refused(digits: Path, tmp_path: Path) -> None:
    run = kit.run("digits", digits, out=tmp_path / "run", only_fold=[0], quiet=True, **SMALL)
    lines = (run.path / "folds.csv").read_text().splitlines()
    first, fold = lines[1].split(",")
    files.write(run.path / "folds.csv", "\n".join([lines[0], f"{first},{(int(fold) + 1) % 3}", *lines[2:]]) + "\n")
    with pytest.raises(kit.Usage, match=r"differ from today's plan in 1 rows \(ids '1'\)"):
        kit.run("digits", digits, out=run.path, quiet=True, **SMALL)


def test_folds_that_are_known_are_not_dealt_again(digits: Path, small_run: kit.Run, tmp_path: Path) -> None:
    run = kit.run("digits", digits, out=tmp_path / "run", only_fold=[0], quiet=True, **SMALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "deal", lambda *rest: pytest.fail("dealt again"))
        kit.run("digits", digits, out=run.path, only_fold=[1], quiet=True, **SMALL)
    dealt = run.record.dealt
    assert dealt
    run.note(dealt={**dealt, "key": "of other answers"})
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyError, match="again"):
        patch.setattr(rows, "deal", lambda *rest: {}["again"])
        kit.run("digits", digits, out=run.path, quiet=True, **SMALL)
    kit.run("digits", digits, out=run.path, quiet=True, **SMALL)
    assert run.record.dealt == dealt and same_results(run.path, small_run.path)


def test_fresh_starts_over(digits: Path, small_run: kit.Run, tmp_path: Path) -> None:
    kit.run("digits", digits, out=tmp_path / "run", quiet=True, **{**SMALL, "seed": 7})
    run = kit.run("digits", digits, out=tmp_path / "run", fresh=True, quiet=True, **SMALL)
    assert same_results(run.path, small_run.path)


def test_a_second_process_on_one_run_is_refused(digits: Path, tmp_path: Path) -> None:
    run = kit.Run(tmp_path / "run")
    with run.locked():
        other = warm("run", "digits", "--data", digits, "--out", run.path, *flags(SMALL))
        other.join()
    assert other.exitcode == 2
    assert f"process {os.getpid()} is working on this run" in Path("said").read_text()


def test_a_process_on_one_fold_refuses_only_who_wants_this_fold(digits: Path, tmp_path: Path) -> None:
    run = kit.Run(tmp_path / "run")
    with run.locked(["fold1"]):
        kit.run("digits", digits, out=run.path, only_fold=[0, 2], quiet=True, **SMALL)
        assert run.record.status == "running"  # another one is at work
        for options in ({}, {"only_fold": [1]}, {"only_fold": [0], "fresh": True}):
            other = warm("run", "digits", "--data", digits, "--out", run.path, *flags(SMALL), *given(options))
            other.join()
            assert other.exitcode == 2
            assert f"process {os.getpid()} is working on this run" in Path("said").read_text()
        with pytest.raises(kit.Usage, match=f"process {os.getpid()} is working"), run.locked():
            pass
    assert run.fold(0).exists() and not run.submission.exists()


def given(options: dict[str, Any]) -> list[str]:
    words = [] if "only_fold" not in options else ["--only-fold", ",".join(map(str, options["only_fold"]))]
    return [*words, *(["--fresh"] if options.get("fresh") else [])]


@pytest.mark.slow
def test_a_job_array_of_folds_ends_with_the_same_bytes(digits: Path, small_run: kit.Run, tmp_path: Path) -> None:
    out = tmp_path / "run"
    jobs = [
        warm("run", "digits", "--data", digits, "--out", out, "--only-fold", k, "--snapshot", 0, *flags(SMALL))
        for k in range(3)
    ]
    for job in jobs:
        job.join(240)
    assert [job.exitcode for job in jobs] == [0, 0, 0], Path("said").read_text()
    run = kit.load(out)
    assert run.complete and len(run.record.sessions) == 3 and same_results(out, small_run.path)
    assert not list(out.rglob(".tmp-*")) and not list(out.rglob("*.pid"))


def test_a_signal_in_a_deferred_block_ends_the_run_after_it() -> None:
    done = []
    with stoppable() as stop, pytest.raises(kit.Stopped) as caught, stop.deferred():
        os.kill(os.getpid(), signal.SIGTERM)
        done.append("all of it")
    assert done == ["all of it"] and caught.value.code == 143


def test_a_folder_removed_while_its_run_works_leaves_no_half_run(digits: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"

    def gone(*rest: object) -> None:
        shutil.rmtree(out)
        raise RuntimeError("disturbed")

    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError, match="disturbed"):
        patch.setattr(History, "on_train_batch_end", gone)
        kit.run("digits", digits, out=out, quiet=True, **SMALL)
    assert not (out / "run.json").exists()


@pytest.mark.parametrize("content", ["{}", '{"status": "stopped"}', "[1]", "null", "{"])
def test_a_run_json_that_is_not_one_is_named(content: str, digits: Path, tmp_path: Path) -> None:
    files.write(tmp_path / "run.json", content)
    with pytest.raises(kit.BadData, match=r"run\.json: (does not say|cannot be read)"):
        kit.run("digits", digits, out=tmp_path, quiet=True, **SMALL)
    with pytest.raises(kit.BadData, match=r"run\.json"):
        kit.predict(kit.load(tmp_path))
