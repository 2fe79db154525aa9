"""Plant Pathology 2020: four leaf conditions that exclude each other, a probability each, mean column AUC."""

from kit.competition import Competition
from kit.config import Config
from kit.inputs import Images
from kit.labels import Columns
from kit.metrics import auc
from kit.recipes import PRETRAINED

competition = Competition(
    slug="plant-pathology-2020-fgvc7",
    id="image_id",
    inputs=Images("images/{id}.jpg"),
    labels=Columns(("healthy", "multiple_diseases", "rust", "scab"), exclusive=True),
    metric=auc,
)
presets = {
    "fast": Config(model="resnet18", size=128, epochs=6, batch=32, lr=1e-3, augment="photo", views=2),
    "best": PRETRAINED.preset(
        model="tf_efficientnet_b3", weights="hub", size=384, label_smoothing=0.0, augment="photo", views=4
    ),
}
