"""IMDB sentiment (Bag of Words Meets Bags of Popcorn): is a film review positive? A probability, AUC."""

from kit.competition import Competition
from kit.config import Config
from kit.inputs import Text
from kit.labels import Columns
from kit.metrics import auc

# Inner quotes are written \\". The ids of the original set end in the rating: they are never an input.
competition = Competition(
    slug="word2vec-nlp-tutorial",
    id="id",
    inputs=Text("review", delimiter="\t", escape="\\", unlabelled="unlabeledTrainData.tsv"),
    labels=Columns(("sentiment",)),
    metric=auc,
    train="labeledTrainData.tsv",
    test="testData.tsv",
    sample="sampleSubmission.csv",
)
presets = {
    "fast": Config(model="ngrams", epochs=1),
    "best": Config(model="ngrams", epochs=1, iterations=20, vectors=128, landmarks=4000),
}
