"""Config: every knob once, with its default, help and bounds; flags, environment and presets are made from it."""

import contextlib
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, asdict, dataclass, field, fields, replace
from typing import Any

from kit.errors import Usage, did_you_mean

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
) -> Any:
    """A dataclass field that knows its help text, its bounds (inclusive), its flag, where that is not its name, and how
    text is read, where that is not as its default's type reads it."""
    about = {"help": help, "choices": choices, "low": low, "high": high, "flag": flag, "parse": parse}
    return field(default=default, metadata=about)


def seconds(text: str) -> float:
    """`90`, `90s`, `30m`, `1h30m` as seconds. Raises ValueError for anything else."""
    with contextlib.suppress(ValueError):
        return float(text)
    found = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", text.strip())
    if not found or not text.strip():
        raise ValueError(text)
    return sum(float(part or 0) * unit for part, unit in zip(found.groups(), (3600, 60, 1), strict=True))


def time_limit(text: str | None) -> float | None:
    """`--time-budget` of a prediction in seconds; None where none is given. Raises Usage for anything else, and for no time."""
    if text is None:
        return None
    with contextlib.suppress(ValueError):
        if seconds(text) > 0:
            return seconds(text)
    raise Usage(f"--time-budget {text!r}: a time such as 90s, 20m or 1h30m is wanted.")


def auto_or(kind: type) -> Callable[[str], Any]:
    """What reads a number, or `auto` as 0."""
    return lambda text: kind(0) if text == "auto" else kind(text)


