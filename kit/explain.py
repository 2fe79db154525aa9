"""Explain: the n-grams that push a text towards an answer, and away from it, as a table in the run's folder."""

from __future__ import annotations

from typing import Any

import numpy as np

from kit import frames, inference, ngrams
from kit.runs import Run

TOP = 30  # n-grams in each direction, for each answer
PART = 500  # texts searched for names at a time


def write(run: Run, texts: Any, columns: tuple[str, ...]) -> None:
    """Write `words.csv`: answer, n-gram, weight (the mean over the folds' models), number of training texts with it."""
    import pandas as pd

    models = inference.load_members(run)
    known, place = np.unique(np.concatenate([model.column.numpy() for model in models]), return_inverse=True)
    weight = np.zeros((len(known), len(columns)))
    for model, own in zip(models, np.split(place, np.cumsum([len(one.column) for one in models])[:-1]), strict=True):
        weight[own] += model.weight.detach().numpy() / len(models)
    bags = texts.bags(models[0].config.ngrams)
    rows = []
    for j, answer in enumerate(columns):
        order = np.argsort(weight[:, j], kind="stable")
        rows += [(answer, int(known[i]), weight[i, j]) for i in [*order[::-1][:TOP], *order[:TOP][::-1]]]
    wanted = sorted({column for _, column, _ in rows})
    code = np.full(1 << ngrams.BITS, len(wanted), np.uint16)
    code[wanted] = np.arange(len(wanted))
    count = dict(zip(wanted, np.bincount(code[bags.columns], minlength=len(wanted)).tolist(), strict=False))
    named = names(list(texts), set(wanted), models[0].config.ngrams)
    table = pd.DataFrame(
        [(answer, named[column], float(value), count[column]) for answer, column, value in rows if column in named],
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
