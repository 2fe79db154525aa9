"""Explain: the n-grams that push a text towards an answer, and away from it, as a table in the run's folder."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from kit.data import ngrams
from kit.inference import members
from kit.models.texts import ngram_matrix
from kit.storage import frames
from kit.storage.run_folder import Run

TOP = 30  # n-grams in each direction, for each answer
PART = 500  # texts searched for names at a time


def write(run: Run, texts: Any, columns: tuple[str, ...]) -> None:
    """Write `words.csv`: answer, n-gram, weight (the mean over the folds' models), number of training texts with it."""
    models = members.load_members(run)
    order, known = models[0].config.ngrams, models[0].column.numpy()  # one layout serves all folds of a run
    weight = np.stack([model.weight.detach().numpy() for model in models]).mean(axis=0, dtype=np.float64)
    count = ngram_matrix.of(texts, order, known).counts()
    rows = []
    for j, answer in enumerate(columns):
        rising = np.argsort(weight[:, j], kind="stable")
        rows += [(answer, i, weight[i, j]) for i in [*rising[::-1][:TOP], *rising[:TOP][::-1]]]
    named = names(list(texts), {int(known[i]) for _, i, _ in rows}, order)
    table = pd.DataFrame(
        [(answer, named[known[i]], float(value), int(count[i])) for answer, i, value in rows if known[i] in named],
        columns=["answer", "ngram", "weight", "texts"],
    )
    frames.write_csv(run.path / "words.csv", table, index=False)


def names(texts: list[str], wanted: set[int], order: int) -> dict[int, str]:
    """The first n-gram met for each of these columns, in lower case."""
    found: dict[int, str] = {}
    for start in range(0, len(texts), PART):
        if len(found) == len(wanted):
            break
        data = ngrams.prepared(texts[start : start + PART])
        blob = b"\0".join(data) + b"\0"
        hashed, text, first, last = ngrams.tokens(data)
        missing = np.array(sorted(wanted - set(found)))
        for length, (columns, place) in enumerate(ngrams.grams(hashed, text, order)):
            for i in np.flatnonzero(np.isin(columns, missing)):
                words = blob[first[place[i]] : last[place[i] + length] + 1]
                found.setdefault(int(columns[i]), words.decode("utf-8", "replace"))
    return found
