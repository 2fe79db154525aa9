"""Knobs: every choice of a run once, with its default, help and bounds, in the groups that `kit run --help` shows."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable
from dataclasses import Field, dataclass, field, fields
from typing import Any

POLICIES = ("none", "light", "medium", "heavy", "trivial", "mixup", "cutmix", "photo")  # `kit.data.augmentation` has them
SCHEDULES = ("one-cycle", "linear", "cosine", "step", "plateau", "constant")  # `kit.models.optimizers.schedules` has them
VIEW_KINDS = ("auto", "shifts", "flips", "crops", "scales")  # `kit.data.tta` has them


def knob(
    default: Any,
    help: str,
    choices: tuple[str, ...] = (),
    low: float | None = None,
    high: float | None = None,
    flag: str = "",
    parse: Callable[[str], Any] | None = None,
    extensible: bool = False,
) -> Any:
    """A dataclass field that knows its help text, its bounds (inclusive), its flag, where that is not its name, and how
    text is read, where that is not as its default's type reads it. `extensible`: may an adapter add to the choices?"""
    about = {"help": help, "choices": choices, "low": low, "high": high, "flag": flag, "parse": parse}
    about["extensible"] = extensible
    return field(default=default, metadata=about)


def seconds(text: str) -> float:
    """`90`, `90s`, `30m`, `1h30m` as seconds. Raises ValueError for anything else."""
    with contextlib.suppress(ValueError):
        return float(text)
    found = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", text.strip())
    if not found or not text.strip():
        raise ValueError(text)
    return sum(float(part or 0) * unit for part, unit in zip(found.groups(), (3600, 60, 1), strict=True))


def auto_or(kind: type) -> Callable[[str], Any]:
    """What reads a number, or `auto` as 0."""
    return lambda text: kind(0) if text == "auto" else kind(text)


@dataclass(frozen=True)
class ModelKnobs:
    """The model: which, how large, and what it begins with."""

    model: str = knob("convnet", "a timm model, convnet, whitened, strip, reader; ngrams, one of Hugging Face; mlp, boosting")
    width: int = knob(32, "channels of the kit's own nets' first layer, units of a layer of mlp", low=1)
    dropout: float = knob(0.0, "dropout before the last layer", low=0, high=0.9)
    weights: str = knob(
        "", "pretrained weights: hub, or a file or folder (safetensors, a state dict; a transformer's with its tokenizer)"
    )
    from_run: str = knob("", "folder of a run whose backbone to begin with", flag="--from")
    strategy: str = knob("full", "which layers learn", ("full", "freeze", "freeze-unfreeze", "gradual"))
    unfreeze: int = knob(1, "the epoch from which more than the head learns (freeze-unfreeze, gradual)", low=0)
    layer_decay: float = knob(1.0, "factor on the learning rate per layer, from the head to the picture", low=0, high=1)
    gradient_checkpointing: int = knob(0, "1: compute activations twice (timm, transformers): less memory", low=0, high=1)


@dataclass(frozen=True)
class TrainingKnobs:
    """The fit of a network: steps, learning rate, loss, averages."""

    epochs: int = knob(10, "passes over the training rows", low=1)
    batch: int = knob(256, "rows per optimizer step; auto: the fastest here (CPU), what fits (GPU)", low=0, parse=auto_or(int))
    lr: float = knob(4e-3, "peak learning rate; auto: by a range test", low=0, parse=auto_or(float))
    optimizer: str = knob("adamw", "optimizer", ("adamw", "sgd", "muon"))
    schedule: str = knob("one-cycle", "course of the learning rate after its rise", SCHEDULES)
    warmup: float = knob(0.25, "share of the schedule in which the learning rate rises", low=0, high=1)
    weight_decay: float = knob(0.05, "weight decay, on weights of two or more dimensions only", low=0)
    label_smoothing: float = knob(0.0, "label smoothing", low=0, high=0.9)
    huber: float = knob(
        0.0, "numbers: errors beyond so many standard deviations count linearly (Huber 1964); 0: all squared", low=0
    )
    ema: float = knob(0.99, "decay per step of the averaged weights that predict; 0: off", low=0, high=0.99999)
    early_stop: int = knob(0, "validations without a better score that end a fold, which keeps its best weights; 0: off", low=0)
    checkpoint: str = knob("end", "end: the schedule's last weights; best: by validation score (flatters)", ("end", "best"))
    val_every: int = knob(0, "epochs between validations; 0: at the end only", low=0)
    accumulate: int = knob(1, "parts of a batch that go through the model one after another, to save memory", low=1)
    clip: float = knob(0.0, "largest norm of a step's gradient; 0: any", low=0)
    bias_lr: float = knob(1.0, "factor on the learning rate of biases", low=0)
    head_lr: float = knob(1.0, "factor on the learning rate of the last layer", low=0)


