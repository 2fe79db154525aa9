"""What a GPU makes of the kit, the most valuable parts first: `scripts/gpu.sh [--data DIR] [--only N …] [--seconds S]`.

DIR holds Kaggle's cifar-10, or nothing is given and pictures of noise stand in: the speed is the same, accuracy says nothing.
Each part prints as it goes and ends within the time that is left, so that a run that is cut off has told what mattered. On a
machine without a GPU everything is smaller: a rehearsal of the script.
"""

from __future__ import annotations

import argparse
import collections
import gc
import os
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import kit
from kit import competition as competitions
from kit.config import Config
from kit.console import Progress
from kit.errors import KitError
from kit.labels import OneOf
from kit.metrics import accuracy
from kit.models import devices, graphed, prediction, registry
from kit.parts import NONE
from kit.training import fit as fitting
from kit.training.fold import Fold
from kit.training.loaders import Batches
from kit.training.signals import Stop

OUT = Path(os.environ.get("OUT") or tempfile.mkdtemp())
GPU = torch.cuda.is_available()
DEVICES = "gpu" if GPU else "cpu"
SMALLER = 1 if GPU else 40  # a rehearsal takes a fortieth of the rows
FAST = competitions.load("cifar10").preset("fast")
HEAVY = Config(epochs=1, augment="heavy", batch=256, ema=0.99)
LABELS = OneOf("label", tuple("abcdefghij"))
ANCHOR = 0.709e9  # multiplications and additions a picture and step of the whitened net of width 64, forward and backward
BEGAN = time.monotonic()
table: list[tuple[str, str]] = []


def say(*words: Any) -> None:
    print(f"[{time.monotonic() - BEGAN:5.1f}]", *words, flush=True)


def found(what: str, value: str) -> None:
    """A line of the table at the end."""
    table.append((what, value))
    say(f"   {what}: {value}")


