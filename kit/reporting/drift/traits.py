"""Traits: what may tell training rows from test rows: columns of a table, words and lengths of texts, colours of pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from kit.data import duplicates
from kit.inputs.base import kind_of
from kit.inputs.column_encoding import Encoding

BINS = 32  # intervals of a number, each with as many rows
ROWS_A_BIN = 20
WORDS, RARE = 50_000, 10  # words looked at; texts that must hold a word
TOKEN = r"\w+|[!?]"
SIDE = 8  # parts of a picture a side, whose brightness is looked at too
COLOURS = ("red", "green", "blue")


@dataclass(frozen=True)
class Trait:
    """`values` float64 [n, parts]: what a classifier reads, NaN where there is nothing; of a category, codes below 255.

    `codes` int64 [n]: the different values numbered, -1 where there is none; None where the values are measured.
    `shown`: is it named in messages?
    """

    name: str
    values: np.ndarray
    codes: np.ndarray | None = None
    category: bool = False
    shown: bool = True

    def bins(self) -> list[np.ndarray]:
        """Each part as small whole numbers, int64 [n]: equal values share one, and so do those that are near."""
        return [self.codes + 1] if self.category and self.codes is not None else [_binned(part) for part in self.values.T]


@dataclass(frozen=True)
class Words:
    """Which texts hold which words, a sparse matrix [n, words] of ones; and the same weighted for a classifier."""

    names: np.ndarray
    held: Any
    weighted: Any


def of(rows: Any) -> tuple[list[Trait], Words | None]:
    """The traits of rows: `Cells`, `Texts` or a list of pictures uint8 [n, h, w, c]; and the words of texts."""
    kind = kind_of(rows)
    if kind == "table":
        return _of_table(rows), None
    if kind == "text":
        return _of_texts(rows.texts), _words(rows.texts)
    return _of_pictures(rows), None


def _binned(values: np.ndarray) -> np.ndarray:
    said = np.isfinite(values)
    different, place = np.unique(values[said], return_inverse=True)
    most = max(2, min(BINS, len(values) // ROWS_A_BIN))
    if len(different) > most:
        edges = np.unique(np.quantile(values[said], np.linspace(0, 1, most + 1)[1:-1]))
        place = np.searchsorted(edges, values[said], side="right")
    bins = np.zeros(len(values), np.int64)
    bins[said] = place + 1
    return bins


def _of_table(cells: Any) -> list[Trait]:
    encoding = Encoding.learn(cells, np.arange(len(cells)))
    traits = [
        Trait(name, cells.numbers(name)[:, None], _numbered(cells, name) if _is_whole(cells.numbers(name)) else None)
        for name in encoding.numbers
    ]
    traits += [Trait(name, cells.parts(name, order)) for name, order in encoding.dates]
    for (name, _), codes in zip(encoding.categories, encoding.codes_of(cells), strict=True):
        traits.append(Trait(name, codes[:, None].astype(np.float64), _numbered(cells, name), category=True))
    return [replace(one, name=repr(one.name)) for one in traits]


def _is_whole(values: np.ndarray) -> bool:
    said = values[np.isfinite(values)]
    return bool((said == np.round(said)).all())


def _numbered(cells: Any, name: str) -> np.ndarray:
    codes, _ = cells.codes(name)
    return np.where(cells.blank(name), -1, codes)


def _of_texts(texts: list[str]) -> list[Trait]:
    counts = np.array(
        [
            [len(text), len(text.split()), sum(map(str.isupper, text)), sum(map(str.isdigit, text)), _marks(text)]
            for text in texts
        ],
        np.float64,
    )
    length = np.maximum(counts[:, 0], 1)
    facts = {
        "length": counts[:, 0],
        "number of words": counts[:, 1],
        "share of capitals": counts[:, 2] / length,
        "share of digits": counts[:, 3] / length,
        "share of punctuation": counts[:, 4] / length,
    }
    return [Trait(name, values[:, None]) for name, values in facts.items()]


def _marks(text: str) -> int:
    return sum(not (one.isalnum() or one.isspace()) for one in text)


def _words(texts: list[str]) -> Words | None:
    counter = CountVectorizer(binary=True, min_df=RARE, max_features=WORDS, token_pattern=TOKEN)
    try:
        held = counter.fit_transform(texts)
    except ValueError:  # no word is in so many of them
        return None
    return Words(counter.get_feature_names_out(), held.tocsc(), TfidfTransformer().fit_transform(held))


def _of_pictures(arrays: list[np.ndarray]) -> list[Trait]:
    parts = [_looks(some) for pictures in arrays for some in np.array_split(pictures, max(1, pictures.nbytes >> 26))]
    facts = {name: np.concatenate([one[name] for one in parts]) for name in parts[0] if all(name in one for one in parts)}
    traits = [Trait(name, values[:, None].astype(np.float64)) for name, values in facts.items()]
    if len({one.shape[1:] for one in arrays}) > 1:
        return traits
    thumbs = np.concatenate([duplicates.thumbnails(one) for one in arrays])
    side = round(thumbs.shape[1] ** 0.5)
    if side**2 == thumbs.shape[1] and side % SIDE == 0:
        step = side // SIDE
        thumbs = thumbs.reshape(-1, SIDE, step, SIDE, step).mean(axis=(2, 4)).reshape(len(thumbs), -1)
    return [*traits, Trait("the brightness of parts", thumbs.astype(np.float64), shown=False)]


def of_files(train: dict[str, np.ndarray], test: dict[str, np.ndarray]) -> list[Trait]:
    """Facts of both kinds of rows' files, without those that are the same for all."""
    facts = {name: np.concatenate([train[name], test[name]]) for name in train if name in test}
    return [Trait(name, values[:, None]) for name, values in facts.items() if len(np.unique(values[np.isfinite(values)])) > 1]


def _looks(pictures: np.ndarray) -> dict[str, np.ndarray]:
    some = pictures.astype(np.float32)
    grey = some.mean(axis=3)
    inner = grey[:, 1:-1, 1:-1]
    edge = (grey.sum(axis=(1, 2)) - inner.sum(axis=(1, 2))) / max(1, grey[0].size - inner[0].size)
    steps = np.abs(np.diff(grey, axis=1)).mean(axis=(1, 2)) + np.abs(np.diff(grey, axis=2)).mean(axis=(1, 2))
    facts = {"brightness": grey.mean(axis=(1, 2)), "contrast": grey.std(axis=(1, 2)), "sharpness": steps, "edge": edge}
    if some.shape[3] == len(COLOURS):
        facts |= {name: (some[..., i] - grey).mean(axis=(1, 2)) for i, name in enumerate(COLOURS)}
    return facts
