"""Recipes: the knobs that suit each family of models, by the number of rows too. Loads no torch.

A preset is written for its own model. Whoever takes another one gets its recipe in place of what the preset had chosen.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kit.config import Config
from kit.knobs import BoostingKnobs, ModelKnobs, TrainingKnobs, names

# What a recipe decides. The other knobs of a preset belong to the data (augment, huber, views of a digit) or to the user.
KEPT = {"model", "weights", "from_run", "strategy", "unfreeze", "huber", "early_stop", "checkpoint", "val_every", "accumulate"}
DECIDED = names(ModelKnobs, TrainingKnobs, BoostingKnobs) - KEPT | {"size", "views"}
ATTENTION = ("vit", "deit", "beit", "eva", "cait", "xcit", "swin", "naflex", "davit", "maxvit", "coat", "crossvit", "pit_")
SMALL = 64  # pixels a side: such pictures are enlarged for a pretrained network
ENLARGED = 4  # times at most: 32 pixels a side become 128
STEP = 32  # pixels: the sides of pretrained networks are multiples of it


@dataclass(frozen=True)
class Recipe:
    """Knobs for a family of models. `rows` training rows take `passes` / √rows epochs, from `least` to `most`.

    The root is a rule of thumb: few rows need more passes over them, and yet fewer steps in all than many rows.
    """

    name: str
    knobs: Mapping[str, Any] = field(default_factory=dict)
    passes: float = 2500.0
    least: int = 8
    most: int = 100

    def over(self, preset: Config, smooth: bool = True) -> Config:
        """A preset with this recipe's values for all that a recipe decides; the number of epochs follows from the rows.

        `smooth`: is there a class a row to predict? Smoothing does harm where probabilities are scored.
        """
        default = Config()
        decided = {name: self.knobs.get(name, getattr(default, name)) for name in DECIDED}
        if not smooth:
            decided["label_smoothing"] = preset.label_smoothing
        return preset.changed(**{**decided, "epochs": self.knobs.get("epochs", 0)})

    def preset(self, rows: int = 0, **more: Any) -> Config:
        """A preset of this recipe; `more`: what the data asks for. Epochs as for `rows`, or found when the run begins."""
        return Config(**{"epochs": self.epochs(rows) if rows else 0, **self.knobs, **more})

    def epochs(self, rows: int) -> int:
        """Passes over so many training rows of a fold."""
        return max(self.least, min(self.most, round(self.passes / math.sqrt(max(1, rows)))))


CONVNET = Recipe("convnet", {"width": 32, "batch": 64, "lr": 1e-2})
WHITENED = Recipe(  # KellerJordan/cifar10-airbench
    "whitened",
    {
        "width": 64, "batch": 1000, "optimizer": "muon", "lr": 0.24, "bias_lr": 220.0, "head_lr": 3.5, "weight_decay": 0.0,
        "schedule": "linear", "warmup": 0.0, "label_smoothing": 0.2, "ema": 0.0, "views": 6,
    },
    passes=1600, least=8, most=60,
)  # fmt: skip
STRIP = Recipe("strip", {"width": 16, "batch": 32}, passes=1200, most=60)
READER = Recipe("reader", {"width": 12, "batch": 32, "lr": 6e-3}, passes=320, least=5, most=40)
SCRATCH = Recipe("network from scratch", {"batch": 32, "lr": 1e-3, "views": 2}, passes=1500, least=6, most=60)
PRETRAINED = Recipe(
    "pretrained network",
    {
        "batch": 32, "lr": 1e-3, "freeze_norm": 1, "layer_decay": 0.8, "head_lr": 5.0, "schedule": "cosine", "warmup": 0.1,
        "label_smoothing": 0.1, "ema": 0.98, "views": 2,
    },
    passes=200, least=3, most=20,
)  # fmt: skip
ATTENTIVE = Recipe("pretrained attention network", {**PRETRAINED.knobs, "lr": 5e-4, "layer_decay": 0.7, "clip": 1.0},
                   passes=200, least=3, most=20)  # fmt: skip
PROBE = Recipe("probe", {"epochs": 1, "views": 2})  # smoothed labels gain nothing, a mirror image does (lab book)
TRANSFORMER = Recipe(  # the customary start of fine-tuning (Devlin et al. 2019; Sun et al. 2019)
    "transformer",
    {"batch": 16, "lr": 5e-5, "weight_decay": 0.01, "schedule": "linear", "warmup": 0.1, "ema": 0.0, "head_lr": 10.0},
    passes=120, least=2, most=12,
)  # fmt: skip
MLP = Recipe(
    "mlp", {"width": 128, "batch": 256, "lr": 5e-3, "weight_decay": 0.3, "dropout": 0.1}, passes=1200, least=8, most=60
)
LIGHTGBM = Recipe("lightgbm", {"epochs": 1})
XGBOOST = Recipe("xgboost", {"epochs": 1})
CATBOOST = Recipe(  # it encodes categories itself, and its trees are alike in all branches, and so say less each
    "catboost",
    {
        "epochs": 1,
        "trees": 1000,
        "leaves": 64,
        "shrinkage": 0.05,
        "rows_share": 1.0,
        "columns_share": 1.0,
        "target_encoding": 0,
    },
)
NGRAMS = Recipe("ngrams", {"epochs": 1})  # heeds nothing of what a recipe decides
OWN = {one.name: one for one in (CONVNET, WHITENED, STRIP, READER, MLP, LIGHTGBM, XGBOOST, CATBOOST, NGRAMS)}
OWN["tabm"] = MLP  # perceptrons too; what suits one suits them


def of(config: Config, kind: str, own: Collection[str] = ()) -> Recipe | None:
    """The recipe of a Config's model for a kind of inputs; None for a model of an adapter's own (`own`), which has none."""
    if config.model in own:
        return None
    if kind == "text and table":
        return MLP
    if config.model in OWN and (kind != "text" or config.model == NGRAMS.name):
        return OWN[config.model]
    if kind == "text":
        return TRANSFORMER
    if config.strategy == "probe":
        return PROBE
    if not (config.weights or config.from_run):
        return SCRATCH
    return ATTENTIVE if config.model.startswith(ATTENTION) else PRETRAINED


def side(native: int, sides: Sequence[tuple[int, int]]) -> int:
    """Pixels a side for a network that was pretrained on pictures of `native` pixels; `sides`: height and width of some.

    Small pictures are enlarged, for what such a network sees first are edges of several pixels, but not to its whole size,
    which would take most of the time for no detail that is there.
    """
    largest = max((max(pair) for pair in sides), default=native)
    return native if largest > SMALL else min(native, STEP * -(-largest * ENLARGED // STEP))
