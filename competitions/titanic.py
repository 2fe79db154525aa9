"""Titanic: who survived the shipwreck? A class, accuracy."""

from kit.competition import Competition
from kit.config import Config
from kit.inputs import Table
from kit.labels import OneOf
from kit.metrics import accuracy

competition = Competition(
    slug="titanic",
    id="PassengerId",
    inputs=Table(
        numbers=("Age", "SibSp", "Parch", "Fare"), categories=("Pclass", "Sex", "Embarked"), without=("Name", "Ticket")
    ),
    labels=OneOf("Survived", ("0", "1")),
    metric=accuracy,
    sample="gender_submission.csv",
)
presets = {
    "fast": Config(model="mlp", width=64, epochs=40, batch=64, lr=3e-3, weight_decay=0.3, dropout=0.2),
    "best": Config(model="mlp", width=128, epochs=80, batch=64, lr=3e-3, weight_decay=0.3, dropout=0.3),
}
