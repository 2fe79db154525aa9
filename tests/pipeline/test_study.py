"""kit.study: folds for a training loop of one's own, and what becomes of the predictions that are saved."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from torch.utils.data import DataLoader, TensorDataset

import kit
from kit import resources
from kit.cli.app import main
from kit.inference import export
from kit.pipeline.study import Study, StudyFold
from kit.storage import ledger

SMALL: dict[str, Any] = {"folds": 2, "limit": 300, "width": 8, "epochs": 1}


@pytest.fixture(autouse=True)
def quiet_lightning() -> Iterator[None]:
    """Lightning's own remarks (small batches, no logger, a hook of the module beside a data module) are no errors here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")
        yield


@pytest.fixture
def study(digits: Path) -> Study:
    return kit.study("digits", digits, quiet=True, **SMALL)


def trainer(**options: Any) -> pl.Trainer:
    plain: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "max_epochs": 1, "accelerator": "cpu"}
    return pl.Trainer(**plain | options, enable_progress_bar=False, enable_model_summary=False)


def guesses(fold: StudyFold, columns: list[str]) -> dict[str, np.ndarray]:
    """Random probabilities of the right shapes."""
    random = np.random.default_rng(fold.number)
    rows = {"validation": len(fold.validation_ids), "test": len(fold.test_ids)}
    return {name: random.dirichlet(np.ones(len(columns)), count) for name, count in rows.items()}


