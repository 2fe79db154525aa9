"""Plugs: what an adapter may bring of its own, each in a small adapter."""

from pathlib import Path
from typing import Any

from kit.competition import load
from kit.competition.synthetic import fabricate

ADAPTER = """
import albumentations as A
import torch
from pytorch_lightning.callbacks import EarlyStopping, LearningRateMonitor
from torch import nn

import kit
from kit.metrics import accuracy

competition = kit.Competition(
    slug="guest", id="image_id", inputs=kit.Images("images/{id}.png"), labels=kit.OneOf("breed"), metric=accuracy
)
"""
PLUGS = {
    "network": """
def build(channels, side, outputs, config):
    return nn.Sequential(nn.Conv2d(channels, config.width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
                         nn.Linear(4 * config.width, outputs))

networks = {"mine": build}
presets = {"fast": kit.Config(model="mine")}
""",
    "module, one method changed": """
class Mine(kit.ImageModule):
    architecture = "convnet"

    def training_step(self, batch, batch_idx):
        x, y = batch
        logits = self.logits(x)
        return self.stepped(batch, nn.functional.cross_entropy(logits, y), self.answers(logits.detach()))

modules = {"mine": Mine}
presets = {"fast": kit.Config(model="mine")}
""",
    "module": """
class Mine(kit.FoldModule):
    def __init__(self, config, labels, **facts):
        super().__init__(config, labels, **facts)
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(facts["channels"] * facts["side"] ** 2, self.labels.outputs))

    def logits(self, x):
        return self.net(x.float() / 255)

modules = {"mine": Mine}
presets = {"fast": kit.Config(model="mine")}
""",
    "augmentation of a batch": """
def noisy(pictures):
    return pictures.float() + 8 * torch.randn(pictures.shape, device=pictures.device)

augmentations = {"mine": noisy}
presets = {"fast": kit.Config(augment="mine")}
""",
    "augmentation of a picture": """
augmentations = {"mine": A.Compose([A.HorizontalFlip(p=0.5), A.RandomBrightnessContrast(p=1.0)])}
presets = {"fast": kit.Config(augment="mine", workers=0)}
""",
    "callback": """
class Doubled(LearningRateMonitor):
    pass

callbacks = [Doubled(logging_interval="epoch")]
""",
    "knob": """
class Mine(kit.ImageModule):
    architecture = "convnet"

    def training_step(self, batch, batch_idx):
        output = super().training_step(batch, batch_idx)
        return {**output, "loss": output["loss"] * self.config.alpha}

modules = {"mine": Mine}
knobs = {"alpha": kit.knob(0.25, "factor on the loss", low=0)}
presets = {"fast": kit.Config(model="mine", alpha=0.5)}
""",
}
PLUGS |= {
    "loss": """
def focal(logits, y):
    each = nn.functional.cross_entropy(logits, y, reduction="none")
    return ((1 - (-each).exp()) ** 2 * each).mean()

competition = kit.Competition(
    slug="guest", id="image_id", inputs=kit.Images("images/{id}.png"), labels=kit.OneOf("breed", loss=focal), metric=accuracy
)
""",
    "labels": """
class Mine(kit.OneOf):
    def loss(self, logits, y):
        return nn.functional.cross_entropy(logits / 2, y)

    def activation(self, logits):
        return (logits.float() / 2).softmax(dim=1)

competition = kit.Competition(
    slug="guest", id="image_id", inputs=kit.Images("images/{id}.png"), labels=Mine("breed"), metric=accuracy
)
""",
    "inputs": """
import numpy as np

class Mine(kit.Inputs):
    channels = 1

    def load(self, root, frame, split, size, keep=None):
        values = frame[["a", "b"]].to_numpy(float)
        grid = np.add.outer(np.arange(12), np.arange(12))
        waves = np.sin(values[:, :1, None] * grid) + np.cos(values[:, 1:, None] * grid)
        return kit.Loaded(((waves + 2) * 60).astype(np.uint8))

    def fabricate(self, root, ids, split, classes, rng):
        return {name: [f"{one + rng.normal(0, 0.1):.3f}" for one in classes] for name in ("a", "b")}

competition = kit.Competition(slug="guest", id="image_id", inputs=Mine(), labels=kit.OneOf("breed"), metric=accuracy)
""",
}
KNOBS: dict[str, Any] = {"width": 4, "epochs": 3, "batch": 8, "folds": 2, "precision": "fp32"}
MINE = "\npresets = {'fast': kit.Config(model='mine')}"


# Several in one adapter: each trip to other processes takes seconds, whatever the adapter brings.
TOGETHER = {
    "network, loss, augmentation of a batch, callback": "presets = {'fast': kit.Config(model='mine', augment='mine')}",
    "labels, augmentation of a picture": "",
    "inputs, module": "",
    "knob": "",
}


def write(plugs: str) -> None:
    """The adapter with these plugs (names with commas between), in `guest.py`; its fabricated files are in `data`."""
    text = PLUGS[plugs] if plugs in PLUGS else "".join(PLUGS[one] for one in plugs.split(", ")) + TOGETHER[plugs]
    Path("guest.py").write_text(ADAPTER + text)
    fabricate(load("guest.py").competition, Path("data"), train=24, test=10)


def preset_model() -> str:
    return load("guest.py").presets["fast"].model if "fast" in load("guest.py").presets else "convnet"
