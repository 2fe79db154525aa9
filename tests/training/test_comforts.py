"""Comforts: time budgets, early ends, schedules, clipping, automatic rates and batches, memory, timings."""

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import SMALL, flags
from hypothesis import given, strategies as st
from pytorch_lightning.plugins import MixedPrecision
from test_resume import same_results

import kit
from kit import competition
from kit.cli.app import main
from kit.config import SCHEDULES, Config, seconds
from kit.errors import KitError, Usage
from kit.inference import members
from kit.labels import OneOf, to_json
from kit.models import prediction
from kit.models.batch import Batch
from kit.models.images.image_module import ImageModule
from kit.models.net_module import NetModule
from kit.models.optimizers import schedules
from kit.pipeline import crossval, scoring
from kit.reporting.report import page
from kit.storage import predictions
from kit.storage.run_folder import read_json
from kit.training import lr_finder
from kit.training.callbacks import Report, snapshots
from kit.training.deadline import Budget

FIT = {**SMALL, "dropout": 0.0, "quiet": True}


@pytest.mark.parametrize(
    ("text", "wanted"), [("90", 90), ("90s", 90), ("30m", 1800), ("1h30m", 5400), ("1h", 3600), ("0.5m", 30)]
)
def test_times_are_read(text: str, wanted: float) -> None:
    assert seconds(text) == wanted
    assert Config().changed(time_budget=text).time_budget == wanted


