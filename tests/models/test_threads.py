"""Threads: one for a net that is too small to share, all for one that is not; chosen by the configuration alone."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from conftest import SMALL

import kit
from kit.config import Config
from kit.models import registry, threads
from kit.models.lightning import step_threads
from kit.pipeline.study import StudyFold

RESULTS = ("oof.csv", "test.csv", "submission.csv")


def module_of(fold: StudyFold, **knobs: object) -> tuple[kit.FoldModule, Config]:
    module = fold.module(**knobs)
    return module, fold.fit.config.changed(**knobs)


def test_operations_of_a_step_grow_with_the_batch_and_the_square_of_the_width(digits: Path, tmp_path: Path) -> None:
    fold = kit.study("digits", digits, out=tmp_path / "study", quiet=True, **SMALL).folds[0]
    module, config = module_of(fold, width=32, batch=64)
    once = step_threads.operations(module, fold.fit.x, config)
    assert once == step_threads.operations(module, fold.fit.x, config)
    assert step_threads.operations(module, fold.fit.x, config.changed(batch=128)) == 2 * once
    wide, config = module_of(fold, width=64, batch=64)
    assert 3 * once < step_threads.operations(wide, fold.fit.x, config) < 4 * once


@pytest.mark.usefixtures("two_threads")
def test_a_small_net_gets_one_thread_and_a_large_one_all(digits: Path, tmp_path: Path) -> None:
    fold = kit.study("digits", digits, out=tmp_path / "study", quiet=True, **SMALL).folds[0]
    for width, batch, count in ((8, 64, 1), (64, 256, 2)):
        with threads.at_most(2):
            module, config = module_of(fold, width=width, batch=batch)
            step_threads.share(module, fold.fit.x, config)
            assert torch.get_num_threads() == count
            threads.use_all()
            assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 2


def test_to_count_operations_changes_nothing_of_a_module(digits: Path, tmp_path: Path) -> None:
    fold = kit.study("digits", digits, out=tmp_path / "study", quiet=True, **SMALL).folds[0]
    config = fold.fit.config
    module = registry.make(config, fold.fit.labels, fold.fit.x, steps=1)
    module.learn(fold.fit.x, fold.fit.train, fold.fit.y)
    frozen = next(part for part in module.modules() if isinstance(part, torch.nn.BatchNorm2d)).eval()
    before, drawn = {name: value.clone() for name, value in module.state_dict().items()}, torch.random.get_rng_state()
    step_threads.operations(module, fold.fit.x, config)
    assert module.training and not frozen.training
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


@pytest.mark.usefixtures("two_threads")
def test_a_small_net_gives_the_bytes_of_one_thread_and_says_so(digits: Path, small_run: kit.Run, tmp_path: Path) -> None:
    run = kit.run("digits", digits, out=tmp_path / "run", quiet=True, **SMALL)
    assert "cpu, 1 thread," in run.record.device
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    alone = kit.run("digits", digits, out=tmp_path / "alone", quiet=True, **SMALL)
    assert all((run.path / name).read_bytes() == (alone.path / name).read_bytes() for name in RESULTS)


def test_no_more_threads_than_cores_unless_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(64)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # as a quota of one core would have it
    assert threads.available() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    assert threads.available() == 64
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_a_prediction_takes_no_more_threads_than_a_quota_leaves(
    digits: Path, small_run: kit.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    seen: set[int] = set()
    hook = torch.nn.modules.module.register_module_forward_pre_hook(lambda *_: seen.add(torch.get_num_threads()))
    ways: list[Callable[[], object]] = [
        lambda: kit.predict(small_run, digits, out=tmp_path / "predicted"),
        lambda: kit.predict(small_run, digits, out=tmp_path / "in time", time_budget=600),
        lambda: small_run.predict(pd.read_csv(digits / "test.csv", dtype=str)),
    ]
    for way in ways:
        seen.clear()
        way()
        assert seen == {1} and torch.get_num_threads() == 2
    hook.remove()
