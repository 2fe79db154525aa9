"""APTOS 2019: diabetic retinopathy graded 0 to 4 from photographs of the retina, quadratic weighted kappa."""

from kit.competition import Competition
from kit.config import Config
from kit.inputs import Images
from kit.labels import Grade
from kit.metrics import qwk
from kit.recipes import PRETRAINED

competition = Competition(
    slug="aptos2019-blindness-detection",
    id="id_code",
    inputs=Images("train_images/{id}.png", test="test_images/{id}.png"),
    labels=Grade("diagnosis", top=4),
    metric=qwk,
    code=True,
)
presets = {
    "fast": Config(model="resnet18", size=128, epochs=6, batch=32, lr=1e-3, augment="photo", views=2),
    "best": PRETRAINED.preset(
        model="tf_efficientnet_b3", weights="hub", size=384, label_smoothing=0.0, augment="photo", views=8, view_kind="flips"
    ),
}
