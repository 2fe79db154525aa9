"""CIFAR-10: 32×32 colour photographs of ten things, accuracy."""

from kit.competition import Competition
from kit.inputs import Images
from kit.labels import OneOf
from kit.metrics import accuracy
from kit.recipes import WHITENED

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
record = WHITENED.preset(model="whitened", epochs=8, augment="light")
# `best` is for a GPU: on two CPU cores one fold of it would take hours.
presets = {
    "fast": record,
    "best": record.changed(width=128, epochs=40, augment="cutmix", ema=0.99),
    "best-cpu": record.changed(epochs=12),
}
