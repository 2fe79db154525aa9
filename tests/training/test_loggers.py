"""Loggers: the real libraries receive the metrics offline; one that is missing, fails or hangs costs a line and no result."""

import json
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import SMALL

import kit
from kit.cli.app import main
from kit.config import Config
from kit.errors import Usage
from kit.training import loggers

KNOBS = {**SMALL, "folds": 2}
Metrics = dict[int, float]


def tensorboard(run: kit.Run, name: str) -> Metrics:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(run.fold(0) / "tensorboard"))
    found.Reload()
    return {one.step: one.value for one in found.Scalars(name)}


def mlflow(run: kit.Run, name: str) -> Metrics:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{run.path.resolve() / 'mlflow.db'}")
    ids = [one.experiment_id for one in client.search_experiments()]
    made = [one for one in client.search_runs(ids) if one.info.run_name == f"{run.path.name} fold0"]
    assert len(made) == 1 and made[0].data.params["epochs"] == "2"
    return {one.step: one.value for one in client.get_metric_history(made[0].info.run_id, name)}


def records(data: bytes) -> list[bytes]:
    """The records of wandb's file: LevelDB's log format (blocks of 32 KB, parts of 7 bytes and content) after 7 bytes."""
    found, place = [b""], 7
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
        size, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        found[-1] += data[place + 7 : place + 7 + size]
        found += [b""] if kind in (1, 4) else []  # a whole record, or the last part of one
        place += 7 + size
    return found[:-1]


def wandb(run: kit.Run, name: str) -> Metrics:
    from wandb.proto import wandb_internal_pb2

    found: list[Metrics] = []
    for path in sorted(run.path.glob("wandb/offline-run-*/*.wandb"), key=lambda one: one.stat().st_mtime_ns):
        steps: Metrics = {}
        for data in records(path.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            row = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            steps |= {int(row["trainer/global_step"]): row[name]} if name in row else {}
        found.append(steps)
    assert len(found) == 2  # a run a fold
    return found[0]


def comet(run: kit.Run, name: str) -> Metrics:
    (path,) = run.fold(0).glob("*.zip")
    with zipfile.ZipFile(path) as archive:
        lines = [json.loads(line) for line in archive.read("messages.json").splitlines()]
    found = [line["payload"]["metric"] for line in lines if line["type"] == "metric_msg"]
    return {one["step"]: float(one["metricValue"]) for one in found if one["metricName"] == name}


@pytest.mark.filterwarnings("ignore")  # the libraries' own
@pytest.mark.parametrize("read", [tensorboard, mlflow, wandb, comet], ids=lambda read: read.__name__)
def test_each_library_gets_every_epoch_offline(
    read: Callable[[kit.Run, str], Metrics], digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = read.__name__
    pytest.importorskip({"comet": "comet_ml"}.get(name, name), reason=f"{name} is not installed here")
    monkeypatch.setattr(loggers, "GRACE", 120.0)
    for variable in ("WANDB_MODE", "COMET_START_ONLINE", "MLFLOW_TRACKING_URI", "COMET_API_KEY"):
        monkeypatch.setenv(variable, "offline") if variable == "WANDB_MODE" else monkeypatch.setenv(variable, "")
    run = kit.run("digits", digits, out=tmp_path / "run", quiet=True, logger=name, **KNOBS)
    history = pd.read_csv(run.fold(0) / "history.csv")
    assert read(run, "train_loss") == pytest.approx(dict(zip(history["epoch"], history["train_loss"], strict=True)), rel=1e-5)
    assert read(run, "fold_score") == pytest.approx({2: run.scores["folds"][0]}, rel=1e-5)


class Broken:
    """A service that says no, with the key in its words."""

    def __init__(self, lightning: Any, folder: Path) -> None:
        raise RuntimeError("401: the key s3cr3t-k3y is not valid\nsecond line")


def hanging(lightning: Any, folder: Path) -> Any:
    time.sleep(60)


@pytest.mark.parametrize(("maker", "said"), [(Broken, "the key … is not valid"), (hanging, "does not answer")])
def test_a_logger_that_fails_or_hangs_changes_nothing(
    maker: Any, said: str, small_run: kit.Run, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setitem(loggers.MAKERS, "tensorboard", maker)
    monkeypatch.setattr(loggers, "find_spec", lambda name: True)
    monkeypatch.setattr(loggers, "GRACE", 0.2)
    monkeypatch.setenv("SERVICE_API_KEY", "s3cr3t-k3y")
    began = time.monotonic()
    run = kit.run("digits", digits, out=tmp_path / "run", logger="tensorboard", **SMALL)
    assert time.monotonic() - began < 50
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("--logger")]
    assert len(lines) == 3 and all(said in line and "history.csv has everything" in line for line in lines)
    assert (run.path / "oof.csv").read_bytes() == (small_run.path / "oof.csv").read_bytes()
    assert "s3cr3t-k3y" not in (run.path / "run.json").read_text()


def test_a_logger_that_is_not_there_is_said_at_once(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    assert main(["run", "digits", "--data", str(digits), "--out", str(tmp_path / "run"), "--logger", "csv,wandb"]) == 2
    assert "kaggle-baseline-kit[wandb]" in capsys.readouterr().err and not (tmp_path / "run").exists()
    for name, said in (("tensorbord", "Did you mean 'tensorboard'"), ("neptune", "shut down")):
        with pytest.raises(Usage, match=said):
            loggers.names(Config(logger=name))
    assert loggers.names(Config()) == loggers.names(Config(logger="csv")) == []


def test_another_logger_is_no_other_run(small_run: kit.Run, digits: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed here")
    shutil.copytree(small_run.path, tmp_path / "run")
    run = kit.run("digits", digits, out=tmp_path / "run", quiet=True, logger="tensorboard", **SMALL)
    assert run.complete and run.info["config"]["logger"] == ""
