"""Texts: the texts of some rows, indexed like an array; their n-grams and vectors are computed once for all folds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.data import ngrams
from kit.data.texts import text_statistics
from kit.errors import listed

if TYPE_CHECKING:
    import pandas as pd


class Texts:
    """Texts indexed like an array: `texts[rows]` is a list of them. `memo`: what a model computes of them once, by its name.

    `vectors`: the `kit.data.text_embeddings.Vectors` of the run, where it has some.
    """

    inputs_kind = "text"
    unit = "texts"

    def __init__(self, texts: list[str]):
        self.texts = texts
        self.shape = (len(texts),)
        self._bags: dict[tuple[int, int], ngrams.Bags] = {}
        self.memo: dict[str, Any] = {}
        self.vectors: Any = None

    def __len__(self) -> int:
        return len(self.texts)

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts)

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, int | np.integer):
            return self.texts[rows]
        return [self.texts[i] for i in np.arange(len(self))[rows]]

    def bags(self, order: int, characters: int = 0) -> ngrams.Bags:
        """The distinct n-grams of each text: of words, and of characters where these are more than 0."""
        if (order, characters) not in self._bags:
            self._bags[order, characters] = ngrams.bags(self.texts, order, characters)
        return self._bags[order, characters]

    def plain(self) -> list[str]:
        """The texts without what makes no two texts different: case, line breaks, white space."""
        return [" ".join(text.lower().replace("<br />", " ").split()) for text in self.texts]

    def shown(self) -> list[str]:
        """Each row as people read it."""
        return list(self.texts)

    def remarks(self, name: str, ids: pd.Index) -> Iterator[tuple[str, bool]]:
        """Lines about these texts, each with whether it deserves attention. `name`: of the split; `ids` [n]."""
        lengths = [len(text) for text in self.texts]
        yield f"{name} texts of {np.median(lengths):,.0f} characters (median), the longest {max(lengths):,}", False
        empty = [row_id for row_id, text in zip(ids, self.texts, strict=True) if not text.strip()]
        if empty:
            yield f"{len(empty)} {name} texts are empty: ids {listed(empty)}", True

    def __add__(self, other: Texts) -> Texts:
        """These texts and the other's after them, with the vectors of these."""
        both = Texts([*self.texts, *other.texts])
        both.vectors = self.vectors
        return both

    def twins(self) -> np.ndarray:
        """A number per text, int64 [n]; texts that differ in case and white space at most share one."""
        number: dict[str, int] = {}
        return np.array([number.setdefault(text, len(number)) for text in self.plain()])

    def statistics(self) -> np.ndarray:
        """Facts of the texts' style, float32 [n, `text_statistics.COUNT`]; found once."""
        if "statistics" not in self.memo:
            self.memo["statistics"] = text_statistics.of(self.texts)
        found: np.ndarray = self.memo["statistics"]
        return found

    def forget(self) -> None:
        """Let go of the n-grams; who needs them again finds them again."""
        self._bags.clear()

    def points(self) -> np.ndarray:
        """The texts' vectors, float32 [n, d]; found once. Without any, d is 0."""
        if self.vectors is None:
            return np.zeros((len(self), 0), np.float32)
        vectors, points = self.memo.get("points", (None, None))
        if vectors is not self.vectors:
            points = self.vectors.of(self.bags(self.vectors.order))
            self.memo["points"] = (self.vectors, points)
        return points
