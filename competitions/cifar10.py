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
presets = {
    "fast": Config(model="whitened", width=64, epochs=8, batch=512, label_smoothing=0.2, augment="light", views=6),
    "best": Config(model="whitened", width=128, epochs=40, batch=512, label_smoothing=0.2, augment="light", views=6),
}
