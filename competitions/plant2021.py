"""Plant Pathology 2021: any number of leaf diseases as tags in one cell, mean F1 of the rows."""

from kit.competition import Competition
from kit.config import Config
from kit.inputs import Images
from kit.labels import Tags
from kit.metrics import f1_samples
from kit.recipes import PRETRAINED

competition = Competition(
    slug="plant-pathology-2021-fgvc8",
    id="image",
    inputs=Images("train_images/{id}", test="test_images/{id}"),
    labels=Tags("labels"),
    metric=f1_samples,
    test="",
    code=True,
)
presets = {
    "fast": Config(model="resnet18", size=128, epochs=6, batch=32, lr=1e-3, augment="photo", views=2),
    "best": PRETRAINED.preset(
        model="tf_efficientnet_b3", weights="hub", size=384, label_smoothing=0.0, augment="photo", views=4
    ),
}
