"""Knobs: every choice of a run once, with its default, help and bounds, in the groups that `kit run --help` shows."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable
from dataclasses import Field, dataclass, field, fields
from typing import Any

POLICIES = (
    "none",
    "light",
    "medium",
    "heavy",
    "elastic",
    "trivial",
    "mixup",
    "cutmix",
    "photo",
)  # `kit.data.augmentation` has them
SCHEDULES = ("one-cycle", "linear", "cosine", "step", "plateau", "constant")  # `kit.models.optimizers.schedules` has them
TASKS = ("classes", "numbers", "grades", "probability", "tags")  # `kit.competition.detection.labels` has them
WRITTEN = ("delimiter", "quoting", "decimal", "encoding")  # knobs that say how tables are written
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

    model: str = knob(
        "convnet",
        "convnet, whitened, strip, reader or a timm model; texts: ngrams or a Hugging Face model; "
        "tables: mlp, tabm, lightgbm, xgboost or catboost",
    )
    width: int = knob(
        32,
        "channels of the first layer of convnet, whitened, strip and reader; units of each hidden layer of mlp and tabm",
        low=1,
    )
    dropout: float = knob(0.0, "dropout rate before the last layer", low=0, high=0.9)
    weights: str = knob(
        "",
        "pretrained weights: hub (download), a file, a folder, an installed package or a name on Kaggle (see `kit weights`)",
    )
    from_run: str = knob("", "folder of an earlier run; training starts from its backbone", flag="--from")
    strategy: str = knob(
        "full",
        "which layers are trained: all of them, only the head, or the head first and other layers later; probe: the head"
        " is fitted to features that the frozen backbone computes once for all folds",
        ("full", "freeze", "freeze-unfreeze", "gradual", "probe"),
    )
    unfreeze: int = knob(1, "first epoch, counted from 0, that trains more than the head (freeze-unfreeze, gradual)", low=0)
    freeze_norm: int = knob(
        0, "1: batch normalisation keeps the statistics that it begins with, those of the pretrained weights", low=0, high=1
    )
    layer_decay: float = knob(
        1.0,
        "factor on the learning rate from each layer to the layer before it; 1: all layers have the same rate",
        low=0,
        high=1,
    )
    gradient_checkpointing: int = knob(
        0, "1: use less memory by computing activations twice (timm models, transformers)", low=0, high=1
    )


@dataclass(frozen=True)
class TrainingKnobs:
    """The fit of a network: steps, learning rate, loss, averages."""

    epochs: int = knob(
        10, "number of passes over the training rows; auto: by the model and the number of rows", low=0, parse=auto_or(int)
    )
    batch: int = knob(
        256,
        "rows per optimizer step; auto: the fastest number on a CPU, the largest that fits into the memory of a GPU",
        low=0,
        parse=auto_or(int),
    )
    lr: float = knob(4e-3, "peak learning rate; auto: choose it by a range test", low=0, parse=auto_or(float))
    optimizer: str = knob("adamw", "algorithm of the optimizer", ("adamw", "sgd", "muon"))
    schedule: str = knob("one-cycle", "learning rate schedule", SCHEDULES)
    warmup: float = knob(0.25, "fraction of the schedule in which the learning rate rises", low=0, high=1)
    weight_decay: float = knob(0.05, "weight decay, for weights with two or more dimensions only", low=0)
    label_smoothing: float = knob(0.0, "label smoothing; 0: none", low=0, high=0.9)
    balance: int = knob(
        0, "1: an epoch shows each class equally often (of tags: the rarest that a row has), for rare classes", low=0, high=1
    )
    huber: float = knob(
        0.0, "Huber loss for numbers: larger errors than this many standard deviations count linearly; 0: squared error", low=0
    )
    ema: float = knob(
        0.99,
        "decay per step of the moving average of the weights, which makes the predictions; 0: no average",
        low=0,
        high=0.99999,
    )
    early_stop: int = knob(
        0, "stop a fold after this many validations without a better score, and keep its best weights; 0: never", low=0
    )
    checkpoint: str = knob(
        "end",
        "weights that a fold keeps; end: after the last step; best: with the best validation score (makes the score too good)",
        ("end", "best"),
    )
    val_every: int = knob(0, "epochs between validations; 0: validate after the last epoch only", low=0)
    accumulate: int = knob(1, "number of parts of a batch that go through the model one after another, to save memory", low=1)
    clip: float = knob(0.0, "largest norm of the gradient of a step (gradient clipping); 0: no limit", low=0)
    bias_lr: float = knob(1.0, "factor on the learning rate of biases", low=0)
    head_lr: float = knob(1.0, "factor on the learning rate of the last layer", low=0)


@dataclass(frozen=True)
class DataKnobs:
    """The rows: which, and how they are shown to the model."""

    size: int = knob(
        0,
        "height and width of the images in pixels; auto: the size that the files have, for a timm model one that suits it",
        low=0,
        parse=auto_or(int),
    )
    augment: str = knob(
        "none",
        "augmentation policy; photo uses albumentations in worker processes, the others work on whole batches",
        POLICIES,
        extensible=True,
    )
    mix_until: float = knob(
        0.75,
        "fraction of the epochs in which mixup and cutmix are on; they are off in the last ones; 1: always on",
        low=0,
        high=1,
    )
    crop: str = knob(
        "none",
        "part of the image that the model sees; ink: the box of pixels that differ between training images; none: all",
        ("none", "ink"),
    )
    limit: int = knob(0, "use only the first N training rows, for a trial run; 0: all rows", low=0)
    text: str = knob(
        "", "column that holds the text; empty: the data is a table of numbers, categories and dates (competition csv)"
    )
    target: str = knob("label", "column that holds the answer (competition csv)", flag="--target")
    delimiter: str = knob("auto", "sign between the fields of the tables: comma, tab, semicolon, pipe or itself; auto: found")
    quoting: str = knob(
        "auto",
        "how quotes within quotes are written in the tables; none: quotes are letters; auto: found in them",
        ("auto", "doubled", "backslash", "none"),
    )
    decimal: str = knob("auto", "decimal sign of numbers in the tables; auto: found in each column", ("auto", "point", "comma"))
    encoding: str = knob("auto", "encoding of the tables, such as cp1252; auto: UTF-8 or UTF-16, else Windows-1252")
    task: str = knob("", "what the answers are; empty: as the files show (competition csv)", ("", *TASKS))


@dataclass(frozen=True)
class FoldKnobs:
    """Folds, which models answer the test, and how predictions become answers."""

    folds: int = knob(5, "number of cross-validation folds", low=2)
    split: str = knob(
        "auto", "how rows are assigned to folds; auto: by the facts of the competition", ("auto", "plain", "time")
    )
    gap: str = knob(
        "0",
        "by time: training rows that are so close to the validation rows are left out; in the unit of the time column, or for"
        " dates a duration such as 7d",
    )
    folds_from: str = knob("", "the folds of another run (its folder), or of a file with the columns id and fold")
    kept_back: str = knob(
        "", "file with the columns id and part: training rows of the parts public and private are the test (see `kit shadow`)"
    )
    extra_weight: float = knob(
        1.0, "weight of the competition's extra rows, beside 1 for a training row; 0: they are left out", low=0
    )
    pseudo: str = knob(
        "", "folder of an earlier run with the same folds; each fold also trains on test rows, as that run's fold answers them"
    )
    pseudo_rows: str = knob(
        "test", "rows that --pseudo adds; all: the texts of the competition's table without answers too", ("test", "all")
    )
    pseudo_weight: float = knob(1.0, "weight of these rows, beside 1 for a training row; 0: they are left out", low=0)
    pseudo_share: float = knob(
        0.0,
        "share of these rows that train, those with the most certain answers; auto: half; all for n-grams and for numbers",
        low=0,
        high=1,
        parse=auto_or(float),
    )
    seed: int = knob(0, "seed of the folds, the initial weights, the order of rows and the augmentation", low=0)
    seeds: int = knob(
        1, "number of models per fold, which differ by their seed alone; their predictions are averaged, none is chosen", low=1
    )
    repeats: int = knob(
        1, "number of times that the rows are dealt to folds, with another seed each time; the predictions are averaged", low=1
    )
    final: str = knob(
        "folds",
        "models that predict the test set: those of the folds, one trained on all rows (refit), or both",
        ("folds", "refit", "both"),
    )
    decide: str = knob(
        "auto",
        "how predictions become answers; auto: by cut points, class weights, thresholds or a temperature that are learned on"
        " out-of-fold rows, where they raise the score by more than noise; none: as they are",
        ("auto", "none"),
    )


@dataclass(frozen=True)
class InferenceKnobs:
    """Test-time augmentation."""

    views: int = knob(1, "number of test-time augmentation views that are averaged in each prediction", low=1)
    view_kind: str = knob(
        "auto", "kind of test-time augmentation; auto: shifts, and mirror images where the competition allows them", VIEW_KINDS
    )


@dataclass(frozen=True)
class MachineKnobs:
    """This machine and this session: they change how a result is computed, hardly what it is."""

    time_budget: float = knob(
        0.0,
        "time limit of the run, such as 30m or 1h30m; the folds share it, and the schedule ends with it; 0: no limit",
        low=0,
        parse=seconds,
    )
    devices: str = knob("auto", "device that computes; auto: a GPU if there is one", ("auto", "cpu", "gpu"))
    precision: str = knob("auto", "floating-point precision; auto: what suits the device", ("auto", "fp32", "bf16", "fp16"))
    layout: str = knob(
        "auto", "memory format of image tensors; auto: what suits the device", ("auto", "channels_last", "contiguous")
    )
    deterministic: int = knob(
        0, "1: on a GPU only kernels that give the same bytes each time; what has none is refused by name", low=0, high=1
    )
    jobs: int = knob(
        0,
        "number of folds (or trials) trained at the same time, each in its own process; 0: one per GPU, or one on a CPU",
        low=0,
    )
    workers: int = knob(
        -1, "number of processes that decode or augment single images for a fold; -1: one per core, divided by --jobs", low=-1
    )
    on: str = knob("", "cluster that trains folds and trials: ray, ray://HOST:PORT or slurm; empty: this machine")
    cache_gb: float = knob(
        50.0, "largest size in gigabytes of the decoded images kept on disk; larger data is decoded again in each epoch", low=0
    )
    snapshot: float = knob(15.0, "seconds between snapshots; a killed run resumes from the last snapshot", low=0)
    trainer: str = knob("", "options of Lightning's Trainer that have no knob: KEY=VALUE (several separated by commas)")
    profile: int = knob(0, "1: print where the training time was spent", low=0, high=1)
    logger: str = knob(
        "", "services that also receive the metrics of each epoch: tensorboard, mlflow, wandb, comet (separated by commas)"
    )


@dataclass(frozen=True)
class NgramKnobs:
    """The n-gram model of texts (ngrams)."""

    ngrams: int = knob(3, "largest number of words in an n-gram (ngrams)", low=1, high=5)
    iterations: int = knob(15, "number of L-BFGS iterations (ngrams)", low=1)
    vectors: int = knob(
        0,
        "dimensions of the text vectors, learned from all texts without labels and added to the n-grams; 0: none (ngrams)",
        low=0,
    )
    landmarks: int = knob(
        0,
        "number of training texts whose vectors every text's vector is compared with, in a second regression whose logits are "
        "averaged with those of the n-grams; 0: none (ngrams with vectors)",
        low=0,
    )
    inverse_penalty: float = knob(
        0.5,
        "C, the inverse of the strength of the L2 penalty; auto: chosen in each training fold (ngrams)",
        low=0,
        parse=auto_or(float),
    )
    characters: int = knob(
        0, "largest number of characters in an n-gram inside words, beside those of words; 0: none (ngrams)", low=0, high=8
    )
    statistics: int = knob(
        0, "1: add numbers on a text's style: lengths, punctuation, capitals, variety of words (ngrams)", low=0, high=1
    )


@dataclass(frozen=True)
class BoostingKnobs:
    """Boosted trees of tables (lightgbm, xgboost, catboost)."""

    trees: int = knob(
        1000, "largest number of boosting rounds; a tenth of the training rows decides when to stop (boosted trees)", low=1
    )
    leaves: int = knob(15, "largest number of leaves of a tree; catboost's trees are log2 of it deep (boosted trees)", low=2)
    shrinkage: float = knob(
        0.1, "learning rate of boosting: the factor on the prediction of each tree (boosted trees)", low=1e-6, high=1
    )
    rows_share: float = knob(0.8, "share of the rows that each tree is grown on (boosted trees)", low=0.01, high=1)
    columns_share: float = knob(0.8, "share of the columns that each tree may ask for (boosted trees)", low=0.01, high=1)
    target_encoding: int = knob(
        20,
        "category columns of at least so many categories are encoded by the mean answer of each category too, learned inside "
        "the training fold without a row's own answer; 0: none (boosted trees)",
        low=0,
    )


@dataclass(frozen=True)
class TransformerKnobs:
    """Transformers of texts."""

    tokens: int = knob(
        512,
        "largest number of tokens; a longer text is cut in its middle (transformers)",
        low=8,
    )


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