@dataclass(frozen=True)
class Config:
    """The choices of a run. Facts of a competition are not here; see `kit.competition.Competition`."""

    model: str = knob("convnet", "a timm model, convnet, whitened, strip, reader; ngrams, one of Hugging Face; mlp, boosting")
    width: int = knob(32, "channels of the kit's own nets' first layer, units of a layer of mlp", low=1)
    text: str = knob("", "the column of texts; none: a table of numbers, categories and dates (competition csv)")
    target: str = knob("label", "the column of answers (competition csv)", flag="--target")
    ngrams: int = knob(3, "words of the longest n-grams of a text", low=1, high=5)
    iterations: int = knob(15, "iterations of the solver of the n-gram model (L-BFGS)", low=1)
    vectors: int = knob(0, "numbers of a text's vector, learned from all texts, unlabelled ones too; 0: none (ngrams)", low=0)
    inverse_penalty: float = knob(0.5, "C, the inverse weight of the n-gram model's penalty", low=1e-9)
    trees: int = knob(200, "rounds of boosting at most; above 10,000 rows it stops early by a tenth of the fold", low=1)
    leaves: int = knob(31, "leaves of a tree at most (boosting)", low=2)
    shrinkage: float = knob(0.05, "factor on every tree's answer: boosting's learning rate", low=1e-6, high=1)
    weights: str = knob(
        "", "pretrained weights: hub, or a file or folder (safetensors, a state dict; a transformer's with its tokenizer)"
    )
    tokens: int = knob(512, "tokens that a transformer reads of a text, half from its head and half from its tail", low=8)
    from_run: str = knob("", "folder of a run whose backbone to begin with", flag="--from")
    strategy: str = knob("full", "which layers learn", ("full", "freeze", "freeze-unfreeze", "gradual"))
    unfreeze: int = knob(1, "the epoch from which more than the head learns (freeze-unfreeze, gradual)", low=0)
    layer_decay: float = knob(1.0, "factor on the learning rate per layer, from the head to the picture", low=0, high=1)
    size: int = knob(0, "side of the images in pixels; 0: as they are", low=0)
    crop: str = knob("none", "what a net sees; ink: the box of pixels in which training pictures differ", ("none", "ink"))
    epochs: int = knob(10, "passes over the training rows", low=1)
    time_budget: float = knob(
        0.0,
        "time for the whole run (30m, 1h30m), shared by its folds; the schedule ends with it; 0: none",
        low=0,
        parse=seconds,
    )
    early_stop: int = knob(0, "validations without a better score that end a fold, which keeps its best weights; 0: off", low=0)
    batch: int = knob(256, "rows per optimizer step; auto: the fastest here (CPU), what fits (GPU)", low=0, parse=auto_or(int))
    accumulate: int = knob(1, "parts of a batch that go through the model one after another, to save memory", low=1)
    gradient_checkpointing: int = knob(0, "1: compute activations twice (timm, transformers): less memory", low=0, high=1)
    lr: float = knob(4e-3, "peak learning rate; auto: by a range test", low=0, parse=auto_or(float))
    clip: float = knob(0.0, "largest norm of a step's gradient; 0: any", low=0)
    bias_lr: float = knob(1.0, "factor on the learning rate of biases", low=0)
    head_lr: float = knob(1.0, "factor on the learning rate of the last layer", low=0)
    optimizer: str = knob("adamw", "optimizer", ("adamw", "sgd", "muon"))
    schedule: str = knob("one-cycle", "course of the learning rate after its rise", SCHEDULES)
    weight_decay: float = knob(0.05, "weight decay, on weights of two or more dimensions only", low=0)
    warmup: float = knob(0.25, "share of the schedule in which the learning rate rises", low=0, high=1)
    label_smoothing: float = knob(0.0, "label smoothing", low=0, high=0.9)
    huber: float = knob(
        0.0, "numbers: errors beyond so many standard deviations count linearly (Huber 1964); 0: all squared", low=0
    )
    dropout: float = knob(0.0, "dropout before the last layer", low=0, high=0.9)
    ema: float = knob(0.99, "decay per step of the averaged weights that predict; 0: off", low=0, high=0.99999)
    augment: str = knob("none", "augmentation policy (photo: one by one, in workers)", POLICIES)
    folds: int = knob(5, "cross-validation folds", low=2)
    split: str = knob("auto", "how rows are dealt to folds; auto: by the competition's facts", ("auto", "plain", "time"))
    seed: int = knob(0, "seed of folds, weights, order and augmentation", low=0)
    views: int = knob(1, "test-time augmentation views averaged into each prediction", low=1)
    view_kind: str = knob("auto", "kind of views; auto: mirrored where that is allowed, and shifted", VIEW_KINDS)
    checkpoint: str = knob("end", "end: the schedule's last weights; best: by validation score (flatters)", ("end", "best"))
    final: str = knob("folds", "what answers the test: the folds, a refit on all rows, or both", ("folds", "refit", "both"))
    val_every: int = knob(0, "epochs between validations; 0: at the end only", low=0)
    precision: str = knob("auto", "arithmetic; auto: by the device", ("auto", "fp32", "bf16", "fp16"))
    layout: str = knob("auto", "memory format", ("auto", "channels_last", "contiguous"))
    devices: str = knob("auto", "where to compute", ("auto", "cpu", "gpu"))
    jobs: int = knob(0, "folds trained at a time, each in a process of its own; 0: one for each GPU, one on a CPU", low=0)
    workers: int = knob(-1, "processes that decode or augment images one by one; -1: as many as cores", low=-1)
    cache_gb: float = knob(
        50.0, "gigabytes of decoded images to keep on disk; a larger set is decoded anew in each epoch", low=0
    )
    snapshot: float = knob(15.0, "seconds between the snapshots that a killed run resumes from", low=0)
    profile: int = knob(0, "1: say where the time of training went", low=0, high=1)
    logger: str = knob("", "where an epoch's metrics go besides history.csv: tensorboard, mlflow, wandb, comet (with commas)")
    limit: int = knob(0, "use the first N training rows only (a trial run); 0: all", low=0)

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if type(value) is int and type(one.default) is float:
                object.__setattr__(self, one.name, float(value))  # `lr=1` in an adapter means 1.0
            _check(one, getattr(self, one.name))

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Config":
        """Undoes `json`; of an older version's, knobs that there were not yet have their default."""
        return cls(**plain)

    def changed(self, **knobs: Any) -> "Config":
        """This Config with other values. Raises Usage for an unknown knob or a value out of bounds."""
        for name in knobs:
            if name not in KNOBS:
                raise Usage(f"unknown knob {name!r}.{did_you_mean(name, KNOBS)}")
        return replace(self, **{name: _parse(KNOBS[name], value) for name, value in knobs.items()})

    def json(self) -> dict[str, Any]:
        """Plain values, in the order of the fields."""
        return asdict(self)


KNOBS: dict[str, Field] = {one.name: one for one in fields(Config)}
# These change how a result is computed, not what it is: a run may be resumed with other values.
IMMATERIAL = frozenset({"jobs", "workers", "snapshot", "cache_gb", "time_budget", "profile", "accumulate", "logger"})
# What only models that train by epochs heed, and what only the others do.
NETS = {
    "width", "weights", "tokens", "from_run", "strategy", "unfreeze", "layer_decay", "crop", "epochs", "early_stop", "batch",
    "accumulate", "gradient_checkpointing", "lr", "clip", "bias_lr", "head_lr", "optimizer", "schedule",
    "weight_decay", "warmup", "label_smoothing", "huber", "dropout", "ema", "augment", "checkpoint", "val_every",
}  # fmt: skip
OTHERS = {
    "ngrams": {"ngrams", "iterations", "vectors", "inverse_penalty", "label_smoothing"},
    "boosting": {"trees", "leaves", "shrinkage"},
}
AUTO = ("lr", "batch")  # 0 means that it is found when the run begins
PLACES = (
    "KIT_DATA",
    "KIT_MOUNT",
    "KIT_CACHE",
)  # environment variables for folders; see `kit.competition`, `kit.storage.array_cache`


