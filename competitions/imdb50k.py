"""IMDB sentiment from the 50,000-row CSV with columns review and sentiment; accuracy; a fifth is kept back as the test."""

from dataclasses import replace

from kit.competition import load
from kit.inputs import Text
from kit.labels import OneOf

_any = load("csv")
competition = replace(
    _any.competition,
    slug="imdb-dataset-of-50k-movie-reviews",
    inputs=Text("review"),
    labels=OneOf("sentiment", ("negative", "positive")),
    train="IMDB Dataset.csv",
    shape=None,
    suits=None,
)
presets = {name: _any.preset(name, ["text"]) for name in ("fast", "best")}
