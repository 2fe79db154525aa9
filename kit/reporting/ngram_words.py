"""Explain: the n-grams that push a text towards an answer, and away from it, as a table in the run's folder."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from kit.data import ngrams
from kit.data.texts import character_grams
from kit.inference import members
from kit.models.texts import ngram_matrix
from kit.storage import frames
from kit.storage.run_folder import Run

TOP = 30  # n-grams in each direction, for each answer
SPACE = "␣"
PART = 500  # texts searched for names at a time


def write(run: Run, texts: Any, columns: tuple[str, ...]) -> None:
    """Write `words.csv`: answer, n-gram, weight (the mean over the folds' models), number of training texts with it."""
    models = members.load_members(run)
    config, known = models[0].config, models[0].column.numpy()  # one layout serves all folds of a run
    weight = np.stack([model.weight.detach().numpy() for model in models]).mean(axis=0, dtype=np.float64)
    count = ngram_matrix.of(texts, config.ngrams, known, config.characters).counts()
    rows = []
    for j, answer in enumerate(columns):
        rising = np.argsort(weight[:, j], kind="stable")
        rows += [(answer, i, weight[i, j]) for i in [*rising[::-1][:TOP], *rising[:TOP][::-1]]]
    named = names(list(texts), {int(known[i]) for _, i, _ in rows}, config.ngrams, config.characters)
    table = pd.DataFrame(
        [(answer, named[known[i]], float(value), int(count[i])) for answer, i, value in rows if known[i] in named],
        columns=["answer", "ngram", "weight", "texts"],
    )
    frames.write_csv(run.path / "words.csv", table, index=False)


def names(texts: list[str], wanted: set[int], order: int, characters: int = 0) -> dict[int, str]:
    """The first n-gram met for each of these columns: words in lower case, or characters, with `SPACE` for the word's ends."""
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
        if characters:
            found = _inside(texts[start : start + PART], missing, characters) | found
    return found


def _inside(texts: list[str], wanted: np.ndarray, characters: int) -> dict[int, str]:
    """Character n-grams for some of these columns, as they are written in these texts."""
    every = character_grams.prepared(texts)
    whole, lengths = "".join(every), [n for n in range(2, characters + 1) for _ in ("lower", "written")]
    found: dict[int, str] = {}
    for (columns, _, first), length in zip(character_grams.grams(every, characters, ngrams.BITS), lengths, strict=True):
        for i in np.flatnonzero(np.isin(columns, wanted)):
            found.setdefault(int(columns[i]), whole[first[i] : first[i] + length].replace(" ", SPACE))
    return found
