"""Families: what the kit's models have in common with each other, and which knobs each of them heeds. Loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kit import knobs, resources
from kit.config import KNOBS, Config
from kit.errors import Usage, did_you_mean, install
from kit.parts import NONE, Parts

if TYPE_CHECKING:
    from kit.models.base import FoldModel

SHARED = {
    "model", "limit", "text", "target", "task", *knobs.names(knobs.FoldKnobs),
    *(knobs.names(knobs.MachineKnobs) - {"layout", "workers", "cache_gb"}),
}  # fmt: skip
PICTURES = knobs.names(knobs.DataKnobs, knobs.ModelKnobs, knobs.TrainingKnobs, knobs.InferenceKnobs, knobs.MachineKnobs)
TUNED = ("lr", "weight_decay", "label_smoothing")
# What a probe, one convex fit, does not heed, and what takes the place of some of it.
UNPROBED = (knobs.names(knobs.TrainingKnobs) - {"label_smoothing", "huber"}) | {
    "dropout", "unfreeze", "layer_decay", "gradient_checkpointing", "augment", "workers", "snapshot",
}  # fmt: skip
EXTRAS = {"transformers": "text", "tokenizers": "text"}  # libraries that modules import, and where they come from
PROBED = {"epochs": 1, "ema": 0.0, "val_every": 0, "early_stop": 0, "checkpoint": "end", "gradient_checkpointing": 0}


@dataclass(frozen=True)
class Family:
    """Models that are one module. `module`: where its class is; `names`: what `--model` calls them, none: by other names.

    `heeds`: the knobs that change something for it; `tuned`: those that `kit tune` tries unasked; `one_step`: is a fit one
    step on all rows, on the CPU? `precise`: does it compute in fp32 unless told otherwise? `plain`: is channels_last none of
    its memory formats? `words`: does it learn which n-grams count, which a run lists? `backbone`: may it end in a probe
    (`--strategy probe`)? `probing`: is it one? `mixed`: does it learn from columns beside the pictures or texts?
    """

    name: str
    module: str
    heeds: frozenset[str]
    names: tuple[str, ...] = ()
    tuned: tuple[str, ...] = TUNED
    one_step: bool = False
    precise: bool = False
    plain: bool = False
    words: bool = False
    backbone: bool = False
    probing: bool = False
    mixed: bool = False

    def learns_vectors(self, config: Config) -> bool:
        """Does a run with these choices learn vectors of n-grams from all its texts?"""
        return config.vectors > 0 and "vectors" in self.heeds

    def load(self) -> type[FoldModel]:
        """The class of its modules. Imports torch. Raises Usage where a library of an extra is missing that they import."""
        place, _, name = self.module.partition(":")
        try:
            with resources.importing():
                return getattr(import_module(place), name)
        except ModuleNotFoundError as fault:
            if fault.name not in EXTRAS:
                raise
            extra = EXTRAS[fault.name]
            raise Usage(f"--model: {fault.name} is not installed: {install(extra)}.") from None

    def by(self, strategy: str, model: str) -> Family:
        """The family as `--strategy` has its models learn. Raises Usage for a probe of one that has no backbone."""
        if strategy != "probe":
            return self
        if not self.backbone:
            raise Usage(f"--strategy probe: {model} has no backbone to fit a head to. Leave it out, or take another --model.")
        return replace(self, heeds=self.heeds - UNPROBED, tuned=("label_smoothing",), probing=True)


IMAGE = Family("image", "kit.models.images.image_module:ImageModule", frozenset(PICTURES | SHARED), backbone=True)
READER = Family(
    "reader", "kit.models.images.reader_module:ReaderModule",
    frozenset((PICTURES | SHARED) - {"label_smoothing", "huber", "balance", "mix_until"}),
    names=("reader",), tuned=("lr", "weight_decay"),
)  # fmt: skip
NGRAMS = Family(
    "ngrams", "kit.models.texts.ngram_module:NgramModule",
    frozenset(SHARED | knobs.names(knobs.NgramKnobs) | {"label_smoothing"}),
    names=("ngrams",), tuned=("inverse_penalty",), one_step=True, plain=True, words=True,
)  # fmt: skip
TRANSFORMER = Family(
    "transformer", "kit.models.texts.transformer_module:TransformerModule",
    frozenset(SHARED | knobs.names(knobs.ModelKnobs, knobs.TrainingKnobs, knobs.TransformerKnobs) - {"width"} | {"views"}),
    plain=True, backbone=True,
)  # fmt: skip
MLP = Family(
    "mlp", "kit.models.tables.mlp_module:MLPModule",
    frozenset(
        SHARED | knobs.names(knobs.TrainingKnobs) | {"width", "dropout", "from_run", "strategy", "unfreeze", "layer_decay"}
    ),
    names=("mlp",), tuned=("lr", "weight_decay", "dropout", "width"), precise=True, plain=True,
)  # fmt: skip
TABM = replace(MLP, name="tabm", module="kit.models.tables.tabm_module:TabMModule", names=("tabm",))
PERCEPTRONS = (MLP, TABM)
BOOSTED: dict[str, Any] = {
    "heeds": frozenset(SHARED | knobs.names(knobs.BoostingKnobs)), "tuned": ("shrinkage", "leaves", "trees"), "one_step": True,
    "plain": True,
}  # fmt: skip
LIGHTGBM = Family("lightgbm", "kit.models.tables.lightgbm_module:LightGBMModule", names=("lightgbm",), **BOOSTED)
XGBOOST = Family("xgboost", "kit.models.tables.xgboost_module:XGBoostModule", names=("xgboost",), **BOOSTED)
CATBOOST = Family("catboost", "kit.models.tables.catboost_module:CatBoostModule", names=("catboost",), **BOOSTED)
TREES = (LIGHTGBM, XGBOOST, CATBOOST)
PICTURES_AND_TABLE = Family(
    "pictures and columns", "kit.models.mixed.picture_module:PictureTableModule", frozenset(PICTURES | SHARED), mixed=True
)
TEXT_AND_TABLE = Family(
    "texts and columns", "kit.models.mixed.text_module:TextTableModule",
    frozenset((MLP.heeds - {"from_run", "strategy", "unfreeze", "layer_decay"}) | knobs.names(knobs.NgramKnobs)),
    names=("ngrams",), tuned=("lr", "weight_decay", "dropout", "width"), precise=True, plain=True, mixed=True,
)  # fmt: skip
BY_KIND: dict[str, tuple[Family, ...]] = {
    "text": (NGRAMS, TRANSFORMER), "table": (*PERCEPTRONS, *TREES), "text and table": (TEXT_AND_TABLE,),
    "images and table": (PICTURES_AND_TABLE,),
}  # else pictures  # fmt: skip


def of(model: str, kind: str, reading: bool = False, parts: Parts = NONE) -> Family:
    """The family of `--model` for a kind of inputs; `reading`: are the labels a text to be read?

    Raises Usage for a model of other inputs or answers. A module of an adapter's own heeds every knob, as far as the kit can
    tell.
    """
    if model in parts.modules:
        return Family(model, "", frozenset({*KNOBS, *parts.knobs}), names=(model,), backbone=True)
    choice = BY_KIND.get(kind, (READER,) if reading else (IMAGE,))
    if choice == (IMAGE,) and model in READER.names:
        raise Usage(f"--model {model}: reads a text that is drawn; these pictures' answers are no text. Try convnet.")
    if choice[0].mixed:
        _refuse_unmixed(model, choice[0], reading)
    for family in choice:
        if model in family.names or not family.names:
            return family
    known = [*(name for family in choice for name in family.names), *parts.modules]
    if reading:
        raise Usage(f"--model {model}: does not read; texts are read by --model reader.")
    raise Usage(f"--model {model}: for a {kind} there are {', '.join(known[:-1])} and {known[-1]}.{did_you_mean(model, known)}")


def _refuse_unmixed(model: str, family: Family, reading: bool) -> None:
    """Raise Usage for a model of one part's kind, or of neither, that does not learn from both."""
    if reading:
        raise Usage(f"inputs: a text that is read is read from its picture alone; these inputs are {family.name}.")
    alone = {name: "columns" for one in (*PERCEPTRONS, *TREES) for name in one.names} | {READER.names[0]: "pictures of texts"}
    alone |= {} if family.names else {NGRAMS.names[0]: "texts"}
    if model in alone:
        raise Usage(f"--model {model}: learns from {alone[model]} alone; these inputs are {family.name}.")
    if family.names and model not in family.names:
        raise Usage(f"--model {model}: does not learn from {family.name}; --model {family.names[0]} does.")