def pictures(count: int, side: int, channels: int = 3, classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a faint pattern of its class, uint8 [count, side, side, channels], and classes [count]."""
    rng = np.random.default_rng(0)
    count = max(200, count // SMALLER)
    y = rng.integers(0, classes, count)
    pattern = rng.integers(0, 256, (classes, side, side, channels))
    x = np.empty((count, side, side, channels), np.uint8)
    for i in range(0, count, 4096):
        some = y[i : i + 4096]
        x[i : i + 4096] = (pattern[some] * 0.3 + rng.integers(0, 170, (len(some), side, side, channels))).astype(np.uint8)
    return x, y


def fold_of(x: np.ndarray, y: np.ndarray, config: Config, share: float = 0.8) -> Fold:
    """Fold 0 of these rows: the first `share` of them to train on."""
    cut, rows = int(len(y) * share), np.arange(len(y))
    return Fold(
        name="fold 0", number=0, folder=Path(tempfile.mkdtemp(dir=OUT)), x=x, y=y, train=rows[:cut], valid=rows[cut:],
        config=devices.choose(config.changed(devices=DEVICES, snapshot=1e6)), labels=LABELS, metric=accuracy, mirror=True,
    )  # fmt: skip


def fitted(fold: Fold, stop: Stop | None = None) -> tuple[fitting.Fitted, float]:
    """A fit, and its seconds until the GPU is done."""
    wait()
    began = time.monotonic()
    done = fitting.fit(fold, stop or Stop(), Progress(1, quiet=True))
    wait()
    return done, time.monotonic() - began


def wait() -> None:
    if GPU:
        torch.cuda.synchronize()


# --- the parts


def everything_runs() -> None:
    """Every kind of module, in bf16 and fp16, from files to submission."""
    tried: dict[str, tuple[str, dict[str, Any]]] = {
        "digits": ("digits", {}),
        "digits, fp16": ("digits", {"precision": "fp16"}),
        "digits, fp16, clipped": ("digits", {"precision": "fp16", "clip": 1.0}),
        "digits, Muon, fp16": ("digits", {"optimizer": "muon", "precision": "fp16", "lr": 0.02}),
        "rowsum": ("rowsum", {}),
        "rowsum, lightgbm": ("rowsum", {"model": "lightgbm", "trees": 20}),
        "equations, strip": ("equations", {"epochs": 2}),
        "equations, reader": ("equations", {"preset": "best", "epochs": 2}),
        "digits, resnet18, mixup, accumulate": (
            "digits", {"model": "resnet18", "size": 32, "augment": "mixup", "accumulate": 2, "epochs": 2}
        ),
        "digits, probe": ("digits", {"model": "resnet18", "size": 32, "strategy": "probe"}),
        "digits, early stop, plateau": ("digits", {"early_stop": 2, "schedule": "plateau"}),
        "digits, lr auto": ("digits", {"lr": 0.0, "epochs": 2}),
        "digits, batch auto": ("digits", {"batch": 0, "epochs": 2}),
    }  # fmt: skip
    tried = {name: what for name, what in tried.items() if GPU or "fp16" not in name}
    went = 0
    for name, (adapter, knobs) in tried.items():
        began = time.monotonic()
        folder = OUT / "runs" / name.replace(", ", "-").replace(" ", "-")
        try:
            run = kit.run(adapter, out=folder, quiet=True, fresh=True, devices=DEVICES, folds=2, **{"epochs": 3, **knobs})
            say(f"   ok    {name}: oof {run.scores['oof']:.4f} in {time.monotonic() - began:.1f} s")
            went += 1
        except Exception as fault:
            say(f"   WRONG {name}: {type(fault).__name__}: {str(fault)[:300]}")
            traceback.print_exc(limit=-3, file=sys.stdout)
    found("runs that went through", f"{went} of {len(tried)}")


def waits() -> None:
    """Every line at which the host waits for the GPU."""
    if not GPU:
        return
    heard: collections.Counter[str] = collections.Counter()

    def hear(message: Any, *rest: Any, **more: Any) -> None:
        if "synchroniz" in str(message):
            own = [
                f for f in traceback.extract_stack()[:-1] if any(p in f.filename for p in ("/kit/", "swa_utils", "lightning"))
            ]
            where = f"{'/'.join(own[-1].filename.split('/')[-2:])}:{own[-1].lineno}  {own[-1].line}" if own else "elsewhere"
            heard[where] += 1

    before, warnings.showwarning = warnings.showwarning, hear
    try:
        for name, config, count in (("cifar10 fast", FAST.changed(epochs=2), 40_000), ("convnet, heavy, EMA", HEAVY, 5_000)):
            x, y = pictures(count, 32)
            fold = fold_of(x, y, config)
            fitted(fold)  # what is made once
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                heard.clear()
                torch.cuda.set_sync_debug_mode("warn")
                done, _ = fitted(replace(fold, folder=Path(tempfile.mkdtemp(dir=OUT))))
                torch.cuda.set_sync_debug_mode("default")
            steps = done.state.batches.steps * config.epochs
            found(f"waits of the host, {name}", f"{sum(heard.values())} in a fit of {steps} steps")
            for line, count in heard.most_common(14):
                say(f"   {count:5d}  {line}")
    finally:
        warnings.showwarning = before
        torch.cuda.set_sync_debug_mode("default")


def speed() -> None:
    """The CIFAR-10 recipe, 8 epochs of 40,000 pictures: each fold, once what is made once is made; then without CUDA graphs."""
    folds = cifar()
    measured = [_measured(fold, f"fold {fold.number}") for fold in [folds[0], *folds]][1:]
    took, training, answered, score = np.array(measured).T
    found("a warm fit of CIFAR-10's fast recipe, seconds", f"{np.median(took):.2f} (training {np.median(training):.2f})")
    found(f"{len(folds)} folds, fitted and validated, seconds", f"{took.sum() + answered.sum():.2f}")
    found(f"{len(folds[0].valid):,} pictures predicted in six views, seconds", f"{np.median(answered):.2f}")
    found("accuracy of each fold", " ".join(f"{one:.4f}" for one in score) + f", mean {score.mean():.4f}")
    steps, graphed.STEPS = graphed.STEPS, 1 << 40
    try:
        found("the same without CUDA graphs, seconds of training", f"{_measured(folds[0], 'without graphs')[1]:.2f}")
    finally:
        graphed.STEPS = steps


def _measured(fold: Fold, name: str) -> tuple[float, float, float, float]:
    """Seconds of a fit, of its training, and of its validation, and the score."""
    done, took = fitted(replace(fold, folder=Path(tempfile.mkdtemp(dir=OUT))))
    rate = float(np.median([row["rows_per_second"] for row in done.state.history]))
    began = time.monotonic()
    predicted = prediction.predict(done.module, fold.x, fold.valid, fold.config)
    answered, score = time.monotonic() - began, fold.score(predicted)
    say(
        f"   {name}: {took:.2f} s, {done.state.seconds:.2f} s of it training, {rate:,.0f} pictures/s,"
        f" {1e3 * fold.config.batch / rate:.2f} ms a step, {1e-12 * ANCHOR * rate:.0f} TFLOP/s;"
        f" {len(fold.valid):,} pictures predicted in {answered:.2f} s, accuracy {score:.4f}"
    )
    return took, done.state.seconds, answered, score


def kernels() -> None:
    """Kernels a step, the share of the time that the GPU works, the longest of them."""
    from torch.profiler import ProfilerActivity, profile

    x, y = pictures(20_000, 32)
    fitted(fold_of(x, y, FAST.changed(epochs=1)))
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if GPU else [])]) as seen:
        done, seconds = fitted(fold_of(x, y, FAST.changed(epochs=2)))
    events = [event for event in seen.events() if "CUDA" in str(event.device_type) and "#" not in event.name]
    steps = done.state.batches.steps * 2
    busy = sum(event.device_time for event in events) / 1e6
    copies = collections.Counter(event.name for event in events if event.name.startswith("Memcpy"))
    found("kernels and copies a step", f"{len(events) / steps:.0f}; GPU busy {busy:.2f} of {seconds:.2f} s under the profiler")
    say("  ", dict(copies), f"in {steps} steps")
    order = "self_cuda_time_total" if GPU else "self_cpu_time_total"
    print(seen.key_averages().table(sort_by=order, row_limit=14, max_name_column_width=50))
    if GPU:
        print(seen.key_averages().table(sort_by="self_cpu_time_total", row_limit=10, max_name_column_width=50))


def same_bits() -> None:
    """Is a fit the same twice; is one that was stopped in its second epoch and resumed; is one without CUDA graphs?"""
    kinds = {
        "whitened, Muon": FAST.changed(epochs=2),
        "convnet, heavy, EMA": HEAVY.changed(epochs=2),
        "resnet18, dropout": Config(model="resnet18", epochs=2, batch=256, augment="medium", dropout=0.1),
    }
    for name, config in kinds.items():
        x, y = pictures(5_000, 32)
        fold, usual, graphed.STEPS = fold_of(x, y, config), graphed.STEPS, 1
        fits = [fitted(replace(fold, folder=Path(tempfile.mkdtemp(dir=OUT))))[0].module for _ in range(2)]
        states = [module.state_dict() for module in fits]
        stop, each = Stop(), Batches.__iter__

        def stopping(self: Batches, stop: Stop = stop, each: Any = each) -> Iterator[Any]:
            for number, batch in enumerate(each(self)):
                if self.epoch == 1 and number == min(1, self.steps - 1):
                    stop.signum = 15
                yield batch

        stop.install = lambda: None  # type: ignore[method-assign]
        Batches.__iter__ = stopping  # type: ignore[method-assign]
        try:
            fitted(fold, stop)
            say("   it was not stopped")
        except KitError:
            pass
        finally:
            Batches.__iter__ = each  # type: ignore[method-assign]
        states.append(fitted(fold)[0].module.state_dict())
        graphed.STEPS = 1 << 40
        states.append(fitted(replace(fold, folder=Path(tempfile.mkdtemp(dir=OUT))))[0].module.state_dict())
        graphed.STEPS = usual
        here = devices.choose(config.changed(devices="cpu"))
        answers = [prediction.predict(fits[0], x, fold.valid, one) for one in (fold.config, here)]
        found(f"predictions apart from a CPU's, {name}", f"{np.abs(answers[0] - answers[1]).max():.2g}")
        apart = [max(float((states[0][key].float() - state[key].float()).abs().max()) for key in state) for state in states[1:]]
        found(f"weights apart, {name}", f"again {apart[0]:.2g}, resumed {apart[1]:.2g}, without graphs {apart[2]:.2g}")


def memory() -> None:
    """Of predictions, of folds one after another, of a fit that does not fit."""
    if not GPU:
        return
    for model, side, views in (("resnet50", 224, 4), ("resnet50", 512, 4), ("tf_efficientnet_b0", 384, 2)):
        x, _ = pictures(1_000, side)
        config = devices.choose(Config(model=model, views=views, devices=DEVICES, ema=0.0, size=side))
        module = registry.module_class(config, LABELS, x, NONE).of(config, LABELS, x, steps=1, mirror=True)
        module.eval()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        try:
            prediction.predict(module, x, np.arange(500), config)
            wait()
            began = time.monotonic()
            prediction.predict(module, x, None, config)
            peak = torch.cuda.max_memory_allocated() / 2**30
            found(
                f"predictions, {model} {side}, {views} views",
                f"{len(x) / (time.monotonic() - began):.0f} rows/s, {peak:.1f} GiB",
            )
        except Exception as fault:
            found(f"predictions, {model} {side}, {views} views", f"WRONG: {type(fault).__name__}: {str(fault)[:100]}")
        del module
        torch.cuda.empty_cache()
    x, y = pictures(5_000, 32)
    for again in range(3):
        torch.cuda.reset_peak_memory_stats()
        fitted(fold_of(x, y, Config(model="resnet18", epochs=1, batch=256)))
        gc.collect()
        stay, peak = torch.cuda.memory_allocated() >> 20, torch.cuda.max_memory_allocated() >> 20
        say(f"   fold {again}: {stay} MB stay, peak {peak}")
    found("memory that stays after three folds", f"{stay} MB")
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(2 * 2**30 / total)
    x, y = pictures(600, 224)
    try:
        done, _ = fitted(fold_of(x, y, Config(model="resnet50", epochs=1, batch=256, ema=0.99)))
        found("resnet50, batch 256 of 224 pixels, in 2 GiB", f"went on in {done.state.batches.accumulate} parts")
    except Exception as fault:
        found("resnet50, batch 256 of 224 pixels, in 2 GiB", f"WRONG: {type(fault).__name__}: {str(fault)[:160]}")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def whole_command() -> None:
    """From files to submission by the command line, in a process of its own; two folds at a time on one GPU too."""
    commands = [["digits"], ["digits", "--jobs", "2"], *([["cifar10", "--data", str(given.data)]] if given.data else [])]
    for number, words in enumerate(commands):
        command = [
            sys.executable,
            "-m",
            "kit",
            "run",
            *words,
            "--devices",
            DEVICES,
            "--fresh",
            "--out",
            str(OUT / f"cold{number}"),
        ]
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
        found(f"kit run {' '.join(words[:1] + words[1:3])}", f"{time.monotonic() - began:.1f} s, exit {done.returncode}")
        say("\n".join((done.stdout if not done.returncode else done.stderr).strip().splitlines()[-8:]))


def cifar() -> list[Fold]:
    """The folds of CIFAR-10 where `--data` names its files, else one of noise."""
    recipe = FAST if GPU else FAST.changed(epochs=1)
    if not given.data:
        x, y = pictures(50_000, 32)
        return [fold_of(x, y, recipe)]
    knobs = {} if GPU else {"limit": 1000}
    study = kit.study("cifar10", given.data, out=OUT / "study", quiet=True, resume=False, **knobs)
    config = devices.choose(recipe.changed(devices=DEVICES, snapshot=1e6))
    return [replace(fold.fit, config=config) for fold in study.folds]


PARTS: list[tuple[str, Callable[[], None], float]] = [  # with the seconds that each needs
    ("does everything run", everything_runs, 60),
    ("where the host waits", waits, 20),
    ("speed of CIFAR-10", speed, 40),
    ("what the GPU does", kernels, 30),
    ("the same bits", same_bits, 30),
    ("memory", memory, 40),
    ("the whole command", whole_command, 60),
]


def parsed() -> argparse.Namespace:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--data", type=Path, help="folder with the files of Kaggle's cifar-10")
    words.add_argument("--only", type=int, nargs="+", help="parts by number, from 1")
    words.add_argument("--seconds", type=float, default=460, help="after which no part begins")
    return words.parse_args()


def main() -> None:
    card = torch.cuda.get_device_name(0) if GPU else "no GPU: a rehearsal"
    threads = f"{os.cpu_count()} CPUs, {torch.get_num_threads()} threads"
    say(f"torch {torch.__version__}, CUDA {torch.version.cuda}, {card}; {threads}")
    for number, (name, work, seconds) in enumerate(PARTS, start=1):
        if given.only and number not in given.only:
            continue
        if time.monotonic() - BEGAN + seconds > given.seconds:
            say(f"## {number} {name}: left out, no time")
            continue
        say(f"## {number} {name}")
        try:
            work()
        except Exception as fault:
            found(name, f"FAILED: {type(fault).__name__}: {str(fault)[:200]}")
            traceback.print_exc(limit=-6, file=sys.stdout)
        gc.collect()
        if GPU:
            torch.cuda.empty_cache()
    print(f"\n{card}\n" + "\n".join(f"| {what} | {value} |" for what, value in table), flush=True)


if __name__ == "__main__":
    given = parsed()
    main()