def resolve(
    preset: Config, preset_name: str, flags: Mapping[str, Any], environ: Mapping[str, str] | None = None
) -> tuple[Config, dict[str, str]]:
    """The Config from flag > `KIT_*` environment > preset > default, and where each value came from."""
    environ = os.environ if environ is None else environ
    default = Config()
    origins = {
        name: f"preset {preset_name}" if getattr(preset, name) != getattr(default, name) else "default" for name in KNOBS
    }
    for variable in environ:
        if variable.startswith("KIT_") and variable not in (*map(_variable, KNOBS), *PLACES):
            raise Usage(f"unknown setting {variable} in the environment.{did_you_mean(variable, map(_variable, KNOBS))}")
    from_environment = {name: environ[_variable(name)] for name in KNOBS if environ.get(_variable(name))}
    config = preset.changed(**from_environment).changed(**flags)
    origins |= {name: _variable(name) for name in from_environment} | dict.fromkeys(flags, "flag")
    return config, origins


def given(flags: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> list[str]:
    """The knobs that flags or the environment set."""
    environ = os.environ if environ is None else environ
    return [name for name in KNOBS if name in flags or environ.get(_variable(name))]


def by_hand(origins: Mapping[str, str]) -> list[str]:
    """The same knobs as `given`, by where `resolve` says that their values came from."""
    return [name for name, origin in origins.items() if origin == "flag" or origin.startswith("KIT_")]


def heeded(name: str, model: str) -> bool:
    """Does a knob change anything for a model?"""
    return name in OTHERS.get(model, NETS) or not any(name in some for some in (NETS, *OTHERS.values()))


def vain(config: Config) -> list[str]:
    """What some of a Config's choices do to others that was hardly meant."""
    if not heeded("strategy", config.model):
        return []
    known, lines = config.weights or config.from_run, []
    if config.strategy != "full" and not known:
        lines.append(f"--strategy {config.strategy} freezes a backbone that has learned nothing: no --weights, no --from")
    if config.strategy in ("freeze-unfreeze", "gradual") and config.unfreeze >= config.epochs:
        lines.append(f"--unfreeze {config.unfreeze} is never reached in {config.epochs} epochs: only the head learns")
    if config.weights and config.from_run:
        lines.append("--from takes the place of --weights")
    return lines


def shown(name: str, value: Any) -> str:
    """A knob's value as one types it."""
    if name in AUTO and value == 0:
        return "auto"
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Lines such as `epochs: 3 → 5` for every material knob in which two saved configurations differ."""
    names = [name for name in {**old, **new} if name not in IMMATERIAL]
    differing = [name for name in names if old.get(name) != new.get(name)]
    return [f"{name}: {shown(name, old.get(name))} → {shown(name, new.get(name))}" for name in differing]


def _variable(name: str) -> str:
    return f"KIT_{name.upper()}"


def flag(one: Field) -> str:
    """`--weight-decay` for the field `weight_decay`."""
    return one.metadata["flag"] or "--" + one.name.replace("_", "-")


def switch(one: Field) -> bool:
    """Is it 0 or 1? Its flag alone means 1."""
    return type(one.default) is int and (one.metadata["low"], one.metadata["high"]) == (0, 1)


def _parse(one: Field, value: Any) -> Any:
    kind: type = type(one.default)
    if isinstance(value, str) and kind is not str:
        try:
            return (one.metadata["parse"] or kind)(value)
        except ValueError:
            wanted = (
                "a whole number" if kind is int else "a time such as 30m" if one.metadata["parse"] is seconds else "a number"
            )
            raise Usage(f"{flag(one)} {value!r}: {wanted} is wanted ({one.metadata['help']}).") from None
    return kind(value) if kind is float and isinstance(value, int) and not isinstance(value, bool) else value


def _check(one: Field, value: Any) -> None:
    if type(value) is not type(one.default):
        raise Usage(f"{flag(one)} {value!r}: a value like {one.default!r} is wanted.")
    choices, low, high = (one.metadata[key] for key in ("choices", "low", "high"))
    if choices and value not in choices:
        raise Usage(f"{flag(one)} {value!r}: one of {', '.join(choices)}.{did_you_mean(str(value), choices)}")
    if isinstance(value, float | int) and not (
        (low is None or value >= low) and (high is None or value <= high) and math.isfinite(value)
    ):
        bounds = f"at least {low:g}" if high is None else f"{low:g} to {high:g}"
        raise Usage(f"{flag(one)} {value}: must be {bounds}{'' if math.isfinite(value) else ', and finite'}.")