def written(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def complete(study: Study) -> None:
    for fold in study:
        fold.save(**guesses(fold, study.columns))


def test_a_study_scores_what_its_predictions_score(study: Study) -> None:
    scores, frames = [], []
    for fold in study:
        assert set(fold.train_ids).isdisjoint(fold.validation_ids)
        module, own = fold.module(), trainer()
        own.fit(module, datamodule=fold.data)
        validation = own.predict(module, fold.data.val_dataloader())
        scores.append(fold.save(validation=validation, test=own.predict(module, fold.data.predict_dataloader())))
        assert validation is not None
        frames.append(pd.DataFrame(torch.cat(validation).float().numpy(), fold.validation_ids, study.columns))
        assert scores[-1] == pytest.approx(own.validate(module, datamodule=fold.data, verbose=False)[0]["val_accuracy"])
    run = study.finish("mine")
    assert isinstance(run, kit.Run) and f"submission  {run.submission}" in str(run)
    oof = pd.concat(frames).loc[run.oof.index]
    np.testing.assert_allclose(run.oof.to_numpy(), oof.to_numpy(), atol=1e-6)
    counts = [len(frame) for frame in frames]
    assert run.scores["oof"] == pytest.approx(np.average(scores, weights=counts))
    assert kit.validate("digits", run.submission, study.plan.root) == []


def faults(good: dict[str, np.ndarray], fold: StudyFold, columns: list[str]) -> dict[str, tuple[Any, str]]:
    """Predictions of the validation rows that are refused, and a part of the message, by what is wrong with them."""
    values = good["validation"]
    frame = pd.DataFrame(values, fold.validation_ids, columns)
    first = fold.validation_ids[0]
    return {
        "rows": (values[1:], "fold 0, validation: the predictions have the shape"),
        "columns": (values[:, 1:], "it must be "),
        "no rows": ([], r"the shape \[0\]"),
        "text": ([["a"] * len(columns)] * len(values), "is not an array of numbers"),
        "none": (None, "shape|not an array of numbers"),
        "text in a frame": (frame.astype(object).replace(frame.iloc[0, 0], "x"), "is not an array of numbers"),
        "logits": (20 * values - 10, "Logits become such by softmax"),
        "sums": (values / 2, "sum up to"),
        "NaN": (np.where(frame.index.to_numpy()[:, None] == first, np.nan, values), f"1 rows .ids '{first}'"),
        "missing id": (frame.iloc[1:], f"no row of id '{first}'"),
        "repeated id": (pd.concat([frame, frame.iloc[:1]]), f"several rows of id '{first}'"),
        "unknown id": (frame.rename(index={first: "xyz"}), "unknown ids 'xyz'"),
        "missing column": (frame.drop(columns=columns[0]), f"no column '{columns[0]}'"),
    }


@pytest.mark.usefixtures("two_threads")
def test_the_loop_of_a_study_takes_no_more_threads_than_a_quota_leaves(digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    kit.study("digits", digits, quiet=True, **SMALL)
    assert torch.get_num_threads() == min(2, resources.core_count())
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # as a quota of one core would have it
    study = kit.study("digits", digits, quiet=True, **SMALL)
    assert torch.get_num_threads() == 1 and "1 thread" in str(study.run.record.device)


def test_wrong_predictions_are_refused_and_nothing_is_written(study: Study) -> None:
    fold = study.folds[0]
    good = guesses(fold, study.columns)
    before = written(study.run.path)
    for name, (wrong, message) in faults(good, fold, study.columns).items():
        with pytest.raises(kit.BadData if name == "NaN" else kit.Usage, match=message):
            fold.save(validation=wrong, test=good["test"])
        with pytest.raises(kit.Usage, match="fold 0, test"):
            fold.save(validation=good["validation"], test=good["test"][1:])
    assert written(study.run.path) == before


def test_predictions_may_be_arrays_rows_batches_or_frames_by_id(study: Study) -> None:
    fold = study.folds[0]
    good = guesses(fold, study.columns)
    values, test = good["validation"], good["test"]
    numbers = pd.DataFrame(values, fold.validation_ids, [int(name) for name in study.columns])
    forms: list[Any] = [values, values.tolist(), torch.from_numpy(values), list(torch.from_numpy(values).split(64))]
    forms += [[torch.from_numpy(row) for row in values], numbers.sample(frac=1, random_state=0)]
    assert len({(fold.save(form, test), (fold.fit.folder / "oof.npz").read_bytes()) for form in forms}) == 1


def test_an_unfinished_study_cannot_finish_and_resume_keeps_what_was_saved(study: Study, digits: Path) -> None:
    first = study.folds[0]
    first.save(**guesses(first, study.columns))
    stored = (first.fit.folder / "oof.npz").read_bytes()
    with pytest.raises(kit.Usage, match="no predictions of fold 1"):
        study.finish("mine")
    with pytest.raises(kit.Usage, match="limit: 300 → 200"):
        kit.study("digits", digits, resume=True, quiet=True, **SMALL | {"limit": 200})
    again = kit.study("digits", digits, resume=True, quiet=True, **SMALL)
    assert [fold.saved for fold in again] == [True, False]
    assert (again.folds[0].fit.folder / "oof.npz").read_bytes() == stored
    again.folds[1].save(**guesses(again.folds[1], again.columns))
    assert again.finish("mine").submission.exists()


def test_a_study_that_is_finished_takes_nothing_more(study: Study, digits: Path) -> None:
    complete(study)
    run = study.finish("mine")
    before = written(run.path)
    for late in (lambda: study.finish("mine"), lambda: study.folds[0].save(**guesses(study.folds[0], study.columns))):
        with pytest.raises(kit.Usage, match="this study is finished"):
            late()
    other = kit.study("digits", digits, quiet=True, **SMALL | {"folds": 3})
    assert not any(fold.saved for fold in other)
    complete(other)
    with pytest.raises(kit.Usage, match="holds another run"):
        other.finish("mine")
    assert written(run.path) == before


def test_the_run_of_a_study_is_taken_like_any_other(study: Study, digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    complete(study)
    run = study.finish("mine")
    rival = kit.run("digits", digits, quiet=True, **SMALL)
    assert main(["report", str(run.path)]) == 0
    assert main(["blend", str(run.path), str(rival.path), "--name", "both", "--data", str(digits)]) == 0
    assert main(["validate", "digits", str(run.submission), "--data", str(digits)]) == 0
    assert "mine" in {Path(row.run["run"]).name for row in ledger.rows("digits")}
    kit.predict(run, digits)
    with pytest.raises(kit.Usage, match=r"made by kit\.study, so it holds predictions and no models"):
        export.export(run, "onnx")
    with pytest.raises(kit.Usage, match=r"--from .*made by kit\.study"):
        kit.run("digits", digits, quiet=True, from_run=str(run.path), **SMALL)
    capsys.readouterr()


def test_callbacks_of_lightning_watch_the_competitions_metric(study: Study, tmp_path: Path) -> None:
    fold = study.folds[0]
    best = ModelCheckpoint(tmp_path / "best", monitor="val_accuracy", mode="max", save_last=True)
    stop, rate = EarlyStopping("val_accuracy", mode="max"), LearningRateMonitor("step")
    callbacks = {"callbacks": [best, stop, rate], "logger": CSVLogger(tmp_path), "enable_checkpointing": True}
    own = trainer(**callbacks, max_epochs=2, accumulate_grad_batches=2, precision="bf16-mixed", log_every_n_steps=1)
    module = fold.module(epochs=2)
    own.fit(module, datamodule=fold.data)
    assert best.best_model_score is not None and float(best.best_model_score) == pytest.approx(float(stop.best_score))
    assert rate.lrs
    longer = trainer(max_epochs=3)
    longer.fit(fold.module(epochs=3), datamodule=fold.data, ckpt_path=best.last_model_path)
    assert longer.current_epoch == 3


def test_a_plain_loader_trains_a_module_of_the_kit(study: Study) -> None:
    batches = list(study.folds[0].data.train_dataloader())
    x, y = torch.cat([batch.x for batch in batches]), torch.cat([batch.y for batch in batches])
    module, own = study.folds[0].module(), trainer(max_epochs=8)
    own.fit(module, DataLoader(TensorDataset(x, y), 16), DataLoader(TensorDataset(x, y), 64))
    assert float(own.callback_metrics["val_accuracy"]) > 0.3
    with_answers, without = own.predict(module, DataLoader(TensorDataset(x, y), 64)), own.predict(module, DataLoader(x, 64))
    assert with_answers and without
    torch.testing.assert_close(torch.cat(with_answers), torch.cat(without))


def test_a_module_of_a_fold_takes_no_knob_that_the_study_has_used(study: Study) -> None:
    with pytest.raises(kit.Usage, match="folds, limit cannot be changed"):
        study.folds[0].module(folds=3, limit=20, width=16)


def test_batches_are_as_the_module_says_not_as_the_study(study: Study) -> None:
    fold = study.folds[0]
    own = trainer()
    own.fit(fold.module(batch=16), datamodule=fold.data)
    assert own.num_training_batches == -(-len(fold.train_ids) // 16)


@pytest.mark.slow
def test_a_kernel_answers_by_the_predictions_of_a_study(study: Study, digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    complete(study)
    made = study.finish("mine")
    assert main(["kernel", "build", "digits", "--run", str(made.path)]) == 0
    assert main(["kernel", "rehearse", "digits", "--data", str(digits), "--mount", "new", "--quiet"]) == 0, (
        capsys.readouterr().err
    )
    assert main(["predict", str(made.path), "--views", "2"]) == 2
    assert "made by kit.study, so it has no models" in capsys.readouterr().err
