"""RANZCR CLiP: the places of catheters and tubes in chest X-rays, eleven probabilities, mean AUC; grouped by patient."""

from kit.competition import Competition
from kit.config import Config
from kit.inputs import Images
from kit.labels import Columns
from kit.metrics import auc
from kit.recipes import PRETRAINED

ETT, NGT = ("Abnormal", "Borderline", "Normal"), ("Abnormal", "Borderline", "Incompletely Imaged", "Normal")
PLACES = [*(f"ETT - {one}" for one in ETT), *(f"NGT - {one}" for one in NGT), *(f"CVC - {one}" for one in ETT)]

competition = Competition(
    slug="ranzcr-clip-catheter-line-classification",
    id="StudyInstanceUID",
    inputs=Images("train/{id}.jpg", test="test/{id}.jpg", mirror=False),  # left and right are what it is about
    labels=Columns((*PLACES, "Swan Ganz Catheter Present")),
    metric=auc,
    test="",
    group="PatientID",
    code=True,
)
presets = {
    "fast": Config(model="resnet18", size=128, epochs=5, batch=32, lr=1e-3, augment="medium", views=1),
    "best": PRETRAINED.preset(
        model="seresnet50", weights="hub", size=512, batch=16, lr=5e-4, label_smoothing=0.0, augment="medium", views=5
    ),
}
