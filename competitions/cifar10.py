"""CIFAR-10: 32×32 colour photographs of ten things, accuracy."""

from kit.competition import Competition
from kit.config import Config
from kit.inputs import Images
from kit.labels import OneOf
from kit.metrics import accuracy

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

competition = Competition(
    slug="cifar-10",
    id="id",
    inputs=Images("train/{id}.png", test="test/{id}.png"),
    labels=OneOf("label", CLASSES),
    metric=accuracy,
    train="trainLabels.csv",
    test="",
    sample="sampleSubmission.csv",
)
# The recipe of KellerJordan/cifar10-airbench: whitening, Dirac, alternating flip, 2-px moves, Muon, six views.
record = Config(
    model="whitened", width=64, epochs=8, batch=1000, optimizer="muon", lr=0.24, bias_lr=220, head_lr=3.5, weight_decay=0,
    schedule="linear", warmup=0, label_smoothing=0.2, ema=0, augment="light", views=6,
)  # fmt: skip
# `best` is for a GPU: on two CPU cores one fold of it would take hours.
presets = {
    "fast": record,
    "best": record.changed(width=128, epochs=40, augment="cutmix", ema=0.99),
    "best-cpu": record.changed(epochs=12),
}