@dataclass(frozen=True)
class DataKnobs:
    """The rows: which, and how they are shown to the model."""

    size: int = knob(0, "side of the images in pixels; 0: as they are", low=0)
    augment: str = knob("none", "augmentation policy (photo: one by one, in workers)", POLICIES, extensible=True)
    crop: str = knob("none", "what a net sees; ink: the box of pixels in which training pictures differ", ("none", "ink"))
    limit: int = knob(0, "use the first N training rows only (a trial run); 0: all", low=0)
    text: str = knob("", "the column of texts; none: a table of numbers, categories and dates (competition csv)")
    target: str = knob("label", "the column of answers (competition csv)", flag="--target")


@dataclass(frozen=True)
class FoldKnobs:
    """Folds, and which models answer the test."""

    folds: int = knob(5, "cross-validation folds", low=2)
    split: str = knob("auto", "how rows are dealt to folds; auto: by the competition's facts", ("auto", "plain", "time"))
    seed: int = knob(0, "seed of folds, weights, order and augmentation", low=0)
    final: str = knob("folds", "what answers the test: the folds, a refit on all rows, or both", ("folds", "refit", "both"))


@dataclass(frozen=True)
class InferenceKnobs:
    """Test-time augmentation."""

    views: int = knob(1, "test-time augmentation views averaged into each prediction", low=1)
    view_kind: str = knob("auto", "kind of views; auto: mirrored where that is allowed, and shifted", VIEW_KINDS)


@dataclass(frozen=True)
class MachineKnobs:
    """This machine and this session: they change how a result is computed, hardly what it is."""

    time_budget: float = knob(
        0.0,
        "time for the whole run (30m, 1h30m), shared by its folds; the schedule ends with it; 0: none",
        low=0,
        parse=seconds,
    )
    devices: str = knob("auto", "where to compute", ("auto", "cpu", "gpu"))
    precision: str = knob("auto", "arithmetic; auto: by the device", ("auto", "fp32", "bf16", "fp16"))
    layout: str = knob("auto", "memory format", ("auto", "channels_last", "contiguous"))
    jobs: int = knob(0, "folds trained at a time, each in a process of its own; 0: one for each GPU, one on a CPU", low=0)
    workers: int = knob(-1, "processes that decode or augment images one by one; -1: as many as cores", low=-1)
    cache_gb: float = knob(
        50.0, "gigabytes of decoded images to keep on disk; a larger set is decoded anew in each epoch", low=0
    )
    snapshot: float = knob(15.0, "seconds between the snapshots that a killed run resumes from", low=0)
    trainer: str = knob("", "what the kit has no knob for, handed to Lightning's Trainer: KEY=VALUE, several with commas")
    profile: int = knob(0, "1: say where the time of training went", low=0, high=1)
    logger: str = knob("", "where an epoch's metrics go besides history.csv: tensorboard, mlflow, wandb, comet (with commas)")


@dataclass(frozen=True)
class NgramKnobs:
    """The n-gram model of texts (ngrams)."""

    ngrams: int = knob(3, "words of the longest n-grams of a text", low=1, high=5)
    iterations: int = knob(15, "iterations of the solver of the n-gram model (L-BFGS)", low=1)
    vectors: int = knob(0, "numbers of a text's vector, learned from all texts, unlabelled ones too; 0: none (ngrams)", low=0)
    inverse_penalty: float = knob(0.5, "C, the inverse weight of the n-gram model's penalty", low=1e-9)


@dataclass(frozen=True)
class BoostingKnobs:
    """Gradient boosting of tables (boosting)."""

    trees: int = knob(200, "rounds of boosting at most; above 10,000 rows it stops early by a tenth of the fold", low=1)
    leaves: int = knob(31, "leaves of a tree at most (boosting)", low=2)
    shrinkage: float = knob(0.05, "factor on every tree's answer: boosting's learning rate", low=1e-6, high=1)


@dataclass(frozen=True)
class TransformerKnobs:
    """Transformers of texts."""

    tokens: int = knob(512, "tokens that a transformer reads of a text, half from its head and half from its tail", low=8)


def chosen_from(about: Field[Any], names: Iterable[str]) -> Field[Any]:
    """An extensible knob with further choices, and no others than these."""
    return knob(
        **{**about.metadata, "default": about.default, "choices": (*about.metadata["choices"], *names), "extensible": False}
    )


GROUPS: tuple[type, ...] = (
    ModelKnobs, TrainingKnobs, DataKnobs, FoldKnobs, InferenceKnobs, MachineKnobs, NgramKnobs, BoostingKnobs, TransformerKnobs,
)  # fmt: skip


def names(*groups: type) -> set[str]:
    """The knobs of some groups."""
    return {field.name for group in groups for field in fields(group)}
