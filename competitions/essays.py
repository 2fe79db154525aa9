"""Feedback Prize, English Language Learning: six scores of an essay from 1 to 5, mean columnwise root mean squared error."""

from kit.competition import Competition
from kit.config import Config
from kit.inputs.text import NGRAMS_BEST, Text
from kit.labels import Numbers
from kit.metrics import mcrmse

SCORES = ("cohesion", "syntax", "vocabulary", "phraseology", "grammar", "conventions")

competition = Competition(
    slug="feedback-prize-english-language-learning",
    id="text_id",
    inputs=Text("full_text"),
    labels=Numbers(SCORES, low=(1,) * 6, high=(5,) * 6),
    metric=mcrmse,
)
presets = {
    "fast": Config(model="ngrams", epochs=1, inverse_penalty=0.05),
    "best": NGRAMS_BEST.changed(vectors=0),
}
