"""Export of several models of texts: their n-grams are looked up once, and each answers by those that it knows itself."""

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from torch.fx.experimental.proxy_tensor import make_fx

from kit.config import Config
from kit.data import text_embeddings
from kit.inputs.texts import Texts
from kit.labels import OneOf
from kit.models import prediction
from kit.models.graphs.gram_lookup import places
from kit.models.mixed import readers
from kit.models.texts.ngram_module import NgramModule

LABELS = OneOf("label", ("a", "b"))


@given(st.sets(st.integers(0, 70), max_size=70), st.lists(st.integers(0, 99), max_size=30))
def test_a_column_is_found_where_it_stands(known: set[int], columns: list[int]) -> None:
    standing = {column: place for place, column in enumerate(sorted(known))}
    found = places(torch.tensor(sorted(known), dtype=torch.int64), torch.tensor(columns, dtype=torch.int64))
    assert found.tolist() == [standing.get(column, len(known)) for column in columns]


def made(words: str, seed: int) -> tuple[Texts, np.ndarray]:
    """60 texts of these words; the first tells the answer."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, 60)
    texts = [" ".join([words.split()[one], *rng.choice(words.split(), 6)]) for one in y]
    return Texts(texts), y


def several(vectors: int) -> tuple[list[NgramModule], Texts]:
    """Models of different sets of texts, whose n-grams differ, and texts with those of both, of vectors alone, and of none."""
    config = Config(model="ngrams", vectors=vectors, ngrams=2, iterations=5, inverse_penalty=1.0, landmarks=5 if vectors else 0)
    sets = [made("good bad the film was", 0), made("fine dull this book was", 1)]
    further, _ = made("good dull unread words", 2)
    every = Texts([*sets[0][0], *sets[1][0], *further, "", "nothing known here"])
    learned = text_embeddings.learn(every.bags(2), 2, vectors, 0, lambda line: None) if vectors else None
    models = []
    for texts, y in sets:
        texts.vectors = learned
        model = readers.fitted(config, LABELS, texts, np.arange(60), y)
        model.vectors = learned
        models.append(model)
    every.vectors = learned
    return models, every


@pytest.mark.parametrize("vectors", [0, 4])
def test_members_that_know_different_n_grams_answer_each_by_its_own(vectors: int) -> None:
    models, every = several(vectors)
    first, second = (set(model.column.tolist()) for model in models)
    assert first - second and second - first and first & second
    if vectors:
        assert set(models[0].vectors.columns.tolist()) - first - second
    graph = NgramModule.graph(models, [1.0, 2.0])
    with torch.no_grad():
        got = graph(*graph.first.inputs(every, np.arange(len(every)))).numpy()
    own = [prediction.predict(model, every, None, models[0].config) for model in models]
    assert np.abs(own[0] - own[1]).max() > 0.1
    np.testing.assert_allclose(got, np.average(own, axis=0, weights=[1, 2]), atol=1e-6)


def test_n_grams_are_searched_once_whatever_the_number_of_members() -> None:
    models, every = several(4)
    compared = []
    for count in (1, 4):
        graph = NgramModule.graph(models[:1] * count, [1.0] * count)
        with torch.no_grad():
            traced = make_fx(graph)(*graph.first.inputs(every, np.arange(9)))
        compared.append(sum(node.target == torch.ops.aten.le.Tensor for node in traced.graph.nodes))
    assert compared[0] == compared[1] > 3