def smallest(kind: str, reading: bool = False) -> str:
    """What `--model` says for the kit's own model of a kind of inputs that is tried the fastest."""
    choice = BY_KIND.get(kind, (READER,) if reading else (IMAGE,))
    return choice[0].names[0] if choice[0].names else "convnet"


def vain(config: Config, family: Family) -> list[str]:
    """What some of a Config's choices do to others that was hardly meant."""
    if "landmarks" in family.heeds and config.landmarks and not config.vectors:
        return ["--landmarks compares texts by their vectors, so it changes nothing without --vectors"]
    if "strategy" not in family.heeds:
        return []
    known, lines = config.weights or config.from_run, []
    if config.strategy != "full" and not known:
        lines.append(f"--strategy {config.strategy} freezes random weights, as neither --weights nor --from is given")
    if config.strategy in ("freeze-unfreeze", "gradual") and config.unfreeze >= config.epochs:
        lines.append(f"--unfreeze {config.unfreeze} is beyond the last of {config.epochs} epochs, so only the head is trained")
    if config.weights and config.from_run:
        lines.append("--weights is ignored, as --from is given")
    return lines


def grouped(heeded: Sequence[str] | frozenset[str], own: dict[str, Any] | None = None) -> dict[str, list[str]]:
    """The heeded knobs by the headings that `kit run --help` shows; those of an adapter's own first."""
    groups = {str(group.__doc__): [field.name for field in fields(group)] for group in knobs.GROUPS}
    shown = {heading: [name for name in names if name in heeded] for heading, names in groups.items()}
    first = {"This adapter's own.": list(own)} if own else {}
    return {**first, **{heading: names for heading, names in shown.items() if names}}