@pytest.mark.parametrize("text", ["", "m", "30x", "1m1h"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(Usage, match="a time such as 30m"):
        Config().changed(time_budget=text)


@given(st.sampled_from(SCHEDULES), st.integers(1, 300), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_a_schedule_stays_between_nothing_and_its_peak(name: str, steps: int, warmup: float) -> None:
    shares = [schedules.SHAPES[name](step, steps, warmup) for step in range(steps + 1)]
    assert all(0 <= share <= 1 for share in shares)
    falling = shares[math.ceil(warmup * steps) + 1 :]
    assert falling == sorted(falling, reverse=True)
    if name in ("one-cycle", "linear", "cosine"):
        assert shares[-1] < 1e-5


def test_a_plateau_drops_where_the_training_loss_rests() -> None:
    plateau = schedules.Plateau()
    drops = []
    for loss in [3.0, 2.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.6, 0.5]:
        plateau.epoch(loss)
        drops.append(int(plateau.drops))
    assert drops == [0, 0, 0, 0, 0, 1, 1, 1, 1, 2]


@pytest.mark.parametrize("schedule", ["plateau", "step", "cosine"])
def test_a_run_with_any_schedule_resumes_to_the_same_bytes(
    schedule: str, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    knobs = {**FIT, "schedule": schedule, "clip": 0.5, "folds": 2, "epochs": 5, "width": 4}
    whole = kit.run("digits", digits, out=tmp_path / "whole", **knobs)
    healthy = Report.on_train_epoch_end

    def faulty(self: Report, *rest: Any) -> None:
        healthy(self, *rest)
        if self.state.epoch == 3:
            monkeypatch.setattr(Report, "on_train_epoch_end", healthy)
            raise RuntimeError("cut")

    monkeypatch.setattr(Report, "on_train_epoch_end", faulty)
    with pytest.raises(RuntimeError, match="cut"):
        kit.run("digits", digits, out=tmp_path / "cut", snapshot=0, **knobs)
    kit.run("digits", digits, out=tmp_path / "cut", **knobs)
    assert same_results(tmp_path / "cut", whole.path)


@pytest.mark.parametrize("more", [{}, {"early_stop": 2, "epochs": 8, "lr": 0.3}], ids=["whole", "stopped early"])
def test_what_was_trained_is_not_lost_to_a_prediction(
    more: dict[str, Any], digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    knobs = {**FIT, "folds": 2, **more}
    whole = kit.run("digits", digits, out=tmp_path / "whole", **knobs)
    healthy = crossval.validate
    monkeypatch.setattr(snapshots, "LAST", 0.0)  # else a slow disk makes the pause between snapshots longer than this fit
    monkeypatch.setattr(crossval, "validate", lambda *rest: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA out of memory")))
    with pytest.raises(torch.OutOfMemoryError):
        kit.run("digits", digits, out=tmp_path / "cut", snapshot=0, **knobs)
    monkeypatch.setattr(crossval, "validate", healthy)
    steps, step = [], ImageModule.training_step
    monkeypatch.setattr(ImageModule, "training_step", lambda self, batch, i: steps.append(batch) or step(self, batch, i))
    kit.run("digits", digits, out=tmp_path / "cut", only_fold=[0], **{**knobs, "quiet": False})
    assert not steps and "fold 0 of 2: is trained; its predictions come next" in capsys.readouterr().err
    kit.run("digits", digits, out=tmp_path / "cut", **knobs)
    assert same_results(tmp_path / "cut", whole.path)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])  # both on any CPU, by emulation where it has no bf16
def test_a_clipped_gradient_is_no_longer_than_asked(
    precision: str, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    norms: list[float] = []

    def looking(self: NetModule, optimizer: torch.optim.Optimizer) -> None:
        parts = [one.grad.norm() for one in self.net.parameters() if one.grad is not None]
        norms.extend([float(torch.linalg.vector_norm(torch.stack(parts)))] if parts else [])

    monkeypatch.setattr(NetModule, "on_before_zero_grad", looking)
    kit.run("digits", digits, out=tmp_path / "run", only_fold=[0], clip=0.01, precision=precision, **FIT)
    assert len(norms) > 2 and 0 < max(norms) <= 0.0101


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_lightning_clips_what_the_module_asks_it_to_clip(precision: str, clip: float) -> None:
    config = Config(precision=precision, clip=clip, width=4)
    module = ImageModule(config.json(), to_json(OneOf("y", ("a", "b"))), channels=1, side=8, steps=1)
    plugin = MixedPrecision("16-mixed" if precision == "fp16" else "bf16-mixed", "cpu")
    optimizer = module.configure_optimizers()["optimizer"]
    if precision != "fp32":
        plugin.clip_gradients(optimizer, clip)
    assert optimizer.param_groups[0]["fused"] == (not clip or precision == "fp32")


def test_a_fold_ends_when_it_no_longer_gets_better_and_keeps_its_best(digits: Path, tmp_path: Path) -> None:
    knobs = {**FIT, "epochs": 60, "early_stop": 2, "schedule": "constant", "lr": 0.02, "final": "both"}
    run = kit.run("digits", digits, out=tmp_path / "run", **knobs)
    for k in run.info["folds"]:
        stats = read_json(run.fold(k) / "fold.json")
        scores = pd.read_csv(run.fold(k) / "history.csv")["val_accuracy"]
        assert scores.idxmax() + 1 + 2 == stats["epochs"] < 60  # counted from the first of the best epochs
        assert scores[stats["best_epoch"] - 1] == scores.max() and (scores[stats["best_epoch"] :] < scores.max()).all()
    assert "flattered_by" in run.scores["extra"]
    mean = np.mean([read_json(run.fold(k) / "fold.json")["best_epoch"] for k in run.info["folds"]])
    assert read_json(run.fold("refit") / "fold.json")["epochs"] == round(mean)


def test_time_is_shared_by_the_fits_that_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "time", lambda: now[0] + 86_400)  # a clock that somebody sets
    budget = Budget(60, time.monotonic())
    assert budget.until(5, besides=15) == 100 + 45 / 5
    now[0] = 130
    assert budget.until(2, besides=9) == 130 + 21 / 2
    now[0] = 170
    assert budget.until(1, besides=7) == 170
    assert Budget(0, time.monotonic()).until(1, 7) == math.inf


@pytest.mark.slow
def test_a_run_ends_in_its_time_with_a_submission_and_a_resume_gets_a_new_budget(digits: Path, tmp_path: Path) -> None:
    knobs = {**FIT, "epochs": 5000, "time_budget": 15, "views": 3}
    began = time.monotonic()
    with pytest.raises(RuntimeError, match="cut"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "finish", _cut)
        kit.run("digits", digits, out=tmp_path / "run", **knobs)
    spent = time.monotonic() - began
    assert 8 < spent < 17
    assert not (tmp_path / "run" / "submission.csv").exists()
    run = kit.run("digits", digits, out=tmp_path / "run", **{**knobs, "time_budget": "3m"})
    assert run.complete and not kit.validate("digits", run.submission, digits)
    epochs = [read_json(run.fold(k) / "fold.json")["epochs"] for k in run.info["folds"]]
    assert all(0 < one < 5000 for one in epochs) and max(epochs) < 4 * min(epochs)
    rates = (run.fold(0) / "history.csv").read_text().splitlines()[-1].split(",")[1]
    assert float(rates) < 1e-3  # the schedule ended with the time


def test_a_time_budget_takes_fewer_views_where_training_needs_the_time(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    knobs = {**FIT, "quiet": False, "folds": 2, "views": 9, "time_budget": 60}
    free = kit.run("digits", digits, out=tmp_path / "free", **knobs)
    assert free.info["in_time"] == {"views": 9, "weigh": True} and (free.fold(0) / "oof-one-view.npz").exists()
    rows = sum(len(part) for part in (free.oof, free.test, free.test))
    monkeypatch.setattr(prediction, "pace", lambda *rest: 0.5 * 60 / (rows * 3.5))
    run = kit.run("digits", digits, out=tmp_path / "run", **knobs)
    assert "--time-budget: 3 of 9 views; training needs the time of the others" in capsys.readouterr().err
    assert run.info["in_time"] == {"views": 3, "weigh": False} and not (run.fold(0) / "oof-one-view.npz").exists()
    assert [len(model.views) for model in members.load(run)] == [3, 3]
    assert "<td>9: 3</td>" in page.write(run).read_text()
    monkeypatch.setattr(prediction, "pace", lambda *rest: 1.0)
    (run.fold(1) / "fold.json").unlink()
    run.note(status="stopped")
    again = kit.run("digits", digits, out=tmp_path / "run", **knobs)
    assert [len(model.views) for model in members.load(again)] == [3, 3]
    other = kit.run("digits", digits, out=tmp_path / "other", **{**knobs, "time_budget": 10})
    assert other.complete and other.info["in_time"]["views"] == 1
    assert "predictions alone take about" in capsys.readouterr().err


@pytest.mark.parametrize("final", ["folds", "both"])
def test_a_time_budget_lets_fewer_folds_answer_the_test_where_one_view_is_too_slow(
    final: str, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    knobs = {**FIT, "quiet": False, "folds": 3, "final": final, "time_budget": 60}
    rows, test = 300, len(competition.load("digits").competition.tables(digits).sample)
    monkeypatch.setattr(prediction, "pace", lambda *rest: 0.5 * 55 / (rows + 2 * test))
    run = kit.run("digits", digits, out=tmp_path / "run", **knobs)
    note = f"--time-budget: 2 of {3 + (final == 'both')} models answer the test; there is no time for the others"
    assert run.complete and run.info["in_time"] == {"views": 1, "weigh": False, "answering": 2, "notes": [note]}
    assert note in capsys.readouterr().err and note in run.info["notes"]
    folders = [run.fold(0), run.fold(1)] if final == "folds" else [run.fold(0), run.fold("refit")]
    assert [folder.name for folder in sorted(run.path.glob("*/")) if (folder / "test.npz").exists()] == [
        one.name for one in folders
    ]
    mean = np.mean([predictions.load(folder, "test").to_numpy() for folder in folders], axis=0)
    assert np.allclose(run.test.to_numpy(), mean, atol=1e-6) and len(run.oof) == rows
    assert kit.predict(run)[0].equals(run.test)
    (run.fold(2) / "fold.json").unlink()
    run.note(status="stopped")
    before = run.test
    monkeypatch.setattr(prediction, "pace", lambda *rest: 1e-6)
    again = kit.run("digits", digits, out=tmp_path / "run", **knobs)
    assert again.test.equals(before) and note in again.info["notes"]  # what was found once stays


def _cut(*rest: Any) -> None:
    raise RuntimeError("cut")


def test_lr_auto_is_the_same_as_its_number_by_hand(digits: Path, tmp_path: Path) -> None:
    auto = kit.run("digits", digits, out=tmp_path / "auto", lr="auto", **FIT)
    rate = auto.info["chosen"]["lr"]
    assert 1e-4 < rate < 1
    by_hand = kit.run("digits", digits, out=tmp_path / "hand", lr=rate, **FIT)
    assert same_results(auto.path, by_hand.path)
    svg = (auto.path / "lr.svg").read_text()
    assert svg.startswith("<svg") and "learning rate" in svg and f">{rate:g}<" in svg


def test_auto_is_called_auto_in_what_is_printed_and_in_the_name(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    knobs = ["--epochs", "1", "--width", "4", "--folds", "2", "--only-fold", "0"]
    assert main(["run", "digits", "--data", str(digits), "--lr", "auto", *knobs]) == 0
    said = capsys.readouterr().err
    assert "flag: width=4 epochs=1 lr=auto folds=2" in " ".join(said.split()) and "weights=" not in said
    assert (tmp_path / "runs/digits/fast-epochs1-folds2-lrauto-width4/lr.svg").exists()
    assert main(["run", "digits", "--data", str(digits), "--out", str(next(tmp_path.glob("runs/*/*"))), *knobs]) == 2
    assert "lr: auto → 0.01" in capsys.readouterr().err


def test_a_resumed_run_keeps_the_rate_it_chose(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = kit.run("digits", digits, out=tmp_path / "run", lr="auto", only_fold=[0], **FIT)
    monkeypatch.setattr(lr_finder, "learning_rate", lambda *rest: pytest.fail("asked again"))
    again = kit.run("digits", digits, out=tmp_path / "run", lr="auto", **FIT)
    assert again.complete and again.info["chosen"] == run.info["chosen"]


def test_the_rate_of_a_known_curve_lies_between_its_steepest_place_and_its_least() -> None:
    rates = np.geomspace(1e-5, 10, 200)
    falls = 2 - 1.5 / (1 + np.exp(-6 * (np.log10(rates) + 2))) + np.exp(3 * (np.log10(rates) - 0.3))
    noise = np.random.default_rng(0).normal(0, 0.05, 200)
    least = rates[np.argmin(falls)]
    assert lr_finder.halfway(rates, lr_finder.smoothed(rates, falls + noise)) == pytest.approx(np.sqrt(0.01 * least), rel=0.5)


def test_a_loss_that_is_not_finite_from_the_start_is_named(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageModule, "training_step", lambda self, batch, index: {"loss": self.net[-1].weight.sum() * math.nan})
    with pytest.raises(KitError, match="--lr auto: the loss diverges at once"):
        kit.run("digits", digits, out=tmp_path / "run", lr="auto", **FIT)


def test_batch_auto_measures_and_moves_the_rate_with_it(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lr_finder, "_speed", lambda fold, feed, rows: min(rows, 64))
    run = kit.run("digits", digits, out=tmp_path / "run", batch="auto", only_fold=[0], **{**FIT, "limit": 1437, "folds": 5})
    assert run.info["chosen"] == {"batch": 32, "lr": pytest.approx(0.02 * math.sqrt(32 / 256))}
    monkeypatch.setattr(lr_finder, "EPOCH", 8)
    other = kit.run("digits", digits, out=tmp_path / "two", batch="auto", only_fold=[0], **{**FIT, "limit": 1437, "folds": 5})
    assert other.info["chosen"]["batch"] == 64


def test_out_of_memory_goes_on_in_smaller_parts(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    healthy = ImageModule.training_step
    sizes: list[int] = []

    def little(self: ImageModule, batch: Batch, index: int) -> Any:
        sizes.append(len(batch))
        if len(sizes) > 3 and len(batch) > 30:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return healthy(self, batch, index)

    monkeypatch.setattr(ImageModule, "training_step", little)
    knobs = {**FIT, "quiet": False, "batch": 100, "only_fold": [0]}
    kit.run("digits", digits, out=tmp_path / "run", snapshot=0, **knobs)
    said = capsys.readouterr().err
    assert "CUDA out of memory. Tried to allocate 20.00 MiB. Goes on with each batch in 2 parts" in said
    assert "in 4 parts" in said and "in 8 parts" not in said
    assert "fold 0 of 3: goes on at epoch " in said  # from a snapshot, not from the start
    assert sizes[-1] == 25
    monkeypatch.setattr(ImageModule, "training_step", lambda *rest: (_ for _ in ()).throw(torch.OutOfMemoryError("none")))
    with pytest.raises(KitError, match="even in parts of a few rows"):
        kit.run("digits", digits, out=tmp_path / "none", **knobs)


def test_another_fault_is_not_taken_for_a_lack_of_memory(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageModule, "training_step", lambda *rest: (_ for _ in ()).throw(RuntimeError("shapes differ")))
    with pytest.raises(RuntimeError, match="shapes differ"):
        kit.run("digits", digits, out=tmp_path / "run", only_fold=[0], **FIT)


def test_the_profile_names_every_part(digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = flags({key: value for key, value in FIT.items() if key != "quiet"})
    assert main(["run", "digits", "--data", str(digits), "--out", str(tmp_path), "--only-fold", "0", "--profile", *words]) == 0
    said = capsys.readouterr().err
    for part in ("data", "forward", "backward", "optimizer", "metrics", "checkpoints"):
        assert f"\n{part} " in said
