"""Digit Recognizer (MNIST): 28×28 grey digits in columns of a CSV, accuracy."""

from kit.competition import Competition
from kit.config import Config
from kit.inputs import Pixels
from kit.labels import OneOf
from kit.metrics import accuracy
from kit.recipes import WHITENED

competition = Competition(
    slug="digit-recognizer",
    id="ImageId",
    inputs=Pixels(side=28),
    labels=OneOf("label", tuple("0123456789")),
    metric=accuracy,
)
presets = {
    "fast": Config(width=16, epochs=14, lr=2e-2, augment="heavy", views=5),
    "best": WHITENED.preset(model="whitened", width=48, epochs=8, ema=0.99, augment="heavy", views=5),
}
